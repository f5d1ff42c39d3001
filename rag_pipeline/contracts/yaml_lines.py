"""YAML that remembers its lines, so that every message about a file can say where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rag_pipeline.errors import PipelineError

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


def read_yaml(path: Path, error: type[PipelineError]) -> YamlFile:
    """Parse a YAML file strictly: one document, no duplicate keys, UTF-8.

    Raises `error` with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_PlainLoader)
    except UnicodeDecodeError as cause:
        raise error(f"{path}: not UTF-8 (byte {cause.start}); save it as UTF-8") from cause
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
        raise error(f"{path}: holds something that looks like a number and is none ({cause}); put it in quotes") from cause
    except RecursionError as cause:
        raise error(f"{path}: an alias in this file holds itself; write the value out") from cause


class _PlainLoader(yaml.SafeLoader):
    """Dates stay text, as in JSON: a contract says `2026-01-01`, not a Python object."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (an override, declared so by PyYAML)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _collect(
    node: yaml.Node,
    steps: tuple[Step, ...],
    lines: dict[tuple[Step, ...], int],
    path: Path,
    error: type[PipelineError],
) -> None:
    lines[steps] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise error(f"{path}:{key.start_mark.line + 1}: field {name!r} is given twice; keep one")
            seen.add(name)
            _collect(value, (*steps, name), lines, path, error)
            lines[(*steps, name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect(value, (*steps, index), lines, path, error)
