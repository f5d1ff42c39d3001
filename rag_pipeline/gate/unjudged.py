"""Showing that a change cannot matter: unjudged questions answer what a golden set has too few judged ones to decide.

They answer only what is *inconclusive*, and only if nothing else of the set speaks against the release: no judged answer
lost, no floor missed. A real gain that changes the lists never passes this way; whoever changes the system judges.
"""

from collections.abc import Sequence
from dataclasses import replace

from rag_pipeline.evaluate.compare import Interval, half_the_error, interval, seen_bounds
from rag_pipeline.evaluate.evidence import ProbesEvidence, SetEvidence, average
from rag_pipeline.evaluate.expected import Chances
from rag_pipeline.gate.policy import NotWorse, ProbesPolicy, SetPolicy
from rag_pipeline.gate.verdict import Reason
from rag_pipeline.golden.question_lines import PROBES

_SAME = 1e-9


def by_probes(
    name: str, measured: SetEvidence, demands: SetPolicy, line: str, against: Sequence[Reason], unknown: str = ""
) -> tuple[list[Reason], list[Reason]]:
    """What is left of the reasons against a release by one set, and notes.

    Where they are all merely open, the probes are asked: if they show that nothing that matters was lost, that becomes a
    note. If not, what they cannot show, or what would help, is said with the last reason. `unknown`: why nobody can tell any
    more which documents production has, if so.
    """
    if not against or any(one.outcome != "inconclusive" for one in against):
        return list(against), []
    try:
        return [], [Reason("passed", line, f"{name}: {_shown(name, measured, demands, unknown)}")]
    except _Unshown as why:
        told = [replace(against[-1], message=f"{against[-1].message}; {why}")] if str(why) else [against[-1]]
        return [*against[:-1], *told], []


def is_sound(found: ProbesEvidence) -> bool:
    """Every probe once, with a loss that can be for every metric."""
    lengths = {len(found.ids), *map(len, found.losses.values()), *map(len, found.slices.values())}
    return (
        len(set(found.ids)) == len(found.ids)
        and len(lengths) == 1
        and all(0 <= loss <= 1 for losses in found.losses.values() for loss in losses)
        and all(0 <= chance <= 1 for chance in found.chances)
        and bool(found.chances) == bool(found.losses)
    )


class _Unshown(Exception):
    """Why the probes do not show it, in words; without any where they are not asked."""


def _shown(name: str, measured: SetEvidence, demands: SetPolicy, unknown: str) -> str:
    """The figures with which they show it. Raises `_Unshown`."""
    wanted, asked, found = demands.not_worse, demands.probes, measured.probes
    if wanted is None or asked is None or measured.production is None:
        raise _Unshown
    lost, seen = answers_lost(measured, wanted.guard_k), _seen_to_lose(measured, wanted)
    if found is None or len(found.ids) < asked.least:
        if lost or seen:
            raise _Unshown  # no probe helps against that
        has = "" if found is None else f" instead of {len(found.ids)}"
        raise _Unshown(
            f"with {asked.least} probes{has} in evals/{name}/{PROBES} this could be told without judgments: "
            f"`rag golden probes {name}`"
        )
    if problem := unknown or found.problem:
        raise _Unshown(f"its {len(found.ids)} probes cannot tell either: {problem}")
    if lost is None or wanted.metric not in found.losses.keys() & measured.condensed.keys():
        raise _Unshown(f"its probes cannot tell either: they compare documents, and {wanted.metric} is not of documents")
    if lost:
        says = f"{len(lost)} judged queries lost their answer ({lost[0]}{' and others' if len(lost) > 1 else ''})"
        raise _Unshown(f"its probes are not asked, since {says}")
    if seen:
        raise _Unshown(f"its probes are not asked, since {seen}")
    for field, values in demands.slices.items():
        for value, one in values.items():
            mean = _mean_of_slice(found, wanted.metric, field, value) if one.critical else 0.0
            if mean > one.margin:
                says = f"those with {field} = {value} are expected to lose {mean:.4f} of {wanted.metric}"
                raise _Unshown(f"its probes do not show it either: {says}, margin {one.margin:g}")
    return _by_figures(found, wanted, asked) + _slipped_out(measured, wanted.guard_k)


def _seen_to_lose(measured: SetEvidence, wanted: NotWorse) -> str:
    """What the judged queries show already, new documents taken out: two and more score less, and the bound of what was seen
    lies beyond the margin. One that slips a place is chance; what more show, no guess about probes answers."""
    for metric, margin in ((wanted.metric, wanted.margin), (f"recall@{wanted.guard_k}", wanted.guard_margin)):
        before, now = (measured.production or {}).get(metric, []), measured.condensed.get(metric, [])
        changes = [here - then for here, then in zip(now, before, strict=False)]
        less = sum(change < -_SAME for change in changes)
        if (
            margin is not None
            and less > 1
            and seen_bounds(changes, confidence=half_the_error(wanted.confidence))[0] < -margin
        ):
            return f"{less} judged queries score less by {metric}, and the bound of what they lost lies beyond the margin"
    return ""


def _mean_of_slice(found: ProbesEvidence, metric: str, field: str, value: str) -> float:
    """0 where no probe is of the slice: then the whole set stands for it."""
    members = zip(found.losses[metric], found.slices.get(field, ()), strict=False)
    return average([loss for loss, one in members if one == value])


def answers_lost(measured: SetEvidence, depth: int) -> list[str] | None:
    """Judged queries that production answers in its first `depth` and the release does not, documents that production could
    not have taken out; None where nobody knows those.

    An answer that slipped a place or two over that edge is none: what it costs is in the means, and two that lose much are
    held against the release all the same.
    """
    gone = _out_of_sight(measured, depth)
    return None if gone is None else [query for query in gone if query not in measured.slipped]


def _out_of_sight(measured: SetEvidence, depth: int) -> list[str] | None:
    hit = f"hit@{depth}"
    before, now = (measured.production or {}).get(hit), measured.condensed.get(hit)
    if before is None or now is None or len(now) != measured.queries:
        return None
    return [query for query, then, here in zip(measured.query_ids, before, now, strict=True) if here < then]


def _slipped_out(measured: SetEvidence, depth: int) -> str:
    """What a note says of the answers that slipped over the edge; empty where none did."""
    out = [query for query in _out_of_sight(measured, depth) or () if query in measured.slipped]
    named = f"{out[0]}{' and others' if len(out) > 1 else ''}" if out else ""
    return f"; {len(out)} slipped out of the first {depth} by a place or two: {named}" if out else ""


def expected(found: ProbesEvidence, metric: str, confidence: float) -> Interval:
    """The expected change of a metric, with the bounds of any comparison. The imagined probe loses its whole list."""
    losses = [-loss for loss in found.losses[metric]]
    return interval(losses, confidence=confidence, typical=Chances(tuple(found.chances)).most(metric))


def _by_figures(found: ProbesEvidence, wanted: NotWorse, asked: ProbesPolicy) -> str:
    """Every demand that the judged queries could not show, held against what the probes are expected to lose."""
    limits = {wanted.metric: asked.margin if asked.margin is not None else wanted.margin}
    if wanted.guard_margin is not None:
        limits.setdefault(f"recall@{wanted.guard_k}", wanted.guard_margin)
    if wanted.hit_to_miss_max_percent is not None:
        limits.setdefault(f"hit@{wanted.guard_k}", wanted.hit_to_miss_max_percent / 100)
    told = {metric: expected(found, metric, wanted.confidence) for metric in limits if metric in found.losses}
    beyond = [metric for metric, limit in limits.items() if metric in told and not told[metric].lower >= -limit]
    metric = beyond[0] if beyond else wanted.metric
    figures = (
        f"expected loss of {metric} {0 - told[metric].mean:.4f}, bound {-told[metric].lower:.4f}, "
        f"margin {limits[metric]:g}, over {len(found.ids)} probes"
    )
    if beyond:
        raise _Unshown(f"its probes do not show it either: {figures}")
    return f"passed without judgments: {figures}; no judged answer was lost"
