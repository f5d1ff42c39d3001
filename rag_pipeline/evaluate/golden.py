"""Golden sets: queries with judged answers, one folder each below `RAG_EVALS`. Relevance is judged on documents.

Two forms, told apart by what lies in the folder: BEIR (`queries.jsonl` and `qrels/<split>.tsv`), or quoted evidence
(`queries.jsonl` whose lines carry `references: [{document, quote, grade?}]`). `golden.yaml` beside them is required.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag_pipeline.contracts.yaml_lines import read_yaml
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.metrics import metric
from rag_pipeline.files import file_sha256, fingerprint

FILE = "golden.yaml"


class About(BaseModel):
    """`golden.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    owner: str
    licence: str = "unknown"
    judged: list[str] = Field(default_factory=list, description="Dates on which judgments were made.")
    source: str | None = Field(default=None, description="Judged documents are keys of this source.")
    split: str = Field(default="test", description="Which file below qrels/ to use.")
    metrics: list[str] = Field(default_factory=lambda: ["nDCG@10", "recall@10", "MRR@10"], min_length=1)
    primary: str = "nDCG@10"
    slices: list[str] = Field(default_factory=list, description="Fields of a query's metadata to report by.")


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """One golden set, judged document ids in full (`<source>/<key>`)."""

    name: str
    about: About
    queries: dict[str, str]
    """query id -> text"""
    qrels: dict[str, dict[str, int]]
    """query id -> document id -> grade; 0 is judged not relevant"""
    slices: dict[str, dict[str, str]] = field(default_factory=dict)
    """query id -> slice -> value"""
    fingerprint: str = ""

    @property
    def judged_documents(self) -> set[str]:
        return {document for grades in self.qrels.values() for document in grades}


def read_golden_sets(folder: Path) -> tuple[GoldenSet, ...]:
    """Every golden set of a folder, by name. Raises `GoldenSetError`; an empty folder is no error."""
    if not folder.is_dir():
        raise GoldenSetError(f"{folder}: no such folder; RAG_EVALS must name the folder of golden sets and gate.yaml")
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))]
    return tuple(read_golden_set(path) for path in folders)


def read_golden_set(folder: Path) -> GoldenSet:
    """One golden set. Raises `GoldenSetError` with file, line and field."""
    about = _about(folder)
    queries: dict[str, str] = {}
    slices: dict[str, dict[str, str]] = {}
    quoted: dict[str, dict[str, int]] = {}
    file = folder / "queries.jsonl"
    for number, row in _jsonl(file):
        query_id, text = str(row.get("_id", "")), row.get("text")
        if row.get("_id") in (None, "") or not isinstance(text, str) or not text.strip():
            raise GoldenSetError(f"{file}:{number}: a query needs `_id` and a `text` that is not blank")
        if query_id in queries:
            raise GoldenSetError(f"{file}:{number}: query {query_id!r} is given twice; keep one")
        queries[query_id] = text
        metadata = row.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise GoldenSetError(f"{file}:{number}: metadata: expected an object, found {type(metadata).__name__}")
        slices[query_id] = {name: str(metadata[name]) for name in about.slices if name in metadata}
        for document, grade in _references(row, f"{file}:{number}"):
            quoted.setdefault(query_id, {})[_full(about, document)] = grade
    split = folder / "qrels" / f"{about.split}.tsv"
    qrels = _qrels(split, about, queries) if split.exists() else quoted
    if not qrels:
        raise GoldenSetError(
            f"{folder}: no judgments; put them in {split.relative_to(folder)} or in `references` of queries.jsonl"
        )
    unjudged = [query for query in queries if not any(grade > 0 for grade in qrels.get(query, {}).values())]
    if unjudged:
        raise GoldenSetError(
            f"{folder}: {len(unjudged)} queries have no relevant document (first: {unjudged[0]!r}); judge or remove them"
        )
    parts = [file, folder / FILE, *([split] if split.exists() else [])]
    return GoldenSet(
        name=folder.name,
        about=about,
        queries=queries,
        qrels=qrels,
        slices=slices,
        fingerprint=fingerprint([(path.name, file_sha256(path)) for path in parts]),
    )


def _about(folder: Path) -> About:
    file = folder / FILE
    if not file.is_file():
        raise GoldenSetError(f"{folder}: no {FILE}; it says what the set is, who owns it, and which metric matters")
    document = read_yaml(file, GoldenSetError)
    try:
        about = About.model_validate(document.content)
    except ValidationError as error:
        problem = error.errors()[0]
        steps = tuple(problem["loc"])
        field_name, fields = ".".join(map(str, steps)), ", ".join(About.model_fields)
        raise GoldenSetError(f"{document.where(steps)}: {field_name}: {problem['msg']}; fields: {fields}") from error
    for index, name in enumerate(about.metrics):
        try:
            metric(name)
        except GoldenSetError as error:
            raise GoldenSetError(f"{document.where(('metrics', index))}: {error}") from error
    if about.primary not in about.metrics:
        raise GoldenSetError(f"{document.where(('primary',))}: primary {about.primary!r} is not among the metrics")
    return about


def _references(row: dict[str, Any], where: str) -> Iterator[tuple[str, int]]:
    for reference in row.get("references") or ():
        if not isinstance(reference, dict) or not isinstance(reference.get("document"), str):
            raise GoldenSetError(f"{where}: references: each is an object that names its `document`")
        grade = reference.get("grade", 1)
        if not isinstance(grade, int):
            raise GoldenSetError(f"{where}: references: grade is a whole number, found {grade!r}")
        yield reference["document"], grade


def _qrels(file: Path, about: About, queries: dict[str, str]) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(file):
        row = line.rstrip("\r").split("\t")
        if number == 1 and row[0] == "query-id":
            continue
        try:
            query, document, grade = row[0], row[1], int(row[2])
        except (IndexError, ValueError) as error:
            raise GoldenSetError(f"{file}:{number}: expected query-id, corpus-id, score between tabs") from error
        if query not in queries:
            raise GoldenSetError(f"{file}:{number}: query {query!r} is not in queries.jsonl")
        qrels.setdefault(query, {})[_full(about, document)] = grade
    return qrels


def _full(about: About, document: str) -> str:
    return f"{about.source}/{document}" if about.source else document


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, numbered from 1."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise GoldenSetError(f"{file}: no such file; it holds one query a line") from error
    except UnicodeDecodeError as error:
        raise GoldenSetError(f"{file}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(file):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise GoldenSetError(f"{file}:{number}: not JSON: {error.msg} at column {error.colno}") from error
        if not isinstance(row, dict):
            raise GoldenSetError(f"{file}:{number}: a query is a JSON object, found {type(row).__name__}")
        yield number, row
