"""`index/evaluation`: what a release is worth, measured and written down."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg

from rag_pipeline.alerts.verdicts import Word, note_verdict, note_verdicts
from rag_pipeline.channels import pointer as channels
from rag_pipeline.channels.audit import channel_now
from rag_pipeline.channels.hold import hold_on
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.frozen import report_frozen
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, INDEX_GROUP, golden_set
from rag_pipeline.defs.reports import EVALUATED, evidence_metadata, policy_check, report_links
from rag_pipeline.errors import ChannelError, PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.readers import unmeasured_scopes
from rag_pipeline.evaluate.remembered import evaluations_table
from rag_pipeline.gate.decide import is_slow
from rag_pipeline.gate.enough import enough_for
from rag_pipeline.gate.figures import figures_of
from rag_pipeline.gate.policy import FILE
from rag_pipeline.gate.verdict import Verdict
from rag_pipeline.host.names import MEETS_POLICY
from rag_pipeline.host.served_shown import served_metadata
from rag_pipeline.host.standard import of_table, written_in
from rag_pipeline.host.ui_tables import WHEN_ALL_IS_WELL, Materialized
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release import promote
from rag_pipeline.release.answers_measured import AnswersBench
from rag_pipeline.release.forget import as_it_stands, forget_gone
from rag_pipeline.release.promote import DecisionInputs, inputs_now
from rag_pipeline.release.served import keep_traffic
from rag_pipeline.report import ReportRequest, not_evaluated, write_report
from rag_pipeline.settings import Settings


class EvaluationConfig(dg.Config):
    """Which release to measure (empty: the candidate), and whether to measure where evidence stands already.

    `answers`: id of an answer version that is to be named beside it; empty for the one that each channel names."""

    release: str = ""
    measure_again: bool = False
    answers: str = ""


EVERY_SCOPE = "every_scope_has_a_golden_set"


def meets_policy(channel: str) -> str:
    """Name of the check that holds the candidate against a channel's demands."""
    return MEETS_POLICY if channel == channels.PRODUCTION else f"{MEETS_POLICY}_of_{channel}"


def evaluation_asset(
    contracts: tuple[Contract, ...], golden: list[str], names: Sequence[str], settings: Settings
) -> dg.AssetsDefinition:
    """`names`: the channels. With one, its check blocks; with several it must not, as one channel may take what
    another refuses. The gate in each channel's own step decides in any case."""

    labelled = [contract.source for contract in contracts if contract.column("access")][:1]

    @dg.asset(
        key=EVALUATION,
        deps=[CANDIDATE, *(golden_set(name) for name in golden)],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        code_version="1",
        automation_condition=WHEN_ALL_IS_WELL,
        metadata=of_table(settings.home, evaluations_table(settings.home), EVALUATED) | written_in(settings.evals / FILE),
        check_specs=[
            dg.AssetCheckSpec(
                meets_policy(name),
                asset=EVALUATION,
                blocking=len(names) == 1,
                description=f"The figures of the candidate meet every demand of gate.yaml on {name}.",
            )
            for name in names
        ]
        + [
            dg.AssetCheckSpec(
                EVERY_SCOPE,
                asset=EVALUATION,
                description="Each set of labels is read by a golden set that says in `labels` whom it stands for.",
            )
            for _ in labelled
        ],
    )
    def evaluation(context: dg.AssetExecutionContext, config: EvaluationConfig) -> Materialized:
        """The candidate and production measured side by side on every golden set, written down as evidence.

        - Grain: one evaluation of one release.
        - Origin: `index/candidate`, the golden sets, gate.yaml.
        - Re-run: measures again unless young evidence on the very same inputs is there, with times within the limits.
          The `report` is one HTML page that opens from disk; where RAG_REPORTS_URL is set, it is a link.
        """
        release = config.release or read_candidate(settings.home).release
        forget_gone(settings.home)
        try:
            inputs = inputs_now(settings, contracts, datetime.now(UTC))
            evidence = _measured(inputs, settings, context.run.run_id, release, again=config.measure_again)
            bench = AnswersBench(settings, inputs, context.run.run_id)
            bench.for_channels(release, names, config.answers, reuse=not config.measure_again)
            manifest = read_manifest(settings.home.release(release))
            traffic = keep_traffic(settings.home, inputs.policy, manifest, datetime.now(UTC), context.run.run_id)
        except PipelineError as error:
            raise _not_measured(settings, names, release, context.run.run_id, error) from error
        asked = bool(config.release)  # what a person asks for, or holds back, is not judged by what was rolled back before
        verdicts = _verdicts(inputs, names, release, context.run.run_id, asked=asked)
        serving, shown = verdicts[channels.PRODUCTION], enough_for(evidence, inputs.policy, channels.PRODUCTION)
        for says in [*(one.says for one in shown.values() if not one.are_enough), *map(str, serving.notes)]:
            context.log.info(says)
        if len(names) == 1 and not serving.passed:  # blocked: the channel's own step is not reached
            report_frozen(context.instance, settings, channels.PRODUCTION, contracts)
        return dg.MaterializeResult(
            metadata=evidence_metadata(
                evidence, serving, report_links(settings, report_of(inputs, evidence, serving)), shown
            )
            | served_metadata(traffic),
            data_version=dg.DataVersion(evidence.seal),
            check_results=[
                policy_check(EVALUATION, meets_policy(name), verdict, figures_of(evidence, inputs.policy, name))
                for name, verdict in verdicts.items()
            ]
            + [_scopes_check(settings, release, inputs) for _ in labelled],
        )

    return evaluation


def _scopes_check(settings: Settings, release: str, inputs: DecisionInputs) -> dg.AssetCheckResult:
    without = unmeasured_scopes(read_manifest(settings.home.release(release)), inputs.golden_sets)
    advice = "give a golden set `labels: [...]` in its golden.yaml, with answers that such a reader may read"
    says = (
        f"no golden set stands for the readers of {' / '.join(without)}; {advice}" if without else "each scope is measured"
    )
    return dg.AssetCheckResult(
        asset_key=EVALUATION,
        check_name=EVERY_SCOPE,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        description=says,
        metadata={"scopes_without_a_golden_set": len(without)},
    )


def _measured(inputs: DecisionInputs, settings: Settings, run_id: str, release: str, *, again: bool) -> Evidence:
    """Evidence on a release beside production: young evidence that is there, unless it is to be measured `again`."""
    work = evaluation_now(inputs, settings, run_id, reuse_hours=0.0 if again else inputs.reuse_hours(release))
    return as_it_stands(settings.home, evaluate_release(work, release, rival_now(settings)))


def _not_measured(settings: Settings, names: Sequence[str], release: str, run_id: str, error: PipelineError) -> dg.Failure:
    """The failure of the step, after report and alerts were given the reason."""
    now, told = datetime.now(UTC), not_evaluated(release, str(error))
    path = write_report(settings.home, ReportRequest(told, now=now, problem=str(error)))
    for name in names if not isinstance(error, ChannelError) else ():  # which is told as what it is
        note_verdict(settings.home, name, Word(release, told.outcome, told.reasons), run_id=run_id, now=now)
    return dg.Failure(str(error), metadata=report_links(settings, path), allow_retries=False)


def _verdicts(inputs: DecisionInputs, names: Sequence[str], release: str, run_id: str, *, asked: bool) -> dict[str, Verdict]:
    """The verdict of every channel, noted for the alerts."""
    verdicts, damaged = {}, set()
    for name in names:
        try:
            verdicts[name] = promote.judge(inputs, release, name, named=asked or bool(hold_on(inputs.home, name)))[0]
        except ChannelError as error:  # of one of several: the others go on
            verdicts[name] = not_evaluated(release, str(error))
            damaged.add(name)
    heard = {name: verdict for name, verdict in verdicts.items() if name not in damaged}
    note_verdicts(inputs.home, heard, run_id=run_id, now=inputs.now)
    return verdicts


def report_of(inputs: DecisionInputs, evidence: Evidence, verdict: Verdict) -> Path:
    """Write the report of what was measured."""
    asked = ReportRequest(
        verdict,
        now=inputs.now,
        evidence=evidence,
        contracts=inputs.contracts,
        golden_sets=inputs.golden_sets,
        policy=inputs.policy,
    )
    return write_report(inputs.home, asked)


def rival_now(settings: Settings) -> ServingRelease | None:
    """What serves, to measure beside."""
    current = channel_now(settings.home, channels.PRODUCTION)
    return ServingRelease(current.release, current.fingerprint) if current else None


def evaluation_now(inputs: DecisionInputs, settings: Settings, run_id: str, *, reuse_hours: float) -> Evaluation:
    """Everything to measure with, as of now."""
    return Evaluation(
        home=settings.home,
        golden_sets=inputs.golden_sets,
        model=model_of(settings),
        policies=inputs.policy.fingerprints,
        metrics={golden.name: inputs.policy.metrics(golden.name) for golden in inputs.golden_sets},
        concurrencies=inputs.policy.concurrencies,
        run_id=run_id,
        now=inputs.now,
        reuse_hours=reuse_hours,
        is_slow=None if math.isinf(reuse_hours) else partial(is_slow, policy=inputs.policy),
    )
