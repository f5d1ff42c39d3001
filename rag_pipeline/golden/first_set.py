"""A first golden set for sources that were never loaded: what `rag init` makes of titles, headings and rare words."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.golden.made_probes import Asked, Draw
from rag_pipeline.golden.new_set import NewSet, new_set
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.settings import Secrets


def first_set(evals: Path, name: str, contracts: Sequence[Contract], secrets: Secrets, now: datetime) -> NewSet:
    """Propose a set for these sources, of at most 200 queries, and write it.

    The sources are read into a home that is thrown away, so that the first refresh loads them and says what it loaded.
    Raises `PipelineError` when a source is held, or its documents give too few queries.
    """
    sources = [contract.source for contract in contracts]
    with tempfile.TemporaryDirectory(prefix="rag-init-") as folder:
        home = Home(Path(folder))
        for contract in contracts:
            report = load_source(contract, home, run_id="init", now=now, secrets=secrets)
            if report.held:
                raise PipelineError(f"{contract.source} is held: {report.reason}")
        asked = Asked(home, sources, private_sources(contracts))
        return new_set(evals, name, asked, contracts[0].owners[0], Draw(200, 0), only=len(sources) == 1)


def private_sources(contracts: Sequence[Contract]) -> frozenset[str]:
    """Sources whose contract looks for private data in what is asked for."""
    asked = {"text", "title"}
    return frozenset(
        one.source
        for one in contracts
        if any(column.role in asked and column.privacy.policy != "allow" for column in one.columns)
    )
