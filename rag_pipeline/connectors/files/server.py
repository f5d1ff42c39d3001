"""The server of a folder of documents."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rag_pipeline.connectors.placed import DOCUMENTS, PlacedServer, pattern_problem, read_format, read_place
from rag_pipeline.connectors.placed_draft import tables_beside
from rag_pipeline.extraction.kinds import NAMED, unread
from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.sample import Sample
from rag_pipeline.feeds.server import ReadContext


@dataclass(frozen=True, slots=True)
class FilesServer(PlacedServer):
    """`include`, `exclude`: patterns of the files that belong to the source, and of those that do not."""

    documents: ClassVar[bool] = True

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def judged(self) -> list[Any]:
        return ["files", DOCUMENTS, "", "", ""]

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.files.connector import Files

        return Files(self)

    def why_empty(self, place: str, sample: Sample) -> str:
        if sample.not_read:
            why = f"only files of kinds that are not read are there: {unread(sample.not_read)}"
        else:
            why = f"no document ({NAMED}) is there"
        return f"{place}: {why}{tables_beside(self, place)}"


def read(entry: Entry) -> FilesServer:
    form = read_format(entry)
    if form != DOCUMENTS:
        raise entry.fail(f"the connector files does not read {form}", "format")
    place = read_place(entry, form)
    return FilesServer(**place, include=_patterns(entry, "include"), exclude=_patterns(entry, "exclude"))


def _patterns(entry: Entry, name: str) -> tuple[str, ...]:
    """File patterns below the folder or prefix, such as `drafts/**` or `*.tmp`."""
    patterns = entry.words(name, "pattern", or_one=True)
    for pattern in patterns:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            why = f"{pattern!r} leads out of the source; write it as below its folder, such as drafts/**"
            raise entry.fail_property(name, why)
        if problem := pattern_problem(pattern):
            raise entry.fail_property(name, problem)
    return patterns
