"""Headings of reStructuredText and AsciiDoc in Markdown's form, which titles and chunks need. Every other word stays.

What looks like a heading to Markdown but is none in these formats is set apart: code becomes a block of code, and a line
of marks that encloses an example gets an empty line before it. Sources of the forms:
docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections and
docs.asciidoctor.org/asciidoc/latest/sections/titles-and-levels, …/asciidoc/latest/blocks/delimited.
"""

import re

_DEEPEST = 6

_UNDERLINE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*$")
_LITERAL = re.compile(
    r"^\.\. +(?:code|code-block|sourcecode|parsed-literal|doctest|testcode|testoutput|ipython|prompt|math|raw)::"
    r"|^(?!\.\. ).*::$"
)
"""What indented lines follow in reStructuredText that are shown as they stand."""

_ASCIIDOC = re.compile(r"(={1,6})[ \t]+(\S.*)$")
_FENCE = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})\s*$")
"""Around what is shown as it stands."""

_ENCLOSES = re.compile(r"(={4,}|\*{4,}|_{4,}|--)\s*$")
"""Around what is shown as it is meant: examples, side bars, quotes."""

_TWO_LINES = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
"""What AsciiDoc underlines a title with -> its level."""


def rst_headings(text: str) -> str:
    """A title with a line of one mark below it, or above and below it. Which mark comes first is the higher level."""
    lines, made, levels = _literal_apart(text.split("\n")), [""], list[tuple[str, bool]]()
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
    """A line that begins with one to six `=`, or has one of marks below it, outside of listings and comments."""
    made, fence, fenced = list[str](), "", ""
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if fence:
            fence = "" if line.strip() == fence else fence
            made.append(line if fence else fenced)
        elif level := _underlined(lines, place - 1):
            made[-1] = f"{'#' * level} {made[-1].strip()}"
        elif found := _FENCE.match(line):
            fence, fenced = found[1], "`" * max(3, 1 + _longest_run(lines, place + 1, found[1]))
            made += [*_apart(made), fenced]
        elif _ENCLOSES.match(line):
            made += [*_apart(made), line]
        else:
            heading = _ASCIIDOC.match(line)
            made.append(f"{'#' * len(heading[1])} {heading[2]}" if heading else line)
    return "\n".join(made)


def _literal_apart(lines: list[str]) -> list[str]:
    """Literal blocks indented by at least four blanks, which Markdown takes for code."""
    made, begins, missing = list[str](), False, 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if _is_blank(line):
            made.append(line)
            continue
        if begins and indent:
            missing, begins = max(0, 4 - indent), False
        elif not indent:
            missing, begins = 0, bool(_LITERAL.search(line.rstrip()))
        made.append(" " * missing + line)
    return made


def _underlined(lines: list[str], title: int) -> int:
    """The level of a title that is underlined as long as it is, within one; 0 where there is none."""
    if title < 0 or not (mark := _mark(lines[title + 1])) or mark not in _TWO_LINES:
        return 0
    said, under = lines[title].rstrip(), lines[title + 1].rstrip()
    begins = title == 0 or _is_blank(lines[title - 1]) or lines[title - 1].startswith("[")
    is_title = (
        said[:1] not in ("", ".", "[", "/", "|", " ") and _UNDERLINE.match(said) is None and any(map(str.isalnum, said))
    )
    return _TWO_LINES[mark] if begins and is_title and abs(len(said) - len(under)) <= 1 else 0


def _longest_run(lines: list[str], place: int, fence: str) -> int:
    """The longest row of back quotes from a place on, before the block ends."""
    longest = 0
    while place < len(lines) and lines[place].strip() != fence:
        longest = max([longest, *map(len, re.findall("`+", lines[place]))])
        place += 1
    return longest


def _apart(made: list[str]) -> list[str]:
    return [""] if made and not _is_blank(made[-1]) else []


def _mark(line: str) -> str:
    found = _UNDERLINE.match(line)
    return found[1] if found else ""


def _is_blank(line: str) -> bool:
    return not line.strip()
