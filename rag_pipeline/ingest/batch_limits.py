"""Whether a batch as a whole keeps its contract. This only decides; the loader holds the source, or commits."""

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.ingest.report import Batch
from rag_pipeline.ingest.staged import Staged
from rag_pipeline.ingest.tables import SourceTables
from rag_pipeline.lake import collected


def batch_of(tables: SourceTables, staged: Staged, touched: set[str]) -> Batch:
    """What the source would hold with the batch."""
    before = tables.documents.scan().select("document_id", "item").pipe(collected)
    kept = before.filter(~pl.col("item").is_in(list(touched - staged.unreadable_items))).height
    old_refusals = (
        tables.quarantine.scan()
        .filter((pl.col("status") == "open") & (pl.col("kind") != "superseded") & ~pl.col("item").is_in(list(touched)))
        .select(pl.len())
        .pipe(collected)
        .item()
    )
    return Batch(before.height, kept + staged.good, old_refusals + staged.refused)


def batch_problem(contract: Contract, batch: Batch, staged: Staged) -> str | None:
    """Why the batch as a whole breaks its contract, or None."""
    required = [column.found_as for column in contract.columns if column.required]
    if staged.readable and (missing := [name for name in required if name not in staged.columns]):
        found = ", ".join(column_names(contract, staged)) or "none of the contract's; does the file lack its header line?"
        return (
            f"column {', '.join(missing)} is required but missing from the feed (columns found: {found}); "
            f"fix the feed, or the schema in {contract.file.name}"
        )
    if not (batch.before or batch.after or batch.refused):
        return "the feed is empty: what it lists holds no row"
    share, drop = batch.refused_percent, batch.drop_percent
    if share > contract.quarantine_max_percent:
        return (
            f"{batch.refused} of {batch.after + batch.refused} rows ({share:.1f} %) break the contract, more than "
            f"quarantineMaxPercent {contract.quarantine_max_percent:g} allows; the quarantine says why each was refused"
        )
    if drop > contract.volume_max_drop_percent:
        return (
            f"the source would shrink from {batch.before} to {batch.after} documents ({drop:.1f} % less), more than "
            f"volumeMaxDropPercent {contract.volume_max_drop_percent:g} allows; if that is meant, raise it for one run"
        )
    return None


def column_names(contract: Contract, staged: Staged, *, only_unknown: bool = False) -> list[str]:
    """Names of the columns found. None where none is the contract's: then they may be values, of a file without header."""
    known = {column.found_as for column in contract.columns}
    if not known & staged.columns:
        return []
    return sorted(staged.columns - known if only_unknown else staged.columns)
