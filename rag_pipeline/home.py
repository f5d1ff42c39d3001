"""Where things lie below `RAG_HOME`, and which locks keep them: the one place that names its files and folders."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import exclusive

LAKE, RELEASES = "lake", "releases"
"""The folders whose paths an error may quote: what lies below them is told by its name there."""

MANIFEST_FILE, CHUNKS_FILE, CANARY_FILE = "manifest.json", "chunks.parquet", "canary.parquet"
CHROMA_FOLDER, LEXICAL_FOLDER, CONTRACTS_FOLDER = "chroma", "lexical", "contracts"
"""What a release's folder holds; its manifest lists the other files by these names."""

DATABASE, SEALED_DATABASE = "chroma.sqlite3", "sealed.sqlite3"
"""The file that Chroma looks for in a folder it is given, and the name it has in a release, where Chroma is to find none."""

DAGSTER_CONFIG = "dagster.yaml"
"""What Dagster's own folder is known by."""

Lock = Literal["home", "refresh", "alerts", "keys", "withdrawn", "releases", "evidence", "channels", "tries"]

_LOCKS: dict[Lock, tuple[str, str]] = {
    "home": (".", "home"),
    "refresh": (".", "refresh"),
    "alerts": (".", "alerts"),
    "keys": (".", "keys"),
    "withdrawn": (".", "withdrawn"),
    "releases": (RELEASES, "build"),
    "evidence": ("evidence", "keep"),
    "channels": ("channels", "move"),
    "tries": ("tries", "work"),
}
"""What is written by one process at a time -> its folder, and the name its lock has there."""


def exporting(exports: Path, *, wait_s: float) -> AbstractContextManager[None]:
    """The lock of `Home.exclusive`, for the folder of exported graphs: a model knows that place alone."""
    return exclusive(exports, "export", wait_s=wait_s)


def _is_a_file_name(one: str) -> bool:
    return bool(one) and not one.startswith(".") and Path(one).name == one


@dataclass(frozen=True, slots=True)
class Home:
    """One pipeline's `RAG_HOME`. A path of it is there or not: nothing here makes, reads or removes anything.

    `uri`: its address, if it lies in a bucket; `root` is this machine's copy of it then (`rag_pipeline/storage/`).
    """

    root: Path
    uri: str = ""

    def __str__(self) -> str:
        return self.uri or str(self.root)

    def name_of(self, path: Path) -> str:
        """The name of what lies in this home, as it is told: its path below the home."""
        return path.relative_to(self.root).as_posix()

    @property
    def mark(self) -> Path:
        """The file that says whose folder this is (`home_mark.py`)."""
        return self.root / ".rag-home.json"

    @property
    def lake(self) -> Path:
        """The first five of its tables hold one table a source, in a folder of its name."""
        return self.root / LAKE

    @property
    def documents(self) -> Path:
        return self.lake / "documents"

    @property
    def quarantine(self) -> Path:
        """Rows stand there as they were found, private values and all: no other account may read them."""
        return self.lake / "quarantine"

    @property
    def listings(self) -> Path:
        return self.lake / "listings"

    @property
    def loads(self) -> Path:
        return self.lake / "loads"

    @property
    def withdrawals(self) -> Path:
        return self.lake / "withdrawals"

    @property
    def erased(self) -> Path:
        return self.lake / "erased"

    @property
    def chunks(self) -> Path:
        return self.lake / "chunks"

    @property
    def vectors(self) -> Path:
        return self.lake / "vectors"

    @property
    def query_vectors(self) -> Path:
        return self.lake / "query_vectors"

    @property
    def evaluations(self) -> Path:
        return self.lake / "evaluations"

    @property
    def evidence_heads(self) -> Path:
        """Which evidence is the newest of each release, so that removing a file shows."""
        return self.lake / "evidence"

    @property
    def audit(self) -> Path:
        return self.lake / "audit"

    def table_name(self, table: Path) -> str:
        """A table's name below the lake: `chunks`, or `documents/handbook`."""
        return table.relative_to(self.lake).as_posix()

    @property
    def releases(self) -> Path:
        return self.root / RELEASES

    def release(self, release_id: str) -> Path:
        return self.releases / release_id

    def manifest(self, release_id: str) -> Path:
        return self.release(release_id) / MANIFEST_FILE

    @property
    def candidate(self) -> Path:
        return self.root / "candidate.json"

    @property
    def chosen_retrieval(self) -> Path:
        return self.root / "retrieval.json"

    @property
    def answer_bounds(self) -> Path:
        return self.root / "answers.json"

    @property
    def answers(self) -> Path:
        """Answer versions, and the evidence on them (`rag_pipeline/versions/`)."""
        return self.root / "answers"

    @property
    def spent(self) -> Path:
        """What language models cost, reserved and settled."""
        return self.root / "spent.sqlite"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def report(self, release_id: str, kind: str = "") -> Path:
        """The report of a release, or its place; `kind` begins its name. Raises `ReleaseError` for what is no file name."""
        if not _is_a_file_name(release_id):
            raise ReleaseError(f"{release_id!r} is not the id of a release; `rag releases` lists them")
        return self.reports / f"{kind}{release_id}.html"

    @property
    def tries(self) -> Path:
        return self.root / "tries"

    def attempted(self, try_id: str) -> Path:
        """The figures of a try, written or not. Raises `ReleaseError` for an id that is no file name."""
        if not _is_a_file_name(try_id):
            raise ReleaseError(f"{try_id!r} is not the id of a try; `rag try --list` lists them")
        return self.tries / f"{try_id}.json"

    def try_report(self, try_id: str) -> Path:
        """The page of a try, which lies among the reports. Raises as `attempted`."""
        return self.reports / f"try-{self.attempted(try_id).stem}.html"

    @property
    def workshop(self) -> "Home":
        """A home of its own for attempts: nothing that decides about this home looks into it."""
        return Home(self.tries / "work")

    @property
    def evidence(self) -> Path:
        return self.root / "evidence"

    def evidence_on(self, release_fingerprint: str) -> Path:
        """The folder of what was measured of one release."""
        return self.evidence / release_fingerprint

    @property
    def anchors(self) -> Path:
        return self.root / "anchors"

    def anchor(self, release_fingerprint: str) -> Path:
        """The hashes of an anchor's documents, so that its release may go."""
        return self.anchors / f"{release_fingerprint}.txt"

    @property
    def channels(self) -> Path:
        return self.root / "channels"

    def channel(self, name: str) -> Path:
        return self.channels / f"{name}.json"

    @property
    def verdicts(self) -> Path:
        return self.root / "verdicts"

    def verdict(self, name: str) -> Path:
        """The last word of the gate, or of the watch, on a channel."""
        return self.verdicts / f"{name}.json"

    @property
    def scratch(self) -> Path:
        """What loads write into first; one folder a source."""
        return self.root / "scratch"

    @property
    def views(self) -> Path:
        return self.root / "views"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def alerts(self) -> Path:
        return self.root / "alerts.json"

    @property
    def keys(self) -> Path:
        """Who may ask the door (`rag serve`): hashes of keys, for no other account to read."""
        return self.root / "keys.json"

    @property
    def replicas(self) -> Path:
        """What replicas say of themselves, a file each (`rag_pipeline/replicas/`)."""
        return self.root / "replicas"

    def replica(self, replica_id: str) -> Path:
        return self.replicas / f"{replica_id}.json"

    @property
    def traffic(self) -> Path:
        """What replicas wrote of questions and no table holds yet (`rag_pipeline/traffic/`)."""
        return self.root / "traffic"

    @property
    def withdrawn(self) -> Path:
        """Which documents are hidden from every reader; a copy of what `withdrawals` says."""
        return self.root / "withdrawn.json"

    @property
    def clock(self) -> Path:
        return self.root / "clock.json"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def run_lock(self, run_id: str) -> Path:
        return self.runs / f"{run_id}.lock"

    @property
    def dagster(self) -> Path:
        """Dagster's own state, where DAGSTER_HOME does not name another folder."""
        return self.root / "dagster"

    @property
    def files(self) -> tuple[Path, ...]:
        chosen = (self.candidate, self.chosen_retrieval, self.answer_bounds, self.spent)
        return (*chosen, self.alerts, self.keys, self.withdrawn, self.clock, self.mark)

    def exclusive(self, lock: Lock, *, wait_s: float) -> AbstractContextManager[None]:
        """Write what the lock is of as the only process. Raises `PipelineError` when another still does after `wait_s`."""
        folder, name = _LOCKS[lock]
        return exclusive(self.root / folder, name, wait_s=wait_s)

    def exclusive_source(self, source: str, *, wait_s: float) -> AbstractContextManager[None]:
        """The lock of `exclusive`, for all tables of one source."""
        return exclusive(self.lake, f"source-{source}", wait_s=wait_s)

    def exclusive_table(self, table: Path, *, wait_s: float) -> AbstractContextManager[None]:
        """The lock of `exclusive`, for one table; those of a source have one lock together."""
        if table.parent in (self.documents, self.quarantine, self.listings, self.loads, self.erased):
            return self.exclusive_source(table.name, wait_s=wait_s)
        return exclusive(self.lake, self.table_name(table).split("/")[0], wait_s=wait_s)

    def exclusive_golden_set(self, name: str, *, wait_s: float) -> AbstractContextManager[None]:
        """The lock of `exclusive`, for the files of one golden set: they lie elsewhere; their writers share this home."""
        return exclusive(self.root / "golden", name, wait_s=wait_s)
