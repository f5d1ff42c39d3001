"""Evidence: what an evaluation measured on one release, bound to fingerprints, kept as append-only files."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from rag_pipeline.files import fingerprint, write_json

_STAMP = "%Y%m%dT%H%M%S.%f"
"""How a file of evidence begins, so that names sort as they were written."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Comparison(_Frozen):
    """Candidate against production, paired by query, on the primary metric."""

    metric: str
    queries: int
    production: float
    difference: float
    lower: float
    upper: float
    worst: list[tuple[str, float]]
    """Queries that lost most: (query id, difference)."""


class SetEvidence(_Frozen):
    """One golden set measured on one release."""

    fingerprint: str
    queries: int
    judgments: int
    dead_judgments: list[tuple[str, str]]
    unanswered: list[str]
    metrics: dict[str, float]
    slices: dict[str, dict[str, dict[str, float]]]
    production_metrics: dict[str, float] | None
    comparison: Comparison | None


class LatencyEvidence(_Frozen):
    queries: int
    p50_ms: float
    p95_ms: float


class Evidence(_Frozen):
    """Everything the gate may look at. `seal` is the hash of the rest: a file edited by hand does not carry it."""

    format: Literal[2] = 2
    release: str
    release_fingerprint: str
    manifest_sha256: str
    """Of the release's manifest, which holds the checksum of every other file: the bytes that were measured."""
    model_fingerprint: str
    policies: dict[str, str]
    """Channel -> fingerprint of what gate.yaml demanded there at the time."""
    created_at: AwareDatetime
    run_id: str
    compared_with: str | None
    """Release id of production at the time, or None when there was none."""
    golden_sets: dict[str, SetEvidence]
    latency: LatencyEvidence
    seal: str = ""

    def sealed(self) -> "Evidence":
        return self.model_copy(update={"seal": self._hash()})

    @property
    def intact(self) -> bool:
        return self.seal == self._hash()

    def _hash(self) -> str:
        return fingerprint(json.loads(self.model_dump_json(exclude={"seal"})))


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
