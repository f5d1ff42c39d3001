"""A rollback that a person asks for: the release is measured as it is today, and passes through its gate."""

import logging
from dataclasses import replace

from rag_pipeline.channels.audit import channel_now
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.release.answers import wanted_version
from rag_pipeline.release.promote import DecisionInputs, Promotion, promote
from rag_pipeline.release.request import PromotionRequest

log = logging.getLogger("rag_pipeline")


def roll_back(
    inputs: DecisionInputs,
    evaluation: Evaluation,
    request: PromotionRequest,
    *,
    rival: ServingRelease | None,
) -> Promotion:
    """Point a channel back at a release and hold it there; `promote` says the rest, and what it raises.

    A release that cannot be measured is refused for want of evidence; why it cannot stands in the log.
    """
    channel, release_id = request.channel, request.release
    if not request.signed:
        raise PipelineError(f"{channel} was not rolled back: a rollback needs a name (by) and a reason (why)")
    current = channel_now(inputs.home, channel)
    request = replace(request, named=True, withdraw=True)
    stays = current is not None and current.release == release_id
    if current and stays and wanted_version(inputs.home, request, current) == current.version:
        raise PipelineError(
            f"{channel} points at {release_id} already, so there is nothing to go back from; without --to, `rag rollback` "
            "goes to the release before"
        )
    if not (request.override or stays):
        try:
            evaluate_release(evaluation, release_id, rival)
        except PipelineError as error:
            log.warning("%s cannot be measured: %s", release_id, error)
    return promote(inputs, request, run_id=evaluation.run_id)
