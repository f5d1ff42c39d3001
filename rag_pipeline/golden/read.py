"""Golden sets: queries with judged answers, one folder for each below `RAG_EVALS`.

Relevance is judged on documents, or on quoted passages of documents, never on chunks, so it outlives any way to cut.
There are two forms, and the files in the folder decide which: BEIR (`queries.jsonl` and `qrels/<split>.tsv`), or quoted
evidence (`queries.jsonl` whose lines carry `references: [{document, quote, start?, end?, grade?}]`). `golden.yaml` beside
them is required. `probes.jsonl` may hold questions that nobody judged.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag_pipeline.contracts.labels import EVERYTHING, granted_word
from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.contracts.yaml_lines import YamlFile, read_yaml
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.files import file_sha256, fingerprint
from rag_pipeline.golden.query_guard import QueryGuard
from rag_pipeline.golden.question_lines import PROBES, lines, questions
from rag_pipeline.golden.words import fold
from rag_pipeline.metrics.documents import known_metric
from rag_pipeline.metrics.spans import is_span_metric

log = logging.getLogger("rag_pipeline")

FILE = "golden.yaml"


class About(BaseModel):
    """`golden.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    owner: str
    made_by: Literal["people", "machine", "traffic"] = Field(
        default="people",
        description="Queries made by a machine are gated on floors only; those of traffic are a sample of it.",
    )
    licence: str = "unknown"
    judged: list[str] = Field(default_factory=list, description="Dates on which judgments were made.")
    source: str | None = Field(default=None, description="Judged documents are keys of this source.")
    split: str = Field(default="test", description="Which file below qrels/ to use.")
    metrics: list[str] = Field(default_factory=lambda: ["nDCG@10", "recall@10", "MRR@10"], min_length=1)
    primary: str = "nDCG@10"
    labels: list[str] = Field(
        default_factory=list, description="What its readers may read: labels, `public`; every row, if empty."
    )
    slices: list[str] = Field(default_factory=list, description="Fields of a query's metadata to report by.")
    piiPolicy: Literal["allow", "scan-and-mask", "refuse"] = Field(  # noqa: N815  (as contracts spell it)
        default="allow", description="What happens to private data in queries, quotes and slices before anything is stored."
    )
    piiEntities: list[str] = Field(default_factory=lambda: list(DEFAULT_ENTITIES))  # noqa: N815
    piiRegions: list[str] = Field(default_factory=list)  # noqa: N815


@dataclass(frozen=True, slots=True)
class Reference:
    """One judged passage: a quote of a document, and where its text stood when it was judged, if that is known."""

    document: str
    quote: str
    start: int | None
    grade: int


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """One golden set, judged document ids in full (`<source>/<key>`)."""

    name: str
    about: About
    queries: dict[str, str]
    """query id -> text"""
    qrels: dict[str, dict[str, int]]
    """query id -> document id -> grade; 0 is judged not relevant"""
    references: dict[str, tuple[Reference, ...]] = field(default_factory=dict)
    """query id -> quoted passages; empty for a set that judges whole documents"""
    slices: dict[str, dict[str, str]] = field(default_factory=dict)
    """query id -> slice -> value"""
    fingerprint: str = ""
    """Fingerprint of all its files; without probes, of those with judgments."""
    judged_fingerprint: str = ""
    """Fingerprint of its files without the probes, which do not decide how to retrieve."""
    probes: dict[str, str] = field(default_factory=dict)
    """probe id -> text of a question that nobody judged: only what two releases retrieve for it is compared"""
    probe_slices: dict[str, dict[str, str]] = field(default_factory=dict)
    """probe id -> slice -> value"""
    asked_again: tuple[str, ...] = ()
    """Ids of probes that are left out, because a judged query asks the same."""

    @property
    def reads(self) -> tuple[str, ...]:
        """What the readers may read whom the set stands for, in one spelling; everything, where it does not say."""
        return tuple(map(granted_word, self.about.labels)) or (EVERYTHING,)

    @property
    def judged_documents(self) -> set[str]:
        return {document for grades in self.qrels.values() for document in grades}


def read_golden_sets(folder: Path) -> tuple[GoldenSet, ...]:
    """Every golden set of a folder, by name. Raises `GoldenSetError`; an empty folder is no error."""
    return tuple(read_golden_set(path) for path in golden_folders(folder))


def readable_golden_sets(folder: Path) -> tuple[GoldenSet, ...]:
    """Those that can be read; the gate will refuse for the others and say why."""
    found: list[GoldenSet] = []
    for path in golden_folders(folder) if folder.is_dir() else ():
        try:
            found.append(read_golden_set(path))
        except GoldenSetError as error:
            log.warning("a golden set is left out of the choice of how to retrieve: %s", error)
    return tuple(found)


def golden_folders(folder: Path) -> list[Path]:
    """The folder of each golden set, by name. Raises `GoldenSetError` when there is no such folder at all."""
    if not folder.is_dir():
        raise GoldenSetError(f"{folder}: no such folder; RAG_EVALS must name the folder of golden sets and gate.yaml")
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))]


def read_golden_set(folder: Path, *, probes: bool = True, to_be_judged: bool = False) -> GoldenSet:
    """One golden set, without its probes if need be. Raises `GoldenSetError` with file, line and field.

    `to_be_judged`: queries that nobody judged yet may be in it. Elsewhere they are an error, because they score 0 for ever.
    """
    about, _ = read_about(folder)
    guard = QueryGuard(about.piiPolicy, about.piiEntities, about.piiRegions)
    queries: dict[str, str] = {}
    slices: dict[str, dict[str, str]] = {}
    references: dict[str, tuple[Reference, ...]] = {}
    file, asked = folder / "queries.jsonl", folder / PROBES
    for one in questions(file, guard, about.slices):
        queries[one.id], slices[one.id] = one.text, one.slices
        if found := tuple(_references(one.row, about, one.where)):
            references[one.id] = found
    has_probes = probes and asked.exists()
    found_probes = {one.id: one for one in questions(asked, guard, about.slices)} if has_probes else {}
    judged_texts = {fold(text) for text in queries.values()}
    again = tuple(name for name, one in found_probes.items() if fold(one.text) in judged_texts)
    split = folder / "qrels" / f"{about.split}.tsv"
    qrels = _qrels(split, about, queries) if split.exists() else _grades(references)
    if not qrels and not to_be_judged:
        raise GoldenSetError(
            f"{folder}: no judgments; put them in {split.relative_to(folder)} or in `references` of queries.jsonl"
        )
    unjudged = [query for query in queries if not any(grade > 0 for grade in qrels.get(query, {}).values())]
    if unjudged and not to_be_judged:
        says = f"{len(unjudged)} queries have no relevant document (first: {unjudged[0]!r})"
        raise GoldenSetError(f"{folder}: {says}; judge them (`rag golden judge {folder.name}`), or remove them")
    parts = [file, folder / FILE, *([split] if split.exists() else [])]
    judged = fingerprint([(path.name, file_sha256(path)) for path in parts], *guard.fingerprint(queries, references))
    texts = {name: one.text for name, one in found_probes.items() if name not in again}
    golden = GoldenSet(
        name=folder.name,
        about=about,
        queries=queries,
        qrels=qrels,
        references={query: tuple(one for one in quoted if one.quote) for query, quoted in references.items()},
        slices=slices,
        fingerprint=fingerprint(judged, file_sha256(asked), *guard.fingerprint(texts)) if has_probes else judged,
        judged_fingerprint=judged,
        probes=texts,
        probe_slices={name: found_probes[name].slices for name in texts},
        asked_again=again,
    )
    refuse_unquoted(golden, about.metrics, str(folder))
    return golden


def refuse_unquoted(golden: GoldenSet, metrics: Iterable[str], where: str) -> None:
    """Raises `GoldenSetError` when a metric of passages is asked for and a query quotes none: zero would mean nothing."""
    if not (of_spans := [name for name in metrics if is_span_metric(name)]):
        return
    relevant = {query for query, quoted in golden.references.items() if any(one.grade > 0 for one in quoted)}
    if without := [query for query in golden.queries if query not in relevant]:
        raise GoldenSetError(
            f"{where}: {of_spans[0]} needs quoted passages, but {len(without)} queries have none (first: {without[0]!r}); "
            "quote them in `references` of queries.jsonl, or leave the metric out"
        )


def read_about(folder: Path) -> tuple[About, YamlFile]:
    """What `golden.yaml` says, and where it says it. Raises `GoldenSetError` with file, line and field."""
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
    for index, word in enumerate(about.labels):
        if not granted_word(word):
            says = f"{word!r} is no label; write labels as the rows have them, or public for the rows without any"
            raise GoldenSetError(f"{document.where(('labels', index))}: {says}")
    for index, name in enumerate(about.metrics):
        try:
            known_metric(name)
        except GoldenSetError as error:
            raise GoldenSetError(f"{document.where(('metrics', index))}: {error}") from error
    guard = QueryGuard(about.piiPolicy, about.piiEntities, about.piiRegions)
    if wrong := guard.problem():
        raise GoldenSetError(f"{document.where((wrong[0],))}: {wrong[1]}")
    if about.primary not in about.metrics:
        raise GoldenSetError(f"{document.where(('primary',))}: primary {about.primary!r} is not among the metrics")
    return about, document


def _references(row: dict[str, Any], about: About, where: str) -> Iterator[Reference]:
    for reference in row.get("references") or ():
        if not isinstance(reference, dict) or not isinstance(reference.get("document"), str):
            raise GoldenSetError(f"{where}: references: each is an object that names its `document`")
        quote, start, grade = reference.get("quote", ""), reference.get("start"), reference.get("grade", 1)
        if not isinstance(grade, int) or isinstance(grade, bool):
            raise GoldenSetError(f"{where}: references: grade is a whole number, found {grade!r}")
        if not isinstance(quote, str) or ("quote" in reference and not quote.strip()):
            raise GoldenSetError(f"{where}: references: quote is the text of the passage, found {quote!r}")
        if start is not None and (not isinstance(start, int) or isinstance(start, bool) or start < 0):
            raise GoldenSetError(f"{where}: references: start counts characters from 0, found {start!r}")
        yield Reference(_full(about, reference["document"]), quote, start, grade)


def _grades(references: dict[str, tuple[Reference, ...]]) -> dict[str, dict[str, int]]:
    """Grades of whole documents: the highest grade of any of their passages."""
    qrels: dict[str, dict[str, int]] = {}
    for query, quoted in references.items():
        for one in quoted:
            known = qrels.setdefault(query, {})
            known[one.document] = max(one.grade, known.get(one.document, one.grade))
    return qrels


def _qrels(file: Path, about: About, queries: dict[str, str]) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in lines(file):
        row = line.rstrip("\r").split("\t")
        if number == 1 and row[0] == "query-id":
            continue
        try:
            query, document, grade = row[0], row[1], int(row[2])
        except (IndexError, ValueError) as error:
            raise GoldenSetError(f"{file}:{number}: expected query-id, corpus-id, score between tabs") from error
        if query not in queries:
            raise GoldenSetError(
                f"{file}:{number}: query {query!r} is not in queries.jsonl; remove this line, or put it back there"
            )
        qrels.setdefault(query, {})[_full(about, document)] = grade
    return qrels


def _full(about: About, document: str) -> str:
    return f"{about.source}/{document}" if about.source else document
