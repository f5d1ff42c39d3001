"""The systems, each run as a process of its own, with one set of operations: update, rows, lose."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Row
from rag_pipeline.index import chroma

CHECKOUT = Path(__file__).resolve().parents[2]

QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "SCARF_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
"""No system sends anything anywhere, and none asks a model hub."""

Done = subprocess.CompletedProcess[str]

_COLLECTION = "chunks"
"""What the scripts of LangChain and LlamaIndex call it."""

_TELLING = re.compile(r"error|warn|fail|exception|damaged|missing|lost|corrupt|refused", re.IGNORECASE)
_VARIES = re.compile(r"[0-9a-f]{8,}|\d+")


@dataclass(frozen=True)
class Place:
    """Where everything of a measurement lies. The paths never change, only what is in them."""

    work: Path

    @property
    def documents(self) -> Path:
        return self.work / "feed" / "documents.jsonl"

    @property
    def cuts(self) -> Path:
        return self.work / "feed" / "cuts.json"

    @property
    def model(self) -> Path:
        return self.work / "models" / "a"

    @property
    def other_model(self) -> Path:
        return self.work / "models" / "b"

    def state(self, system: str) -> Path:
        return self.work / "systems" / system / "state"


@dataclass(frozen=True)
class Options:
    """What one update is asked to do differently. `tokens` 0: chunks as long as the model reads."""

    model: Path
    tokens: int = 0
    fail_after: int | None = None


@dataclass(frozen=True)
class Ran:
    """What one update did: process start to end, and as the process itself counted and said it."""

    wall_s: float
    cpu_s: float
    """Of the process and its threads: on a busy machine it says more than the wall does."""
    inside_s: float | None
    embedded: int | None
    exit_code: int
    said: tuple[str, ...]
    reported: Any = None


class Unreadable(Exception):
    """The store refuses to be read, and says why."""


class System(ABC):
    """One way to keep an index up to date. `losses`: what rows can be lost from, and how to lose them."""

    name: str
    losses: dict[str, Callable[[int], None]]

    @property
    @abstractmethod
    def state(self) -> Path: ...

    @abstractmethod
    def update(self, options: Options) -> Ran: ...

    @abstractmethod
    def rows(self) -> list[Row]:
        """Everything the store holds. Raises `Unreadable` when a reader is turned away."""

    def clear(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)

    def keep(self) -> None:
        """Remember the state as it is now."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.state, self._kept, symlinks=True)

    def bring_back(self) -> None:
        """The remembered state, at the same path."""
        self.clear()
        shutil.copytree(self._kept, self.state, symlinks=True)

    @property
    def _kept(self) -> Path:
        return self.state.with_name("kept")


class Peer(System):
    """A peer, run by its script in its own environment."""

    def __init__(self, folder: str, place: Place, environments: Path) -> None:
        self.name = folder
        self._place = place
        self._environment = environments / folder
        self.losses = {"the store": self._lose}

    @property
    def state(self) -> Path:
        return self._place.state(self.name)

    def make_environment(self) -> None:
        """The environment of `requirements.txt`, unless it is there and made from this very file."""
        wanted = Path(__file__).with_name(self.name) / "requirements.txt"
        made_from = self._environment / "requirements.txt"
        if made_from.is_file() and made_from.read_bytes() == wanted.read_bytes():
            return
        print(f"making {self._environment}", flush=True)
        shutil.rmtree(self._environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(self._environment)], check=True)
        subprocess.run([str(self._python), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
        shutil.copy(wanted, made_from)

    def update(self, options: Options) -> Ran:
        arguments = ["--documents", self._place.documents, "--cuts", self._place.cuts, "--model", options.model]
        if options.fail_after is not None:
            arguments += ["--fail-after", options.fail_after]
        done, wall_s, cpu_s = stopped(lambda: self._run("update", *arguments))
        answer = _answer(done)
        said = tuple(line for line in (done.stdout.splitlines()[:-1] + done.stderr.splitlines()) if line.strip())
        return Ran(wall_s, cpu_s, answer["seconds"], answer["embedded"], done.returncode, said, answer["reported"])

    def rows(self) -> list[Row]:
        file = self.state.with_name("dump.jsonl")
        done = self._run("dump", "--to", file)
        if done.returncode:
            raise Unreadable(done.stderr.strip().splitlines()[-1])
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    def _lose(self, rows: int) -> None:
        done = self._run("lose", "--rows", rows)
        assert len(_answer(done)["lost"]) == rows, done.stderr

    def _run(self, *arguments: object) -> Done:
        module = f"benchmarks.peers.{self.name}.run"
        command = [self._python, "-m", module, arguments[0], "--state", self.state, *arguments[1:]]
        environment = {**clean_environment(), "PYTHONPATH": str(CHECKOUT)}
        return subprocess.run(
            [str(word) for word in command],
            cwd=self._place.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def _python(self) -> Path:
        return self._environment / "bin" / "python"


class ChromaPeer(Peer):
    """A peer whose store is Chroma: read from a copy, because Chroma writes to what it opens, by this process."""

    def __init__(self, folder: str, place: Place, environments: Path, key: str) -> None:
        super().__init__(folder, place, environments)
        self._key = key

    def rows(self) -> list[Row]:
        if not self._folder.is_dir():
            return []
        with tempfile.TemporaryDirectory(dir=self._place.work) as copied:
            shutil.copytree(self._folder, copied, dirs_exist_ok=True)
            with chroma.client(Path(copied)) as client:
                return chroma_rows(client.get_collection(_COLLECTION, embedding_function=None), self._key)

    def _lose(self, rows: int) -> None:
        with chroma.client(self._folder) as client:
            lose_from(client.get_collection(_COLLECTION, embedding_function=None), rows)

    @property
    def _folder(self) -> Path:
        return self.state / "chroma"


def chroma_rows(collection: Any, key: str) -> list[Row]:
    """Every record of a collection; `key`: the metadata that names its document."""
    found = collection.get(include=["documents", "metadatas", "embeddings"])
    columns = (found["ids"], found["metadatas"], found["documents"], found["embeddings"])
    return [
        {"id": name, "key": about[key], "title": about["title"], "team": about["team"], "text": text, "vector": vector}
        for name, about, text, vector in zip(*columns, strict=True)
    ]


def lose_from(collection: Any, rows: int) -> None:
    """Delete the first records by id, behind the back of whoever owns the collection."""
    collection.delete(ids=sorted(collection.get(include=[])["ids"])[:rows])


def stopped(run: Callable[[], Done]) -> tuple[Done, float, float]:
    """What a process did, its wall seconds and its CPU seconds."""
    started, before = time.perf_counter(), os.times()
    done = run()
    after = os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return done, time.perf_counter() - started, cpu_s


def clean_environment() -> dict[str, str]:
    """This process's environment without anybody's settings."""
    foreign = ("RAG_", "DAGSTER_", "PYTHONPATH", "VIRTUAL_ENV", "LANGCHAIN_", "LANGSMITH_", "COCOINDEX_", "CHROMA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | QUIET


def telling(ran: Ran, quiet: Iterable[Ran]) -> list[str]:
    """Lines that speak of something wrong and are not said when nothing is: on a first build, on an unchanged night."""
    known = {_VARIES.sub("#", line) for one in quiet for line in one.said}
    return [line for line in ran.said if _TELLING.search(line) and _VARIES.sub("#", line) not in known]


def _answer(done: Done) -> dict[str, Any]:
    lines = done.stdout.strip().splitlines()
    try:
        return dict(json.loads(lines[-1]))
    except (IndexError, ValueError):
        raise SystemExit(f"{' '.join(map(str, done.args))} answered nothing:\n{done.stdout}\n{done.stderr}") from None
