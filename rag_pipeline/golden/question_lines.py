"""Files of questions, one JSON object on each line: judged ones in `queries.jsonl`, and probes, which nobody judges.

The same rules read both, with the same errors: file, line, and what to do.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_pipeline.errors import GoldenSetError, given_twice, not_utf8
from rag_pipeline.golden.query_guard import QueryGuard

_TOO_DEEP = "values are nested too deep; write them flatter"

PROBES = "probes.jsonl"


@dataclass(frozen=True, slots=True)
class Question:
    """One line. `row` is as it may be stored; `where`: file:line."""

    where: str
    id: str
    text: str
    slices: dict[str, str]
    row: dict[str, Any]


def questions(file: Path, guard: QueryGuard, slices: Sequence[str]) -> Iterator[Question]:
    """Every question of a file, each id once. Raises `GoldenSetError` with file and line."""
    seen: set[str] = set()
    for number, found in rows(file):
        where = f"{file}:{number}"
        row = guard.query(found, where)
        query_id, text = str(row.get("_id", "")), row.get("text")
        if row.get("_id") in (None, "") or not isinstance(text, str) or not text.strip():
            raise GoldenSetError(f"{where}: a query needs `_id` and a `text` that is not blank")
        if query_id in seen:
            raise GoldenSetError(f"{where}: {given_twice(f'query {query_id!r}')}")
        seen.add(query_id)
        metadata = row.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise GoldenSetError(f"{where}: metadata: expected an object, found {type(metadata).__name__}")
        yield Question(where, query_id, text, {name: str(metadata[name]) for name in slices if name in metadata}, row)


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, numbered from 1."""
    try:
        found = file.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise GoldenSetError(f"{file}: no such file; it holds one query a line") from error
    except UnicodeDecodeError as error:
        raise GoldenSetError(f"{file}: {not_utf8(error)}") from error
    yield from ((number, line) for number, line in enumerate(found, start=1) if line.strip())


def rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line as an object. Raises `GoldenSetError` with file and line."""
    for number, line in lines(file):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise GoldenSetError(f"{file}:{number}: not JSON: {error.msg} at column {error.colno}") from error
        except RecursionError as error:
            raise GoldenSetError(f"{file}:{number}: {_TOO_DEEP}") from error
        try:
            json.dumps(row, ensure_ascii=False).encode("utf-8")
        except RecursionError as error:
            raise GoldenSetError(f"{file}:{number}: {_TOO_DEEP}") from error
        except UnicodeEncodeError as error:
            raise GoldenSetError(f"{file}:{number}: half of a character (a lone \\ud8xx); write it whole") from error
        if not isinstance(row, dict):
            raise GoldenSetError(f"{file}:{number}: a query is a JSON object, found {type(row).__name__}")
        yield number, row
