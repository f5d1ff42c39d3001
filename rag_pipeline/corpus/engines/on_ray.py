"""Embedding on a Ray cluster: parts out, fragments in, commits by this process alone.

This process, a worker, or a node may be killed at any moment: what was committed stays, and what was not is found missing
by the next run.
"""

import time
from dataclasses import asdict, dataclass
from functools import partial

from rag_pipeline.corpus.engines import base
from rag_pipeline.corpus.engines.cluster import Cluster
from rag_pipeline.corpus.engines.handover import addresses_of
from rag_pipeline.corpus.engines.parts import Part, parts_of
from rag_pipeline.corpus.engines.ray_process import Answer, RayProcess, check_installed
from rag_pipeline.corpus.engines.worker import orders_of
from rag_pipeline.corpus.missing import wrongly_stored
from rag_pipeline.errors import HomeUnreachable, PipelineError
from rag_pipeline.files import file_sha256
from rag_pipeline.lake import Fragment
from rag_pipeline.mirrored import came, changing
from rag_pipeline.process import release_memory
from rag_pipeline.progress import Advance, progress
from rag_pipeline.storage.patience import patiently

_LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class RayEngine:
    """The workers of a Ray cluster, each with the model."""

    cluster: Cluster
    name: str = "ray"

    def embed(self, task: base.Task) -> None:
        check_installed()
        scratch, count = task.home.scratch, task.missing.count
        with parts_of(task.home, task.missing, self.cluster.part) as parts:
            release_memory()
            handover = addresses_of(task.home, task.table.path)
            orders = orders_of(task.model, self.cluster.model, task.control, handover, self.cluster.worker_cpus)
            told = {**asdict(self.cluster), "orders": orders.as_json(), "parts": [part.name for part in parts]}
            characters = sum(part.characters for part in parts)
            with progress("embedding on Ray", count, unit="texts", work=characters) as advance, RayProcess(told) as ray:
                _Run(task, self.cluster, ray, {part.name: part for part in parts}).work(advance)
        none, several = wrongly_stored(task.table, task.missing, task.model.fingerprint, scratch)
        if none or several:
            raise PipelineError(
                f"of {count:,} texts that were embedded on Ray, {none:,} have no vector in the table and {several:,} have "
                "more than one; `rag refresh` embeds what is missing, `rag verify --repair` looks at the table"
            )


class _Run:
    """One run: which parts are left, and which fragments wait for the next commit."""

    def __init__(self, task: base.Task, cluster: Cluster, ray: RayProcess, left: dict[str, Part]) -> None:
        self._task, self._cluster, self._ray, self._left = task, cluster, ray, left
        self._waiting: list[Fragment] = []
        self._committed = self._heard = time.monotonic()

    def work(self, advance: Advance) -> None:
        """Until no part is left. Raises `PipelineError`; what came before is committed all the same."""
        try:
            while self._left:
                if answer := self._ray.next(self._patience()):
                    self._heard = time.monotonic()
                    if part := self._left.pop(str(answer["part"]), None):  # each part's answer comes once
                        self._waiting.append(self._fragment(answer))
                        advance(part.texts, part.characters)
                elif time.monotonic() - self._heard >= self._cluster.stall_s:
                    raise PipelineError(self._stalled())
                if self._waiting and time.monotonic() - self._committed >= base.COMMIT_EVERY_S:
                    self._commit()
        finally:
            self._commit()

    def _patience(self) -> float:
        """Seconds to wait for an answer: until something else is due."""
        due = min(self._heard + self._cluster.stall_s, time.monotonic() + _LOOK_S)
        if self._waiting:
            due = min(due, self._committed + base.COMMIT_EVERY_S)
        return due - time.monotonic()

    def _commit(self) -> None:
        if self._waiting:
            try:
                self._task.table.commit(self._waiting)
            except HomeUnreachable as error:
                if not error.may_pass:
                    raise
                patiently(self._carry)
            self._waiting.clear()
        self._committed = time.monotonic()

    def _carry(self) -> None:
        """A commit again that the bucket was away for: what was committed in the copy here is carried, not made anew."""
        table = self._task.table
        with changing(table.path):
            there = {file for file, _, _ in table.data_files()} if table.exists else set()
            if missing := [one for one in self._waiting if table.path / one.path not in there]:
                table.commit(missing)

    def _fragment(self, answer: Answer) -> Fragment:
        fragment = Fragment(
            str(answer["path"]), answer["rows"], answer["size_bytes"], (("model", self._task.model.fingerprint),)
        )
        file, home = self._task.table.path / fragment.path, self._task.home
        if not home.uri:
            if not file.is_file() or file.stat().st_size != fragment.size_bytes:
                raise PipelineError(
                    f"a worker wrote {fragment.path} ({fragment.size_bytes:,} bytes) below {self._task.table.path}, and it "
                    "is not there on this machine; RAG_HOME must lie where every node of the cluster sees it"
                )
            return fragment
        patiently(partial(came, file))
        if not file.is_file() or file_sha256(file) != answer["sha256"]:
            raise PipelineError(
                f"a worker put {fragment.path} ({fragment.size_bytes:,} bytes) below {home}/{home.name_of(file.parents[1])}"
                ", and the bucket does not have it with these bytes; see who else writes there, and run it again"
            )
        return fragment

    def _stalled(self) -> str:
        parts = ", ".join(list(self._left)[:3]) + (", …" if len(self._left) > 3 else "")
        return (
            f"no worker finished a part for {self._cluster.stall_s:g} s (RAG_EMBED_STALL_S), with {self._ray.cluster}; "
            f"{len(self._left):,} parts are left ({parts}). What came was committed, the next `rag refresh` goes on from "
            "there. Look at the workers (`ray status`), ask for fewer or smaller ones (RAG_EMBED_WORKERS, "
            "RAG_EMBED_WORKER_CPUS, RAG_EMBED_WORKER_GPUS), or set RAG_EMBED_ENGINE=local"
        )
