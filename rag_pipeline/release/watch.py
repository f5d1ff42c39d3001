"""Production got worse without a release: sources became stale, queries slower, answers vanished."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rag_pipeline.channels.pointer import Channel
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import at_promotion
from rag_pipeline.gate.figures import Figure, vanished_name
from rag_pipeline.ingest.state import source_state
from rag_pipeline.release.promote import DecisionInputs, Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.rollback import release_before

log = logging.getLogger("rag_pipeline")

What = Literal["stale sources", "slower queries", "vanished answers"]


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way in which production is worse than when it was promoted."""

    what: What
    says: str


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at, beside what it may be, and what is worse about it if anything is."""

    what: What
    figure: Figure | None
    """None where there is no number, as of a source that was never loaded."""
    worse: str = ""


def rot(looks: Iterable[Look]) -> tuple[Degradation, ...]:
    """What became worse among what was looked at."""
    return tuple(Degradation(one.what, one.worse) for one in looks if one.worse)


def look(inputs: DecisionInputs, name: str, channel: Channel, now: Evidence) -> tuple[Look, ...]:
    """The release a channel serves, against how it was when it was promoted. `now`: what it was just measured to give."""
    watched = inputs.policy.channel(name).watch
    then = at_promotion(inputs.home, channel.fingerprint, channel.evidence)
    if channel.evidence and not then:
        because = "is of an older pipeline, or sealed with another key"
        log.info("nothing is compared with the evidence %s was promoted on: it %s", channel.release, because)
    return (
        *_stale(inputs),
        *(_slower(then, now, watched.slower_factor) if then and watched.slower_factor else ()),
        *(_vanished(then, now, watched.vanished_max_percent) if then else ()),
    )


def _stale(inputs: DecisionInputs) -> Iterator[Look]:
    for contract in inputs.contracts:
        state = source_state(contract, inputs.home, inputs.now)
        figure = None
        if state.age_hours is not None:
            figure = Figure(f"{state.source}/age_hours", state.age_hours, state.max_age_hours, at_most=True)
        yield Look("stale sources", figure, "" if state.within_sla else f"{state.source} {state.late_because}")


def _slower(then: Evidence, now: Evidence, factor: float) -> Iterator[Look]:
    before = {one.concurrency: one.p95_ms for one in then.latency}
    for one in now.latency:
        if one.concurrency in before:
            name = "latency_p95_ms" + (f"_of_{one.concurrency}_users" if one.concurrency > 1 else "")
            figure = Figure(name, one.p95_ms, factor * before[one.concurrency], at_most=True)
            says = (
                f"latency p95 is {one.p95_ms:g} ms with {one.concurrency} at a time; it was {before[one.concurrency]:g} ms "
                f"when promoted, and {factor:g} times that is allowed"
            )
            yield Look("slower queries", figure, "" if figure.holds else says)


def _vanished(then: Evidence, now: Evidence, allowed_percent: float) -> Iterator[Look]:
    """Judgments that cannot be met any more, of golden sets that did not change, beyond those known at promotion."""
    for name, one in now.golden_sets.items():
        before = then.golden_sets.get(name)
        if before is None or before.fingerprint != one.fingerprint or not one.judgments:
            continue  # a person edited the set since: what it asks for did not vanish from production
        known = {judgment.judgment for judgment in before.unresolved}
        gone = [judgment for judgment in one.unresolved if judgment.judgment not in known]
        share = 100 * len(gone) / one.judgments
        figure = Figure(vanished_name(name), share, allowed_percent, at_most=True)
        says = ""
        if not figure.holds:
            first = f"{gone[0].document} ({gone[0].status}), query {gone[0].query}"
            says = f"{name}: {len(gone)} of {one.judgments} judged answers are gone, first {first}"
        yield Look("vanished answers", figure, says)


@dataclass(frozen=True, slots=True)
class WentBack:
    """What came of an attempt to go back. `promotion` is None when it was refused, and then `says` why."""

    promotion: Promotion | None
    says: str


def go_back(
    inputs: DecisionInputs, evaluation: Evaluation, name: str, channel: Channel, rots: tuple[Degradation, ...], by: str
) -> WentBack:
    """Point a channel at the release it served before, if that one passes the gate today. It is measured first.

    Sources that went stale are no reason to go back: an older release holds nothing newer, and with nothing else wrong
    every look would lead one release further back.
    """
    if channel.hold:
        return WentBack(None, f"production stays as it is: {channel.hold.says(name)}")
    rots = tuple(one for one in rots if one.what != "stale sources")
    if not rots:
        return WentBack(None, "production stays as it is: sources went stale, and no release before holds newer data")
    why = f"production got worse: {'; '.join(one.says for one in rots)}"
    try:
        target = release_before(inputs.home, name, answers_too=False)
        evaluate_release(evaluation, target, ServingRelease(channel.release, channel.fingerprint))
        request = PromotionRequest(target, by=by, why=why, channel=name, withdraw=True, leaving=channel)
        done = promote(inputs, request, run_id=evaluation.run_id)
    except PipelineError as error:
        return WentBack(None, f"production stays as it is: {error}")
    return WentBack(done, f"went back to {target}")
