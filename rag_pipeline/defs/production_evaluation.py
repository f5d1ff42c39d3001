"""`index/production_evaluation`: watches production on its own schedule, between promotions."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.alerts.verdicts import note_watch
from rag_pipeline.channels import pointer as channels
from rag_pipeline.channels.audit import channel_now
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.channel_shown import channel_metadata
from rag_pipeline.defs.evaluation import evaluation_now, rival_now
from rag_pipeline.defs.keys import INDEX_GROUP, PRODUCTION, PRODUCTION_EVALUATION
from rag_pipeline.defs.reports import EVALUATED, evidence_metadata, policy_check
from rag_pipeline.evaluate.evaluate import evaluate_release
from rag_pipeline.evaluate.remembered import evaluations_table
from rag_pipeline.gate.figures import figures_of, numbers
from rag_pipeline.gate.policy import FILE
from rag_pipeline.host.lineage import Lineage
from rag_pipeline.host.names import placed
from rag_pipeline.host.standard import of_table, written_in
from rag_pipeline.host.ui_tables import check
from rag_pipeline.release import promote, watch
from rag_pipeline.release.forget import as_it_stands
from rag_pipeline.release.promote import inputs_now
from rag_pipeline.settings import Settings

STILL_MEETS_POLICY = "production_meets_the_policy"

WATCHED: dict[watch.What, tuple[str, str]] = {
    "stale sources": ("sources_are_fresh", "No source is older than its contract allows."),
    "slower queries": ("queries_are_as_fast_as_promoted", "Latency is at most a few times what it was at promotion."),
    "vanished answers": ("no_judged_answer_vanished", "What golden sets ask for is still in the sources."),
}
"""What production may suffer from without a release -> the check that tells, and what it holds."""


def production_evaluation_asset(
    contracts: tuple[Contract, ...], settings: Settings, lineage: Lineage
) -> dg.AssetsDefinition:
    @dg.asset(
        key=PRODUCTION_EVALUATION,
        deps=[PRODUCTION],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        metadata=of_table(settings.home, evaluations_table(settings.home), EVALUATED) | written_in(settings.evals / FILE),
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

        - Grain: one evaluation of the serving release.
        - Origin: `index/production`, the golden sets.
        - Re-run: always measures. With `watch: {rollback: true}` in gate.yaml it goes back to the release before,
          through the gate, when production got worse.
        """
        inputs, rival = inputs_now(settings, contracts, datetime.now(UTC)), rival_now(settings)
        channel = channel_now(settings.home, channels.PRODUCTION)
        if rival is None or channel is None:
            raise dg.Failure("nothing is in production yet; run `rag refresh`, or materialize index/production")
        work = evaluation_now(inputs, settings, context.run.run_id, reuse_hours=0.0)
        evidence = as_it_stands(settings.home, evaluate_release(work, rival.release, rival))
        verdict, _ = promote.judge(inputs, rival.release)
        looks = watch.look(inputs, channels.PRODUCTION, channel, evidence)
        rots, figures = watch.rot(looks), figures_of(evidence, inputs.policy, channels.PRODUCTION)
        note_watch(settings.home, verdict, rots, run_id=context.run.run_id, now=inputs.now)
        yield dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdict),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[
                policy_check(PRODUCTION_EVALUATION, STILL_MEETS_POLICY, verdict, figures),
                *_watched(looks),
            ],
        )
        if rots and inputs.policy.channel(channels.PRODUCTION).watch.rollback:
            back = watch.go_back(inputs, work, channels.PRODUCTION, channel, rots, settings.actor)
            context.log.warning(back.says)
            if back.promotion:
                told = channel_metadata(settings.home, channels.PRODUCTION, back.promotion.channel, moved=True)
                context.log_event(dg.AssetMaterialization(asset_key=placed(settings, PRODUCTION), metadata=told))
                lineage.moved(context, PRODUCTION, back.promotion.channel.release)

    return production_evaluation


def _watched(looks: tuple[watch.Look, ...]) -> Iterator[dg.AssetCheckResult]:
    for what, (name, holds) in WATCHED.items():
        mine = [one for one in looks if one.what == what]
        figures = [one.figure for one in mine if one.figure]
        worse, well = [one.worse for one in mine if one.worse], [str(one) for one in figures]
        says = "; ".join(worse or well) or f"Nothing to compare with. {holds}"
        yield check(PRODUCTION_EVALUATION, name, not worse, says=says, metadata=numbers(figures))
