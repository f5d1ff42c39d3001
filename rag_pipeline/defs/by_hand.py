"""What a person does to a channel, as jobs of the UI and of the command line: `roll_back`, `resume`, `anchor`."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from rag_pipeline.channels import hold
from rag_pipeline.channels.pointer import PRODUCTION, Channel, release_in
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.channel_shown import channel_metadata
from rag_pipeline.defs.evaluation import evaluation_now, rival_now
from rag_pipeline.defs.keys import channel_key
from rag_pipeline.errors import PipelineError
from rag_pipeline.host.lineage import Lineage
from rag_pipeline.host.names import HOME, named, placed
from rag_pipeline.release.going_back import roll_back
from rag_pipeline.release.promote import inputs_now
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.rollback import release_before
from rag_pipeline.settings import Settings

ROLL_BACK, RESUME, ANCHOR = "roll_back", "resume", "anchor"
STEPS = {ROLL_BACK: "move_back", RESUME: "lift_hold", ANCHOR: "name_anchor"}
"""Job -> its one step, which is configured."""


class RollbackConfig(dg.Config):
    """What a rollback is asked for with. Who and why are enough."""

    by: str = Field(description="Who rolls back; written to the audit table, and shown as who holds the channel.")
    why: str = Field(description="Why; written to the audit table, and shown until the hold is lifted.")
    channel: str = Field(default=PRODUCTION, description="The channel to roll back, as gate.yaml names it.")
    to: str = Field(
        default="",
        description="The release to go back to, by id. Leave it empty for the last good release that "
        "the channel served before.",
    )
    answers: str = Field(default="", description="Answer version to go back to, by id. Empty: the one named with it then.")
    override: bool = Field(default=False, description="Go back although the gate says no. A damaged release is refused.")


class ResumeConfig(dg.Config):
    """Who lifts a hold, and why."""

    by: str = Field(description="Who lifts the hold; written to the audit table.")
    why: str = Field(description="Why it may move by itself again; written to the audit table.")
    channel: str = Field(default=PRODUCTION, description="The channel that is held, as gate.yaml names it.")


class AnchorConfig(dg.Config):
    """Which release a person accepts, and why."""

    by: str = Field(description="Who accepts the release; written to the audit table, and shown wherever the anchor is.")
    why: str = Field(description="Why it is what later releases are held against; written to the audit table.")
    release: str = Field(
        default="", description="The release to accept, by id. Leave it empty for the one the channel points at."
    )
    channel: str = Field(default=PRODUCTION, description="The channel whose anchor it becomes, as gate.yaml names it.")


def jobs_by_hand(
    contracts: tuple[Contract, ...], settings: Settings, executor: dg.ExecutorDefinition, lineage: Lineage
) -> list[dg.JobDefinition]:
    """The jobs no schedule runs."""
    tags = {HOME: str(settings.home)}

    @dg.op(
        name=named(settings, STEPS[ROLL_BACK]),
        description="Measure the release to go back to, and point the channel at it, through its gate.",
    )
    def go_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        try:
            inputs = inputs_now(settings, contracts, datetime.now(UTC))
            here = release_in(settings.home, config.channel) if config.answers else ""
            target = config.to or here or release_before(settings.home, config.channel)
            work = evaluation_now(inputs, settings, context.run.run_id, reuse_hours=inputs.reuse_hours(target))
            done = roll_back(
                inputs,
                work,
                PromotionRequest(
                    target,
                    by=config.by,
                    why=config.why,
                    channel=config.channel,
                    override=config.override,
                    answers=config.answers or None,
                ),
                rival=rival_now(settings),
            )
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        _tell(context, config.channel, done.channel, moved=done.moved)

    @dg.op(
        name=named(settings, STEPS[RESUME]),
        description="Lift the hold on a channel; it stays where it is, and the next refresh may move it.",
    )
    def lift(context: dg.OpExecutionContext, config: ResumeConfig) -> None:
        by, why, run_id = config.by, config.why, context.run.run_id
        try:
            done = hold.resume(settings.home, config.channel, by=by, why=why, run_id=run_id, now=datetime.now(UTC))
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        _tell(context, config.channel, done, moved=False)

    @dg.op(
        name=named(settings, STEPS[ANCHOR]),
        description="Make a release the anchor of a channel: later ones are held against it. The channel stays where it is.",
    )
    def accept(context: dg.OpExecutionContext, config: AnchorConfig) -> None:
        try:
            inputs = inputs_now(settings, contracts, datetime.now(UTC))
            target = config.release or release_in(settings.home, config.channel)
            anchor, run_id = inputs.anchor(config.channel), context.run.run_id
            done = anchor.name(target, by=config.by, why=config.why, run_id=run_id, now=inputs.now)
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        _tell(context, config.channel, done, moved=False)

    def _tell(context: dg.OpExecutionContext, name: str, channel: Channel, *, moved: bool) -> None:
        told = channel_metadata(settings.home, name, channel, moved=moved)
        context.log_event(dg.AssetMaterialization(asset_key=placed(settings, channel_key(name)), metadata=told))
        if moved:
            lineage.moved(context, channel_key(name), channel.release)

    @dg.job(
        name=named(settings, ROLL_BACK),
        description="Production is bad: point it at the release before, and hold it there. Say by and why.",
        run_tags=tags,
        executor_def=executor,
    )
    def roll_back_job() -> None:
        go_back()

    @dg.job(
        name=named(settings, RESUME),
        description="The reason for a rollback is gone: let refreshes move the channel again.",
        run_tags=tags,
        executor_def=executor,
    )
    def resume_job() -> None:
        lift()

    @dg.job(
        name=named(settings, ANCHOR),
        description="Accept a release as it is: small losses are counted from there on. Say by and why.",
        run_tags=tags,
        executor_def=executor,
    )
    def anchor_job() -> None:
        accept()

    return [roll_back_job, resume_job, anchor_job]
