"""Running the Dagster jobs from the command line, against the instance that the UI shows."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from rag_pipeline.channels.pointer import all_channels
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.by_hand import STEPS
from rag_pipeline.defs.dropped import live
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.jobs import FULL, NIGHTLY
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, KEPT_RELEASES, channel_key, documents, quarantine
from rag_pipeline.defs.ready import check_ready
from rag_pipeline.defs.stages import stage_seconds
from rag_pipeline.disk_space import require_space, storage_error
from rag_pipeline.errors import PipelineError, PromotionRefused, names_of_ours
from rag_pipeline.gate.policy import promotions
from rag_pipeline.home import Home
from rag_pipeline.home_mark import no_home_says
from rag_pipeline.host.command_run import command_run
from rag_pipeline.host.kept_connections import opened_instance
from rag_pipeline.host.names import COMMAND, HOME, named, placed, step_name, unplaced
from rag_pipeline.host.ui_tables import said
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.release import retention
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import log_handler

log = logging.getLogger("rag_pipeline")

_LITTLE = 4_000_000
"""Bytes that a run needs for Dagster's events and a few rows."""

_WAIT_S = 600.0
"""How long a second command waits for the first before it gives up."""


@dataclass(frozen=True, slots=True)
class FailedCheck:
    asset: str
    check: str
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did, as its events tell it."""

    run_id: str
    success: bool
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """asset key -> metadata of its materialization in this run"""
    failed_checks: tuple[FailedCheck, ...] = ()
    errors: tuple[str, ...] = ()
    refused: bool = False
    """Nothing failed but that the gate said no: what serves stays, and that is how it should be."""
    stages: dict[str, float] = field(default_factory=dict)
    """stage -> seconds; what Dagster does between steps belongs to none"""


def refresh(settings: Settings, *, source: str | None = None, promote: bool = True) -> Ran:
    """Run the nightly job here and now: all of it, or one source and what follows from it."""
    check_ready(settings)
    definitions = live(settings)
    selection: dg.AssetSelection = dg.AssetSelection.all()
    if source:
        known = {
            key.path[-2] for key in definitions.resolve_asset_graph().executable_asset_keys if key.path[-1] == "documents"
        }
        if source not in known:
            raise PipelineError(f"no source {source!r}; known: {', '.join(sorted(known))}")
        selection = _these(settings, documents(source), quarantine(source)).downstream()
    if not promote:
        channels = promotions(settings.evals, settings.promotion)
        selection = selection - _these(settings, *map(channel_key, channels))
    return _run(settings, definitions, selection, {}, "refresh")


def load(settings: Settings, source: str) -> Ran:
    """Load one source, and nothing that follows from it."""
    check_ready(settings)
    definitions = build(settings)
    return _run(settings, definitions, _these(settings, documents(source), quarantine(source)), {}, "load")


def evaluate(settings: Settings, release: str, *, measure_again: bool = True, answers: str = "") -> Ran:
    """Run the evaluation alone, on one release; `measure_again` even where evidence is there. `answers`: a version too."""
    return _run_one(settings, EVALUATION, {"release": release, "measure_again": measure_again, "answers": answers})


def promote(settings: Settings, request: PromotionRequest) -> Ran:
    """Run the gate alone, on one release, with fresh evidence where there is none. The gate decides, not this."""
    if not request.override:
        evaluate(settings, request.release, measure_again=False, answers=request.answers or "")
    config = {name: getattr(request, name) for name in ("release", "by", "why", "override", "withdraw")}
    config["answers"] = request.answers or ""
    return _run_one(settings, channel_key(request.channel), config)


def by_hand(settings: Settings, job: str, config: dict[str, Any]) -> Ran:
    """Run a job of what a person does to a channel: `roll_back`, `resume`."""
    definitions = build(settings)
    require_space(settings.home.root, _LITTLE)
    dagster_home = prepare_dagster_home(settings)
    run_config = {"ops": {named(settings, STEPS[job]): {"config": config}}}
    return _execute(settings, dagster_home, definitions.resolve_job_def(named(settings, job)), None, run_config, job)


def collect(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """Run the weekly collection here and now; on a disk too full for a run of Dagster, without one.

    Returns what was removed and kept, as plain values. Raises `PipelineError` when there is no home, or the run failed.
    """
    if nothing := no_home_says(settings):
        raise PipelineError(nothing)
    try:
        require_space(settings.home.root, _LITTLE)
    except PipelineError as error:
        log.warning("collecting without a run, because %s", error)
        model = model_of(settings).fingerprint
        with settings.home.exclusive("refresh", wait_s=_WAIT_S):
            keep, days = settings.keep_releases, settings.keep_days
            return retention.collect(settings.home, keep=keep, days=days, model=model, dry_run=dry_run).told
    ran = _run_one(settings, KEPT_RELEASES, {"dry_run": dry_run})
    if not ran.success:
        raise PipelineError("; ".join(ran.errors) or f"the collection failed; the run is {ran.run_id}")
    return {**ran.assets["index/kept_releases"]["summary"], "run_id": ran.run_id}


def repair(settings: Settings, release: str) -> str:
    """Build an intact twin of a damaged release, and move the channels that point at it, through their gates.

    Returns the twin's id. Raises `PipelineError` when it cannot be built, or a gate refuses it.
    """
    ran = _run_one(settings, CANDIDATE, {"repair": release})
    if "index/candidate" not in ran.assets:
        raise PipelineError("; ".join(ran.errors) or f"{release} was not repaired; the failed run is {ran.run_id}")
    twin = str(ran.assets["index/candidate"]["release"])
    for name, channel in all_channels(settings.home).items():
        if channel.release == release:
            why = f"{release} was damaged"
            moved = promote(settings, PromotionRequest(twin, by="", why=why, channel=name))
            if not moved.success:
                raise PipelineError(f"{twin} was built, but {name} still points at {release}: {'; '.join(moved.errors)}")
    return twin


def _run_one(settings: Settings, key: list[str], config: dict[str, Any]) -> Ran:
    run_config = {"ops": {step_name(settings, key): {"config": config}}}
    return _run(settings, build(settings), _these(settings, key), run_config, key[-1])


def _these(settings: Settings, *wanted: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(dg.AssetKey(placed(settings, key)) for key in wanted))


def _run(
    settings: Settings, definitions: dg.Definitions, selection: dg.AssetSelection, config: dict[str, Any], command: str
) -> Ran:
    """Run the nightly job, or the full refresh where that holds more of it, or else Dagster's own job of all assets."""
    require_space(settings.home.root, _room_for(settings.home) if command == "refresh" else _LITTLE)
    dagster_home = prepare_dagster_home(settings)
    require_space(dagster_home, _LITTLE)
    wanted = selection.resolve(definitions.resolve_asset_graph())
    jobs = definitions.resolve_all_job_defs()
    refreshes = [job for name in (NIGHTLY, FULL) for job in jobs if job.name == named(settings, name)]
    job = max(refreshes, key=lambda one: len(one.asset_layer.selected_asset_keys & wanted))
    keys = sorted(job.asset_layer.selected_asset_keys & wanted)
    if not keys:
        job, keys = definitions.resolve_implicit_global_asset_job_def(), sorted(wanted)
    return _execute(settings, dagster_home, job, keys, config, command)


def _execute(
    settings: Settings,
    dagster_home: Path,
    job: dg.JobDefinition,
    keys: list[dg.AssetKey] | None,
    config: dict[str, Any],
    command: str,
) -> Ran:
    """Execute a job here, as the only one at work on this home; `keys`: the assets of it, all if None."""
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    _show_our_log()
    with (
        settings.home.exclusive("refresh", wait_s=_WAIT_S),
        opened_instance() as instance,
        command_run(instance, settings, job.name, command) as run_id,
    ):
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            asset_selection=keys,
            run_config=config | quiet,
            raise_on_error=False,
            tags={COMMAND: command, HOME: str(settings.home)},
        )
        return replace(_ran(result, settings, dagster_home), stages=stage_seconds(settings, instance, run_id))


def _room_for(home: Home) -> int:
    """What a refresh writes at most: a release like the newest, a reader's copy of it, and tables."""
    newest = all_manifests(home.releases)[:1]
    return _LITTLE + sum(3 * manifest.size_bytes for manifest in newest)


def _ran(result: dg.ExecuteInProcessResult, settings: Settings, dagster_home: Path) -> Ran:
    assets: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        name = _without_prefix(settings, event.materialization.asset_key)
        assets[name] = {name: entry.value for name, entry in metadata.items()}
    failed = tuple(
        FailedCheck(
            _without_prefix(settings, one.asset_key), one.check_name, one.severity.value, said(one.description or "")
        )
        for one in result.get_asset_check_evaluations()
        if not one.passed
    )
    failures = result.filter_events(lambda event: event.event_type == DagsterEventType.STEP_FAILURE)
    errors = [_in_our_words(event.step_failure_data.error, (settings.home.root, dagster_home)) for event in failures]
    told = tuple(error for error in errors if "blocking asset check" not in error)  # the failed checks tell it better
    refused = bool(failures) and all(_is_refusal(event, step_name(settings, EVALUATION)) for event in failures)
    return Ran(result.run_id, result.success, assets, failed, told, refused)


def _without_prefix(settings: Settings, key: dg.AssetKey) -> str:
    return "/".join(unplaced(settings, key.path) or key.path)


def _is_refusal(failure: dg.DagsterEvent, evaluation: str) -> bool:
    """Whether a step ended because the gate said no: in the step of a channel, or by the check that blocks it."""
    names = {error.cls_name for error in _chain(failure.step_failure_data.error)}
    blocked = "DagsterAssetCheckFailedError" in names and failure.step_key == evaluation
    return blocked or PromotionRefused.__name__ in names


def _in_our_words(error: Any, written_to: tuple[Path, ...]) -> str:
    """The message of our own error in a chain of wrapped ones, or of what Dagster wrapped if there is none of ours."""
    chain = list(_chain(error))
    if any(one.cls_name == dg.DagsterExecutionInterruptedError.__name__ for one in chain):
        return "it was ended by a signal; what it had committed stays, and the same command goes on from there"
    ours = names_of_ours()
    chosen = next((one for one in chain if one.cls_name in ours), chain[min(1, len(chain) - 1)])
    text = str(chosen.message).strip()
    if chosen.cls_name in ours:
        return text.split(": ", 1)[-1]
    return next(filter(None, (storage_error(str(one.message), *written_to) for one in chain)), text)


def _chain(error: Any) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.cause


def _show_our_log() -> None:
    """Our own log lines on stderr; Dagster's console log would bury them."""
    logger = logging.getLogger("rag_pipeline")
    if not logger.handlers:
        logger.addHandler(log_handler())
        logger.setLevel(logging.INFO)
