"""YAML as a person would write it: comments beside the fields, one line for each field, quotes where YAML would misread.

Names and values of a feed go into comments too, where any kind of line break would end the comment: none gets through.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

_WIDTH = 118


class Lines:
    """The lines of a file, written from top to bottom."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._indent = ""
        self._dash = False

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def blank(self) -> None:
        self._lines.append("")

    def comment(self, text: str) -> None:
        """One remark, on as many lines as it needs."""
        for line in _wrapped(text, _WIDTH - len(self._indent)):
            self._lines.append(f"{self._indent}# {line}")

    def suggest(self, line: str) -> None:
        """A line of YAML to be made one by removing the mark before it: never broken."""
        self._lines.append(f"{self._indent}# {printable(line)}")

    def field(self, name: str, value: Any, note: str = "") -> None:
        """`name: value`, with a remark behind it, or above it where it does not fit."""
        line = f"{self._indent}{name}: {in_line(value)}"
        note = printable(note)
        if note and len(line) + len(note) + 4 > _WIDTH:
            self.comment(note)
            note = ""
        self._add(f"{line}  # {note}" if note else line)

    @contextmanager
    def under(self, name: str) -> Iterator[None]:
        """What is written meanwhile belongs to `name`."""
        self._add(f"{self._indent}{name}:")
        with self._deeper():
            yield

    @contextmanager
    def item(self) -> Iterator[None]:
        """What is written meanwhile is one entry of a list; it begins with a field."""
        with self._deeper():
            self._dash = True
            yield

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        before, self._indent = self._indent, self._indent + "  "
        try:
            yield
        finally:
            self._indent = before

    def _add(self, line: str) -> None:
        if self._dash:
            dash = len(self._indent) - 2
            line = f"{line[:dash]}- {line[dash + 2 :]}"
            self._dash = False
        self._lines.append(line)


def in_line(value: Any) -> str:
    """A value in YAML's flow style, on one line however long it is."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=2**31, sort_keys=False)
    return str(text).removesuffix("\n").removesuffix("\n...")


def printable(text: str) -> str:
    """A text for a comment or a terminal: on one line, and nothing in it that YAML or a terminal would act upon."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), max(40, width - 2), break_on_hyphens=False)


class _Dumper(yaml.SafeDumper):
    """Quotes what has a line break in it so that it stays on its line, and repeats what is the same instead of naming it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)
