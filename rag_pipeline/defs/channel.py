"""One asset a channel, `index/production` first of all: the gate, and the only assets that move a channel."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.frozen import not_frozen, not_frozen_spec
from rag_pipeline.defs.keys import EVALUATION, INDEX_GROUP, channel_key
from rag_pipeline.defs.present import WHEN_ALL_IS_WELL, check, table
from rag_pipeline.defs.reports import history
from rag_pipeline.errors import ChannelError, LakeError, PipelineError, PromotionRefused
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release.alerts.verdicts import note_verdict
from rag_pipeline.release.anchor import anchor_of
from rag_pipeline.release.audit import channel_now, note_refusal
from rag_pipeline.release.channels import PRODUCTION, Channel
from rag_pipeline.release.promote import desk_now, promote
from rag_pipeline.settings import Settings

LET_PASS = "the_gate_let_it_pass"

COMMAND = "rag/command"
"""Tag of a run that a command started."""

_ABOUT = """The release the channel `{name}` points at. This is the gate, and the only code that moves the channel.

**Grain**: one pointer. **Origin**: `index/evaluation`. **Re-run**: decides again; refuses without valid evidence on
exactly this release, and then the channel stays as it was."""


class PromotionConfig(dg.Config):
    """Which release to promote, by whom and why: what the launchpad asks."""

    release: str = Field(
        default="",
        description="The release to promote, by id. Left empty: the candidate, as on every night, and a hold on the channel "
        "stands. A release named here lifts the hold.",
    )
    by: str = Field(default="", description="Who moves the channel; written to the audit table. An override needs it.")
    why: str = Field(default="", description="Why; written to the audit table. An override needs it.")
    override: bool = Field(
        default=False,
        description="Promote although the gate says no. Every reason that spoke against it is written to the audit table. A "
        "damaged release is refused all the same.",
    )
    withdraw: bool = Field(
        default=False,
        description="This is a rollback: what serves now is bad, no refresh promotes its content again by itself, and the "
        "channel is held until a person lifts that. The job roll_back does the same with less to fill in.",
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
        check_specs=[
            dg.AssetCheckSpec(
                LET_PASS,
                asset=key,
                description="Decided again in this very step, from evidence on disk, before the channel moves.",
            ),
            not_frozen_spec(name),
        ],
    )
    def channel(context: dg.AssetExecutionContext, config: PromotionConfig):  # type: ignore[no-untyped-def]
        now, by, why = datetime.now(UTC), config.by, config.why
        if not config.override:
            by, why = by or _somebody(context.run.tags, settings), why or "refresh"
        release = config.release or "the candidate"
        try:
            release = config.release or read_candidate(settings.home).release
            done = promote(
                desk_now(settings, contracts, now),
                release,
                by=by,
                why=why,
                run_id=context.run.run_id,
                named=bool(config.release),
                override=config.override,
                withdraw=config.withdraw,
                channel=name,
            )
        except PipelineError as error:
            held = channel_now(settings.home, name) if isinstance(error, PromotionRefused) and error.held else None
            if held:  # a person chose this state, so it is a warning every night, and no failure
                says, past = str(error), history(settings.home, name)
                yield check(key, LET_PASS, passed=False, severity=dg.AssetCheckSeverity.WARN, says=says, history=past)
                yield not_frozen(settings, name, contracts)
                yield dg.MaterializeResult(
                    metadata=channel_metadata(settings.home, name, held, moved=False),
                    data_version=dg.DataVersion(held.fingerprint),
                )
                return
            reasons = error.reasons if isinstance(error, PromotionRefused) else (str(error),)
            if not isinstance(error, PromotionRefused):
                who = {"release": release, "by": by, "why": why, "run_id": context.run.run_id}
                with suppress(LakeError):  # the audit table may be what is damaged
                    note_refusal(settings.home, name, **who, now=now, reason=str(error))
            if not isinstance(error, ChannelError):  # which is told as what it is
                note_verdict(settings.home, name, release, "refused", reasons, run_id=context.run.run_id, now=now)
            told = table(("reason",), [[reason] for reason in reasons])
            so_far: dict[str, Any] = {}
            with suppress(LakeError):
                so_far["history"] = history(settings.home, name)
            yield check(key, LET_PASS, passed=False, says=str(error), reasons=told, **so_far)
            yield not_frozen(settings, name, contracts)
            raise dg.Failure(str(error), metadata={"reasons": told}, allow_retries=False) from error
        note_verdict(settings.home, name, release, "passed", (), run_id=context.run.run_id, now=now)
        hold = done.channel.hold
        yield check(key, LET_PASS, passed=True, says=f"{release} serves{f'; {hold.says(name)}' if hold else ''}")
        yield not_frozen(settings, name, contracts)
        yield dg.MaterializeResult(
            metadata=channel_metadata(settings.home, name, done.channel, moved=done.moved),
            data_version=dg.DataVersion(done.channel.fingerprint),
        )

    return channel


def channel_metadata(home: Path, name: str, channel: Channel, *, moved: bool) -> dict[str, Any]:
    """Where a channel points and how it came there, as the UI shows it."""
    return {
        "release": channel.release,
        "previous": channel.previous or "none",
        "promoted": moved,
        "sequence": channel.sequence,
        "since": dg.MetadataValue.timestamp(channel.at),
        "by": channel.by,
        "why": channel.why,
        "evidence": channel.evidence or "none: overridden",
        "anchor": anchor.says if (anchor := anchor_of(home, name, channel)) else "none yet",
        **({"held": channel.hold.says(name)} if channel.hold else {}),
        "history": history(home, name),
    }


def _somebody(tags: Mapping[str, str], settings: Settings) -> str:
    """Who moves a channel, when nobody said: a schedule or a command acts for the settings' actor, the UI for a person."""
    if COMMAND in tags or "dagster/schedule_name" in tags or "dagster/sensor_name" in tags:
        return settings.actor
    return "somebody in the Dagster UI"
