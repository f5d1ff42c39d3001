"""The gate's decision: a pure function of evidence, policy, facts and the time. It reads and writes nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rag_pipeline.evaluate.evidence import Evidence, SetEvidence
from rag_pipeline.ingest.state import SourceState
from rag_pipeline.release.policy import NotWorse, Policy, SetPolicy

Outcome = Literal["passed", "refused", "inconclusive", "could not be evaluated"]

_CLOCK_SKEW_HOURS = 5 / 60


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks against promotion: the policy line it breaks, and the figure behind it."""

    outcome: Outcome
    line: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.line})" if self.line else self.message


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. Only `passed` promotes."""

    release: str
    outcome: Outcome
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True, slots=True)
class Facts:
    """How things stand now, to hold evidence against: gathered by the caller from what is on disk."""

    release: str
    release_fingerprint: str
    manifest_sha256: str
    model_fingerprint: str
    golden_fingerprints: dict[str, str]
    production: str | None
    current: str | None
    """What the channel points at now."""
    sources: tuple[SourceState, ...]
    withdrawn: str = ""
    """Who rolled this very content back and why, unless a person names the release now."""
    damage: tuple[str, ...] = ()
    """Files of the release that differ from its manifest."""


def decide(evidence: Evidence | None, policy: Policy, channel: str, facts: Facts, now: datetime) -> Verdict:
    """Whether a channel may point at a release. Fail-closed: what cannot be shown is refused, with every reason."""
    if evidence is None:
        reasons = [_invalid("there is no evidence on this release; evaluate it first")]
    else:
        reasons = _validity(evidence, policy, channel, facts, now)
        if not reasons:
            reasons = [*_golden_sets(evidence, policy, channel), *_latency(evidence, policy, channel)]
    reasons += _release(facts) + _sources(policy, channel, facts)
    order: tuple[Outcome, ...] = ("could not be evaluated", "refused", "inconclusive")
    outcome: Outcome = next((one for one in order if any(reason.outcome == one for reason in reasons)), "passed")
    return Verdict(facts.release, outcome, tuple(reasons))


def _validity(evidence: Evidence, policy: Policy, channel: str, facts: Facts, now: datetime) -> list[Reason]:
    """Is this evidence, unedited, about this release, these golden sets, this policy and model, and of today?"""
    problems = []
    if not evidence.intact:
        problems.append("the evidence was changed after it was written: its seal does not match")
    if (evidence.release, evidence.release_fingerprint) != (facts.release, facts.release_fingerprint):
        problems.append(f"the evidence is about another release ({evidence.release})")
    elif evidence.manifest_sha256 != facts.manifest_sha256:
        problems.append("the release's manifest was changed after it was evaluated")
    if evidence.model_fingerprint != facts.model_fingerprint:
        problems.append("the evidence was measured with another embedding model than the release was built with")
    if evidence.policies.get(channel) != policy.fingerprint(channel):
        problems.append("the policy has changed since the evaluation; evaluate again")
    measured = {name: one.fingerprint for name, one in evidence.golden_sets.items()}
    problems += [
        f"golden set {name} has changed since the evaluation; evaluate again"
        for name in sorted(measured.keys() | facts.golden_fingerprints.keys())
        if measured.get(name) != facts.golden_fingerprints.get(name)
    ]
    if facts.production not in (None, facts.release, evidence.compared_with):
        problems.append(f"the evaluation did not compare with {facts.production}, which is in production now")
    age = (now - evidence.created_at).total_seconds() / 3600
    limit = policy.channel(channel).evidence_max_age_hours
    reasons = [_invalid(problem) for problem in problems]
    if age > limit and facts.current != facts.release:  # what serves already is not moved by old evidence
        line = policy.line(channel, "evidence_max_age_hours")
        reasons.append(_invalid(f"the evidence is {age:.1f} h old, at most {limit:g} h are allowed", line))
    if age < -_CLOCK_SKEW_HOURS:
        reasons.append(_invalid(f"the evidence is dated {-age:.1f} h in the future; was the clock moved?"))
    return reasons


def _golden_sets(evidence: Evidence, policy: Policy, channel: str) -> list[Reason]:
    """Every set the policy names by its demands, every other one by the defaults: a new folder counts at once."""
    reasons = []
    unnamed = {name: one for name, one in evidence.golden_sets.items() if name not in policy.channel(channel).golden_sets}
    demanded = {name: _default_demands(one) for name, one in unnamed.items()} | policy.channel(channel).golden_sets
    for name, demands in demanded.items():
        if name not in evidence.golden_sets:
            line = policy.line(channel, "golden_sets", name)
            reasons.append(_invalid(f"golden set {name} is demanded, but there is no such folder", line))
            continue
        if demands.not_worse and evidence.compared_with and not evidence.golden_sets[name].comparison:
            line = policy.line(channel, "golden_sets", name, "not_worse")
            reasons.append(_invalid(f"{name} was not compared with {evidence.compared_with}", line))
        reasons += _golden_set(name, evidence.golden_sets[name], demands, policy, channel)
    return reasons


def _default_demands(measured: SetEvidence) -> SetPolicy:
    metric = measured.comparison.metric if measured.comparison else NotWorse().metric
    return SetPolicy(not_worse=NotWorse(metric=metric))


def _golden_set(name: str, measured: SetEvidence, demands: SetPolicy, policy: Policy, channel: str) -> list[Reason]:
    reasons: list[Reason] = []

    def line(*steps: str) -> str:
        return policy.line(channel, "golden_sets", name, *steps)

    dead = 100 * len(measured.dead_judgments) / measured.judgments if measured.judgments else 100.0
    if dead > demands.dead_judgments_max_percent or not measured.queries:
        first = measured.dead_judgments[0][1] if measured.dead_judgments else "none"
        reasons.append(
            _invalid(
                f"{name}: {len(measured.dead_judgments)} of {measured.judgments} judgments ({dead:.1f} %) name documents "
                f"that do not exist (first: {first}); at most {demands.dead_judgments_max_percent:g} % may",
                line("dead_judgments_max_percent"),
            )
        )
        return reasons
    for metric, floor in demands.floors.items():
        value = measured.metrics.get(metric)
        if value is None:
            reasons.append(
                _invalid(f"{name}: {metric} has a floor but golden.yaml does not list it", line("floors", metric))
            )
        elif not value >= floor:  # so that NaN is refused
            reasons.append(
                Reason("refused", line("floors", metric), f"{name}: {metric} is {value:.4f}, below its floor of {floor:g}")
            )
    if demands.not_worse and measured.comparison:
        reasons += _not_worse(name, measured, demands, line("not_worse"))
    return reasons


def _not_worse(name: str, measured: SetEvidence, demands: SetPolicy, line: str) -> list[Reason]:
    """One-sided paired non-inferiority: the lower 95 % bound of the difference must reach -margin."""
    assert demands.not_worse is not None and measured.comparison is not None
    comparison, margin = measured.comparison, demands.not_worse.margin
    if comparison.metric != demands.not_worse.metric:
        return [
            _invalid(
                f"{name}: not_worse asks for {demands.not_worse.metric}, "
                f"but the set's primary metric is {comparison.metric}",
                line,
            )
        ]
    if comparison.lower >= -margin:
        return []
    figures = (
        f"{name}: {comparison.metric} {comparison.difference:+.4f} against production over {comparison.queries} "
        f"queries, 95 % bounds {comparison.lower:+.4f} to {comparison.upper:+.4f}, margin {margin:g}"
    )
    if comparison.upper < -margin:
        return [Reason("refused", line, f"worse than production: {figures}")]
    return [Reason("inconclusive", line, f"cannot be shown to be no worse than production: {figures}")]


def _latency(evidence: Evidence, policy: Policy, channel: str) -> list[Reason]:
    demands, measured = policy.channel(channel).latency, evidence.latency
    reasons = []
    for name, value, limit in (
        ("p50_ms", measured.p50_ms, demands.p50_ms),
        ("p95_ms", measured.p95_ms, demands.p95_ms),
    ):
        if limit is not None and not value <= limit:
            line = policy.line(channel, "latency", name)
            reasons.append(Reason("refused", line, f"query latency {name[:3]} is {value:g} ms, above {limit:g} ms"))
    return reasons


def _release(facts: Facts) -> list[Reason]:
    reasons = []
    if facts.damage:
        reasons.append(_invalid(f"files of the release differ from its manifest: {', '.join(facts.damage)}"))
    if facts.withdrawn:
        says = f"rolled back by {facts.withdrawn}; `rag promote {facts.release}` brings it back if it is good again"
        reasons.append(Reason("refused", "", says))
    return reasons


def _sources(policy: Policy, channel: str, facts: Facts) -> list[Reason]:
    demands = policy.channel(channel)
    late = _late_sources(policy, channel, facts) if demands.sources_within_sla else []
    line = policy.line(channel, "sources_keep_quality")
    broken = [
        Reason("refused", line, f"source {state.source} breaks its contract's quality rule {rule}")
        for state in facts.sources
        for rule in state.broken
    ]
    return late + (broken if demands.sources_keep_quality else [])


def _late_sources(policy: Policy, channel: str, facts: Facts) -> list[Reason]:
    line = policy.line(channel, "sources_within_sla")
    return [
        Reason(
            "refused",
            line,
            f"source {state.source} is {state.age_hours:.1f} h old, its contract allows {state.max_age_hours:g} h"
            if state.age_hours is not None
            else f"source {state.source} was never loaded",
        )
        for state in facts.sources
        if not state.within_sla
    ]


def _invalid(message: str, line: str = "") -> Reason:
    return Reason("could not be evaluated", line, message)
