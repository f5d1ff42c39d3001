"""Compares what was measured on golden sets with the policy. The order and the statistics: docs/evaluation.md."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rag_pipeline.evaluate.compare import (
    Interval,
    answered_score,
    holm,
    interval,
    lost_by_chance,
    more_for_margin,
    more_for_share,
    share_bounds,
)
from rag_pipeline.evaluate.evidence import JUDGED, Evidence, SetEvidence, average
from rag_pipeline.evaluate.fallen import most_lost
from rag_pipeline.gate.policy import Margin, NotWorse, Policy, SetPolicy, SlicePolicy
from rag_pipeline.gate.unjudged import by_probes, is_sound
from rag_pipeline.gate.verdict import Reason, invalid

_POOLED = 0.5
"""Where production's first ten are judged to less than this share, judged@10 tells relevance, not coverage."""

_NAMED = 5
"""Documents a reason names."""

_Line = Callable[..., str]


@dataclass(slots=True)
class Findings:
    """Reasons against promotion, and what only warns."""

    reasons: list[Reason] = field(default_factory=list)
    warnings: list[Reason] = field(default_factory=list)
    notes: list[Reason] = field(default_factory=list)
    """Why it passed, where that is not obvious."""
    anchor: list[str] = field(default_factory=list)
    """How it does against the channel's anchor, where that is all right."""

    def add(self, found: list[Reason], *, critical: bool) -> None:
        (self.reasons if critical else self.warnings).extend(found)


def golden_sets(evidence: Evidence, policy: Policy, channel: str, unknown: str = "") -> Findings:
    """Every set the policy names by its demands, every other one by the defaults: a new folder counts at once.

    `unknown`: why nobody can tell any more which documents production has, if so; then probes answer nothing.
    """
    findings = Findings()
    named = policy.channel(channel).golden_sets
    for name in [*(one for one in evidence.golden_sets if one not in named), *named]:

        def line(*steps: str, name: str = name) -> str:
            return policy.line(channel, "golden_sets", name, *steps)

        measured = evidence.golden_sets.get(name)
        if measured is None:
            findings.add([invalid(f"golden set {name} is demanded, but there is no such folder", line())], critical=True)
            continue
        demands = policy.demands_on(name, channel, made_by=measured.made_by)
        unfit = _unfit(name, measured, demands, line, evidence.compared_with)
        if unfit:
            findings.add([unfit], critical=demands.critical)
            continue
        mine = Findings()
        mine.add(_golden_set(name, measured, demands, line), critical=demands.critical)
        vanished_answers(name, measured, demands, line, mine)
        _slices(name, measured, demands, line, mine)
        against = mine.reasons if demands.critical else mine.warnings
        against[:], notes = by_probes(name, measured, demands, line("probes"), against, unknown)
        findings.add(mine.reasons, critical=True)
        findings.add(mine.warnings, critical=False)
        findings.notes += notes
    return findings


def vanished_answers(name: str, measured: SetEvidence, demands: SetPolicy, line: _Line, findings: Findings) -> None:
    """Judgments that production can meet still and no source any more: each is a lost answer in the figures above; too many
    are a reason of their own, whatever the mean says, until somebody accepts it."""
    gone, wanted = measured.vanished, demands.not_worse
    if not gone or wanted is None:
        return
    documents = list(dict.fromkeys(one.document for one in gone))
    named = ", ".join(documents[:_NAMED]) + (f" and {len(documents) - _NAMED} more" if len(documents) > _NAMED else "")
    share = 100 * len(gone) / measured.judgments if measured.judgments else 100.0
    limit = wanted.vanished_max_percent
    says = (
        f"{name}: {len(gone)} of {measured.judgments} judgments ({share:.1f} %) lost their document or passage since "
        f"production was built, and count as lost answers: {named}. Bring them back at the source; or, if they are meant to "
        f"be gone, take these judgments out of the set (`rag golden check {name}` names their lines)"
    )
    if limit is not None and share > limit:
        reason = Reason("regressed", line("not_worse", "vanished_max_percent"), f"{says}; at most {limit:g} % may")
        findings.add([reason], critical=demands.critical)
    else:
        findings.warnings.append(Reason("regressed", "", says))


def _unfit(name: str, measured: SetEvidence, demands: SetPolicy, line: _Line, compared_with: str | None) -> Reason | None:
    """Why nothing can be told from what was measured; None when something can."""
    if not sound(measured):
        return invalid(f"{name}: what was measured is damaged: a value is missing or not a number, or a query given twice")
    gone = measured.dead(and_vanished=not demands.not_worse)
    dead = 100 * len(gone) / measured.judgments if measured.judgments else 100.0
    if dead > demands.dead_judgments_max_percent or not measured.queries:
        first = f"{gone[0].document}, {gone[0].status}" if gone else "none"
        return invalid(
            f"{name}: {len(gone)} of {measured.judgments} judgments ({dead:.1f} %) name documents or "
            f"passages that do not exist (first: {first}); at most {demands.dead_judgments_max_percent:g} % may. "
            f"{measured.owner or 'Its owner'} can judge again: `rag golden check {name}`",
            line("dead_judgments_max_percent"),
        )
    if not demands.not_worse or (measured.production is None and compared_with is None):
        return None
    if measured.production is None:
        return invalid(f"{name} was not compared with {compared_with}", line("not_worse"))
    both = measured.values.keys() & measured.production.keys()
    missing = [metric for metric in demands.not_worse.metrics if metric not in both]
    return invalid(f"{name}: {', '.join(missing)} was not measured; evaluate again", line("not_worse")) if missing else None


def sound(measured: SetEvidence) -> bool:
    """Every query once, with a number for every metric."""
    lists = [*measured.values.values(), *(measured.production or {}).values()]
    return (
        len(set(measured.query_ids)) == measured.queries
        and all(len(values) == measured.queries and all(map(math.isfinite, values)) for values in lists)
        and all(len(values) == measured.queries for values in measured.slices.values())
        and all(len(values) == measured.queries for values in measured.condensed.values())
        and (measured.probes is None or is_sound(measured.probes))
    )


def _golden_set(name: str, measured: SetEvidence, demands: SetPolicy, line: _Line) -> list[Reason]:
    reasons = _floors(name, measured, demands.floors, None, lambda metric: line("floors", metric))
    wanted = demands.not_worse
    if wanted and measured.production is not None:
        reasons += _judged_enough(name, measured, wanted, line)
        demand = Margin(wanted.metric, wanted.margin, wanted.confidence, line("not_worse", "margin"))
        reasons += _not_worse(name, measured, demand)
        if wanted.guard_margin is not None:
            recall = f"recall@{wanted.guard_k}"
            demand = Margin(recall, wanted.guard_margin, wanted.confidence, line("not_worse", "guard_margin"))
            reasons += _not_worse(name, measured, demand)
        if wanted.hit_to_miss_max_percent is not None:
            reasons += _hit_to_miss(name, measured, wanted, line("not_worse", "hit_to_miss_max_percent"))
    return reasons


def _floors(
    name: str, measured: SetEvidence, floors: dict[str, float], places: list[int] | None, line: Callable[[str], str]
) -> list[Reason]:
    reasons = []
    for metric, floor in floors.items():
        values = measured.values.get(metric)
        if values is None:
            reasons.append(invalid(f"{name}: {metric} has a floor but was not measured; evaluate again", line(metric)))
            continue
        value = average(values if places is None else [values[place] for place in places])
        if not value >= floor:  # so that NaN is refused
            reasons.append(
                Reason("regressed", line(metric), f"{name}: {metric} is {value:.4f}, below its floor of {floor:g}")
            )
    return reasons


def _judged_enough(name: str, measured: SetEvidence, wanted: NotWorse, line: _Line) -> list[Reason]:
    """Where results are judged in depth, a drop of judged@10 means that figures fell for want of judgments."""
    production = _of_production(measured)
    if wanted.judged_drop_max is None or JUDGED not in measured.values or JUDGED not in production:
        return []
    mine, theirs = average(measured.values[JUDGED]), average(production[JUDGED])
    if theirs < _POOLED or theirs - mine <= wanted.judged_drop_max:
        return []
    return [
        invalid(
            f"{name}: {JUDGED} fell from {theirs:.2f} to {mine:.2f}, so nobody knows what the new results are worth; "
            f"`rag golden judge {name}` shows them",
            line("not_worse", "judged_drop_max"),
        )
    ]


def _not_worse(name: str, measured: SetEvidence, wanted: Margin, places: list[int] | None = None) -> list[Reason]:
    """Paired non-inferiority: the lower one-sided bound of the difference must reach -margin."""
    metric, margin, line = wanted.metric, wanted.margin, wanted.line
    found = compared(measured, metric, wanted.confidence, places)
    if found.lower >= -margin:
        return []
    figures = (
        f"{name}: {metric} {found.mean:+.4f} against production over {found.queries} queries, one-sided "
        f"{100 * wanted.confidence:g} % bounds {found.lower:+.4f} to {found.upper:+.4f}, margin {margin:g}"
        f"{most_lost(measured.fallen) if found.mean < 0 and places is None else ''}"
    )
    if found.upper < -margin:
        return [Reason("regressed", line, f"worse than production: {figures}")]
    more, likely = more_for_margin(found, margin, confidence=wanted.confidence), found.mean < -margin
    says = (
        f"about {more} more judged queries would decide, and would {'refuse' if likely else 'pass'} it"
        if more
        else "more queries would hardly decide: it lies at the margin"
    )
    what = "probably worse than production" if likely else "cannot be shown to be no worse than production"
    return [Reason("inconclusive", line, f"{what}: {figures}; {says}")]


def compared(measured: SetEvidence, metric: str, confidence: float, places: list[int] | None = None) -> Interval:
    """A metric against production, on all queries or on those at some places. Raises `KeyError` without production."""
    differences = measured.differences(metric, places)
    return interval(differences, confidence=confidence, typical=answered_score(_of_production(measured)[metric]))


def _of_production(measured: SetEvidence) -> dict[str, list[float]]:
    if measured.production is None:
        raise KeyError("production was not measured beside the release")
    return measured.production


def _hit_to_miss(name: str, measured: SetEvidence, wanted: NotWorse, line: str) -> list[Reason]:
    """The exact bound of the share of queries that production answered and the candidate does not.

    It guards against answers that are traded for others: also under a mean that rises, or a slice could be ruined so.
    """
    gain = compared(measured, wanted.metric, wanted.confidence).lower > 0
    limit, hit = (wanted.lost_max_percent(gain=gain) or 0.0) / 100, f"hit@{wanted.guard_k}"
    lost = sum(difference < 0 for difference in measured.differences(hit))
    lower, upper = share_bounds(lost, measured.queries, confidence=wanted.confidence)
    if upper <= limit:
        return []
    figures = (
        f"{name}: {lost} of {measured.queries} queries went from answered to unanswered in the first {wanted.guard_k}; "
        f"that may be {100 * upper:.1f} % of all, at most {100 * limit:g} % may"
        f"{', since the gain is beyond doubt' if gain else ''}"
    )
    if lower > limit:
        return [Reason("regressed", line, figures)]
    more = more_for_share(lost, measured.queries, limit, confidence=wanted.confidence)
    says = f"{more} more judged queries without a loss would show it is fewer" if more else "more queries would not help"
    return [Reason("inconclusive", line, f"{figures}; {says}")]


def _slices(name: str, measured: SetEvidence, demands: SetPolicy, line: _Line, findings: Findings) -> None:
    """Critical slices one by one; of all others, those that got worse beyond chance, together."""
    critical: set[tuple[str, str]] = set()
    for field_name, values in demands.slices.items():
        members = measured.members(field_name)
        for value, wanted in values.items():
            where = partial(line, "slices", field_name, value)
            label = f"{name}, {field_name} = {value}"
            if value not in members:
                says = f"{label}: no living query has this value; correct the policy or judge some"
                findings.add([invalid(says, where())], critical=wanted.critical and demands.critical)
                continue
            critical |= {(field_name, value)} if wanted.critical else set()
            found = _slice(label, measured, members[value], wanted, demands.not_worse, where)
            findings.add(found, critical=wanted.critical and demands.critical)
    if not demands.not_worse or measured.production is None:
        return
    metric = demands.not_worse.metric
    advisory = {
        f"{field_name} = {value}": measured.differences(metric, places)
        for field_name in measured.slices
        for value, places in measured.members(field_name).items()
        if (field_name, value) not in critical
    }
    worse = holm({label: lost_by_chance(differences) for label, differences in advisory.items()})
    findings.warnings += [
        Reason(
            "regressed",
            "",
            f"{name}, {label}: {metric} {average(list(advisory[label])):+.4f} against production "
            f"over {len(advisory[label])} queries, beyond chance (Holm)",
        )
        for label in worse
        if average(list(advisory[label])) < 0
    ]


def _slice(
    label: str, measured: SetEvidence, places: list[int], wanted: SlicePolicy, not_worse: NotWorse | None, line: _Line
) -> list[Reason]:
    reasons = _floors(label, measured, wanted.floors, places, lambda metric: line("floors", metric))
    if not_worse and measured.production is not None:
        demand = Margin(not_worse.metric, wanted.margin, not_worse.confidence, line("margin"))
        reasons += _not_worse(label, measured, demand, places)
    return reasons
