"""One asset for each channel, first of all `index/production`: the gate, and the only assets that move a channel."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from rag_pipeline.alerts.verdicts import Word, note_verdict
from rag_pipeline.channels.audit import channel_now, note_refusal
from rag_pipeline.channels.audit_rows import refusal
from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.channel_shown import ChannelShown, reasons_of
from rag_pipeline.defs.frozen import not_frozen_spec
from rag_pipeline.defs.keys import EVALUATION, INDEX_GROUP, PRODUCTION_EVALUATION, channel_key
from rag_pipeline.defs.reports import evidence_metadata
from rag_pipeline.defs.retention import kept_now
from rag_pipeline.errors import ChannelError, LakeError, PipelineError, PromotionRefused
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.gate.policy import FILE
from rag_pipeline.host.names import COMMAND, LET_PASS, placed
from rag_pipeline.host.standard import at, written_in
from rag_pipeline.host.ui_tables import WHEN_ALL_IS_WELL
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release.promote import Promotion, inputs_now, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import Settings

_ABOUT = """The release the channel `{name}` points at. This is the gate, and the only code that moves the channel.

- Grain: one pointer.
- Origin: `index/evaluation`.
- Re-run: decides again; refuses without valid evidence on exactly this release, and then the channel stays as it was."""


class PromotionConfig(dg.Config):
    """Which release to promote, by whom and why: what the launchpad asks."""

    release: str = Field(
        default="",
        description="The release to promote, by id. Leave it empty for the candidate, as on every night; then a "
        "hold on the channel stands. A release named here lifts the hold.",
    )
    by: str = Field(default="", description="Who moves the channel; written to the audit table. An override needs it.")
    why: str = Field(default="", description="Why; written to the audit table. An override needs it.")
    answers: str = Field(default="", description="Answer version to name, by id; `none` for none. Empty: it stays.")
    override: bool = Field(
        default=False,
        description="Promote although the gate says no. Every reason against it is written to the audit table. A "
        "damaged release is refused anyway.",
    )
    withdraw: bool = Field(
        default=False,
        description="This is a rollback: what serves now is bad, no refresh promotes its content again by itself, and the "
        "channel is held until a person lifts that. The job roll_back does the same and asks for less.",
    )


def channel_asset(name: str, contracts: tuple[Contract, ...], settings: Settings, *, automatic: bool) -> dg.AssetsDefinition:
    """The asset of one channel; `automatic`: a refresh moves it, otherwise a person does."""
    key = channel_key(name)
    nightly = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50))

    @dg.asset(
        key=key,
        deps=[EVALUATION],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"chroma"},
        description=_ABOUT.format(name=name),
        freshness_policy=nightly if name == PRODUCTION else None,
        automation_condition=WHEN_ALL_IS_WELL if automatic else None,
        metadata=at(settings.home.channel(name)) | written_in(settings.evals / FILE),
        check_specs=[
            dg.AssetCheckSpec(
                LET_PASS,
                asset=key,
                description="The gate decides again in this step, from evidence on disk, before the channel moves.",
            ),
            not_frozen_spec(name),
        ],
    )
    def channel(context: dg.AssetExecutionContext, config: PromotionConfig):  # type: ignore[no-untyped-def]
        now, by, why = datetime.now(UTC), config.by, config.why
        if not config.override:
            by, why = by or _somebody(context.run.tags, settings), why or "refresh"
        shown, release = ChannelShown(settings, contracts, name), config.release or "the candidate"
        try:
            release = config.release or read_candidate(settings.home).release
            request = PromotionRequest(
                release,
                by=by,
                why=why,
                channel=name,
                named=bool(config.release),
                override=config.override,
                withdraw=config.withdraw,
                answers=config.answers or None,
            )
            done = promote(inputs_now(settings, contracts, now), request, run_id=context.run.run_id)
        except PipelineError as error:
            held = channel_now(settings.home, name) if isinstance(error, PromotionRefused) and error.held else None
            if held:
                yield from shown.held(held, release, error)
                _tell_what_follows(context, settings, name, None)
                return
            who = {"release": release, "by": by, "why": why, "run_id": context.run.run_id}
            _note_refusal(settings, name, error, who, now)
            yield from shown.refused(error, release)
            raise dg.Failure(str(error), metadata={"reasons": reasons_of(error)}, allow_retries=False) from error
        note_verdict(settings.home, name, Word(release, "passed"), run_id=context.run.run_id, now=now)
        yield from shown.passed(done, release)
        _tell_what_follows(context, settings, name, done if done.moved else None)

    return channel


def _tell_what_follows(context: dg.AssetExecutionContext, settings: Settings, name: str, moved: Promotion | None) -> None:
    """What is known at once of the assets behind production, which run at a pace of their own: which releases are kept, and,
    where it moved, what the release that serves was measured to be."""
    if name != PRODUCTION:
        return
    with suppress(PipelineError):  # it is told for people; what is wrong there fails the steps themselves
        context.log_event(kept_now(settings))
        evidence = newest(settings.home, moved.channel.fingerprint) if moved else None
        if moved and evidence:
            told = evidence_metadata(evidence, moved.verdict)
            context.log_event(dg.AssetMaterialization(placed(settings, PRODUCTION_EVALUATION), metadata=told))


def _note_refusal(settings: Settings, name: str, error: PipelineError, who: Mapping[str, str], now: datetime) -> None:
    """Write down for audit and alerts why a channel did not move: a refusal of the gate is in the audit already."""
    if not isinstance(error, PromotionRefused):
        with suppress(LakeError):  # the audit table may be what is damaged
            note_refusal(settings.home, name, refusal(**who, now=now, reason=str(error)))
    if not isinstance(error, ChannelError):  # which is told as what it is
        reasons = error.reasons if isinstance(error, PromotionRefused) else (str(error),)
        word = Word(who["release"], "refused", reasons)
        note_verdict(settings.home, name, word, run_id=who["run_id"], now=now)


def _somebody(tags: Mapping[str, str], settings: Settings) -> str:
    """Who moves a channel if nobody gave a name: a schedule or command acts for the settings' actor, the UI for somebody."""
    if COMMAND in tags or "dagster/schedule_name" in tags or "dagster/sensor_name" in tags:
        return settings.actor
    return "somebody in the Dagster UI"
