"""What is wrong that only Dagster knows: checks of severity ERROR that failed, and runs that failed or were killed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from rag_pipeline.alerts.cause import Cause, Findings, key_of, marks_of
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.by_hand import STEPS
from rag_pipeline.defs.frozen import NOT_FROZEN
from rag_pipeline.defs.keys import EVALUATION, PRODUCTION_EVALUATION, channel_key, documents
from rag_pipeline.defs.source_limits import AGE_CHECK, BATCH_CHECK
from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import ChannelError, by_kind, names_of_ours
from rag_pipeline.gate.policy import promotions
from rag_pipeline.host.names import COMMAND, HOME, LET_PASS, load_step, named, placed, step_name
from rag_pipeline.host.ui_tables import said
from rag_pipeline.settings import Settings

_RUNS = 60
"""How many runs back a step's last outcome is looked for."""

_BY_A_CLOCK = ("refresh", "load")
"""Commands that a clock may call too. Another command, or a job that no schedule runs, tells the person who called it."""


@dataclass(frozen=True, slots=True)
class StepSeen:
    """How one step of one run ended: well, with an error, or not at all because its process died."""

    step: str
    how: str
    says: str = ""


@dataclass
class RunsSeen:
    """Runs that have ended, by id: what came of them does not change any more."""

    steps: dict[str, tuple[StepSeen, ...]] = field(default_factory=dict)


class Graph:
    """What the definitions say of checks, steps and jobs; read once."""

    def __init__(self, definitions: dg.Definitions, settings: Settings, contracts: Sequence[Contract]) -> None:
        graph = definitions.resolve_asset_graph()
        channels = list(promotions(settings.evals, settings.promotion))
        elsewhere = {(*placed(settings, documents(one.source)), name) for one in contracts for name in _checks_of(one)}
        verdicts = {tuple(placed(settings, key)) for key in (EVALUATION, PRODUCTION_EVALUATION)}
        self.checks = [
            key
            for key in graph.asset_check_keys
            if (*key.asset_key.path, key.name) not in elsewhere
            and tuple(key.asset_key.path) not in verdicts
            and key.name not in (LET_PASS, NOT_FROZEN)
        ]
        """Those that no verdict and no state of a source tells already."""
        self.owners = {key.asset_key: ", ".join(graph.get(key.asset_key).owners) or settings.owner for key in self.checks}
        self.gates = {step_name(settings, key) for key in (EVALUATION, *map(channel_key, channels))}
        """Steps that end with a failure where they refuse."""
        self.step_owners = {
            step_name(settings, load_step(one.source)): one.answers.removeprefix("Owner: ") for one in contracts
        }
        steps = [asset.node_def.name for asset in graph.assets_defs if asset.is_executable]
        jobs = [job.name for job in definitions.resolve_all_job_defs()]
        self.names = [_name(step) for step in steps] + jobs + [_CHOSEN]
        self.assets = graph.executable_asset_keys
        self.by_hand = {named(settings, job) for job in STEPS}


def causes_in_dagster(instance: dg.DagsterInstance, settings: Settings, graph: Graph, seen: RunsSeen) -> Findings:
    """Failed checks and runs. What a verdict or a source's state tells already is left to them."""
    return _failed_checks(instance, graph) + _failed_runs(instance, settings, graph, seen)


def _failed_checks(instance: dg.DagsterInstance, graph: Graph) -> Findings:
    found = Findings()
    records = instance.event_log_storage.get_asset_check_summary_records(graph.checks)
    for key in graph.checks:
        asset = key.asset_key.to_user_string()
        at = key_of("failed check", subject := f"{asset} {key.name}")
        found += Findings(possible=frozenset({at}))
        last = records[key].last_completed_check_execution_record if key in records else None
        if last is None or last.event is None or last.event.dagster_event is None:
            continue
        made = last.event.dagster_event.asset_check_evaluation_data
        if made.passed or made.severity != dg.AssetCheckSeverity.ERROR:
            found += Findings(well=frozenset({at}))
            continue
        reasons = (said(made.description or "") or f"the check {key.name} failed",)
        title, steps = f"{asset}: the check {key.name} failed", ("rag status",)
        cause = Cause(
            "failed check", subject, title, reasons, graph.owners[key.asset_key], steps, marks_of(reasons), last.run_id
        )
        found += Findings((cause,))
    return found


def _checks_of(contract: Contract) -> list[str]:
    return [BATCH_CHECK, AGE_CHECK, *(rule.name for rule in contract.quality)]


def _failed_runs(instance: dg.DagsterInstance, settings: Settings, graph: Graph, seen: RunsSeen) -> Findings:
    """The last outcome of every step. A step that failed is a cause until it ends well, in whatever run.

    Steps of other people's, in runs of theirs or of theirs and ours, are left to them.
    """
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
    runs = [record.dagster_run for record in instance.get_run_records(ended, limit=_RUNS)]
    runs = [run for run in runs if run.tags.get(HOME, str(settings.home)) == str(settings.home)]
    seen.steps = {run.run_id: seen.steps[run.run_id] for run in runs if run.run_id in seen.steps}
    possible = frozenset(key_of("failed run", name) for name in graph.names)
    found, told = Findings(possible=possible), set[str]()
    for run in runs:
        if run.run_id not in seen.steps:
            seen.steps[run.run_id] = tuple(_steps(instance, run, graph.gates, settings))
        for step in seen.steps[run.run_id]:
            by_hand = run.tags.get(COMMAND, "refresh") not in _BY_A_CLOCK or run.job_name in graph.by_hand
            name = _name(step.step)
            theirs = key_of("failed run", name) not in possible or (name == _CHOSEN and not _holds_ours(run, graph))
            if step.step in told or theirs or (by_hand and step.how != _WELL):
                continue
            told.add(step.step)
            if step.how == _WELL:
                found += Findings(well=frozenset({key_of("failed run", name)}))
                continue
            owner = graph.step_owners.get(step.step, settings.owner)
            title, steps = f"{name} {step.how}, in a run of {_job(run)}", ("rag status", "rag refresh")
            marks = marks_of((step.says,))
            found += Findings((Cause("failed run", name, title, (step.says,), owner, steps, marks, run.run_id),))
    return found


def _holds_ours(run: dg.DagsterRun, graph: Graph) -> bool:
    return run.asset_selection is None or not graph.assets.isdisjoint(run.asset_selection)


def _name(step: str) -> str:
    return step.replace("__", "/")


_CHOSEN = "chosen assets"
"""Name of Dagster's own job of the assets that a person picks."""

_WELL, _FAILED, _KILLED = "ended well", "failed", "was killed or died"


def _steps(instance: dg.DagsterInstance, run: dg.DagsterRun, gates: set[str], settings: Settings) -> Iterator[StepSeen]:
    failures = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
    failed = {event.dagster_event.step_key: event.dagster_event for event in failures if event.dagster_event}
    left = False
    for one in instance.get_run_step_stats(run.run_id):
        status = one.status.value if one.status else ""
        if status == "FAILURE":
            event = failed.get(one.step_key)
            chain = list(_chain(event.step_failure_data.error)) if event else []
            names = [error.cls_name for error in chain]
            refused = "DagsterAssetCheckFailedError" in names or (one.step_key in gates and "Failure" in names)
            told = refused or ChannelError.__name__ in names  # as the refusal, or as the channel that is damaged
            yield StepSeen(one.step_key, _WELL) if told else StepSeen(one.step_key, _FAILED, _says(chain, settings))
            left = True
        elif status == "SUCCESS":
            yield StepSeen(one.step_key, _WELL)
        elif status == "IN_PROGRESS" and run.status == dg.DagsterRunStatus.FAILURE:
            yield StepSeen(one.step_key, _KILLED, _run_says(instance, run))
            left = True
    job = _job(run)
    if run.status == dg.DagsterRunStatus.FAILURE and not left:
        yield StepSeen(job, _KILLED, _run_says(instance, run))
    else:
        yield StepSeen(job, _WELL)


def _job(run: dg.DagsterRun) -> str:
    return run.job_name if not run.job_name.startswith("__") else _CHOSEN


def _run_says(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why Dagster, or whoever marked the run, says it failed."""
    events = instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_FAILURE)
    said = [event.dagster_event.message for event in events if event.dagster_event and event.dagster_event.message]
    return said[-1] if said else "its process ended without an error message"


def _says(chain: Sequence[Any], settings: Settings) -> str:
    """Our own error's words, or those for a full disk; of a stranger's error its kind only, as it may quote rows."""
    ours = {*names_of_ours(), "Failure"}
    for error in chain:
        if error.cls_name in ours:
            return str(error.message).strip().split(": ", 1)[-1]
    for error in chain:
        if says := storage_error(str(error.message), settings.home.root):
            return says
    kind = chain[min(1, len(chain) - 1)].cls_name if chain else "an error that was not recorded"
    return by_kind(kind, "the log of the run")


def _chain(error: Any) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.cause
