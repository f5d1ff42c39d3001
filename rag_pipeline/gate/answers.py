"""May a channel name an answer version together with a release? Pure: evidence, policy, facts and the time decide.

It is asked beside the decision on the release (`decide`), and alone where only the version moves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.evaluate.compare import interval, share_bounds
from rag_pipeline.gate.answers_policy import DEFAULT, AnswersPolicy
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.verdict import Reason, invalid
from rag_pipeline.versions.evidence import AnswerEvidence, AnswerFigures
from rag_pipeline.versions.evidence_store import Shown

_CLOCK_SKEW_HOURS = 5 / 60


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """A pair of release and version, as things stand now. Where nothing of it has to be shown, there are no facts."""

    version: str
    damage: str
    """Why what is kept of the version cannot be believed, or answered by; empty when it can."""
    release: str
    release_fingerprint: str
    manifest_sha256: str
    evidence: Shown
    golden_fingerprints: dict[str, str]
    """Golden set -> fingerprint of its questions and judgments as they are now, unanswerable ones too."""
    rival: Shown | None = None
    """Evidence on the pair that the channel names now; None where it names no version."""


def demands_of(policy: Policy, channel: str) -> AnswersPolicy:
    """A channel's demands on answers."""
    return policy.channel(channel).answers or DEFAULT


def answer_policies(policy: Policy) -> dict[str, str]:
    """Channel -> fingerprint of its demands on answers."""
    return {name: demands_of(policy, name).fingerprint for name in policy.channels}


def decide_answers(policy: Policy, channel: str, facts: AnswerFacts, now: datetime) -> tuple[Reason, ...]:
    """Every reason against the pair; none where it may pass. What cannot be shown is refused."""
    evidence, advice = facts.evidence.evidence, f"`rag answers evaluate {facts.version} --release {facts.release}`"
    if facts.damage:
        return (invalid(facts.damage),)
    if evidence is None or facts.evidence.problem:
        return (invalid(f"{facts.evidence.problem or 'there is no evidence of answers'}; {advice}"),)
    if problems := [*_validity(evidence, policy, channel, facts), *_age(evidence, policy, channel, now)]:
        return tuple(invalid(f"{problem}; {advice}") for problem in problems)
    demands = demands_of(policy, channel)
    return (*_floors(evidence, demands, policy, channel), *_not_worse(evidence, demands, policy, channel, facts))


def _validity(evidence: AnswerEvidence, policy: Policy, channel: str, facts: AnswerFacts) -> list[str]:
    """Is it about this pair, these questions and these demands?"""
    problems = []
    told = (evidence.version, evidence.release, evidence.release_fingerprint, evidence.manifest_sha256)
    if told != (facts.version, facts.release, facts.release_fingerprint, facts.manifest_sha256):
        problems.append(
            f"the evidence of answers is about another pair ({evidence.release}, version {evidence.version[:12]})"
        )
    if evidence.policies.get(channel) != demands_of(policy, channel).fingerprint:
        problems.append("the demands on answers have changed since they were measured")
    measured = {name: one.fingerprint for name, one in evidence.golden_sets.items()}
    problems += [
        f"golden set {name} has changed since answers were measured"
        for name in sorted(measured.keys() | facts.golden_fingerprints.keys())
        if measured.get(name) != facts.golden_fingerprints.get(name)
    ]
    if not evidence.figures.questions:
        problems.append("the evidence of answers holds no question")
    return problems


def _age(evidence: AnswerEvidence, policy: Policy, channel: str, now: datetime) -> list[str]:
    age = (now - evidence.created_at).total_seconds() / 3600
    limit = policy.channel(channel).evidence_max_age_hours
    if age > limit:
        return [f"the evidence of answers is {age:.1f} h old, at most {limit:g} h are allowed"]
    return [f"the evidence of answers is dated {-age:.1f} h in the future"] if age < -_CLOCK_SKEW_HOURS else []


def _floors(evidence: AnswerEvidence, demands: AnswersPolicy, policy: Policy, channel: str) -> list[Reason]:
    figures, reasons = evidence.figures, list[Reason]()

    def short(name: str, says: str) -> None:
        reasons.append(Reason("regressed", policy.line(channel, "answers", name), says))

    def at_least(name: str, value: float | None, limit: float | None, what: str) -> None:
        if limit is not None and value is not None and not value >= limit:
            short(name, f"{what} {value:.1%}, at least {limit:.1%} is wanted")

    at_least("valid_citations_min", figures.valid_citations, demands.valid_citations_min, "citations that stand are")
    at_least("right_sentence_min", figures.right_sentence, demands.right_sentence_min, "answers with a right sentence are")
    _refusals(figures, demands, short)
    fell, most = figures.fell_back, demands.fell_back_max
    if evidence.with_models and most is not None and fell is not None and not fell <= most:
        short("fell_back_max", f"no model wrote {fell:.1%} of the answers, at most {most:.1%} are allowed")
    for name, value, limit, unit in (
        ("usd_per_question_max", figures.usd_per_question, demands.usd_per_question_max, "dollars a question"),
        ("write_p95_ms", figures.write_p95_ms, demands.write_p95_ms, "ms to write an answer (p95)"),
    ):
        if limit is not None and not value <= limit:
            short(name, f"{value:g} {unit}, at most {limit:g} are allowed")
    return reasons


def _refusals(figures: AnswerFigures, demands: AnswersPolicy, short: Callable[[str, str], None]) -> None:
    """Few questions show little: a share counts where it is beyond chance (one-sided, 95 %)."""
    most, least = demands.refused_wrongly_max, demands.refused_rightly_min
    if most is not None and figures.refused_wrongly is not None:
        wrongly = figures.refused_wrongly
        if share_bounds(round(wrongly * figures.found), figures.found)[0] > most:
            short("refused_wrongly_max", f"{wrongly:.1%} of what is answerable is refused, at most {most:.1%} may be")
    if least is not None and figures.refused_rightly is not None:
        rightly = figures.refused_rightly
        if share_bounds(round(rightly * figures.unanswerable), figures.unanswerable)[1] < least:
            short("refused_rightly_min", f"{rightly:.1%} of what is unanswerable is refused, at least {least:.1%} should be")


def _not_worse(
    evidence: AnswerEvidence, demands: AnswersPolicy, policy: Policy, channel: str, facts: AnswerFacts
) -> list[Reason]:
    """Right sentences against those of the pair that the channel names now, question by question."""
    wanted, line = demands.not_worse, policy.line(channel, "answers", "not_worse")
    if wanted is None or facts.rival is None:
        return []
    rival = facts.rival.evidence
    if rival is None or facts.rival.problem:
        says = facts.rival.problem or "nobody measured the answers that are given now"
        return [invalid(f"what the channel names now cannot be compared with: {says}; `rag answers evaluate`", line)]
    differences = _differences(evidence, rival)
    if differences is None:
        says = (
            "the answers that are given now were measured on other golden sets; `rag answers evaluate` measures them again"
        )
        return [invalid(says, line)]
    if not differences:
        return []
    found = interval(differences, confidence=wanted.confidence)
    if found.lower >= -wanted.margin:
        return []
    worse = found.mean < -wanted.margin
    says = (
        f"a right sentence is {found.mean:+.1%} as often as now, at worst {found.lower:+.1%} over {found.queries} "
        f"questions; {wanted.margin:.1%} may be lost"
    )
    return [Reason("regressed" if worse else "inconclusive", line, says)]


def _differences(evidence: AnswerEvidence, rival: AnswerEvidence) -> list[float] | None:
    """Right now less right before, of each question where both can be told; None where a golden set is another."""
    found: list[float] = []
    for name, one in evidence.golden_sets.items():
        before = rival.golden_sets.get(name)
        if before is None or before.fingerprint != one.fingerprint:
            return None
        was = {each.query: each.right for each in before.questions}
        for each in one.questions:
            then = was.get(each.query)
            if each.right is not None and then is not None:
                found.append(float(each.right) - float(then))
    return found
