"""Everything that people see at a terminal passes through here, so that text of a feed stays text: no escape, link, markup.

A title that holds the sequence that clears a screen is shown with that sequence spelled out (`\\x1b[2J`), and `[red]` as
these five characters. No other module prints: `tests/cli/test_terminal.py` checks that.
"""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Part = str | tuple[str, str]
"""A text, or a text with its style (`bold`, `dim`, `red`, `yellow`)."""

_ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")
"""What a terminal acts upon and a reader does not see: controls but line breaks and tabs, what turns the direction of
writing around (https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings), and halves of characters."""


def visible(text: str) -> str:
    """A text with what a terminal would act upon spelled out. Lines stay lines: messages of ours have several."""
    return _ACTS.sub(_spelled, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same for a name, a key, a title: line breaks and tabs are spelled out too, so that none looks like more lines."""
    return "".join(_as_escape(one) if one in "\r\n\t" else one for one in _ACTS.sub(_spelled, text))


def beginning(text: str, most: int) -> str:
    """A text on one line; one of more than `most` characters ends with …, to say so."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def complain(message: str) -> None:
    """One error on stderr, with the name of the command before it."""
    warn(f"rag: {message}\n")


def warn(text: str) -> None:
    """A text on stderr, with the line breaks it has."""
    sys.stderr.write(visible(text))


class Printer:
    """Prints lines and tables for people. Whatever is handed to it is text; only a style given beside it is a style."""

    def __init__(self, *, stderr: bool = False, least_width: int = 0) -> None:
        """`least_width`: of tables, in characters; a narrower terminal wraps their lines, not their cells."""
        self._console = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
        if self._console.width < least_width:
            self._console.width = least_width

    def say(self, *parts: Part, style: str = "", end: str = "\n") -> None:
        """One line, or more; the terminal breaks what is too long, so that paths and commands can be copied."""
        self._console.print(_text(parts, style), soft_wrap=True, end=end)

    def indented(self, text: str) -> None:
        """A passage, wrapped at words and moved in a little."""
        self._console.print(Padding(_text((text,), ""), (0, 0, 0, 2), expand=False))

    def table(self, *headers: str, rows: Sequence[Sequence[Any]]) -> None:
        """A table without lines. Cells are shown as they are; the first column is never wrapped."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for header in headers:
            table.add_column(Text(header), overflow="fold", no_wrap=header == headers[0])
        for row in rows:
            table.add_row(*(Text(visible(str(cell))) for cell in row))
        self._console.print(table)


def _text(parts: Sequence[Part], style: str) -> Text:
    styled = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((visible(text), of_its_own) for text, of_its_own in styled), style=style)


class LogFormatter(logging.Formatter):
    """Log lines, and what goes with them of an exception, on one's own stderr."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_handler() -> logging.Handler:
    """Shows the message of a log record on stderr, and nothing else of it."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(message)s"))
    return handler


def never_fail_to_print() -> None:
    """A terminal that cannot show a character gets its escape instead of an error: half of a command's output is none."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _spelled(found: "re.Match[str]") -> str:
    return _as_escape(found[0])


def _as_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
