"""Probes for a golden set that has none: questions from titles, headings and rare words of documents that nobody asks for.

Nobody judges them, so it does not matter that they are easy: what two releases retrieve for them is compared, and a
document that left, moved or was cut to pieces shows in their lists. They are made by rule and seed: the same documents
give the same probes.
"""

import itertools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl

from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.files import fingerprint, write_text
from rag_pipeline.golden.known_items import KnownItem, Named, choose, propose
from rag_pipeline.golden.named import named_documents
from rag_pipeline.golden.query_guard import QueryGuard
from rag_pipeline.golden.question_lines import PROBES
from rag_pipeline.golden.rare_terms import Spoken, rare_terms
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected
from rag_pipeline.privacy.masks import holds_mask
from rag_pipeline.progress import progress

PROBES_MADE = 300
"""How many are made where nobody says: half as many again as the gate asks for, so that a few may be deleted."""

_SHARE_OF_TERMS = 3
"""One in so many is made of rare words."""
_SPOKEN_A_PROBE = 4
"""Documents whose words are weighed, for each probe of rare words that is wanted."""
_A_DOCUMENT = 40
"""Probes of each kind that a document gives at most: all of a large corpus give one or two, those of a small one many."""
_CHARACTERS = 20_000
"""Characters of a document that are read for rare words."""


_One = TypeVar("_One", KnownItem, "Probe")


@dataclass(frozen=True, slots=True)
class Probe:
    """One question that nobody judges."""

    source: str
    document: str
    made_from: Literal["title", "heading", "terms"]
    text: str

    @property
    def id(self) -> str:
        return f"{self.made_from}-{fingerprint(self.document, self.text, length=10)}"

    @property
    def row(self) -> dict[str, Any]:
        """Its line of probes.jsonl."""
        return {"_id": self.id, "text": self.text, "metadata": {"source": self.source, "made_from": self.made_from}}


@dataclass(frozen=True, slots=True)
class Made:
    """What was written where."""

    file: Path
    probes: tuple[Probe, ...]

    @property
    def sources(self) -> Counter[str]:
        return Counter(one.source for one in self.probes)

    @property
    def made_from(self) -> Counter[str]:
        return Counter(one.made_from for one in self.probes)


@dataclass(frozen=True, slots=True)
class Asked:
    """The sources that are asked for. `private`: those whose contract looks for private data; masked texts are not asked,
    nor words that only one document has."""

    home: Home
    sources: Sequence[str] = ()
    private: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Draw:
    """How many are drawn at most. Seed of the draw; the same seed draws the same."""

    count: int = PROBES_MADE
    seed: int = 0


def make_probes(evals: Path, name: str, asked: Asked, draw: Draw = Draw(), *, force: bool = False) -> Made:
    """Write `probes.jsonl` of a golden set, whole or not at all.

    Of the set's own source where it names one, else of all sources in turn. Raises `GoldenSetError` when the set
    cannot be read, has probes already (but with `force`), or its documents give none; `PipelineError` when none are loaded.
    """
    file = evals / name / PROBES
    with asked.home.exclusive_golden_set(name, wait_s=30):
        if file.exists() and not force:
            raise GoldenSetError(f"{file} already exists and is not overwritten; --force replaces it")
        golden = read_golden_set(evals / name, probes=False)
        about = golden.about
        mine = [about.source] if about.source else list(asked.sources)
        named = [one for source in mine for one in named_documents(asked.home, source)]
        if not named:
            raise PipelineError(
                f"no document of {', '.join(mine)} is loaded yet, so no probe can be made; run `rag refresh`"
            )
        guard = QueryGuard(about.piiPolicy, about.piiEntities, about.piiRegions)
        known = Known(golden.queries.values(), golden.judged_documents)
        probes = probes_of(asked, named, known, draw, guard)
        if not probes:
            says = f"no title, heading or word of {len(named)} documents makes a probe; write questions into it by hand"
            raise GoldenSetError(f"{file}: {says}")
        write_text(file, text_of(probes))
    return Made(file, tuple(probes))


@dataclass(frozen=True, slots=True)
class Known:
    """What people judged. `texts`: of their queries, which no probe repeats. `documents`: those they are judged on."""

    texts: Iterable[str]
    documents: Collection[str]


def probes_of(
    asked: Asked, named: Sequence[Named], known: Known, draw: Draw, guard: QueryGuard | None = None
) -> list[Probe]:
    """Probes of some documents, those that nobody asks for first."""
    taken, count = {fold(text) for text in known.texts}, draw.count
    with progress("making probes", 2, unit="steps") as advance:
        items = _known_items(named, known.documents, draw)
        advance(1)
        terms = terms_of(asked, named, known.documents, draw)
        advance(1)
    by_name = [Probe(one.source, one.document, one.made_from, one.text) for one in items]
    wanted = max(count - count // _SHARE_OF_TERMS, count - len(terms))
    found: list[Probe] = []
    for one in [*by_name[:wanted], *terms, *by_name[wanted:]]:
        if len(found) < count and fold(one.text) not in taken and (guard is None or _may_be_stored(one, guard)):
            taken.add(fold(one.text))
            found.append(one)
    return found


def _known_items(named: Sequence[Named], judged: Collection[str], draw: Draw) -> list[KnownItem]:
    """Titles and headings that identify, sources in turn, of documents that nobody asks for first."""
    by_source: defaultdict[str, list[KnownItem]] = defaultdict(list)
    for one in propose(unmasked(named)).usable:
        by_source[one.source].append(one)
    return _in_turn(
        {
            source: [
                *choose([one for one in items if one.document not in judged], draw.count, draw.seed, _A_DOCUMENT),
                *choose([one for one in items if one.document in judged], draw.count, draw.seed, _A_DOCUMENT),
            ]
            for source, items in by_source.items()
        }
    )


def _in_turn(by_source: Mapping[str, Sequence[_One]]) -> list[_One]:
    """One of each source after the other."""
    queues = [by_source[source] for source in sorted(by_source)]
    return [one for turn in itertools.zip_longest(*queues) for one in turn if one is not None]


def unmasked(named: Iterable[Named]) -> Iterator[Named]:
    """The documents without titles or headings that something private was taken out of: what is left of them says little."""
    for one in named:
        headings = tuple(path for path in one.headings if not any(map(holds_mask, path)))
        yield Named(one.source, one.document, "" if holds_mask(one.title) else one.title, headings)


def text_of(probes: Sequence[Probe]) -> str:
    """The file's text: one JSON object a line."""
    return "".join(json.dumps(one.row, ensure_ascii=False) + "\n" for one in probes)


def terms_of(
    asked: Asked, named: Sequence[Named], judged: Collection[str], draw: Draw, a_document: int = _A_DOCUMENT
) -> list[Probe]:
    """Probes of rare words: sources in turn, documents in turn, those that nobody asks for first."""
    by_source: defaultdict[str, list[str]] = defaultdict(list)
    for document in named:
        by_source[document.source].append(document.document)
    each = math.ceil(draw.count * _SPOKEN_A_PROBE / (_SHARE_OF_TERMS * max(1, len(by_source))))
    drawn = {
        source: sorted(ids, key=lambda one: (one in judged, fingerprint(draw.seed, one)))[:each]
        for source, ids in by_source.items()
    }
    spoken = [one for source, ids in sorted(drawn.items()) for one in _texts(asked.home, source, ids)]
    turns: defaultdict[str, list[Probe]] = defaultdict(list)
    for one, text in rare_terms(spoken, a_document, asked.private):
        turns[one.source].append(Probe(one.source, one.document, "terms", text))
    return _in_turn(turns)


def _texts(home: Home, source: str, documents: Sequence[str]) -> Iterator[Spoken]:
    """The texts as they are stored, with masks in place of what is private, in the order that was asked for."""
    rows = source_tables(home, source).documents.scan().filter(pl.col("document_id").is_in(list(documents)))
    found = rows.select("document_id", pl.col("text").str.slice(0, _CHARACTERS)).pipe(collected)
    texts: dict[str, str] = dict(found.iter_rows())
    yield from (Spoken(source, one, texts[one]) for one in documents if one in texts and not holds_mask(texts[one]))


def _may_be_stored(probe: Probe, guard: QueryGuard) -> bool:
    """A set that refuses or masks what is private is given no probe that holds any."""
    try:
        return guard.query(probe.row, PROBES) == probe.row
    except GoldenSetError:
        return False
