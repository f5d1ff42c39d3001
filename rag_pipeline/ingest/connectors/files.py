"""Documents in a folder or bucket: Markdown, plain text, HTML, PDF, DOCX, PPTX. One document a file, keyed by its path."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from rag_pipeline.contracts.contract import Server
from rag_pipeline.errors import Unreadable
from rag_pipeline.ingest.connectors.account import Account
from rag_pipeline.ingest.connectors.base import Connector, Item, Known, Row
from rag_pipeline.ingest.connectors.parsing import ASCIIDOC, DOCX, HTML, PDF, PPTX, RST, document
from rag_pipeline.ingest.connectors.places.place import place_of
from rag_pipeline.ingest.connectors.places.walk import matches

TO_THE_LETTER = {".md", ".markdown", ".txt", ".text"}
PARSED = {
    ".html": HTML,
    ".htm": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
    ".pptx": PPTX,
    ".rst": RST,
    ".adoc": ASCIIDOC,
    ".asciidoc": ASCIIDOC,
}


class Files(Connector):
    """The files below a folder or a prefix of a bucket, or those a pattern such as `**/*.md` matches there.

    Hidden files are not listed; files of other kinds are not read, and counted. What has a fitting name but is no file of
    the folder (a link that leads out of it or nowhere, a pipe) is listed and unreadable.
    """

    reads = 4

    def __init__(self, server: Server) -> None:
        self._place, self._pattern = place_of(server), server.pattern or "**/*"
        self._include, self._exclude = server.include, server.exclude
        self._not_read: Counter[str] = Counter()
        self._account: Account | None = None

    def items(self, known: Known) -> Iterator[Item]:
        self._not_read.clear()
        for entry in self._place.entries(self._pattern, self._wants):
            yield Item(entry.key, entry.version)

    def not_read(self) -> Mapping[str, int]:
        return dict(self._not_read)

    def _wants(self, path: PurePosixPath) -> bool:
        """Whether a file is a document of the source. One that would be, were it of a kind that is read, is counted."""
        if any(part.startswith(".") for part in path.parts):
            return False
        if (self._include and not _any_matches(path, self._include)) or _any_matches(path, self._exclude):
            return False
        if path.suffix.lower() in _KINDS:
            return True
        self._not_read[suffix_of(path)] += 1
        return False

    def expect(self, items: Sequence[Item]) -> None:
        self._place.expect([item.key for item in items])

    def account(self) -> Account | None:
        return self._account

    def read(self, item: Item) -> Iterator[Row]:
        self._account = None
        content = self._place.content(item.key)
        if not content.data.strip():
            raise Unreadable("the file is empty")
        name = PurePosixPath(item.key)
        kind = PARSED.get(name.suffix.lower())
        parsed = document(content.data, kind)
        self._account = parsed.account
        yield {
            "path": item.key,
            "text": parsed.text,
            "title": parsed.title or name.stem,
            "uri": self._place.uri(item.key),
            "modified_at": content.modified_at,
            "media_type": kind or "text/markdown",
        }


_KINDS = TO_THE_LETTER | PARSED.keys()
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def suffix_of(path: PurePosixPath) -> str:
    """A file's suffix as it may be told: what follows the last point may be a name as well."""
    suffix = path.suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else "no suffix" if not suffix else "another suffix"


def _any_matches(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches; one without a slash is for names, in whatever folder."""
    return any(matches(path, pattern if "/" in pattern else f"**/{pattern}") for pattern in patterns)
