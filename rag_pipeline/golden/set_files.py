"""Changing one line of a file that people keep by hand: every other byte of it stays, and a kill leaves old or new."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.files import sync


@dataclass(frozen=True, slots=True)
class Edit:
    """A text with one line changed: `before` None when the line is new, `after` None when it went, both when none did."""

    text: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """What `edit` did to a file, so that it can be taken back."""

    file: Path
    before: str | None
    after: str | None


def edit(file: Path, change: Callable[[str], Edit]) -> Edited | None:
    """Change one line of a file, atomically and durably; None when there was nothing to change.

    Raises `GoldenSetError` when the file is gone or not UTF-8.
    """
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GoldenSetError(f"{file}: cannot be read ({error}); nothing was written to it") from error
    edited = change(text)
    if edited.text == text:
        return None
    replace(file, edited.text)
    return Edited(file, edited.before, edited.after)


def take_back(done: Edited) -> None:
    """Put the line back as it was. Raises `GoldenSetError` when somebody has changed it since."""
    edit(done.file, lambda text: swapped(text, done))


def swapped(text: str, done: Edited) -> Edit:
    lines = split(text)
    places = [place for place, line in enumerate(lines) if line.removesuffix("\n") == done.after]
    if done.after is None or not places:
        raise GoldenSetError(
            f"{done.file}: somebody edited the file since, and the line to take back is not there any more: {done.after}"
        )
    end = "\n" if lines[places[-1]].endswith("\n") else ""
    lines[places[-1]] = "" if done.before is None else done.before + end
    return Edit("".join(lines), done.after, done.before)


def replace(file: Path, text: str) -> None:
    """Write a file by renaming another over it; its mode stays, and where it is a link, the link stays."""
    file = file.resolve()
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(text.encode("utf-8"))
            new.flush()
            os.fsync(new.fileno())
        shutil.copymode(file, temporary)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(file.parent)


def append_line(file: Path, line: str) -> None:
    """Add a line to a file and make it durable; a line a killed process left half written is closed first."""
    with file.open("ab+") as journal:
        if journal.tell():
            journal.seek(-1, os.SEEK_END)
            line = line if journal.read(1) == b"\n" else f"\n{line}"
        journal.write(f"{line}\n".encode())
        journal.flush()
        os.fsync(journal.fileno())


def split(text: str) -> list[str]:
    """Lines with their ends. Only `\\n` ends one: a query may hold U+2028."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
