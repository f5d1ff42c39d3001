"""`index/evaluation` and `index/production_evaluation`: what a release is worth, measured and written down."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, INDEX_GROUP, PRODUCTION, PRODUCTION_EVALUATION, golden_set
from rag_pipeline.defs.present import WHEN_ALL_IS_WELL, Materialized, check
from rag_pipeline.defs.reports import evidence_metadata, reasons_table, verdict_says
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release import channels, promote
from rag_pipeline.release.audit import channel_now
from rag_pipeline.release.gate import Verdict
from rag_pipeline.release.promote import Desk, desk_now
from rag_pipeline.settings import Settings

MEETS_POLICY = "candidate_meets_the_policy"
STILL_MEETS_POLICY = "production_meets_the_policy"


class EvaluationConfig(dg.Config):
    """Which release to measure (empty: the candidate), and whether to measure where evidence stands already."""

    release: str = ""
    measure_again: bool = False


def meets_policy(channel: str) -> str:
    """Name of the check that holds the candidate against a channel's demands."""
    return MEETS_POLICY if channel == channels.PRODUCTION else f"{MEETS_POLICY}_of_{channel}"


def evaluation_asset(
    contracts: tuple[Contract, ...], golden: list[str], names: Sequence[str], settings: Settings
) -> dg.AssetsDefinition:
    """`names`: the channels. With one, its check blocks; with several it must not, as one channel may take what
    another refuses. The gate in each channel's own step decides in any case."""

    @dg.asset(
        key=EVALUATION,
        deps=[CANDIDATE, *(golden_set(name) for name in golden)],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        code_version="1",
        automation_condition=WHEN_ALL_IS_WELL,
        check_specs=[
            dg.AssetCheckSpec(
                meets_policy(name),
                asset=EVALUATION,
                blocking=len(names) == 1,
                description=f"What was measured on the candidate meets every demand of gate.yaml on {name}.",
            )
            for name in names
        ],
    )
    def evaluation(context: dg.AssetExecutionContext, config: EvaluationConfig) -> Materialized:
        """The candidate and production measured side by side on every golden set, written down as evidence.

        **Grain**: one evaluation of one release. **Origin**: `index/candidate`, the golden sets, gate.yaml.
        **Re-run**: measures again unless young evidence on the very same inputs is there.
        """
        desk = desk_now(settings, contracts, datetime.now(UTC))
        release = config.release or read_candidate(settings.home).release
        reuse_hours = 0.0 if config.measure_again else desk.reuse_hours(release)
        work = _work(desk, settings, context.run.run_id, reuse_hours=reuse_hours)
        evidence = evaluate_release(work, release, _rival(settings))
        verdicts = {name: promote.judge(desk, release, name, named=bool(config.release))[0] for name in names}
        return dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdicts[channels.PRODUCTION]),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[_policy_check(EVALUATION, meets_policy(name), verdict) for name, verdict in verdicts.items()],
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
        rival = _rival(settings)
        if rival is None:
            raise dg.Failure("nothing is in production yet; run `rag refresh`, or materialize index/production")
        evidence = evaluate_release(_work(desk, settings, context.run.run_id, reuse_hours=0.0), rival.release, rival)
        verdict, _ = promote.judge(desk, rival.release)
        return dg.MaterializeResult(
            metadata=evidence_metadata(evidence, verdict),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[_policy_check(PRODUCTION_EVALUATION, STILL_MEETS_POLICY, verdict)],
        )

    return production_evaluation


def _rival(settings: Settings) -> Rival | None:
    current = channel_now(settings.home, channels.PRODUCTION)
    return Rival(current.release, current.fingerprint) if current else None


def _work(desk: Desk, settings: Settings, run_id: str, *, reuse_hours: float) -> Evaluation:
    return Evaluation(
        home=settings.home,
        golden_sets=desk.golden_sets,
        model=model_of(settings),
        policies=desk.policy.fingerprints,
        run_id=run_id,
        now=desk.now,
        reuse_hours=reuse_hours,
    )


def _policy_check(asset: list[str], name: str, verdict: Verdict) -> dg.AssetCheckResult:
    reasons = reasons_table(verdict)
    return check(asset, name, verdict.passed, says=verdict_says(verdict), verdict=verdict.outcome, reasons=reasons)
