"""Headings of reStructuredText and AsciiDoc as Markdown has them, which titles and chunks go by. Every other line stays.

Sources of the forms: docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections and
docs.asciidoctor.org/asciidoc/latest/sections/titles-and-levels.
"""

import re

_DEEPEST = 6

_UNDERLINE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*$")
_ASCIIDOC = re.compile(r"(={1,6})[ \t]+(\S.*)$")
_FENCE = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})\s*$")
"""Around what is shown as it stands."""


def rst_headings(text: str) -> str:
    """A title with a line of one mark below it, or above and below it. Which mark comes first is the higher level."""
    lines, made, levels = text.split("\n"), [""], list[tuple[str, bool]]()
    place = 0
    while place < len(lines):
        over = _mark(lines[place]) if _is_blank(made[-1]) else ""
        title = place + 1 if over and place + 2 < len(lines) and _mark(lines[place + 2]) == over else place
        under = _mark(lines[title + 1]) if title + 1 < len(lines) else ""
        said = lines[title].strip()
        stands_alone = _is_blank(made[-1]) and not _mark(lines[title]) and (title > place or not lines[title][:1].isspace())
        if said and under and stands_alone and len(lines[title + 1].rstrip()) >= len(said) - 2:
            style = (under, title > place)
            if style not in levels:
                levels.append(style)
            made.append(f"{'#' * min(levels.index(style) + 1, _DEEPEST)} {said}")
            place = title + 2
        else:
            made.append(lines[place])
            place += 1
    return "\n".join(made[1:])


def asciidoc_headings(text: str) -> str:
    """A line that begins with one to six `=`, outside of listings and comments."""
    made, fence = [], ""
    for line in text.split("\n"):
        if found := _FENCE.match(line):
            fence = "" if line.strip() == fence else fence or found[1]
        heading = None if fence else _ASCIIDOC.match(line)
        made.append(f"{'#' * len(heading[1])} {heading[2]}" if heading else line)
    return "\n".join(made)


def _mark(line: str) -> str:
    found = _UNDERLINE.match(line)
    return found[1] if found else ""


def _is_blank(line: str) -> bool:
    return not line.strip()
