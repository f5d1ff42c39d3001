"""The demand that small losses must not add up: a release against its channel's anchor. Pure; the reasons: decision 35."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag_pipeline.channels.pointer import Anchor
from rag_pipeline.evaluate.against import Against
from rag_pipeline.evaluate.compare import Differences, half_the_error, interval, seen_bounds
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence, average
from rag_pipeline.evaluate.fallen import most_lost
from rag_pipeline.gate.demands import Findings
from rag_pipeline.gate.policy import NotWorse, Policy, SetPolicy
from rag_pipeline.gate.verdict import Reason, invalid

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class AnchorFacts:
    """What is known of a release against the anchor of its channel."""

    anchor: Anchor
    sets: Mapping[str, Against] = field(default_factory=dict)
    """golden set -> how it does there"""
    problem: str = ""
    """Why nothing can be compared with the anchor."""


def anchor_demands(policy: Policy, channel: str, name: str, *, by_machine: bool) -> NotWorse | None:
    """What holds a golden set against the anchor; None where nothing does."""
    wanted = policy.channel(channel).golden_sets.get(name, SetPolicy()).not_worse
    return wanted if wanted and wanted.anchor and not by_machine else None


def against_anchor(
    evidence: Evidence, policy: Policy, channel: str, facts: AnchorFacts, found: Findings, *, serves: bool
) -> None:
    """Hold a release against the anchor. What serves already is only warned of: refusing it would change nothing."""
    named = policy.channel(channel).golden_sets
    for name, measured in evidence.golden_sets.items():
        wanted = anchor_demands(policy, channel, name, by_machine=measured.made_by == "machine")
        if wanted is None:
            continue
        critical = not serves and (name not in named or named[name].critical)
        line = policy.line(channel, "golden_sets", name, "not_worse", "anchor")
        if facts.problem:
            found.add([invalid(facts.problem, line)], critical=critical)
            return  # of every set the same
        one = facts.sets.get(name)
        if one is None or not one.queries or wanted.metric not in one.mine:
            says = (
                f"{name}: the anchor {facts.anchor.release} was asked none of its questions, so nothing is compared with it"
            )
            found.warnings.append(Reason("inconclusive", "", f"{says}; {_ask(facts.anchor)}"))
            continue
        if 2 * len(one.queries) < one.asked:
            says = (
                f"{name}: the anchor {facts.anchor.release} was asked only {len(one.queries)} of its {one.asked} questions"
            )
            found.warnings.append(Reason("inconclusive", "", f"{says}; {_ask(facts.anchor)}"))
        _OneSet(name, measured, wanted, one, facts.anchor, line).into(found, critical=critical)


@dataclass(frozen=True, slots=True)
class _OneSet:
    """A golden set that both the release and the anchor were asked. `line`: where gate.yaml demands something of it."""

    name: str
    measured: SetEvidence
    wanted: NotWorse
    one: Against
    anchor: Anchor
    line: str

    def into(self, found: Findings, *, critical: bool) -> None:
        """Refused are losses that were seen: an answer that is gone, or two questions and more that score less; and only
        where their bound lies beyond the margin, and the release is below production too, so that refusing it keeps
        something."""
        wanted, one = self.wanted, self.one
        margin = wanted.anchor.margin if wanted.anchor else 0.0
        differences, hits = one.differences(wanted.metric), one.differences(f"hit@{wanted.guard_k}")
        mean, confidence = average(differences), half_the_error(wanted.confidence)
        lower, upper = seen_bounds(differences, confidence=confidence)
        less, lost = sum(value < -_SAME for value in differences), sum(value < 0 for value in hits)
        figures = (
            f"{self.name}: {wanted.metric} {mean:+.4f} against the anchor {self.anchor.says} over {len(differences)} "
            f"queries, lower {100 * confidence:g} % bound {lower:+.4f}, margin {margin:g}; {less} queries "
            f"score less, {lost} lost their answer{most_lost(one.fallen)}"
        )
        if not loses(differences, hits, margin, wanted.confidence):
            found.anchor.append(f"no worse than the anchor: {figures}")
            return
        gone = f" (of documents that vanished: {', '.join(one.vanished[:5])})" if one.vanished else ""
        if self.measured.production is not None and not _below_production(self.measured, wanted.metric):
            says = f"below the anchor, but not below production, so that it passes: {figures}{gone}"
            found.warnings.append(Reason("regressed", "", says))
            return
        accept = "to accept it, override the gate: then that release becomes the anchor"
        if upper < -margin:
            reason = Reason("regressed", self.line, f"worse than the anchor: {figures}{gone}; {accept}")
        else:
            surely = "probably worse than the anchor" if mean < -margin else "cannot be shown to be no worse than the anchor"
            says = f"{surely}: small losses of many nights add up: {figures}{gone}; {accept}"
            reason = Reason("inconclusive", self.line, says)
        found.add([reason], critical=critical)


def loses(differences: Differences, hits: Differences, margin: float, confidence: float) -> bool:
    """The rule itself, on differences to the anchor: of the metric, and of "any answer in the first"."""
    seen = any(value < 0 for value in hits) or sum(value < -_SAME for value in differences) > 1
    return seen and seen_bounds(differences, confidence=half_the_error(confidence))[0] < -margin


def _below_production(measured: SetEvidence, metric: str) -> bool:
    """Whether the release scores less than what serves, on lists that growth does not punish where they are known."""
    if measured.production is None:
        return False
    mine = measured.condensed.get(metric, measured.values[metric])
    return average(mine) < average(measured.production[metric]) - _SAME


def _ask(anchor: Anchor) -> str:
    return (
        f"`rag evaluate --release {anchor.release}` asks it, as long as it is kept; `rag anchor RELEASE --by NAME --reason "
        "WHY` names another"
    )


def gained(policy: Policy, channel: str, facts: AnchorFacts) -> str:
    """What a release is shown to gain on its anchor, with the gate's honest bound; empty where nothing is shown, or another
    set lost. Then it becomes the anchor."""
    says = ""
    for name, one in facts.sets.items():
        wanted = anchor_demands(policy, channel, name, by_machine=False)
        if wanted is None or not one.queries or wanted.metric not in one.mine:
            continue
        answered = [value for value in one.theirs[wanted.metric] if value > 0]
        bounds = interval(one.differences(wanted.metric), confidence=wanted.confidence, typical=average(answered))
        if bounds.mean < -_SAME:
            return ""
        if bounds.lower > 0 and not says:
            says = (
                f"{name}: {wanted.metric} {bounds.mean:+.4f} over {bounds.queries} queries, lower bound {bounds.lower:+.4f}"
            )
    return says
