"""Everything a report shows, read from disk. It reads, never writes, and says which part it could not read."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import PRODUCTION, serving
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.evaluate.remembered import evaluations_table
from rag_pipeline.gate.policy import ChannelPolicy, Policy
from rag_pipeline.gate.verdict import Verdict
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected
from rag_pipeline.report.charts import Point

log = logging.getLogger("rag_pipeline")

TREND = 30
"""Releases a trend shows."""

_REASONS = 5
"""Reasons for refusal shown of one source."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class OpenRefusals:
    """Rows of one source in quarantine that nobody has settled, and why most of them are there. Holds no value of a row."""

    source: str
    rows: int
    reasons: tuple[tuple[str, int], ...]
    """(column and message, rows), most frequent first"""


@dataclass(frozen=True, slots=True)
class Trend:
    """The primary metric of one golden set over the last releases, in time order."""

    golden_set: str
    metric: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """All that a report is made of. What is None or empty was not there, and the page says so."""

    verdict: Verdict
    written_at: datetime
    evidence: Evidence | None = None
    problem: str = ""
    """Why the release could not be evaluated at all: the message of the error."""
    channel: str = PRODUCTION
    serving: str | None = None
    """Release id in production now."""
    demands: ChannelPolicy | None = None
    manifest: Manifest | None = None
    production: Manifest | None = None
    """The manifest of the release that this one is compared with."""
    sources: tuple[SourceState, ...] = ()
    refused: tuple[OpenRefusals, ...] = ()
    trends: tuple[Trend, ...] = ()
    questions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """golden set -> query id -> its text"""
    unread: tuple[str, ...] = ()
    """What could not be read for this report, and why."""


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What whoever wants a report knows of it; all else is read."""

    verdict: Verdict
    _: KW_ONLY
    now: datetime
    evidence: Evidence | None = None
    """None: nothing was measured, and `problem` is the message of the error that stopped the evaluation."""
    contracts: Sequence[Contract] = ()
    golden_sets: Sequence[GoldenSet] = ()
    policy: Policy | None = None
    channel: str = PRODUCTION
    problem: str = ""


def gather(home: Home, asked: ReportRequest) -> ReportFacts:
    """Read all that is known about a release. Never fails on a damaged part: a report is wanted most when things are bad."""
    attempt, verdict, evidence = _Attempt([]), asked.verdict, asked.evidence
    current = attempt("the channel", lambda: serving(home), None)
    other = evidence.compared_with if evidence else current
    primaries = {golden.name: golden.about.primary for golden in asked.golden_sets}
    primaries |= {name: one.primary for name, one in evidence.golden_sets.items()} if evidence else {}
    sources = [contract.source for contract in asked.contracts]
    return ReportFacts(
        verdict=verdict,
        written_at=asked.now,
        evidence=with_texts(home, evidence) if evidence else None,
        problem=asked.problem,
        channel=asked.channel,
        serving=current,
        demands=asked.policy.channels.get(asked.channel) if asked.policy else None,
        manifest=attempt("the release's manifest", lambda: read_manifest(home.release(verdict.release)), None),
        production=attempt("production's manifest", lambda: _other(home, verdict.release, other), None),
        sources=tuple(state for contract in asked.contracts if (state := _state(attempt, contract, home, asked.now))),
        refused=attempt("the quarantine", lambda: tuple(refusals(home, source) for source in sources), ()),
        trends=attempt("earlier evaluations", lambda: trends(home, primaries, verdict.release, asked.channel), ()),
        questions={golden.name: golden.queries for golden in asked.golden_sets},
        unread=tuple(attempt.failed),
    )


def refusals(home: Home, source: str) -> OpenRefusals:
    """What a source's contract refuses as of now, counted by reason."""
    table = (
        source_tables(home, source).quarantine.scan().filter(pl.col("status") == "open").select("reasons").pipe(collected)
    )
    counted: Counter[str] = Counter()
    for reasons, rows in table.group_by("reasons").len().iter_rows():
        counted.update({f"{one['column']} {one['message']}".strip(): rows for one in json.loads(reasons)})
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:_REASONS]
    return OpenRefusals(source, len(table), tuple(most))


def trends(home: Home, primaries: Mapping[str, str], release: str, channel: str = PRODUCTION) -> tuple[Trend, ...]:
    """golden set -> its primary metric, of each release the newest evaluation; releases by their first evaluation.

    So a release that is measured again every day stays where it was in time.
    """
    means = (
        evaluations_table(home)
        .scan()
        .filter(pl.col("golden_set").is_in(list(primaries)), pl.col("value").is_finite())
        .group_by("release", "golden_set", "golden_fingerprint", "metric", "at")
        .agg(pl.col("value").mean())
        .with_columns(
            first=pl.col("at").min().over("release"), newest=pl.col("at").max().over("release", "golden_set", "metric")
        )
        .filter(pl.col("at") == pl.col("newest"))
        .sort("first", "release")
        .pipe(collected)
    )
    served = _ever_served(home, channel)
    found = []
    for name, metric in primaries.items():
        mine = means.filter(pl.col("golden_set") == name, pl.col("metric") == metric).tail(TREND)
        points = tuple(
            Point(
                release=row["release"],
                at=row["first"],
                value=row["value"],
                series=row["golden_fingerprint"],
                served=row["release"] in served,
                current=row["release"] == release,
            )
            for row in mine.iter_rows(named=True)
        )
        found.append(Trend(name, metric, points))
    return tuple(found)


def _ever_served(home: Home, channel: str) -> set[str]:
    moves = audit_table(home).scan().filter(pl.col("channel") == channel, pl.col("sequence").is_not_null())
    served = set(moves.select("release").pipe(collected)["release"].to_list())
    return served | {now} if channel == PRODUCTION and (now := serving(home)) else served


def _state(attempt: "_Attempt", contract: Contract, home: Home, now: datetime) -> SourceState | None:
    return attempt(f"source {contract.source}", lambda: source_state(contract, home, now), None)


def _other(home: Home, release: str, other: str | None) -> Manifest | None:
    return read_manifest(home.release(other)) if other and other != release else None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Reads a part, or notes why it could not be read."""

    failed: list[str]

    def __call__(self, what: str, read: Callable[[], _Read], otherwise: _Read) -> _Read:
        try:
            return read()
        except (PipelineError, OSError, ValueError, pl.exceptions.PolarsError, DeltaError) as error:
            log.warning("the report is written without %s: %s", what, error)
            self.failed.append(f"{what}: {error}")
            return otherwise
