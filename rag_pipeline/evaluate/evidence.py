"""Evidence: what an evaluation measured on one release, bound to fingerprints, kept as append-only files."""

import json
import math
from operator import not_
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from rag_pipeline.evaluate.seal import key_name, seal_of, seal_problem
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.records import Record
from rag_pipeline.settings import seal_key

JUDGED = "judged@10"
"""Share of the first ten that anybody judged: where it falls, other figures may fall for want of judgments."""

NO_SLICE = "(none)"
"""Value of a slice for a query whose metadata does not give one."""


class Passage(Record):
    """One piece of text as a person compares it. `score` is None for an expected passage."""

    document: str
    text: str
    relevant: bool = False
    score: float | None = None


class Example(Record):
    """One query that lost, with what was expected, what production retrieved and what the candidate retrieves."""

    query: str
    text: str
    difference: float
    expected: list[Passage]
    production: list[Passage]
    candidate: list[Passage]


class ProbesEvidence(Record):
    """What unjudged questions tell of a release against production. Every list of losses follows `ids`."""

    ids: list[str]
    chances: list[float] = []
    """Chance that the right document stands at place 1, 2, … of production's list, learnt from the judged questions."""
    losses: dict[str, list[float]] = {}
    """metric -> expected loss of each probe; empty where `problem` says why"""
    slices: dict[str, list[str]] = {}
    """slice -> value of each probe"""
    problem: str = ""


class SetEvidence(Record):
    """One golden set measured on one release. Every list of values follows `query_ids`."""

    fingerprint: str
    owner: str = ""
    made_by: Literal["people", "machine", "traffic"] = "people"
    labels: list[str] = Field(default=[], exclude_if=not_)
    """What the readers may read whom the set stands for; empty: everything."""
    primary: str
    query_ids: list[str]
    judgments: int
    moved: int = 0
    """Quotes found elsewhere in their document, or spelt a little differently."""
    unresolved: list[Unresolved] = []
    vanished: list[Unresolved] = Field(default=[], exclude_if=not_)
    """The unresolved ones that production can still meet: lost with their documents, and counted as lost, not taken out."""
    unanswered: list[str] = []
    values: dict[str, list[float]]
    """metric -> value of each query, of the release as it serves"""
    production: dict[str, list[float]] | None = None
    """The same of production, on the same queries; None when there is none to compare with."""
    condensed: dict[str, list[float]] = Field(default={}, exclude_if=not_)
    """Values of the release on lists without the documents production does not have; empty where nobody knows those.

    Like every field that came later it is not told where it is empty: so older evidence keeps its seal.
    """
    probes: ProbesEvidence | None = Field(default=None, exclude_if=not_)
    """None where the set has no probes, or there is no production to compare with."""
    fallen: list[str] = Field(default=[], exclude_if=not_)
    """Documents that answer queries and stand further back than in production, or nowhere, those that fell most first."""
    slipped: list[str] = Field(default=[], exclude_if=not_)
    """Queries whose first answer stands a place or two further back than in production: near ties that changed places."""
    slices: dict[str, list[str]] = {}
    """slice -> value of each query"""
    modes: dict[str, dict[str, float]] = {}
    """way to retrieve -> metric -> mean: what the release would give if it served that one"""
    overlap_at_10: float | None = None
    """Mean share of production's ten first documents that are among the release's: drift that needs no judgment."""
    unjudged: list[tuple[str, str]] = []
    """(query id, document id) among the top results that nobody has judged yet, those that come first, first."""
    examples: list[Example] = Field(default=[], exclude=True)
    """The queries that lost most against production, worst first. Not sealed: see `evidence_texts`."""

    @property
    def queries(self) -> int:
        return len(self.query_ids)

    @property
    def metrics(self) -> dict[str, float]:
        """Mean of every metric."""
        return {name: average(values) for name, values in self.values.items()}

    @property
    def production_metrics(self) -> dict[str, float] | None:
        return {name: average(values) for name, values in self.production.items()} if self.production else None

    @property
    def unresolved_percent(self) -> float:
        return 100 * len(self.unresolved) / self.judgments if self.judgments else 100.0

    def dead(self, *, and_vanished: bool) -> list[Unresolved]:
        """Judgments that nothing can meet, with or without those that count as answers the release lost."""
        counted = set() if and_vanished else {one.judgment for one in self.vanished}
        return [one for one in self.unresolved if one.judgment not in counted]

    def members(self, slice_name: str) -> dict[str, list[int]]:
        """value of a slice -> places of its queries in `query_ids`, by value"""
        places: dict[str, list[int]] = {}
        for place, value in enumerate(self.slices.get(slice_name, [])):
            places.setdefault(value, []).append(place)
        return dict(sorted(places.items()))

    def differences(self, metric: str, places: list[int] | None = None) -> list[float]:
        """Release minus production, a query each; of all queries, or of those at some places.

        Raises `KeyError` when the metric was not measured on both.
        """
        if self.production is None:
            raise KeyError(metric)
        pairs = list(zip(self.values[metric], self.production[metric], strict=True))
        return [mine - theirs for mine, theirs in (pairs if places is None else [pairs[place] for place in places])]


class LatencyEvidence(Record):
    """Milliseconds a query takes, embedding included, after a warm-up, `concurrency` at a time."""

    queries: int
    concurrency: int = 1
    times_ms: list[float] = []
    """Every time, in ascending order."""
    p50_ms: float
    p95_ms: float


class Evidence(Record):
    """Everything the gate may look at. `seal` is the hash of the rest: a file edited by hand does not carry it."""

    format: Literal[4] = 4
    release: str
    release_fingerprint: str
    manifest_sha256: str
    """Checksum of the release's manifest, which holds the checksum of every other file: the bytes that were measured."""
    model_fingerprint: str
    mode: str = "dense"
    """How the release retrieves."""
    policies: dict[str, str]
    """Channel -> fingerprint of what gate.yaml demanded there at the time."""
    created_at: AwareDatetime
    run_id: str
    compared_with: str | None
    """Release id of production at the time, or None when there was none."""
    golden_sets: dict[str, SetEvidence]
    latency: list[LatencyEvidence]
    """One a concurrency that some channel's policy names, ascending."""
    approximate_recall: float | None = None
    """Share of the ten truly nearest that the index finds, by exact search, measured when it was built."""
    runtime: dict[str, str] = {}
    """Package -> version, of all that embedding, retrieving and scoring ran on."""
    processor: str = ""
    """What it ran on; only told."""
    lists: str = ""
    """SHA-256 of the file beside this one that holds what was retrieved, so that every figure can be computed again."""
    sequence: int = 0
    """Place among the evidence on this release's content, from 1; given when it is kept, like the next three."""
    previous: str = ""
    """Seal of the evidence before it; empty for the first."""
    kept_at: AwareDatetime | None = None
    """What its file's name begins with: after all that was there, also when the clock was set back."""
    key: str = ""
    """Name of the key it is sealed with; empty without one."""
    seal: str = ""

    def sealed(self) -> "Evidence":
        """The same evidence with the seal that fits, made with the key that is set here, if one is."""
        secret = seal_key()
        named = self.model_copy(update={"key": key_name(secret)})
        return named.model_copy(update={"seal": seal_of(named._content(), secret)})

    @property
    def intact(self) -> bool:
        return not self.seal_problem(seal_key())

    def seal_problem(self, key: str) -> str:
        """Why the seal does not hold, in words; empty when it does."""
        return seal_problem("the evidence", self._content(), self.seal, self.key, key)

    def alone(self, run_id: str) -> "Evidence":
        """The same measurement without its comparison, of when it was measured."""
        nothing: dict[str, Any] = {
            "production": None,
            "condensed": {},
            "fallen": [],
            "slipped": [],
            "probes": None,
            "overlap_at_10": None,
            "examples": [],
        }
        sets = {name: one.model_copy(update=nothing) for name, one in self.golden_sets.items()}
        return self.model_copy(update={"run_id": run_id, "compared_with": None, "golden_sets": sets}).sealed()

    def _content(self) -> object:
        return json.loads(self.model_dump_json(exclude={"seal"}))


def average(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
