"""YAML that remembers its lines, so that every message about a file can say where."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rag_pipeline.errors import PipelineError, given_twice, not_utf8

Step = str | int


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file: its content as plain values, and the line each value starts on (1-based)."""

    path: Path
    content: Any
    lines: dict[tuple[Step, ...], int]
    text: str = ""

    def where(self, steps: tuple[Step, ...] = ()) -> str:
        """`file:line` of the deepest known part of a place in the file."""
        for end in range(len(steps), -1, -1):
            if steps[:end] in self.lines:
                return f"{self.path}:{self.lines[steps[:end]]}"
        return str(self.path)


MOST_BYTES, MOST_VALUES, DEEPEST = 1_000_000, 50_000, 64
"""What a file people write stays far below: its size, its values with every alias written out, how deep they nest."""


def read_yaml(path: Path, error: type[PipelineError]) -> YamlFile:
    """Parse a YAML file strictly: one document, no duplicate keys, UTF-8, of a size and depth that people write.

    Raises `error` with file and line.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise error(
                f"{path}: {size / 1e6:.1f} MB are too much for a file people write; {MOST_BYTES / 1e6:.0f} MB at most"
            )
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_PlainLoader)
    except UnicodeDecodeError as cause:
        raise error(f"{path}: {not_utf8(cause)}") from cause
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror})") from cause
    except yaml.MarkedYAMLError as cause:
        line = cause.problem_mark.line + 1 if cause.problem_mark else 1
        raise error(f"{path}:{line}: not valid YAML: {cause.problem}") from cause
    except yaml.YAMLError as cause:
        raise error(f"{path}: not valid YAML: {cause}") from cause
    if node is None:
        raise error(f"{path}: the file is empty")
    lines: dict[tuple[Step, ...], int] = {}
    try:
        _collect(node, (), lines, path, error)
        return YamlFile(path, _PlainLoader("").construct_document(node), lines, text)
    except yaml.MarkedYAMLError as cause:  # a tag or a key that stands for no plain value
        line = cause.problem_mark.line + 1 if cause.problem_mark else 1
        raise error(f"{path}:{line}: not plain YAML: {cause.problem}") from cause
    except ValueError as cause:
        raise error(
            f"{path}: holds something that looks like a number and is not one ({cause}); put it in quotes"
        ) from cause


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def _resolvers(tag: str, pattern: re.Pattern[str]) -> list[tuple[str, re.Pattern[str]]]:
    if tag == "tag:yaml.org,2002:timestamp":
        return []
    if tag in _NUMBERS:
        return [(tag, re.compile(rf"(?!.*:|.*\.(?i:inf|nan))(?:{pattern.pattern})", pattern.flags))]
    return [(tag, pattern)]


class _PlainLoader(yaml.SafeLoader):
    """Dates, times of day and what is no number stay text, as in JSON: `24:00` is not 1,440, and nothing is `.inf`."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (an override, declared so by PyYAML)
        first: [kept for tag, pattern in resolvers for kept in _resolvers(tag, pattern)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._values += 1
        if self._depth > DEEPEST or self._values > 2 * MOST_VALUES:  # keys are counted too
            problem = _TOO_DEEP if self._depth > DEEPEST else _TOO_MANY
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


_TOO_DEEP = f"values are nested more than {DEEPEST} deep; write them flatter"
_TOO_MANY = f"it holds more than {MOST_VALUES:,} values, every alias written out; split it, or write out what is meant"


def _collect(
    node: yaml.Node,
    steps: tuple[Step, ...],
    lines: dict[tuple[Step, ...], int],
    path: Path,
    error: type[PipelineError],
) -> None:
    if len(steps) > DEEPEST:
        raise error(f"{path}:{node.start_mark.line + 1}: an alias in this file holds itself, or {_TOO_DEEP}")
    if len(lines) > MOST_VALUES:
        raise error(f"{path}:{node.start_mark.line + 1}: {_TOO_MANY}")
    lines[steps] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise error(f"{path}:{key.start_mark.line + 1}: {given_twice(f'field {name!r}')}")
            seen.add(name)
            _collect(value, (*steps, name), lines, path, error)
            lines[(*steps, name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect(value, (*steps, index), lines, path, error)
