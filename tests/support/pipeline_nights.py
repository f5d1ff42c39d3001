"""A small source that changes night by night, and two ways to the same release: refreshed, and built from nothing."""

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import chunker_of
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Vectors, model_of
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.home import Home
from rag_pipeline.index import chroma
from rag_pipeline.index.build import build_release
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.index.recipe import recipe_now
from rag_pipeline.ingest.load import load_source
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.support.small_releases import real_encoder

WORDS = re.findall(
    r"\w+",
    "holiday travel password laptop printer canteen badge meeting contract invoice garden parking manager office week "
    "month customer train flight ticket security report cupboard paper screen phone letter lunch menu window door key "
    "doctor insurance pension salary bonus project plan budget board vote lift stairs kitchen coffee bicycle rain",
)

QUESTIONS = [" ".join(Random(1_000 + number).sample(WORDS, 4)) for number in range(50)]

NEAREST = 10

NEVER_HELD = [
    {"property": "quarantineMaxPercent", "value": 100},
    {"property": "volumeMaxDropPercent", "value": 100},
]
"""A source that is held keeps what it was, so its release rightly depends on the past."""


def paragraph(number: int) -> str:
    """Always the same text for the same number; every seventh opens a section of its own."""
    words = " ".join(Random(number).choices(WORDS, k=12 + number % 14)).capitalize()
    return f"## {WORDS[number % len(WORDS)].capitalize()} {number}\n\n{words}." if number % 7 == 0 else f"{words}."


@dataclass
class Page:
    """One file: its first heading, and the numbers of its paragraphs."""

    title: str
    numbers: list[int]

    @property
    def text(self) -> str:
        return "\n\n".join([f"# {self.title}", *map(paragraph, self.numbers)]) + "\n"


@dataclass
class Feeds:
    """What the sources hold, and how they are read: two contracts and the size of a chunk."""

    workspace: Workspace
    pages: dict[str, Page] = field(default_factory=dict)
    """By file name."""
    answers: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    """Row of a table -> number of its paragraph, team."""
    shortest: int = 1
    page_columns: tuple[str, ...] = ()
    answer_columns: tuple[str, ...] = ("team",)
    tokens: int = 40

    @property
    def settings(self) -> Settings:
        return self.workspace.settings.model_copy(update={"chunk_tokens": self.tokens, "chunk_min_tokens": 6})

    def write(self) -> None:
        """Put everything on disk; a page whose text is unchanged keeps its file."""
        folder = self.workspace.pages({name: page.text for name, page in self.pages.items()})
        for path in folder.iterdir():
            if path.name not in self.pages:
                path.unlink()
        rows = [
            {"id": row, "text": paragraph(number), "team": team, "title": f"About {row}"}
            for row, (number, team) in self.answers.items()
        ]
        table = self.workspace.root / "answers.jsonl"
        table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self.workspace.contract("handbook", self._pages_contract(folder))
        columns = [column(name, role="title" if name == "title" else None) for name in self.answer_columns]
        self.workspace.contract("answers", table_contract(table, "jsonl", *columns, customProperties=NEVER_HELD))

    def _pages_contract(self, folder: Path) -> dict[str, Any]:
        contract = files_contract(folder, customProperties=NEVER_HELD)
        properties = contract["schema"][0]["properties"]
        text = next(one for one in properties if one["name"] == "text")
        text["logicalTypeOptions"] = {"minLength": self.shortest}
        properties += [column(name) for name in self.page_columns]
        return contract


@dataclass
class Ledger:
    """What all nights of a test came to."""

    kinds: Counter[str] = field(default_factory=Counter)
    whole_because: Counter[str] = field(default_factory=Counter)
    most_refused: int = 0
    vectors: dict[str, Vectors] = field(default_factory=dict)
    """Every text ever served, with the vector it was served with."""

    def note(self, ran: Ran, manifest: Manifest) -> None:
        self.most_refused = max(self.most_refused, int(ran.assets["handbook/quarantine"]["open"]))
        why = manifest.origin.rebuilt_because
        if not ran.assets["index/candidate"]["built"]:
            self.kinds[NOTHING] += 1
        elif not why:
            self.kinds[DIFFERENCE] += 1
        else:
            self.kinds[WHOLE] += 1
            self.whole_because[DEAD if why.endswith("would be dead") else NEW if "are new to" in why else why] += 1

    def __str__(self) -> str:
        told = [f"{count} {kind}" for kind, count in (self.kinds + self.whole_because).most_common()]
        return (
            f"{self.kinds.total()} nights: {', '.join(told)}; {len(self.vectors)} texts, at most {self.most_refused} refused"
        )


NOTHING, DIFFERENCE, WHOLE = "were there already", "by difference", "whole"
DEAD, NEW = "for their dead slots", "for their new chunks"


@dataclass(frozen=True)
class Served:
    """All a reader can get out of a release."""

    fingerprint: str
    records: dict[str, tuple[str, dict[str, Any]]]
    """chunk id -> text, payload"""
    vectors: Vectors
    """In the order of sorted ids."""
    recall: float
    """Share of the truly nearest that queries find; whatever is as near as the last of them counts."""


def served(home: Home, manifest: Manifest, queries: Vectors) -> Served:
    with chroma.reader(home, manifest) as collection:
        stored: Any = collection.get(include=["documents", "metadatas", "embeddings"])
        found: Any = collection.query(query_embeddings=queries, n_results=NEAREST, include=[])["ids"]
    texts = zip(stored["documents"], stored["metadatas"], strict=True)
    records = dict(zip(stored["ids"], texts, strict=True))
    order = np.argsort(stored["ids"])
    vectors = np.asarray(stored["embeddings"], dtype=np.float32)[order]
    place = {name: number for number, name in enumerate(sorted(records))}
    nearness = queries @ vectors.T
    last = -np.sort(-nearness, axis=1)[:, NEAREST - 1]
    hits = sum(nearness[row, place[name]] >= last[row] - 1e-5 for row, names in enumerate(found) for name in set(names))
    return Served(manifest.fingerprint, records, vectors, float(hits / (NEAREST * len(queries))))


def refreshed(feeds: Feeds) -> tuple[Ran, Manifest]:
    """The candidate after one more refresh through the graph. There is no golden set, so nothing is evaluated."""
    feeds.write()
    ran = refresh(feeds.settings, promote=False)
    assert len(ran.errors) == 1 and "gate.yaml: no such file" in ran.errors[0], ran.errors
    for source in ("handbook", "answers"):
        assert ran.assets[f"{source}/documents"]["held"] is False
    manifest = read_manifest(feeds.workspace.home.release(read_candidate(feeds.workspace.home).release))
    assert manifest.id == ran.assets["index/candidate"]["release"]
    assert "did not hold" not in manifest.origin.rebuilt_because
    return ran, manifest


def from_nothing(feeds: Feeds, home: Home) -> Manifest:
    """The release of the same files, contracts and settings in a fresh RAG_HOME, which borrows vectors already computed."""
    shutil.copytree(feeds.workspace.home.vectors, home.vectors)
    settings, now = feeds.settings.model_copy(update={"home": home}), datetime.now(UTC)
    contracts, model = read_contracts(settings.contracts), model_of(settings)
    for contract in contracts:
        load_source(contract, home, run_id="nothing", now=now)
    update_chunks(home, [contract.source for contract in contracts], chunker_of(settings))
    update_embeddings(home, model, model.load)
    manifest = build_release(home, recipe_now(settings, contracts, now), run_id="nothing", now=now).manifest
    assert manifest.origin.rebuilt_because == "it is the first release"
    return manifest


def night(feeds: Feeds, queries: Vectors, ledger: Ledger) -> None:
    """Refresh, build the same from nothing, and hold the one against the other."""
    ran, manifest = refreshed(feeds)
    ledger.note(ran, manifest)
    scratch = Home(feeds.workspace.root / "nothing")
    try:
        fresh = served(scratch, from_nothing(feeds, scratch), queries)
    finally:
        shutil.rmtree(scratch.root, ignore_errors=True)
    nightly = served(feeds.workspace.home, manifest, queries)
    assert nightly.fingerprint == fresh.fingerprint
    assert nightly.records.keys() == fresh.records.keys()
    assert nightly.records == fresh.records
    np.testing.assert_allclose(nightly.vectors, fresh.vectors, atol=1e-6)
    assert nightly.recall >= 0.99
    assert fresh.recall >= 0.99
    texts = [nightly.records[name][0] for name in sorted(nightly.records)]
    ledger.vectors |= dict(zip(texts, nightly.vectors, strict=True))


def assert_embedded_today_they_are_the_same(ledger: Ledger) -> None:
    """Vectors were borrowed, so that their own truth is asked for once: every text served, embedded again."""
    texts = sorted(ledger.vectors)
    again = real_encoder().documents(texts)
    np.testing.assert_allclose(again, np.stack([ledger.vectors[text] for text in texts]), atol=1e-5)
