"""Documents in a folder or bucket, of all kinds that are read (`extraction/kinds.py`), keyed by their paths.

Each file is one document; a workbook has one for each sheet.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account import Account
from rag_pipeline.extraction.kinds import PARSED, TO_THE_LETTER, suffix_of
from rag_pipeline.extraction.parsing import documents
from rag_pipeline.feeds.base import Connector, Item, Known, Row
from rag_pipeline.places import place_of
from rag_pipeline.places.walk import matches

_KINDS = TO_THE_LETTER | PARSED.keys()


class Files(Connector):
    """The files below a folder or a prefix of a bucket, or those a pattern such as `**/*.md` matches there.

    Hidden files are not listed; files of other kinds are not read, and counted. What has a fitting name but is no file of
    the folder (a link that leads out of it or nowhere, a pipe) is listed and unreadable.
    """

    reads = 5

    def __init__(self, server: FilesServer) -> None:
        self._place = place_of(server.path, server.location, server.endpoint, server.limits, confined=True)
        self._pattern = server.pattern or "**/*"
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
        for parsed in documents(content.data, kind):
            self._account = self._account or parsed.account
            part = f"#{parsed.part}" if parsed.part else ""
            title = f"{name.stem} – {parsed.part}" if parsed.part else parsed.title or name.stem
            yield {
                "path": item.key + part,
                "text": parsed.text,
                "title": title,
                "uri": self._place.uri(item.key) + quote(part, safe="#"),
                "modified_at": content.modified_at,
                "media_type": kind or "text/markdown",
            }


def _any_matches(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches; one without a slash is for names, in whatever folder."""
    return any(matches(path, pattern if "/" in pattern else f"**/{pattern}") for pattern in patterns)
