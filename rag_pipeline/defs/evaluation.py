"""`index/evaluation`: what a release is worth, measured and written down."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.frozen import report_frozen
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, INDEX_GROUP, golden_set
from rag_pipeline.defs.present import WHEN_ALL_IS_WELL, Materialized, check
from rag_pipeline.defs.reports import evidence_metadata, reasons_table, report_links, verdict_says
from rag_pipeline.errors import ChannelError, PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release import channels, promote
from rag_pipeline.release.alerts.verdicts import note_verdict, note_verdicts
from rag_pipeline.release.audit import channel_now
from rag_pipeline.release.enough import enough_for
from rag_pipeline.release.forget import as_it_stands, forget_gone
from rag_pipeline.release.hold import hold_on
from rag_pipeline.release.promote import Desk, desk_now
from rag_pipeline.release.report import not_evaluated, write_report
from rag_pipeline.release.verdict import Verdict
from rag_pipeline.settings import Settings

MEETS_POLICY = "candidate_meets_the_policy"


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
        **Re-run**: measures again unless young evidence on the very same inputs is there. The `report` is one HTML page
        that opens from disk.
        """
        now, release = datetime.now(UTC), config.release or read_candidate(settings.home).release
        forget_gone(settings.home)
        try:
            desk = desk_now(settings, contracts, now)
            reuse_hours = 0.0 if config.measure_again else desk.reuse_hours(release)
            work = evaluation_now(desk, settings, context.run.run_id, reuse_hours=reuse_hours)
            evidence = as_it_stands(settings.home, evaluate_release(work, release, rival_now(settings)))
        except PipelineError as error:
            path = write_report(settings.home, None, not_evaluated(release, str(error)), now=now, problem=str(error))
            for name in names if not isinstance(error, ChannelError) else ():  # which is told as what it is
                told = not_evaluated(release, str(error))
                note_verdict(settings.home, name, release, told.outcome, told.reasons, run_id=context.run.run_id, now=now)
            raise dg.Failure(str(error), metadata=report_links(path), allow_retries=False) from error
        asked = bool(config.release)  # what a person asks for, or holds back, is not judged by what was rolled back before
        verdicts, damaged = {}, set()
        for name in names:
            try:
                verdicts[name] = promote.judge(desk, release, name, named=asked or bool(hold_on(settings.home, name)))[0]
            except ChannelError as error:  # of one of several: the others go on
                verdicts[name] = not_evaluated(release, str(error))
                damaged.add(name)
        heard = {name: verdict for name, verdict in verdicts.items() if name not in damaged}
        note_verdicts(settings.home, heard, run_id=context.run.run_id, now=now)
        serving, shown = verdicts[channels.PRODUCTION], enough_for(evidence, desk.policy, channels.PRODUCTION)
        for says in [*(one.says for one in shown.values() if not one.are_enough), *map(str, serving.notes)]:
            context.log.info(says)
        if len(names) == 1 and not serving.passed:  # blocked: the channel's own step is not reached
            report_frozen(context.instance, settings, channels.PRODUCTION, contracts)
        return dg.MaterializeResult(
            metadata=evidence_metadata(evidence, serving, report_of(desk, evidence, serving), shown),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[policy_check(EVALUATION, meets_policy(name), verdict) for name, verdict in verdicts.items()],
        )

    return evaluation


def report_of(desk: Desk, evidence: Evidence, verdict: Verdict) -> Path:
    """Write the report of what was measured."""
    return write_report(
        desk.home,
        evidence,
        verdict,
        now=desk.now,
        contracts=desk.contracts,
        golden_sets=desk.golden_sets,
        policy=desk.policy,
    )


def rival_now(settings: Settings) -> Rival | None:
    """What serves, to measure beside."""
    current = channel_now(settings.home, channels.PRODUCTION)
    return Rival(current.release, current.fingerprint) if current else None


def evaluation_now(desk: Desk, settings: Settings, run_id: str, *, reuse_hours: float) -> Evaluation:
    """Everything to measure with, as of now."""
    return Evaluation(
        home=settings.home,
        golden_sets=desk.golden_sets,
        model=model_of(settings),
        policies=desk.policy.fingerprints,
        metrics={golden.name: desk.policy.metrics(golden.name) for golden in desk.golden_sets},
        concurrencies=desk.policy.concurrencies,
        run_id=run_id,
        now=desk.now,
        reuse_hours=reuse_hours,
    )


def policy_check(asset: list[str], name: str, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as the check that shows it."""
    told: dict[str, Any] = {"verdict": verdict.outcome, "reasons": reasons_table(verdict.reasons)}
    if verdict.notes:
        told["notes"] = reasons_table(verdict.notes)
    return check(asset, name, verdict.passed, says=verdict_says(verdict), **told)
