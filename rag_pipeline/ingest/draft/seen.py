"""What is told of a look at a feed: how much was looked at, and why there is nothing to look at."""

from rag_pipeline.contracts.contract import Server
from rag_pipeline.errors import PipelineError, SourceUnavailable
from rag_pipeline.ingest.connectors.kinds import NAMED
from rag_pipeline.ingest.connectors.table import Table
from rag_pipeline.ingest.draft.sample import Sample
from rag_pipeline.ingest.draft.where import TABLES
from rag_pipeline.ingest.report import unread


def how_much(sample: Sample, server: Server, rows_are: str) -> str:
    """How much of a feed was looked at."""
    if server.connector == "files":
        of = "all that are there" if sample.whole else f"of {sample.listed:,} or more"
        said = f"{sample.looked_at:,} {rows_are} ({of})"
    elif server.connector == "web":
        said = f"{sample.looked_at:,} {rows_are} ({'all that are there' if sample.whole else 'there are more'})"
    else:
        files = f" in {sample.looked_at:,} of {sample.listed:,} files" if sample.listed > 1 else ""
        said = f"{len(sample.rows) + sample.broken:,} rows{files} ({'all there are' if sample.whole else 'there are more'})"
    if sample.too_large:
        said += f", without {sample.too_large:,} files too large for a look"
    if lost := sample.broken + sample.unreadable:
        said += f", of which {lost:,} cannot be read"
    if left_out := sample.account.says:
        said += f", whose texts lack {left_out} (of {sample.account.shown:,} words)"
    if sample.not_read:
        said += f"; files of kinds that are not read: {unread(sample.not_read)}"
    return said


def why_nothing(sample: Sample, server: Server, place: str) -> PipelineError:
    """The error for a feed in which not one row was found."""
    if lost := sample.broken + sample.unreadable + sample.too_large:
        return PipelineError(f"{place}: none of the {lost:,} looked at can be read; the first: {sample.problem}")
    if server.connector in ("table", "sql") and sample.listed:
        return PipelineError(f"{place} holds no row; a contract is drafted from what is there")
    if server.connector == "web":
        return PipelineError(f"{place} lists no page that may be read")
    if sample.not_read:
        only = f"only files of kinds that are not read are there: {unread(sample.not_read)}"
        return PipelineError(f"{place}: {only}{_tables_there(server, place)}")
    what = f"no document ({NAMED})" if server.connector == "files" else "no file"
    return PipelineError(f"{place}: {what} is there{_tables_there(server, place)}")


def _tables_there(server: Server, place: str) -> str:
    """A hint, if tables lie where documents were looked for."""
    if server.connector != "files" or server.pattern:
        return ""
    for suffix, form in TABLES.items():
        pattern = f"*{suffix}"
        if server.path is not None:
            table = Server("table", form, path=server.path / pattern)
        else:
            table = Server("table", form, pattern=pattern, location=server.location)
        try:
            found = next(Table(table).items(lambda _: None), None)
        except (SourceUnavailable, OSError):
            return ""
        if found:
            return f", but tables are; for those: rag contract new '{place.rstrip('/')}/{pattern}'"
    return ""
