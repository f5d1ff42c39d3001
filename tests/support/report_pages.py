"""What the tests of the report share: a strict reader of pages, and small builders of what a report is made of."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.index.manifest import (
    IndexParameters,
    LexicalEntry,
    Manifest,
    ModelEntry,
    Origin,
    Probe,
    RetrievalParameters,
    SourceEntry,
)
from tests.support import gate_cases
from tests.support.small_releases import NOW

PARTS = ("verdict", "quality", "modes", "slices", "regressions", "trend", "latency", "data", "judgments", "provenance")
VOID = {"meta", "br", "link", "img", "hr", "input", "wbr"}


class Page(HTMLParser):
    """A page as a strict reader sees it: every tag closed in order, every address it names."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        assert len(named) == len(attrs), f"an attribute twice on {tag}"
        self.ids += [named["id"] or ""] if "id" in named else []
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "data", "poster", "srcset")
        ]
        self.handlers += [name for name in named if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def says(self) -> str:
        return " ".join(" ".join(self.words).replace("\xa0", " ").split())


def golden(loss: float = 0.0, losers: int = 12, **changes: Any) -> SetEvidence:
    """180 queries; the first `losers` lose `loss` of everything."""
    before = [0.5] * 180
    now = [value - (loss if place < losers else 0.0) for place, value in enumerate(before)]
    names = ("nDCG@10", "recall@10", "hit@10", "judged@10")
    fields: dict[str, Any] = {
        "fingerprint": "docs-1",
        "owner": "docs@example.com",
        "primary": "nDCG@10",
        "query_ids": [f"q{place}" for place in range(180)],
        "judgments": 200,
        "moved": 3,
        "unresolved": [Unresolved(query="q1", document="handbook/old.md", status="stale", quote="a week of leave")],
        "unanswered": ["q2"],
        "values": dict.fromkeys(names, now),
        "production": dict.fromkeys(names, before),
        "slices": {"kind": ["howto"] * 100 + ["lookup"] * 80, "team": ["people"] * 12 + ["it"] * 168},
        "modes": {mode: {"nDCG@10": value} for mode, value in (("dense", 0.5), ("lexical", 0.42), ("hybrid", 0.6))},
        "overlap_at_10": 0.75,
        "unjudged": [("q3", "handbook/new.md")],
        "examples": [],
    }
    return SetEvidence(**fields | changes)


def evidence(measured: SetEvidence | None = None, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "release": "new",
        "release_fingerprint": "new-1",
        "manifest_sha256": "bytes-1",
        "model_fingerprint": "model-1",
        "mode": "hybrid",
        "policies": {"production": "policy-1"},
        "created_at": NOW,
        "run_id": "run-1",
        "compared_with": "old",
        "golden_sets": {"docs": measured or golden()},
        "latency": [LatencyEvidence(queries=3, concurrency=4, times_ms=[10.0, 20.0, 90.0], p50_ms=20.0, p95_ms=83.0)],
        "approximate_recall": 0.999,
    }
    return Evidence(**fields | changes).sealed()


def manifest(name: str = "new", version: str = "1.1.0", documents: int = 12) -> Manifest:
    return Manifest(
        id=name,
        fingerprint=f"{name}-1",
        created_at=NOW,
        run_id="run-1",
        documents=documents,
        chunks=40,
        model=ModelEntry(name="small", fingerprint="model-1", dimensions=8),
        chunker="c",
        index=IndexParameters(),
        retrieval=RetrievalParameters(),
        sources={
            "handbook": SourceEntry(
                documents=documents, chunks=40, data_version="v", contract_id="h", contract_version=version
            )
        },
        chroma_version="1",
        lexical=LexicalEntry(tantivy_version="1", language="english", analyzer=1),
        build_seconds=1.0,
        origin=Origin(base="old", added=7, removed=4),
        probe=Probe(ids_expected=40, ids_stored=40, self_retrieval_asked=1, self_retrieval_found=1, lexical_stored=40),
        files={},
    )


SOURCE = replace(gate_cases.SOURCE, documents=12, refused=2, contract_id="h", contract_version="1.1.0")
