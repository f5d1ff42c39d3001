"""Production got worse without a release: sources went stale, queries slower, answers vanished."""

import logging
from dataclasses import dataclass
from typing import Literal

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import at_promotion
from rag_pipeline.ingest.state import source_state
from rag_pipeline.release.channels import Channel
from rag_pipeline.release.promote import Desk, Promotion, promote
from rag_pipeline.release.rollback import release_before

log = logging.getLogger("rag_pipeline")

What = Literal["stale sources", "slower queries", "vanished answers"]


@dataclass(frozen=True, slots=True)
class Rot:
    """One way in which production is worse than when it was promoted."""

    what: What
    says: str


def rot(desk: Desk, name: str, channel: Channel, now: Evidence) -> tuple[Rot, ...]:
    """What became of the release a channel serves since it was promoted. `now`: what it was just measured to give."""
    watched = desk.policy.channel(name).watch
    then = at_promotion(desk.home, channel.fingerprint, channel.evidence)
    if channel.evidence and not then:
        because = "is of an older pipeline, or sealed with another key"
        log.info("nothing is compared with the evidence %s was promoted on: it %s", channel.release, because)
    return (
        *_stale(desk),
        *(_slower(then, now, watched.slower_factor) if then and watched.slower_factor else ()),
        *(_vanished(then, now, watched.vanished_max_percent) if then else ()),
    )


def _stale(desk: Desk) -> list[Rot]:
    states = [source_state(contract, desk.home, desk.now) for contract in desk.contracts]
    return [
        Rot(
            "stale sources",
            f"{state.source} {state.late_because}",
        )
        for state in states
        if not state.within_sla
    ]


def _slower(then: Evidence, now: Evidence, factor: float) -> list[Rot]:
    before = {one.concurrency: one.p95_ms for one in then.latency}
    return [
        Rot(
            "slower queries",
            f"latency p95 is {one.p95_ms:g} ms with {one.concurrency} at a time; it was {before[one.concurrency]:g} ms when "
            f"promoted, and {factor:g} times that is allowed",
        )
        for one in now.latency
        if one.concurrency in before and one.p95_ms > factor * before[one.concurrency]
    ]


def _vanished(then: Evidence, now: Evidence, allowed_percent: float) -> list[Rot]:
    """Judgments that cannot be met any more, of golden sets that did not change, beyond those known at promotion."""
    found = []
    for name, one in now.golden_sets.items():
        before = then.golden_sets.get(name)
        if before is None or before.fingerprint != one.fingerprint:
            continue  # a person edited the set since: what it asks for did not vanish from production
        known = {judgment.judgment for judgment in before.unresolved}
        gone = [judgment for judgment in one.unresolved if judgment.judgment not in known]
        if one.judgments and 100 * len(gone) / one.judgments > allowed_percent:
            first = f"{gone[0].document} ({gone[0].status}), query {gone[0].query}"
            found.append(
                Rot("vanished answers", f"{name}: {len(gone)} of {one.judgments} judged answers are gone, first {first}")
            )
    return found


@dataclass(frozen=True, slots=True)
class WentBack:
    """What came of an attempt to go back. `promotion` is None when it was refused, and then `says` why."""

    promotion: Promotion | None
    says: str


def go_back(desk: Desk, evaluation: Evaluation, name: str, channel: Channel, rots: tuple[Rot, ...], by: str) -> WentBack:
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
        target = release_before(desk.home, name)
        evaluate_release(evaluation, target, Rival(channel.release, channel.fingerprint))
        done = promote(desk, target, by=by, why=why, run_id=evaluation.run_id, withdraw=True, leaving=channel, channel=name)
    except PipelineError as error:
        return WentBack(None, f"production stays as it is: {error}")
    return WentBack(done, f"went back to {target}")
