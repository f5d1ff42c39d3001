"""Documents in a folder or bucket: Markdown, plain text, HTML, PDF, DOCX. One document a file, keyed by its relative path.

Markdown and plain text are taken to the letter; the other kinds go through kreuzberg, which raises on a corrupt
file instead of returning its bytes as text.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from rag_pipeline.contracts.contract import Server
from rag_pipeline.errors import Unreadable
from rag_pipeline.ingest.connectors import docx
from rag_pipeline.ingest.connectors.base import Connector, Item, Known, Row
from rag_pipeline.ingest.connectors.html import Head, characters, without_what_is_no_text
from rag_pipeline.ingest.connectors.pdf_forms import with_form_values
from rag_pipeline.ingest.connectors.places.place import place_of
from rag_pipeline.ingest.connectors.titles import title_of
from rag_pipeline.ingest.connectors.unpacked import refuse_bomb

TO_THE_LETTER = {".md", ".markdown", ".txt", ".text", ".rst"}
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
PDF = "application/pdf"
PARSED = {".html": HTML, ".htm": HTML, ".pdf": PDF, ".docx": DOCX}

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_MAX_CONTROL_SHARE = 0.1


class Files(Connector):
    """The files below a folder or a prefix of a bucket, or those a pattern such as `**/*.md` matches there.

    Files of other kinds and hidden files are not listed. What has a fitting name but is no file of the folder (a link that
    leads out of it or nowhere, a pipe) is listed and unreadable.
    """

    reads = 3

    def __init__(self, server: Server) -> None:
        self._place, self._pattern = place_of(server), server.pattern or "**/*"

    def items(self, known: Known) -> Iterator[Item]:
        for entry in self._place.entries(self._pattern, _is_document):
            yield Item(entry.key, entry.version)

    def expect(self, items: Sequence[Item]) -> None:
        self._place.expect([item.key for item in items])

    def read(self, item: Item) -> Iterator[Row]:
        content = self._place.content(item.key)
        if not content.data.strip():
            raise Unreadable("the file is empty")
        name = PurePosixPath(item.key)
        kind = PARSED.get(name.suffix.lower())
        text, title = _read(content.data, kind)
        yield {
            "path": item.key,
            "text": text,
            "title": title or name.stem,
            "uri": self._place.uri(item.key),
            "modified_at": content.modified_at,
            "media_type": kind or "text/markdown",
        }


def _read(content: bytes, kind: str | None) -> tuple[str, str | None]:
    """Text and title."""
    if kind == HTML:
        page = characters(content, "", html=True)
        text = parse(without_what_is_no_text(page), HTML)
        return text, Head(page).title or title_of(text)
    text = parse(content, kind) if kind else decode(content)
    return text, title_of(text)


def _is_document(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in TO_THE_LETTER | PARSED.keys()


def decode(content: bytes) -> str:
    """The text of a plain text file. Raises `Unreadable` when it is not UTF-8, or no text.

    A few control characters are kept: form feeds and the colours of a terminal are found in honest documents. Where
    they are a tenth of it, or where there are zero bytes, the file is of another kind than its name says.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}; save as UTF-8") from error
    if "\x00" in text:
        raise Unreadable("holds zero bytes, so it is not text in spite of its name")
    if (found := sum(1 for _ in _CONTROL.finditer(text))) > _MAX_CONTROL_SHARE * len(text):
        raise Unreadable(f"{found:,} of its {len(text):,} characters are control characters, so it is not text")
    return text.replace("\r\n", "\n")


def parse(content: bytes, media_type: str) -> str:
    """The text of an HTML, PDF or DOCX file as Markdown.

    Raises `Unreadable` when it is not of that kind, corrupt or locked, holds no text, or would unpack to too much.
    """
    import kreuzberg

    if media_type == DOCX:
        refuse_bomb(content)
        content = docx.ready(content)
    try:
        result = kreuzberg.extract_bytes_sync(
            content, media_type, config=kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False)
        )
    except Exception as error:  # kreuzberg raises its own, OSError and RuntimeError, all meaning the same
        raise Unreadable(f"not readable as {media_type} ({type(error).__name__}); is it corrupt or locked?") from error
    text = str(result.content)
    if media_type == DOCX:
        text = docx.with_one_mark_a_note(text)
    elif media_type == PDF:
        text = with_form_values(text, content)
    if not text.strip():
        raise Unreadable(f"no text found in this {media_type} (a scan without a text layer?)")
    return text
