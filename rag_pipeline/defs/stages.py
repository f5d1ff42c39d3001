"""Where the time of a run went: its steps, by what they are for."""

from collections.abc import Iterable

import dagster as dg

from rag_pipeline.defs.keys import CANDIDATE, CHUNKS, EMBEDDINGS, EVALUATION
from rag_pipeline.host.names import load_step, unplaced
from rag_pipeline.settings import Settings

STAGES = ("load", "chunk", "embed", "build", "evaluate", "promote")

_BY_STEP = {tuple(CHUNKS): "chunk", tuple(EMBEDDINGS): "embed", tuple(CANDIDATE): "build", tuple(EVALUATION): "evaluate"}
_LOAD, _EVALS, _INDEX = load_step("")[-1], "evals", "index"


def stage_seconds(settings: Settings, instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Stage -> seconds its steps took in a run that is over, those that failed too. A stage without a step is not there."""
    found: dict[str, float] = {}
    for step in instance.get_run_step_stats(run_id):
        if step.start_time is None or step.end_time is None:
            continue
        stage = _stage_of(unplaced(settings, step.step_key.split("__")))
        if stage:
            found[stage] = found.get(stage, 0.0) + step.end_time - step.start_time
    return {stage: round(found[stage], 1) for stage in STAGES if stage in found}


def _stage_of(key: Iterable[str] | None) -> str | None:
    """None for what people added to the graph: it is no stage of the pipeline."""
    match tuple(key or ()):
        case known if known in _BY_STEP:
            return _BY_STEP[known]
        case (_, last) if last == _LOAD:
            return "load"
        case (first, _) if first == _EVALS:
            return "evaluate"
        case (first, _) if first == _INDEX:
            return "promote"
    return None
