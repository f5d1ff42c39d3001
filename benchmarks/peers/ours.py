"""This project as one of the systems: a contract, a golden set and a gate, and `rag refresh` as a person runs it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.feed_contract import write_contract
from benchmarks.peers.protocol import Row
from benchmarks.peers.systems import (
    CHECKOUT,
    Options,
    Place,
    Ran,
    System,
    Unreadable,
    chroma_rows,
    clean_environment,
    lose_from,
    stopped,
)
from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, SEALED_DATABASE, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.lake import Table

SOURCE = "feed"
_SHIM = Path(__file__).with_name("shim")


class Ours(System):
    """`rag refresh` with every default but the back end asked for; what a store holds is what production serves."""

    name = "this project"

    def __init__(self, place: Place, golden: dict[str, tuple[str, str]], backend: str = "torch") -> None:
        self.place = place
        self._golden = golden
        self._backend = backend
        if backend != "torch":
            self.name = f"{Ours.name} on {backend}"
        self.losses: dict[str, Callable[[int], None]] = {
            "the store": self._lose_from_release,
            "the lake's chunks": lambda rows: _lose_from(chunks_table(self._home), "chunk_id", rows),
            "the lake's vectors": lambda rows: _lose_from(vectors_table(self._home), "text_hash", rows),
        }

    @property
    def state(self) -> Path:
        return self.place.state(self.name.replace(" ", "-"))

    @property
    def _home(self) -> Home:
        return Home(self.state / "home")

    def update(self, options: Options) -> Ran:
        if not self.state.is_dir():
            _write_project(self.state, self.place.documents, self._golden)
        environment = self.environment(options)
        command = [str(Path(sys.executable).with_name("rag")), "refresh", "--json"]
        done, wall_s, cpu_s = stopped(
            lambda: subprocess.run(command, cwd=self.state, env=environment, capture_output=True, text=True, check=False)
        )
        nothing = {"texts_embedded": None, "seconds": None}
        summary: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else nothing
        embedded = summary["texts_embedded"]
        if options.fail_after is not None:
            embedded = int(self._count.read_text(encoding="utf-8"))
        checks = [
            f"{one['severity']}: {one['check']} failed: {one['description']}" for one in summary.get("failed_checks", ())
        ]
        errors = [f"error: {one}" for one in summary.get("errors", ())]
        said = (*checks, *errors, *(line for line in done.stderr.splitlines() if line.strip()))
        told = {name: summary.get(name) for name in ("says", "promoted", "production", "verdict")}
        return Ran(wall_s, cpu_s, summary["seconds"], embedded, done.returncode, said, told)

    def rows(self) -> list[Row]:
        release = serving(self._home)
        if release is None:
            return []
        try:
            with chroma.reader(self._home, read_manifest(self._home.release(release))) as collection:
                rows = chroma_rows(collection, "document_id")
        except ReleaseError as error:
            raise Unreadable(str(error)) from error
        return [row | {"key": row["key"].removeprefix(f"{SOURCE}/")} for row in rows]

    def _lose_from_release(self, rows: int) -> None:
        """Delete records from the directory that production serves, with Chroma's own client."""
        release = serving(self._home)
        assert release
        folder = self._home.release(release) / CHROMA_FOLDER
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / SEALED_DATABASE).rename(folder / DATABASE)  # a client that is given the folder as it is finds none
        with chroma.client(folder) as client:
            lose_from(client.get_collection(chroma.COLLECTION, embedding_function=None), rows)
        (folder / DATABASE).rename(folder / SEALED_DATABASE)

    def environment(self, options: Options) -> dict[str, str]:
        environment = clean_environment() | {
            "RAG_HOME": str(self._home),
            "RAG_CONTRACTS": str(self.state / "contracts"),
            "RAG_EVALS": str(self.state / "evals"),
            "RAG_MODEL": str(options.model),
            "RAG_EMBED_BACKEND": self._backend,
            "RAG_CHUNK_TOKENS": str(options.tokens),
            "DAGSTER_HOME": str(self._home.dagster),
        }
        if options.fail_after is not None:
            shutil.rmtree(self._home.models, ignore_errors=True)  # a kept graph would not come by where texts are counted
            self._count.write_text("0", encoding="utf-8")
            environment["PEERS_FAIL_AFTER"] = str(options.fail_after)
            environment["PEERS_COUNT_TO"] = str(self._count)
            environment["PYTHONPATH"] = os.pathsep.join((str(_SHIM), str(CHECKOUT)))
        return environment

    @property
    def _count(self) -> Path:
        return self.state / "embedded.txt"


def golden_questions(data: Path, places: dict[str, str], size: int) -> dict[str, tuple[str, str]]:
    """Question id -> (question, the document that answers it), evenly spaced over the documents; no document twice."""
    with (data / "qrels" / "dev.tsv").open(encoding="utf-8", newline="") as file:
        answers = {row["query-id"]: places.get(row["corpus-id"]) for row in csv.DictReader(file, delimiter="\t")}
    questions = map(json.loads, (data / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    first: dict[str, tuple[str, str]] = {}
    for question in questions:
        if document := answers.get(question["_id"]):
            first.setdefault(document, (question["_id"], question["text"]))
    kept = list(first.items())[:: max(1, len(first) // size)][:size]
    return {name: (text, document) for document, (name, text) in kept}


def _write_project(state: Path, documents: Path, golden: dict[str, tuple[str, str]]) -> None:
    evals = state / "evals" / SOURCE
    for folder in (state / "contracts", evals / "qrels"):
        folder.mkdir(parents=True)
    roles = {"key": "key", "title": "title", "text": "text", "team": None}
    write_contract(state / "contracts", SOURCE, documents, "jsonl", roles)
    policy = {"floors": {"nDCG@10": 0.3}, "not_worse": None, "dead_judgments_max_percent": 100.0}
    _write_yaml(state / "evals" / "gate.yaml", {"channels": {"production": {"golden_sets": {SOURCE: policy}}}})
    about = {"description": "questions about the feed", "owner": "bench@example.com", "source": SOURCE, "split": "test"}
    _write_yaml(evals / "golden.yaml", about)
    questions = [json.dumps({"_id": name, "text": text}, ensure_ascii=False) for name, (text, _) in golden.items()]
    _write_lines(evals / "queries.jsonl", questions)
    judged = [f"{name}\t{document}\t1" for name, (_, document) in golden.items()]
    _write_lines(evals / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *judged])


def _write_yaml(path: Path, value: Any) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _lose_from(table: Table, column: str, rows: int) -> None:
    names = sorted(table.scan().select(column).collect()[column].to_list())[:rows]
    quoted = ", ".join(f"'{name}'" for name in names)
    table.delete(f"{column} in ({quoted})")
