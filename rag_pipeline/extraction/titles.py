"""The title that a reader would give a document: what its front matter says, else its first heading, as Markdown defines it.

One parser decides what a heading is (CommonMark): a `#` in a code block is not a heading, and neither is `#hashtag`. A
line underlined with `===` is one, and closing `#` and attribute lists such as `{ #id }` do not belong to it.
"""

import itertools
import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LINES = 60
"""A title stands among the first lines of a document."""

_LONGEST_FRONT = 200
_FENCES = {"---": "---", "+++": "+++"}
"""What front matter is between: YAML, as Jekyll and most others have it, or TOML, as Hugo has it."""

_ATTRIBUTES = re.compile(r"\s*\{\s*[:#.][^{}]*\}\s*$")


def title_of(text: str) -> str | None:
    """The title of a Markdown or plain text, None when it has neither front matter with one nor a heading at its top."""
    lines = text.split("\n", _LONGEST_FRONT + _LINES)[: _LONGEST_FRONT + _LINES]
    front, rest = _front_matter(lines)
    return _given(front) or _first_heading("\n".join(rest[:_LINES]))


def _front_matter(lines: list[str]) -> tuple[str, list[str]]:
    """The front matter with its first line, and the lines after it."""
    fence = lines[0].rstrip() if lines else ""
    if fence in _FENCES:
        for number, line in enumerate(lines[1:_LONGEST_FRONT], start=1):
            if line.rstrip() == fence or (fence == "---" and line.rstrip() == "..."):
                return "\n".join(lines[:number]), lines[number + 1 :]
    return "", lines


def _given(front: str) -> str | None:
    """`title` of front matter; a file whose front matter cannot be read has none, and its first heading counts."""
    fence, _, content = front.partition("\n")
    try:
        found: Any = tomllib.loads(content) if fence.rstrip() == "+++" else yaml.load(content, Loader=_Scalars)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    title = next((value for name, value in found.items() if str(name).lower() == "title"), None)
    return " ".join(str(title).split()) or None if isinstance(title, str | int | float) else None


class _Scalars(yaml.SafeLoader):
    """Takes every value as its text: `title: 2024-01-31` is that, not a date; aliases are refused, so none can grow."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("front matter holds an alias")
        return super().compose_node(parent, index)

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (an override, declared so by PyYAML)


def _first_heading(text: str) -> str | None:
    tokens = _parser().parse(text)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open" and (title := _shown(inline)):
            return title
    return None


def _shown(inline: "Token") -> str:
    """A heading's text without its marks."""
    parts = [" " if child.type in ("softbreak", "hardbreak") else child.content for child in inline.children or ()]
    kinds = {"html_inline"}
    shown = "".join(part for part, child in zip(parts, inline.children or (), strict=True) if child.type not in kinds)
    return " ".join(_ATTRIBUTES.sub("", shown).split())


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")
