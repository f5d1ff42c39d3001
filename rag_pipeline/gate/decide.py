"""The gate's decision: a pure function of evidence, policy, facts and the time. It reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.gate.anchored import AnchorFacts, against_anchor
from rag_pipeline.gate.answers import AnswerFacts, decide_answers
from rag_pipeline.gate.demands import Findings, golden_sets
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.shrink import InProduction, shrunk_sources
from rag_pipeline.gate.traffic import TrafficFacts, on_traffic, sought
from rag_pipeline.gate.verdict import Reason, Verdict, invalid, outcome_of
from rag_pipeline.ingest.state import SourceState

_CLOCK_SKEW_HOURS = 5 / 60


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
    documents: Mapping[str, int] = field(default_factory=dict)
    """Source -> documents of the release."""
    in_production: InProduction | None = None
    """What sources it may lack nothing of; None where nothing is in production, or a person goes back to what was."""
    evidence_problems: tuple[str, ...] = ()
    """Why the evidence does not count, beyond what it says itself: it is not what was kept, or its figures do not follow."""
    seal_key: str = field(default="", repr=False)
    """The key evidence must be sealed with; empty where none is set."""
    hold: str = ""
    """Who holds the channel, since when and why, unless a person names the release now."""
    anchor: AnchorFacts | None = None
    """How the release does against the channel's anchor; None where there is none, or it is that very content."""
    going_back: bool = False
    """A rollback to a release that this gate promoted on this channel: what one goes back from is no measure for it."""
    production_unknown: str = ""
    """Why nobody can tell any more which documents production has: then unjudged queries answer nothing."""
    sources_count: bool = True
    """False where a person goes back: the release that is left is no fresher."""
    answers: AnswerFacts | None = None
    """The answer version that is to be named beside the release, where that has to be shown."""
    traffic: TrafficFacts | None = None
    """What was served of the release before, and how the tables of that stand now."""
    serves: bool = False
    """The channel points at just this content already, under this id or another."""


def decide(evidence: Evidence | None, policy: Policy, channel: str, facts: Facts, now: datetime) -> Verdict:
    """Whether a channel may point at a release. Fail-closed: what cannot be shown is refused, with every reason."""
    found = Findings()
    if evidence is None:
        none = ("there is no evidence on this release; evaluate it first",)
        reasons = [invalid(problem) for problem in facts.evidence_problems or none]
    elif not (reasons := _validity(evidence, policy, channel, facts, now)):
        evidence = evidence.alone(evidence.run_id) if facts.going_back else evidence
        found = golden_sets(evidence, policy, channel, facts.production_unknown)
        _overlap(evidence, policy, channel, found)
        if facts.anchor and not facts.going_back:
            against_anchor(evidence, policy, channel, facts.anchor, found, serves=facts.current == facts.release)
        reasons = [*found.reasons, *_index(evidence, policy, channel), *_latency(evidence, policy, channel)]
    reasons += _release(facts) + _sources(policy, channel, facts) + _traffic(policy, channel, facts, now)
    reasons += shrunk_sources(policy, channel, facts.release, facts.in_production, facts.documents)
    reasons += decide_answers(policy, channel, facts.answers, now) if facts.answers else ()
    outcome = outcome_of(reasons)
    notes = tuple(found.notes) if outcome == "passed" else ()
    return Verdict(facts.release, outcome, tuple(reasons), tuple(found.warnings), notes, tuple(found.anchor))


def _validity(evidence: Evidence, policy: Policy, channel: str, facts: Facts, now: datetime) -> list[Reason]:
    """Is this evidence, unedited, about this release, these golden sets, this policy and model, and of today?"""
    problems = [problem for problem in (evidence.seal_problem(facts.seal_key), *facts.evidence_problems) if problem]
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
    if not facts.going_back and facts.production not in (None, facts.release, evidence.compared_with):
        problems.append(f"the evaluation did not compare with {facts.production}, which is in production now")
    age = (now - evidence.created_at).total_seconds() / 3600
    limit = policy.channel(channel).evidence_max_age_hours
    reasons = [invalid(problem) for problem in problems]
    if age > limit and facts.current != facts.release:  # what serves already is not moved by old evidence
        line = policy.line(channel, "evidence_max_age_hours")
        reasons.append(invalid(f"the evidence is {age:.1f} h old, at most {limit:g} h are allowed", line))
    if age < -_CLOCK_SKEW_HOURS:
        reasons.append(invalid(f"the evidence is dated {-age:.1f} h in the future; was the clock moved?"))
    return reasons


def _overlap(evidence: Evidence, policy: Policy, channel: str, found: Findings) -> None:
    """How much of production's answers stay, judged or not."""
    demands, line = policy.channel(channel), policy.line(channel, "overlap_at_10_min")
    least = demands.overlap_at_10_min
    if least is None or evidence.compared_with is None:
        return
    for name, one in evidence.golden_sets.items():
        critical = name not in demands.golden_sets or demands.golden_sets[name].critical
        kept = one.overlap_at_10
        if kept is None:
            says = f"{name}: nobody measured how many of production's first ten documents are kept; evaluate again"
            found.add([invalid(says, line)], critical=critical)
        elif not kept >= least:  # so that NaN is refused
            says = f"{name}: {kept:.2f} of production's first ten documents are kept, at least {least:g} should"
            found.add([Reason("regressed", line, says)], critical=critical)


def _index(evidence: Evidence, policy: Policy, channel: str) -> list[Reason]:
    """How much approximate search loses against exact search."""
    wanted, found = policy.channel(channel).approximate_recall_min, evidence.approximate_recall
    line = policy.line(channel, "approximate_recall_min")
    if wanted is None:
        return []
    if found is None:
        return [invalid("recall of approximate against exact search was not measured; build the release again", line)]
    if found >= wanted:
        return []
    says = f"the index finds {found:.4f} of the ten truly nearest, at least {wanted:g} is wanted"
    return [Reason("regressed", line, says)]


def is_slow(evidence: Evidence, policy: Policy) -> bool:
    """Whether some channel refuses a release for its latency: what a busy machine can cause, and another look can mend."""
    return any(_latency(evidence, policy, channel) for channel in policy.channels)


def _latency(evidence: Evidence, policy: Policy, channel: str) -> list[Reason]:
    demands = policy.channel(channel).latency
    measured = next((one for one in evidence.latency if one.concurrency == demands.concurrency), None)
    if measured is None:
        line = policy.line(channel, "latency", "concurrency")
        return [invalid(f"latency with {demands.concurrency} users at a time was not measured; evaluate again", line)]
    users = "one user" if demands.concurrency == 1 else f"{demands.concurrency} users"
    return [
        Reason(
            "regressed",
            policy.line(channel, "latency", name),
            f"query latency {name[:3]} is {value:g} ms with {users} at a time, above {limit:g} ms",
        )
        for name, value, limit in (
            ("p50_ms", measured.p50_ms, demands.p50_ms),
            ("p95_ms", measured.p95_ms, demands.p95_ms),
        )
        if limit is not None and not value <= limit
    ]


def _traffic(policy: Policy, channel: str, facts: Facts, now: datetime) -> list[Reason]:
    """What was served before. What the channel serves already, or once did by this gate, need not show it."""
    wanted = sought(policy, channel, facts.release, facts.release_fingerprint)
    if wanted is None or facts.serves or facts.going_back:
        return []
    return on_traffic(policy, channel, facts.traffic, wanted, now)


def _release(facts: Facts) -> list[Reason]:
    reasons = []
    if facts.damage:
        reasons.append(invalid(f"files of the release differ from its manifest: {', '.join(facts.damage)}"))
    if facts.withdrawn:
        says = f"rolled back by {facts.withdrawn}; `rag promote {facts.release}` brings it back if it is good again"
        reasons.append(Reason("regressed", "", says))
    if facts.hold:
        reasons.append(Reason("held", "", facts.hold))
    return reasons


def _sources(policy: Policy, channel: str, facts: Facts) -> list[Reason]:
    demands = policy.channel(channel)
    late = _late_sources(policy, channel, facts) if demands.sources_within_sla and facts.sources_count else []
    line = policy.line(channel, "sources_keep_quality")
    broken = [
        Reason("regressed", line, f"source {state.source} breaks its contract's quality rule {rule}")
        for state in facts.sources
        for rule in state.broken
    ]
    lost = [
        invalid(
            f"source {state.source}: its tables lost what was stored of {state.lost} items, and its feed could not be read "
            f"since; `rag refresh --source {state.source}` reads them again"
        )
        for state in facts.sources
        if state.lost
    ]
    return late + lost + (broken if demands.sources_keep_quality else [])


def _late_sources(policy: Policy, channel: str, facts: Facts) -> list[Reason]:
    line = policy.line(channel, "sources_within_sla")
    return [
        Reason(
            "regressed",
            line,
            f"source {state.source} {state.late_because}",
        )
        for state in facts.sources
        if not state.within_sla
    ]
