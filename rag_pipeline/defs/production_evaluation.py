"""`index/production_evaluation`: production watched on its own schedule, between promotions."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.channel import channel_metadata
from rag_pipeline.defs.evaluation import evaluation_now, policy_check, rival_now
from rag_pipeline.defs.keys import INDEX_GROUP, PRODUCTION, PRODUCTION_EVALUATION
from rag_pipeline.defs.present import check
from rag_pipeline.defs.reports import evidence_metadata
from rag_pipeline.evaluate.evaluate import evaluate_release
from rag_pipeline.release import channels, promote, watch
from rag_pipeline.release.alerts.verdicts import note_watch
from rag_pipeline.release.audit import channel_now
from rag_pipeline.release.forget import as_it_stands
from rag_pipeline.release.promote import desk_now
from rag_pipeline.settings import Settings

STILL_MEETS_POLICY = "production_meets_the_policy"

WATCHED: dict[watch.What, tuple[str, str]] = {
    "stale sources": ("sources_are_fresh", "No source is older than its contract allows."),
    "slower queries": ("queries_are_as_fast_as_promoted", "Latency is within a few times of what it was at promotion."),
    "vanished answers": ("no_judged_answer_vanished", "What golden sets ask for is still in the sources."),
}
"""What production may suffer from without a release -> the check that tells, and what it holds."""


def production_evaluation_asset(contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=PRODUCTION_EVALUATION,
        deps=[PRODUCTION],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        check_specs=[
            dg.AssetCheckSpec(
                STILL_MEETS_POLICY,
                asset=PRODUCTION_EVALUATION,
                description="Production, measured again today, still meets every demand: answers, latency, source age.",
            ),
            *(dg.AssetCheckSpec(name, asset=PRODUCTION_EVALUATION, description=holds) for name, holds in WATCHED.values()),
        ],
    )
    def production_evaluation(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        """Production measured again on its own schedule, to notice rot on nights when nothing is promoted.

        **Grain**: one evaluation of the serving release. **Origin**: `index/production`, the golden sets.
        **Re-run**: always measures. With `watch: {rollback: true}` in gate.yaml it goes back to the release before, through
        the gate, when production got worse.
        """
        desk, rival = desk_now(settings, contracts, datetime.now(UTC)), rival_now(settings)
        channel = channel_now(settings.home, channels.PRODUCTION)
        if rival is None or channel is None:
            raise dg.Failure("nothing is in production yet; run `rag refresh`, or materialize index/production")
        work = evaluation_now(desk, settings, context.run.run_id, reuse_hours=0.0)
        evidence = as_it_stands(settings.home, evaluate_release(work, rival.release, rival))
        verdict, _ = promote.judge(desk, rival.release)
        rots = watch.rot(desk, channels.PRODUCTION, channel, evidence)
        note_watch(settings.home, verdict, rots, run_id=context.run.run_id, now=desk.now)
        yield dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdict),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[policy_check(PRODUCTION_EVALUATION, STILL_MEETS_POLICY, verdict), *_watched(rots)],
        )
        if rots and desk.policy.channel(channels.PRODUCTION).watch.rollback:
            back = watch.go_back(desk, work, channels.PRODUCTION, channel, rots, settings.actor)
            context.log.warning(back.says)
            if back.promotion:
                told = channel_metadata(settings.home, channels.PRODUCTION, back.promotion.channel, moved=True)
                context.log_event(dg.AssetMaterialization(asset_key=PRODUCTION, metadata=told))

    return production_evaluation


def _watched(rots: tuple[watch.Rot, ...]) -> Iterator[dg.AssetCheckResult]:
    for what, (name, _) in WATCHED.items():
        says = [one.says for one in rots if one.what == what]
        yield check(PRODUCTION_EVALUATION, name, not says, says="; ".join(says))
