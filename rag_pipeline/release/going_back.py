"""A rollback that a person asks for: the release is measured as it is today, and goes through its gate."""

import logging

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release
from rag_pipeline.release.audit import channel_now
from rag_pipeline.release.promote import Desk, Promotion, promote

log = logging.getLogger("rag_pipeline")


def roll_back(
    desk: Desk,
    evaluation: Evaluation,
    release_id: str,
    *,
    rival: Rival | None,
    channel: str,
    by: str,
    why: str,
    override: bool = False,
) -> Promotion:
    """Point a channel back at a release and hold it there; `promote` says the rest, and what it raises.

    A release that cannot be measured is refused for want of evidence; why it cannot stands in the log.
    """
    if not (by.strip() and why.strip()):
        raise PipelineError(f"{channel} was not rolled back: a rollback needs a name (by) and a reason (why)")
    current = channel_now(desk.home, channel)
    if current and current.release == release_id:
        raise PipelineError(
            f"{channel} points at {release_id} already, so there is nothing to go back from; without --to, `rag rollback` "
            "goes to the release before"
        )
    if not override:
        try:
            evaluate_release(evaluation, release_id, rival)
        except PipelineError as error:
            log.warning("%s cannot be measured: %s", release_id, error)
    return promote(
        desk,
        release_id,
        by=by,
        why=why,
        run_id=evaluation.run_id,
        named=True,
        override=override,
        withdraw=True,
        channel=channel,
    )
