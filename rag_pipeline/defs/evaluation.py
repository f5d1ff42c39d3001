"""`index/evaluation` and `index/production_evaluation`: what a release is worth, measured and written down."""

from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, INDEX_GROUP, PRODUCTION, PRODUCTION_EVALUATION, golden_set
from rag_pipeline.defs.present import Materialized, check
from rag_pipeline.defs.reports import evidence_metadata, reasons_table, verdict_says
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release import channels, promote
from rag_pipeline.release.channels import serving
from rag_pipeline.release.gate import Verdict
from rag_pipeline.release.promote import Desk, desk_now
from rag_pipeline.settings import Settings

MEETS_POLICY = "candidate_meets_the_policy"
STILL_MEETS_POLICY = "production_meets_the_policy"


class EvaluationConfig(dg.Config):
    """Which release to measure (empty: the candidate), and whether to measure where evidence stands already."""

    release: str = ""
    measure_again: bool = False


def evaluation_asset(contracts: tuple[Contract, ...], golden: list[str], settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=EVALUATION,
        deps=[CANDIDATE, *(golden_set(name) for name in golden)],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                MEETS_POLICY,
                asset=EVALUATION,
                blocking=True,
                description="What was measured on the candidate meets every demand of gate.yaml on production.",
            )
        ],
    )
    def evaluation(context: dg.AssetExecutionContext, config: EvaluationConfig) -> Materialized:
        """The candidate and production measured side by side on every golden set, written down as evidence.

        **Grain**: one evaluation of one release. **Origin**: `index/candidate`, the golden sets, gate.yaml.
        **Re-run**: measures again unless young evidence on the very same inputs is there.
        """
        desk = desk_now(settings, contracts, datetime.now(UTC))
        release = config.release or read_candidate(settings.home).release
        current = serving(settings.home)
        evidence = evaluate_release(
            _work(
                desk, settings, context.run.run_id, reuse_hours=0.0 if config.measure_again else desk.reuse_hours(release)
            ),
            release,
            current,
        )
        verdict, _ = promote.judge(desk, release, named=bool(config.release))
        return dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdict),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[_policy_check(EVALUATION, MEETS_POLICY, verdict)],
        )

    return evaluation


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
            )
        ],
    )
    def production_evaluation(context: dg.AssetExecutionContext) -> Materialized:
        """Production measured again on its own schedule, to notice rot on nights when nothing is promoted.

        **Grain**: one evaluation of the serving release. **Origin**: `index/production`, the golden sets.
        **Re-run**: always measures.
        """
        desk = desk_now(settings, contracts, datetime.now(UTC))
        release = serving(settings.home)
        if release is None:
            raise dg.Failure("nothing is in production yet; run `rag refresh`, or materialize index/production")
        evidence: Evidence = evaluate_release(_work(desk, settings, context.run.run_id, reuse_hours=0.0), release, release)
        verdict, _ = promote.judge(desk, release)
        return dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdict),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[_policy_check(PRODUCTION_EVALUATION, STILL_MEETS_POLICY, verdict)],
        )

    return production_evaluation


def _work(desk: Desk, settings: Settings, run_id: str, *, reuse_hours: float) -> Evaluation:
    return Evaluation(
        home=settings.home,
        golden_sets=desk.golden_sets,
        model=model_of(settings),
        policy_fingerprint=desk.policy.fingerprint(channels.PRODUCTION),
        run_id=run_id,
        now=desk.now,
        reuse_hours=reuse_hours,
    )


def _policy_check(asset: list[str], name: str, verdict: Verdict) -> dg.AssetCheckResult:
    reasons = reasons_table(verdict)
    return check(asset, name, verdict.passed, says=verdict_says(verdict), verdict=verdict.outcome, reasons=reasons)
