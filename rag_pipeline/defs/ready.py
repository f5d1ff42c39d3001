"""What a run needs and what can be checked before its first step: model, size of chunks, policy, schedules."""

from collections.abc import Collection, Sequence

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.release.names import check_names
from rag_pipeline.settings import Settings


def check_ready(settings: Settings) -> None:
    """Raises `PipelineError`, in the words of the step that would fail, for what would stop a run in its middle.

    Cron lines are checked where the graph is built. The length of chunks is checked here, because going back to a release
    needs no model.
    """
    check_names(settings.evals, settings.contracts)
    chunkers_of(settings, read_contracts(settings.contracts))


def check_crons(settings: Settings, contracts: Sequence[Contract]) -> None:
    """Raises `PipelineError` for a cron line that Dagster cannot keep, with the setting or the contract it stands in."""
    for name in ("nightly_cron", "collection_cron", "evaluation_cron", "traffic_cron"):
        line = getattr(settings, name)
        if not _is_cron(line):
            raise PipelineError(f"RAG_{name.upper()}={line!r}: not a cron line; write five fields such as 0 2 * * *")
    for contract in contracts:
        if contract.schedule and not _is_cron(contract.schedule):
            says = f"schedule: {contract.schedule!r} is not a cron line; write five fields such as 0 6 * * 1"
            raise PipelineError(f"{contract.file}: slaProperties: {says}")


def check_made_by(contracts: Sequence[Contract], ours: Collection[dg.AssetKey]) -> None:
    """Raises `PipelineError` for a source that would be made by what is made of it. `ours`: keys as Dagster has them."""
    names = {key.to_user_string() for key in ours}
    for contract in contracts:
        for key in contract.made_by:
            if key in names:
                says = f"madeBy: {key!r} is an asset of this pipeline; name what the feed is made by outside of it"
                raise PipelineError(f"{contract.file}: customProperties: {says}")


def _is_cron(line: str) -> bool:
    try:
        dg.ScheduleDefinition(name="tried", job_name="tried", cron_schedule=line)
    except dg.DagsterInvalidDefinitionError:
        return False
    return True
