"""What gate.yaml demands of traffic, held against evidence of it: pure functions of evidence, policy and the time.

Shares are judged by exact one-sided bounds: a release passes where so few failed that more than the limit would hardly have
come to so few. What is told of them in words stands in docs/evaluation.md.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from rag_pipeline.evaluate.compare import more_for_share, quantile, share_bounds
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.traffic_policy import AfterPolicy, ShadowPairs
from rag_pipeline.gate.verdict import Reason, invalid
from rag_pipeline.traffic.counted import Served
from rag_pipeline.traffic.evidence import Sought, TrafficEvidence
from rag_pipeline.traffic.queue import QUEUE

CONFIDENCE = 0.95
CLOCK_SKEW_HOURS = 5 / 60
MAKE = "`rag traffic evidence {release}` makes it anew"

_Line = Callable[..., str]


@dataclass(frozen=True, slots=True)
class TrafficFacts:
    """The newest evidence of traffic on a release, and how the tables that it was made of stand now."""

    evidence: TrafficEvidence | None
    problems: tuple[str, ...] = ()
    """Why it does not count, beyond what it says itself."""
    now: TrafficEvidence | None = None
    """What would be said now; None where there is no evidence."""
    alone: bool = False
    """Nothing is in production yet that it could be worse than."""


def sought(policy: Policy, channel: str, release: str, release_fingerprint: str) -> Sought | None:
    """What must be found out of traffic before a channel may point at a release; None where nothing is demanded."""
    demands = policy.channel(channel)
    if demands.after is None:
        return None
    limits = (demands.serving.p50_ms, demands.serving.p95_ms)
    return Sought(
        channel=channel,
        served_on=demands.after.channel,
        release=release,
        fingerprint=release_fingerprint,
        policy=policy.traffic_fingerprint(channel),
        most_of_one=demands.after.most_of_one,
        limits_ms=tuple(one for one in limits if one is not None),
        judged=policy.document.path.parent / QUEUE if demands.serving.shadow_pairs else None,
    )


def on_traffic(policy: Policy, channel: str, facts: TrafficFacts | None, wanted: Sought, now: datetime) -> list[Reason]:
    """What speaks against a release for what was served of it. Without evidence that counts, just that."""
    line = policy.line(channel, "after")
    evidence = facts.evidence if facts else None
    if facts is None or evidence is None:
        said = facts.problems if facts and facts.problems else (f"there is no evidence of traffic on {wanted.release}",)
        return [invalid(f"{one}; {MAKE.format(release=wanted.release)}", line) for one in said]
    problems = [*(_not_written(one) for one in (facts.now,) if one), *_of_another(evidence, wanted), *facts.problems]
    problems = [one for one in problems if one]
    age = (now - evidence.created_at).total_seconds() / 3600
    limit = policy.channel(channel).evidence_max_age_hours
    if age > limit:
        problems.append(f"the evidence of traffic is {age:.1f} h old, at most {limit:g} h are allowed")
    if age < -CLOCK_SKEW_HOURS:
        problems.append(f"the evidence of traffic is dated {-age:.1f} h in the future; was the clock moved?")
    if problems:
        return [invalid(f"{one}; {MAKE.format(release=wanted.release)}", line) for one in problems]
    found = list(levels(evidence, policy, channel, alone=facts.alone))
    if not found and facts.now is not None:
        found = [
            Reason(one.outcome, one.line, f"since the evidence of traffic was made: {one.message}")
            for one in levels(facts.now, policy, channel, alone=facts.alone)
        ]
    return found


def _of_another(evidence: TrafficEvidence, wanted: Sought) -> Iterator[str]:
    if evidence.release_fingerprint != wanted.fingerprint:
        yield f"the evidence of traffic is about another release ({evidence.release})"
    if (evidence.channel, evidence.served_on) != (wanted.channel, wanted.served_on):
        yield f"the evidence of traffic is about {evidence.served_on} before {evidence.channel}"
    if evidence.policy != wanted.policy:
        yield "what gate.yaml demands of traffic has changed since its evidence was made"


def _not_written(evidence: TrafficEvidence) -> str:
    """What rows there are that no replica wrote; empty where there are none."""
    if not (evidence.edited or evidence.twice):
        return ""
    return (
        f"{evidence.edited:,} rows of traffic/queries are not as a replica wrote them, {evidence.twice:,} have the id of "
        "another: they were edited or made up, or RAG_PII_SALT is another here than where `rag serve` runs"
    )


def levels(evidence: TrafficEvidence, policy: Policy, channel: str, *, alone: bool) -> Iterator[Reason]:
    """What was served, against what is demanded of it."""
    demands = policy.channel(channel)
    after, serving = demands.after, demands.serving

    def line(*steps: str) -> str:
        return policy.line(channel, *steps)

    if after is None:
        return
    if strange := _not_written(evidence):
        yield invalid(strange, line("after"))
        return
    yield from _enough(evidence, after, line)
    one = evidence.served
    yield from _share("errors", one.errors, one.questions, serving.errors_max_percent, line("serving", "errors_max_percent"))
    degraded, limit = one.degraded, serving.degraded_max_percent
    yield from _share("degraded answers", degraded, one.answered, limit, line("serving", "degraded_max_percent"))
    for name, ms, most in (("p50_ms", serving.p50_ms, 50.0), ("p95_ms", serving.p95_ms, 5.0)):
        if ms is not None:
            what = f"questions that took longer than {ms:g} ms"
            yield from _share(what, one.slower.get(f"{ms:g}", one.timed), one.timed, most, line("serving", name))
    if serving.zero_hits_not_worse is not None and not alone:
        at = line("serving", "zero_hits_not_worse")
        yield from _emptier(evidence, serving.zero_hits_not_worse, at)
    if serving.shadow_pairs is not None and not alone:
        yield from _pairs(evidence, serving.shadow_pairs, line)


def _enough(evidence: TrafficEvidence, after: AfterPolicy, line: _Line) -> Iterator[Reason]:
    one, answered = evidence.served, evidence.served.answered
    figures = (
        ("questions", answered, after.queries, "queries"),
        ("hours with an answer", evidence.hours_answered, after.hours, "hours"),
        ("principals", one.principals, after.principals, "principals"),
    )
    for what, there, wanted, field in figures:
        if there < wanted:
            waits = f"; {evidence.waiting:,} segments wait for `rag traffic ingest`" if evidence.waiting else ""
            says = (
                f"too little was served: {evidence.served_on} answered {answered:,} questions that count from "
                f"{evidence.release}, of {one.principals} principals, in {evidence.hours_answered} hours; {wanted:,} {what} "
                f"are wanted (of one principal {after.most_of_one} count in an hour, each once){waits}"
            )
            yield Reason("inconclusive", line("after", field), says)


def _share(what: str, cases: int, of: int, limit_percent: float | None, line: str) -> Iterator[Reason]:
    """Cases must be shown to be at most so many percent."""
    if limit_percent is None:
        return
    limit = limit_percent / 100
    lower, upper = share_bounds(cases, of, confidence=CONFIDENCE)
    if upper <= limit:
        return
    says = f"{what}: {cases:,} of {of:,} that count; that may be {100 * upper:.2f} %, at most {limit_percent:g} % may be"
    if lower > limit:
        yield Reason("regressed", line, says)
        return
    more = more_for_share(cases, of, limit, confidence=CONFIDENCE) if limit else None
    hint = f"{more:,} more without one would show that it is less" if more else "more of the same would not show less"
    yield Reason("inconclusive", line, f"{says}; {hint}")


def _pairs(evidence: TrafficEvidence, wanted: ShadowPairs, line: _Line) -> Iterator[Reason]:
    """Judged pairs that differ, so many or all there are; and how many of all pairs up to the last of them are lost."""
    one, at = evidence.pairs, partial(line, "serving", "shadow_pairs")
    if one is None or one.problem or one.edited or one.twice:
        edited = f"{one.edited + one.twice:,} rows of traffic/pairs are not as a replica wrote them" if one else ""
        strange = (one and one.problem) or edited or "nobody looked at them"
        yield invalid(f"shadow pairs: {strange}", at())
        return
    if one.settled < wanted.judged or one.judged < min(wanted.judged, one.differing):
        yield Reason(
            "inconclusive",
            at("judged"),
            f"{one.judged} shadow pairs that differ are judged, of {one.differing}; {wanted.judged} should be, or all of "
            f"them and {wanted.judged} pairs in all ({one.sampled} were sampled, {one.settled} of them are judged or alike)"
            ": `rag traffic queue`, then judge",
        )
    if one.settled:
        what = f"shadow pairs lost (and {one.won} won)"
        yield from _share(what, one.lost, one.settled, wanted.lost_max_percent, at("lost_max_percent"))


def _emptier(evidence: TrafficEvidence, margin: float, line: str) -> Iterator[Reason]:
    """Answers without a chunk, against production in the same hours: of other days it would be no comparison."""
    mine, theirs = evidence.served, evidence.beside
    if theirs is None or not theirs.answered:
        says = f"{evidence.channel} answered nothing beside it, so its empty answers cannot be compared"
        yield Reason("inconclusive", line, says)
        return
    difference, lower, upper = difference_of_shares((mine.empty, mine.answered), (theirs.empty, theirs.answered))
    if upper <= margin:
        return
    says = (
        f"{mine.empty:,} of {mine.answered:,} answers were empty, and {theirs.empty:,} of {theirs.answered:,} of "
        f"{evidence.channel} in the same hours: a difference of {100 * difference:+.2f} points, which may be "
        f"{100 * upper:+.2f}; at most {100 * margin:+g} may be"
    )
    yield Reason("regressed" if lower > margin else "inconclusive", line, says)


def difference_of_shares(mine: tuple[int, int], theirs: tuple[int, int]) -> tuple[float, float, float]:
    """(cases, of) twice: the difference of both shares with its one-sided bounds, by Newcombe's hybrid of score intervals
    ("Interval estimation for the difference between independent proportions", method 10, 1998)."""
    (p, low, high), (q, floor, ceiling) = _wilson(*mine), _wilson(*theirs)
    difference = p - q
    return difference, difference - math.hypot(p - low, ceiling - q), difference + math.hypot(high - p, q - floor)


def _wilson(cases: int, of: int) -> tuple[float, float, float]:
    """A share with its one-sided score bounds (Wilson 1927). Without any: it may be all or nothing."""
    if not of:
        return 0.5, 0.0, 1.0
    z, p = quantile(CONFIDENCE), cases / of
    center = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return p, center - half, center + half


def says(one: Served) -> str:
    """What was served, in words."""
    times = f", p95 {one.p95_ms:g} ms" if one.p95_ms is not None else ""
    return (
        f"{one.questions:,} questions that count, {one.answered:,} answered, {one.errors:,} failed, {one.empty:,} empty, "
        f"{one.degraded:,} degraded{times}"
    )
