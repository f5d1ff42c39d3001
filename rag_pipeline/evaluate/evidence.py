"""Evidence: what an evaluation measured on one release, bound to fingerprints, kept as append-only files."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from rag_pipeline.files import fingerprint, write_json

_STAMP = "%Y%m%dT%H%M%S.%f"
"""How a file of evidence begins, so that names sort as they were written."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


JUDGED = "judged@10"
"""Share of the first ten that anybody judged: where it falls, other figures may fall for want of judgments."""

Status = Literal["stale", "dead"]
"""What became of a judgment that cannot be met any more: its quote left the document, or the document is gone."""


class Unresolved(_Frozen):
    """A judgment no release can meet any more; it was taken out for both sides."""

    query: str
    document: str
    status: Status
    quote: str = ""


class Passage(_Frozen):
    """One piece of text as a person compares it. `score` is None for an expected passage."""

    document: str
    text: str
    relevant: bool = False
    score: float | None = None


class Example(_Frozen):
    """One query that lost, with what was expected, what production retrieved and what the candidate retrieves."""

    query: str
    text: str
    difference: float
    expected: list[Passage]
    production: list[Passage]
    candidate: list[Passage]


class SetEvidence(_Frozen):
    """One golden set measured on one release. Every list of values follows `query_ids`."""

    fingerprint: str
    owner: str = ""
    made_by: Literal["people", "machine"] = "people"
    primary: str
    query_ids: list[str]
    judgments: int
    moved: int = 0
    """Quotes found elsewhere in their document, or spelt a little differently."""
    unresolved: list[Unresolved] = []
    unanswered: list[str] = []
    values: dict[str, list[float]]
    """metric -> value of each query, of the release as it serves"""
    production: dict[str, list[float]] | None = None
    """The same of production, on the same queries; None when there is none to compare with."""
    slices: dict[str, list[str]] = {}
    """slice -> value of each query"""
    modes: dict[str, dict[str, float]] = {}
    """way to retrieve -> metric -> mean: what the release would give if it served that one"""
    overlap_at_10: float | None = None
    """Mean share of production's ten first documents that are among the release's: drift that needs no judgment."""
    unjudged: list[tuple[str, str]] = []
    """(query id, document id) among the top results that nobody has judged yet, those that come first, first."""
    examples: list[Example] = []
    """The queries that lost most against production, worst first."""

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


class LatencyEvidence(_Frozen):
    """Milliseconds a query takes, embedding included, after a warm-up, `concurrency` at a time."""

    queries: int
    concurrency: int = 1
    times_ms: list[float] = []
    """Every time, in ascending order."""
    p50_ms: float
    p95_ms: float


class Evidence(_Frozen):
    """Everything the gate may look at. `seal` is the hash of the rest: a file edited by hand does not carry it."""

    format: Literal[3] = 3
    release: str
    release_fingerprint: str
    manifest_sha256: str
    """Of the release's manifest, which holds the checksum of every other file: the bytes that were measured."""
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
    seal: str = ""

    def sealed(self) -> "Evidence":
        return self.model_copy(update={"seal": self._hash()})

    @property
    def intact(self) -> bool:
        return self.seal == self._hash()

    def alone(self, run_id: str) -> "Evidence":
        """The same measurement without its comparison, of when it was measured."""
        nothing: dict[str, Any] = {"production": None, "overlap_at_10": None, "examples": []}
        sets = {name: one.model_copy(update=nothing) for name, one in self.golden_sets.items()}
        return self.model_copy(update={"run_id": run_id, "compared_with": None, "golden_sets": sets}).sealed()

    def _hash(self) -> str:
        return fingerprint(json.loads(self.model_dump_json(exclude={"seal"})))


def average(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def keep(home: Path, evidence: Evidence) -> Path:
    """Append evidence to what is known of its release; earlier evidence is never touched.

    Its name comes after those of all that is there, also when the clock was set back meanwhile: a failed evaluation
    must not lose to an older one that passed.
    """
    folder = home / "evidence" / evidence.release_fingerprint
    at = evidence.created_at.astimezone(UTC)
    if earlier := sorted(folder.glob("*.json")):
        last = datetime.strptime(earlier[-1].name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        at = max(at, last + timedelta(microseconds=1))
    path = folder / f"{at:{_STAMP}}-{evidence.seal[:8]}.json"
    write_json(path, evidence.model_dump(mode="json"))
    return path


def at_promotion(home: Path, release_fingerprint: str, seal: str | None) -> Evidence | None:
    """The evidence a release was promoted on, by its seal; None when it is not there or was changed since."""
    folder = home / "evidence" / release_fingerprint
    for path in sorted(folder.glob(f"*-{seal[:8]}.json")) if seal and folder.is_dir() else ():
        try:
            found = Evidence.model_validate_json(path.read_bytes())
        except ValueError:
            continue
        if found.seal == seal and found.intact:
            return found
    return None


def newest(home: Path, release_fingerprint: str) -> Evidence | None:
    """The latest evidence on a release, by file name; None when there is none, or the latest is damaged."""
    folder = home / "evidence" / release_fingerprint
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        return None
    try:
        return Evidence.model_validate_json(paths[-1].read_bytes())
    except ValueError:
        return None  # older evidence must not stand in for it
