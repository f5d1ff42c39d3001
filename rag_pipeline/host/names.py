"""What the pipeline's things are called in Dagster: tags, checks, and what the prefix (RAG_KEY_PREFIX) makes of a name."""

from collections.abc import Sequence

from rag_pipeline.settings import Settings

HOME = "rag/home"
"""Tag of a run: RAG_HOME of the pipeline it belongs to."""

COMMAND = "rag/command"
"""Tag of a run that a command started."""

LET_PASS = "the_gate_let_it_pass"
"""The check of every channel: the gate's own step."""

MEETS_POLICY = "candidate_meets_the_policy"
"""The check of the evaluation: what was measured meets the demands on production."""


def load_step(source: str) -> list[str]:
    """The step that makes both assets of a source."""
    return [source, "load"]


def placed(settings: Settings, key: Sequence[str]) -> list[str]:
    """A key as Dagster has it."""
    return [*_prefix(settings), *key]


def unplaced(settings: Settings, key: Sequence[str]) -> list[str] | None:
    """A key of Dagster's without the prefix; None for one that does not begin with it, which is somebody else's."""
    prefix = _prefix(settings)
    return list(key[len(prefix) :]) if list(key[: len(prefix)]) == prefix else None


def step_name(settings: Settings, key: Sequence[str]) -> str:
    """The name of the step of an asset, or of a source, in runs and their configuration."""
    return "__".join(placed(settings, key))


def named(settings: Settings, name: str) -> str:
    """A job, sensor or group that is called `name` where there is no prefix."""
    return "_".join(placed(settings, [name]))


def _prefix(settings: Settings) -> list[str]:
    return settings.key_prefix.split("/") if settings.key_prefix else []
