"""A folder of documents: Markdown, plain text, HTML, PDF, DOCX. One document a file, keyed by its relative path.

Markdown and plain text are taken to the letter; the other kinds go through kreuzberg, which raises on a corrupt
file instead of returning its bytes as text.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.ingest.connectors.base import Item, Row

TO_THE_LETTER = {".md", ".markdown", ".txt", ".text", ".rst"}
PARSED = {
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
MAX_BYTES = 50 * 1024 * 1024


class Files:
    """The files below a folder, or those a pattern such as `**/*.md` matches there.

    Files of other kinds, hidden files, and links that lead out of the folder are not listed.
    """

    reads = 1

    def __init__(self, folder: Path, pattern: str | None = None) -> None:
        self._folder, self._pattern = folder, pattern or "**/*"
        self._paths: dict[str, Path] = {}

    def items(self) -> Iterator[Item]:
        if not self._folder.is_dir():
            raise SourceUnavailable(f"{self._folder} is not a folder that can be read; check `path` in the contract")
        if not os.access(self._folder, os.R_OK | os.X_OK):
            raise SourceUnavailable(f"{self._folder}: permission denied; let this user read it")
        root = self._folder.resolve()
        for path in sorted(self._folder.glob(self._pattern)):
            relative = path.relative_to(self._folder)
            if path.suffix.lower() not in TO_THE_LETTER | PARSED.keys():
                continue
            if any(part.startswith(".") for part in relative.parts) or not path.is_file():
                continue
            if not path.resolve().is_relative_to(root):
                continue
            stat = path.stat()
            key = relative.as_posix().encode("utf-8", "backslashreplace").decode()  # a name need not be UTF-8
            self._paths[key] = path
            yield Item(key, f"{stat.st_size}:{stat.st_mtime_ns}")

    def read(self, item: Item) -> Iterator[Row]:
        path = self._paths.get(item.key, self._folder / item.key)
        try:
            stat = path.stat()
            if stat.st_size > MAX_BYTES:
                raise Unreadable(f"larger than {MAX_BYTES // 1024**2} MiB ({stat.st_size:,} bytes); split it")
            content = path.read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error
        if not content.strip():
            raise Unreadable("the file is empty")
        kind = PARSED.get(path.suffix.lower())
        text = _parse(content, kind) if kind else _decode(content)
        yield {
            "path": item.key,
            "text": text,
            "title": _title(text) or Path(item.key).stem,
            "uri": path.absolute().as_uri(),
            "modified_at": datetime.fromtimestamp(stat.st_mtime, UTC),
            "media_type": kind or "text/markdown",
        }


def _decode(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}; save as UTF-8") from error
    if "\x00" in text:
        raise Unreadable("holds zero bytes, so it is not text in spite of its name")
    return text.replace("\r\n", "\n")


def _parse(content: bytes, media_type: str) -> str:
    import kreuzberg

    try:
        result = kreuzberg.extract_bytes_sync(
            content, media_type, config=kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False)
        )
    except Exception as error:  # kreuzberg raises its own, OSError and RuntimeError, all meaning the same
        raise Unreadable(f"not readable as {media_type} ({type(error).__name__}); is it corrupt or locked?") from error
    if not result.content.strip():
        raise Unreadable(f"no text found in this {media_type} (a scan without a text layer?)")
    return str(result.content)


def _title(text: str) -> str | None:
    """`title:` of the front matter, else the first `#` heading among the first lines."""
    for line in text.splitlines()[:60]:
        if line.lower().startswith("title:"):
            return line.split(":", 1)[1].strip().strip("\"'") or None
        if line.startswith("#"):
            return line.lstrip("#").strip() or None
    return None
