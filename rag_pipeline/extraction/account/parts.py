"""What a zip of XML parts shows (DOCX and similar), read part by part: the part says of what kind its text is.

Sources of the formats: ECMA-376, part 1, sections 17 (words), 18 (sheets), 19 (slides) and 21 (drawings).
"""

import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from rag_pipeline.extraction.account import HEADERS, TEXT
from rag_pipeline.extraction.words import words_of

_OBJECTS = "formulas and charts"


@dataclass(frozen=True, slots=True)
class Form:
    """How a format lays out its text. `parts`: pattern of a part's name -> kind of what is in it, the first that fits."""

    parts: tuple[tuple[str, str], ...]
    texts: frozenset[str]
    """Elements whose characters are shown; `text` of them alone."""
    breaks: frozenset[str]
    """Elements that part words."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Elements inside which text is of another kind."""
    unseen: frozenset[str] = frozenset()
    """Elements that hold nothing which is shown, or shown a second time."""

    def kind_of(self, part: str) -> str | None:
        """What the text of a part of this name is; None where it is not looked at."""
        return next((kind for pattern, kind in self.parts if re.fullmatch(pattern, part)), None)


DOCX = Form(
    parts=(
        (r"word/document\d*\.xml", TEXT),
        (r"word/footnotes\d*\.xml", "notes"),
        (r"word/endnotes\d*\.xml", "notes"),
        (r"word/header\d*\.xml", HEADERS),
        (r"word/footer\d*\.xml", HEADERS),
        (r"word/comments\d*\.xml", "comments"),
        (r"word/charts/chart\d*\.xml", "charts"),
        (r"word/diagrams/data\d*\.xml", "diagrams"),
    ),
    texts=frozenset({"t", "v"}),
    breaks=frozenset({"p", "tab", "br", "cr", "tc", "v"}),
    kinds={"tbl": "tables", "txbxContent": "text boxes"},
    unseen=frozenset({"Fallback", "moveFrom", "delText", "instrText"}),
)


PPTX = Form(
    parts=(
        (r"ppt/slides/slide\d+\.xml", TEXT),
        (r"ppt/notesSlides/notesSlide\d+\.xml", "notes"),
        (r"ppt/comments/.*\.xml", "comments"),
        (r"ppt/charts/chart\d*\.xml", "charts"),
        (r"ppt/diagrams/data\d*\.xml", "diagrams"),
    ),
    texts=frozenset({"t", "v", "text"}),
    breaks=frozenset({"p", "br", "tc", "v", "text"}),
    kinds={"tbl": "tables"},
    unseen=frozenset({"Fallback"}),
)


NOT_SOUND = (
    zipfile.BadZipFile,
    NotImplementedError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    ParseError,
    zlib.error,
)
"""What is raised of a zip of XML parts that is none, or no sound one; what defusedxml refuses is a ValueError too."""


ODT = Form(
    parts=((r"content\.xml", TEXT), (r"styles\.xml", ""), (r"[^/]+/content\.xml", _OBJECTS)),
    texts=frozenset({"p", "h", "mi", "mn", "mo", "mtext"}),
    breaks=frozenset({"p", "h", "s", "tab", "line-break", "list-item", "table-cell", "mi", "mn", "mo"}),
    kinds={
        "table": "tables",
        "text-box": "text boxes",
        "custom-shape": "text boxes",
        "note-body": "notes",
        "annotation": "comments",
        **dict.fromkeys(("header", "header-left", "header-first"), HEADERS),
        **dict.fromkeys(("footer", "footer-left", "footer-first"), HEADERS),
    },
    unseen=frozenset({"tracked-changes", "note-citation", "forms"}),
)


def shown_in_parts(content: bytes, form: Form) -> Mapping[str, list[str]] | None:
    """Texts by kind; None where the file cannot be read so, which whoever makes its text then tells."""
    kinds = dict.fromkeys([*(kind for _, kind in form.parts), *form.kinds.values()])
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                if (kind := form.kind_of(name)) is not None:
                    parser = DefusedXMLParser(target=PartTarget(form, kind, found))
                    parser.feed(packed.read(name))
                    parser.close()
    except NOT_SOUND:
        return None
    return {kind: ["".join(texts)] for kind, texts in found.items() if kind}


_PLAIN = ("", TEXT, "tables", "text boxes")
"""Kinds inside which an element may begin another one; a note is a note to its end."""


class PartTarget:
    """Takes the text of one part, by kind."""

    def __init__(self, form: Form, kind: str, found: dict[str, list[str]]) -> None:
        self._form, self._found = form, found
        self._kinds, self._unseen, self._inside = [kind], 0, 0

    def start(self, tag: str, attributes: dict[str, Any]) -> None:
        name = tag.rpartition("}")[2]
        around = self._kinds[-1]
        self._kinds.append(self._form.kinds.get(name, around) if around in _PLAIN else around)
        self._unseen += name in self._form.unseen
        self._inside += name in self._form.texts
        if name in self._form.breaks:
            self._say("\n" if name == "p" else " ")

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        self._unseen -= name in self._form.unseen
        self._inside -= name in self._form.texts
        if name in self._form.breaks:
            self._say("\n" if name == "p" else " ")
        self._kinds.pop()

    def data(self, data: str) -> None:
        if self._inside and not self._unseen:
            self._say(data)

    def _say(self, text: str) -> None:
        self._found.setdefault(self._kinds[-1], []).append(text)

    def close(self) -> None:
        return


AFTERWARDS = ("notes", "charts", "diagrams", _OBJECTS)
"""Kinds that follow a text which lacks them: what somebody says to a slide, or shows by a figure. Kinds that are left out
on purpose (comments, headers and footers) are reported only."""


def with_lost_parts(text: str, shown: Mapping[str, list[str]]) -> str:
    """The text, and after it what it lacks of those kinds, each below its name."""
    for kind in AFTERWARDS:
        own = "\n".join(shown.get(kind, ()))
        if Counter(words_of(own)) - Counter(words_of(text)):
            lines = (" ".join(line.split()) for line in own.splitlines())
            text = "\n\n".join([text.rstrip(), f"{kind.capitalize()}:", "\n".join(filter(None, lines))]) + "\n"
    return text
