"""The page's parts from the facts: sentences, rows and charts. Pure; the template only lays them out."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence
from rag_pipeline.gate.policy import ChannelPolicy
from rag_pipeline.gate.verdict import Outcome, invalid
from rag_pipeline.ingest.state import SourceState
from rag_pipeline.report.charts import Mark, Tone, histogram, trend_chart
from rag_pipeline.report.figures import FEW_QUERIES, SetView, set_views
from rag_pipeline.report.gather import OpenRefusals, ReportFacts, Trend
from rag_pipeline.report.words import counted, hours, milliseconds, number, signed

MODES = {"dense": "by meaning", "lexical": "by words", "hybrid": "by meaning and words"}
"""How a release retrieves -> the same in words."""

_TONES: dict[Outcome, Tone] = {
    "passed": "fine",
    "regressed": "worse",
    "inconclusive": "unsure",
    "could not be evaluated": "even",
    "held": "even",
}
_SEVERITY: tuple[Outcome, ...] = ("could not be evaluated", "regressed", "inconclusive", "held", "passed")
_SYMBOLS: dict[Outcome, str] = {
    "passed": "✓",
    "regressed": "✕",
    "inconclusive": "?",
    "could not be evaluated": "!",
    "held": "‖",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    says: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Latency:
    """One measurement of latency with its limits and its histogram."""

    measured: LatencyEvidence
    p50_limit: float | None
    p95_limit: float | None
    chart: Markup

    @property
    def users(self) -> str:
        return "one user" if self.measured.concurrency == 1 else f"{self.measured.concurrency} users"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source: what the release holds of it, what production held, and what is wrong with it."""

    name: str
    documents: int | None
    documents_before: int | None
    chunks: int | None
    chunks_before: int | None
    contract: str
    contract_before: str
    state: SourceState | None
    refused: OpenRefusals | None

    @property
    def contract_changed(self) -> bool:
        return bool(self.contract_before and self.contract and self.contract != self.contract_before)

    @property
    def troubles(self) -> list[str]:
        """Sentences about what is wrong with the source now; none when all is well."""
        if self.state is None:
            return []
        state, says = self.state, []
        if state.outcome == "held":
            says.append(f"Held at its last good version: {state.reason or 'no reason was given'}.")
        if state.outcome == "never loaded":
            says.append("Never loaded.")
        elif not state.within_sla and state.max_age_hours is not None:
            if state.age_hours is not None and state.age_hours >= 0:
                age = f"its data is {hours(state.age_hours)} old, its contract allows {hours(state.max_age_hours)}"
            else:
                age = f"it {state.late_because}"
            says.append(f"Out of date: {age}.")
        return says + [f"A quality rule does not hold: {rule}." for rule in state.broken]


def page(facts: ReportFacts) -> dict[str, Any]:
    """Everything the template names."""
    evidence, outcome = facts.evidence, facts.verdict.outcome
    sets = set_views(evidence, facts.demands, facts.questions) if evidence else ()
    latencies = tuple(_latency(one, facts.demands) for one in evidence.latency) if evidence else ()
    sources = _sources(facts)
    return {
        "facts": facts,
        "evidence": evidence,
        "intact": _intact(evidence),
        "verdict": facts.verdict,
        "tone": _TONES[outcome],
        "tones": _TONES,
        "symbol": _SYMBOLS[outcome],
        "problem": invalid(facts.problem),
        "problem_told": not facts.problem or any(facts.problem in reason.message for reason in facts.verdict.reasons),
        "against_it": sorted(facts.verdict.reasons, key=lambda reason: _SEVERITY.index(reason.outcome)),
        "lead": _lead(facts),
        "against": _against(facts),
        "mode": _mode(facts),
        "modes": MODES,
        "sets": sets,
        "tiles": [
            *(_tile(one) for one in sets),
            *_answer_tiles(sets),
            *_latency_tiles(latencies, facts),
            *_source_tiles(sources),
        ],
        "latencies": latencies,
        "trends": [_trend(one, facts.demands) for one in facts.trends],
        "sources": sources,
        "built": _built(facts),
        "few": FEW_QUERIES,
        "not_measured": "Not measured; the reason is at the top.",
    }


def _lead(facts: ReportFacts) -> str:
    """The verdict in one sentence, with what it means for users."""
    serves = facts.verdict.release == facts.serving
    stays = (
        "It serves now; the gate would not let it in today."
        if serves
        else f"The gate does not let it into {facts.channel}; what serves there stays as it is."
    )
    short = counted(sum(reason.outcome == "regressed" for reason in facts.verdict.reasons), "demand")
    return {
        "passed": f"This release meets every demand on {facts.channel}.",
        "regressed": f"This release falls short of {short}. {stays}",
        "inconclusive": f"Too few judged queries to show that this release is good enough. {stays}",
        "could not be evaluated": f"Nothing reliable can be said about this release. {stays}",
        "held": f"This release meets every demand, but somebody holds {facts.channel}. {stays}",
    }[facts.verdict.outcome]


def _against(facts: ReportFacts) -> str:
    evidence = facts.evidence
    if evidence is None:
        return "nothing, since there is no evidence on this release"
    if evidence.compared_with:
        return f"production, {evidence.compared_with}"
    if facts.serving == evidence.release:
        return "nothing, since it is what production serves"
    if facts.serving is None:
        return "nothing, since nothing is in production yet: this is the first release"
    return f"nothing, since production ({facts.serving}) was not measured beside it"


def _mode(facts: ReportFacts) -> str:
    manifest = facts.manifest
    mode = facts.evidence.mode if facts.evidence else manifest.retrieval.mode if manifest else ""
    return f"{mode} ({MODES[mode]})" if mode in MODES else mode or "not known"


def _intact(evidence: Evidence | None) -> bool:
    """False also for evidence that cannot be written down at all, such as one with half a character in it."""
    try:
        return evidence is not None and evidence.intact
    except ValueError:
        return False


def _tile(one: SetView) -> Tile:
    """The figure the gate looks at first, of one golden set."""
    figure = one.primary
    if figure is None:
        return Tile(one.name, "–", f"{one.measured.primary} was not measured", "worse")
    label = f"{one.name}, {figure.label}"
    if figure.found is None:
        floor = f", floor {figure.floor:g}" if figure.floor is not None else ""
        return Tile(label, number(figure.candidate), f"{figure.word}{floor}", figure.tone)
    says = (
        f"{figure.word}: {signed(figure.found.mean)} against production's {number(figure.production)}, "
        f"bounds {signed(figure.found.lower)} to {signed(figure.found.upper)}"
    )
    return Tile(label, number(figure.candidate), says, figure.tone)


def _answer_tiles(sets: tuple[SetView, ...]) -> list[Tile]:
    found = [one.answers for one in sets if one.answers]
    if not found:
        return []
    lost, won, queries = (sum(getattr(one, name) for one in found) for name in ("lost", "won", "queries"))
    over = any(one.limit is not None and one.at_most > one.limit for one in found)
    sure = any(one.limit is not None and one.lost / max(one.queries, 1) > one.limit for one in found)
    tone: Tone = "worse" if sure else "unsure" if over else "fine" if any(one.limit is not None for one in found) else "even"
    says = f"the other way round: {won}"
    return [Tile("Queries answered before and not now", f"{lost} of {queries:,}", says, tone)]


def _latency_tiles(latencies: tuple[Latency, ...], facts: ReportFacts) -> list[Tile]:
    wanted = facts.demands.latency.concurrency if facts.demands else None
    shown = [one for one in latencies if wanted in (None, one.measured.concurrency)][:1]
    return [
        Tile(
            f"Time a query takes (p95, {one.users} at a time)",
            milliseconds(one.measured.p95_ms),
            f"limit {milliseconds(one.p95_limit)}" if one.p95_limit else "no limit is set",
            "even" if one.p95_limit is None else "fine" if one.measured.p95_ms <= one.p95_limit else "worse",
        )
        for one in shown
    ]


def _source_tiles(rows: list[SourceRow]) -> list[Tile]:
    known = [row for row in rows if row.state]
    bad = [row.name for row in known if row.troubles]
    if not known:
        return []
    tone: Tone = "worse" if bad else "fine"
    return [Tile("Sources held, late or broken", f"{len(bad)} of {len(known)}", ", ".join(bad) or "all are well", tone)]


def _latency(measured: LatencyEvidence, demands: ChannelPolicy | None) -> Latency:
    limits = demands.latency if demands and demands.latency.concurrency == measured.concurrency else None
    p50, p95 = (limits.p50_ms, limits.p95_ms) if limits else (None, None)
    marks = [Mark("p50", measured.p50_ms), Mark("p95", measured.p95_ms)]
    marks += [Mark("p50 limit", p50, "limit")] if p50 else []
    marks += [Mark("p95 limit", p95, "limit")] if p95 else []
    title = f"How long queries took, {counted(measured.concurrency, 'user')} at a time"
    return Latency(measured, p50, p95, histogram(measured.times_ms, marks, title=title))


def _trend(trend: Trend, demands: ChannelPolicy | None) -> tuple[Trend, Markup, bool]:
    """The trend with its chart, and whether the golden set changed on the way."""
    held = demands.golden_sets.get(trend.golden_set) if demands else None
    floor = held.floors.get(trend.metric) if held else None
    title = f"{trend.golden_set}: {trend.metric} of the last {counted(len(trend.points), 'release')}"
    broken = len({point.series for point in trend.points}) > 1
    return trend, trend_chart(trend.points, title=title, floor=floor), broken


def _sources(facts: ReportFacts) -> list[SourceRow]:
    now = facts.manifest.sources if facts.manifest else {}
    before = facts.production.sources if facts.production else {}
    states = {state.source: state for state in facts.sources}
    refused = {one.source: one for one in facts.refused}
    rows = []
    for name in sorted({*now, *before, *states}):
        mine, theirs, state = now.get(name), before.get(name), states.get(name)
        rows.append(
            SourceRow(
                name=name,
                documents=mine.documents if mine else 0 if facts.manifest else None,
                documents_before=theirs.documents if theirs else 0 if facts.production else None,
                chunks=mine.chunks if mine else 0 if facts.manifest else None,
                chunks_before=theirs.chunks if theirs else 0 if facts.production else None,
                contract=mine.contract_version if mine else "",
                contract_before=theirs.contract_version if theirs else "",
                state=state,
                refused=refused.get(name),
            )
        )
    return rows


def _built(facts: ReportFacts) -> str:
    """How the release came to be, in a sentence."""
    if facts.manifest is None:
        return "How the release was built is not known: its manifest could not be read."
    origin = facts.manifest.origin
    if origin.base:
        came, left = counted(origin.added, "record"), counted(origin.removed, "record")
        return f"Built from {origin.base} by difference: {came} came, {left} left."
    return f"Built whole, because {origin.rebuilt_because}." if origin.rebuilt_because else "Built whole."
