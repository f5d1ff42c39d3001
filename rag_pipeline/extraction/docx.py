"""Word documents, prepared for kreuzberg, which finds a main part of one name only and loses the first note of each kind.

It takes the notes with the ids 0 and 1 for the separators, which Word numbers -1 and 0. With larger ids it reads every
note, and marks each twice: where it is referred to, by id, and at the end of the paragraph, by number.
Source of the format: ECMA-376, part 1, sections 11.3.10 (main part), 17.11 (footnotes and endnotes).
"""

import io
import re
import zipfile
from collections.abc import Iterator

_MAIN = "word/document.xml"
_RELATIONS = "_rels/.rels"
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b[^<>]*>")
_KIND = re.compile(rb"""\bType\s*=\s*["'][^"']*/officeDocument["']""")
_TARGET = re.compile(rb"""\bTarget\s*=\s*["']/?([^"']+)["']""")

_NOTE = re.compile(rb"""(<(?:\w+:)?(footnote|endnote)(?:Reference)?\b[^<>]*?:id\s*=\s*["'])(\d+)(["'])""")
_WITH_NOTES = ("word/footnotes.xml", "word/endnotes.xml", _MAIN)
_APART = {b"footnote": 1_000_000, b"endnote": 2_000_000}
"""Added to the ids of notes, so that none is taken for a separator and no footnote for an endnote."""

_BY_ID = re.compile(r"\[\^[12]\d{6}\]")
_BY_NUMBER = re.compile(r"(?<=[^\n])\[\^(\d{1,6})\]")
"""It does not match at the beginning of a line, where the text of a note follows its number."""


def ready(content: bytes) -> bytes:
    """The document with its main part where kreuzberg looks for it, and with ids of notes that it reads.

    What is no zip file, or has neither, is given back as it is.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            renamed = _renamed(packed)
            notes = any(name in packed.namelist() for name in _WITH_NOTES[:2])
            if not renamed and not notes:
                return content
            made = io.BytesIO()
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as repacked:
                for name, part in _parts(packed, renamed, notes=notes):
                    repacked.writestr(name, part)
            return made.getvalue()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, KeyError, RuntimeError):
        return content  # kreuzberg says what is wrong with it


def with_one_mark_a_note(text: str) -> str:
    """Each note marked once, where it is referred to, by the number its text stands under."""
    if not _BY_ID.search(text):
        return text
    by_id, by_number = _BY_ID.findall(text), _BY_NUMBER.findall(text)
    if len(by_number) != len(by_id):
        return _BY_ID.sub("", text)
    numbers = iter(by_number)
    return _BY_ID.sub(lambda _: f"[^{next(numbers)}]", _BY_NUMBER.sub("", text))


def _renamed(packed: zipfile.ZipFile) -> dict[str, str]:
    """Names of the main part and its relations -> the names kreuzberg knows; none where they have those."""
    if _MAIN in packed.namelist() or _RELATIONS not in packed.namelist():
        return {}
    for relation in _RELATION.findall(packed.read(_RELATIONS)):
        if _KIND.search(relation) and (target := _TARGET.search(relation)):
            main = target[1].decode("utf-8", "replace")
            folder, _, name = main.rpartition("/")
            return {main: _MAIN, f"{folder}/_rels/{name}.rels".lstrip("/"): "word/_rels/document.xml.rels"}
    return {}


def _parts(packed: zipfile.ZipFile, renamed: dict[str, str], *, notes: bool) -> Iterator[tuple[str, bytes]]:
    for info in packed.infolist():
        name = renamed.get(info.filename, info.filename)
        part = packed.read(info)
        if notes and name in _WITH_NOTES:
            part = _NOTE.sub(_moved, part)
        yield name, part


def _moved(note: re.Match[bytes]) -> bytes:
    return note[1] + str(int(note[3]) + _APART[note[2]]).encode() + note[4] if int(note[3]) else note[0]
