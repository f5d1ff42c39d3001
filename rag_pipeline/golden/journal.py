"""Every judgment ever made in this checkout, one on each line: who, when, on which release. The file only grows."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rag_pipeline.golden.set_files import append_line

FILE = "judgments.jsonl"


@dataclass(frozen=True, slots=True)
class Judgment:
    """What one person said of one passage or document for one query. `grade` None: taken back. `at`: ISO 8601, UTC."""

    query: str
    document: str
    grade: int | None
    passage: str
    judge: str
    at: str
    release: str


def keep(folder: Path, judgment: Judgment) -> None:
    """Add a judgment to a golden set's journal, durably, before anything else is done with it."""
    append_line(folder / FILE, json.dumps(asdict(judgment), ensure_ascii=False))


def read_journal(folder: Path) -> Iterator[tuple[int, Judgment | None]]:
    """Line number and judgment, in the order they were made; None for a line that is none (half written, or edited)."""
    file = folder / FILE
    if not file.is_file():
        return
    for number, line in enumerate(file.read_bytes().split(b"\n"), start=1):
        if line.strip():
            yield number, _parsed(line)


def standing(folder: Path, *, by_passage: bool) -> dict[tuple[str, ...], Judgment]:
    """The last word on each (query, document), or (query, document, passage); what was taken back is not in it."""
    said: dict[tuple[str, ...], Judgment] = {}
    for _, one in read_journal(folder):
        if one is None:
            continue
        key = (one.query, one.document, one.passage) if by_passage else (one.query, one.document)
        said.pop(key, None)
        if one.grade is not None:
            said[key] = one
    return said


def _parsed(line: bytes) -> Judgment | None:
    try:
        row = json.loads(line)
        fields = {name: row[name] for name in Judgment.__slots__}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    grade = fields.pop("grade")
    if not (grade is None or type(grade) is int) or not all(isinstance(value, str) for value in fields.values()):
        return None
    return Judgment(grade=grade, **fields)
