"""`index/production`: the gate, and the only asset that moves the `production` channel."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import EVALUATION, INDEX_GROUP, PRODUCTION
from rag_pipeline.defs.present import check, table
from rag_pipeline.defs.reports import history
from rag_pipeline.errors import PromotionRefused
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release.promote import desk_now, promote
from rag_pipeline.settings import Settings

LET_PASS = "the_gate_let_it_pass"


class PromotionConfig(dg.Config):
    """Which release to promote (empty: the candidate), by whom and why. An override needs both, and is audited.

    `withdraw`: the release that serves now is bad, and no refresh may promote its content again by itself.
    """

    release: str = ""
    by: str = ""
    why: str = ""
    override: bool = False
    withdraw: bool = False


def production_asset(contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=PRODUCTION,
        deps=[EVALUATION],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"chroma"},
        freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
        check_specs=[
            dg.AssetCheckSpec(
                LET_PASS,
                asset=PRODUCTION,
                description="Decided again in this very step, from evidence on disk, before the channel moves.",
            )
        ],
    )
    def production(context: dg.AssetExecutionContext, config: PromotionConfig):  # type: ignore[no-untyped-def]
        """The release that serves. This is the gate, and the only code that moves the `production` channel.

        **Grain**: one pointer. **Origin**: `index/evaluation`. **Re-run**: decides again; refuses without valid
        evidence on exactly this release, and then production stays as it was.
        """
        release = config.release or read_candidate(settings.home).release
        desk = desk_now(settings, contracts, datetime.now(UTC))
        try:
            by, why = config.by, config.why
            if not config.override:
                by, why = by or settings.actor, why or "refresh"
            done = promote(
                desk,
                release,
                by=by,
                why=why,
                run_id=context.run.run_id,
                named=bool(config.release),
                override=config.override,
                withdraw=config.withdraw,
            )
        except PromotionRefused as refusal:
            reasons = table(("reason",), [[reason] for reason in refusal.reasons])
            yield check(PRODUCTION, LET_PASS, passed=False, says=str(refusal), reasons=reasons)
            raise dg.Failure(str(refusal), metadata={"reasons": reasons}, allow_retries=False) from refusal
        yield check(PRODUCTION, LET_PASS, passed=True, says=f"{release} serves")
        yield dg.MaterializeResult(
            metadata={
                "release": done.channel.release,
                "previous": done.channel.previous or "none",
                "promoted": done.moved,
                "sequence": done.channel.sequence,
                "since": dg.MetadataValue.timestamp(done.channel.at),
                "by": done.channel.by,
                "history": history(settings.home),
            },
            data_version=dg.DataVersion(done.channel.fingerprint),
        )

    return production
