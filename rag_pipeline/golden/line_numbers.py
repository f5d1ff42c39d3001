"""Where each query and judgment of a golden set is in its files, so that a finding can name file and line."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from rag_pipeline.contracts.yaml_lines import read_yaml
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.read import FILE, GoldenSet

Repeated = tuple[str, str, str, int, int, int]
"""(query, document, file:line, grade, line of the first, grade of the first)"""


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one golden set that was read without an error."""

    about: str
    slices: str
    _file: Path
    _queries: dict[str, int] = field(default_factory=dict)
    _judgments: dict[tuple[str, str], str] = field(default_factory=dict)
    repeated: tuple[Repeated, ...] = ()
    """Pairs judged twice in the qrels, with different grades."""

    def query(self, query: str) -> str:
        return f"{self._file}:{self._queries[query]}"

    def judgment(self, query: str, document: str, quote: str) -> str:
        """A quote stands in its query's line, a judged document in the qrels."""
        return self.query(query) if quote else self._judgments.get((query, document), self.query(query))


def places_of(folder: Path, golden: GoldenSet) -> Places:
    file = folder / "queries.jsonl"
    queries = {str(json.loads(line)["_id"]): number for number, line in _lines(file)}
    judgments: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, str], tuple[int, int]] = {}
    repeated: list[Repeated] = []
    split = folder / "qrels" / f"{golden.about.split}.tsv"
    for number, line in _lines(split) if split.exists() else ():
        row = line.rstrip("\r").split("\t")
        if number == 1 and row[0] == "query-id":
            continue
        document = f"{golden.about.source}/{row[1]}" if golden.about.source else row[1]
        pair, grade = (row[0], document), int(row[2])
        judgments[pair] = f"{split}:{number}"
        first_line, first_grade = first.setdefault(pair, (number, grade))
        if first_grade != grade:
            repeated.append((*pair, judgments[pair], grade, first_line, first_grade))
    slices = read_yaml(folder / FILE, GoldenSetError).where(("slices",))
    return Places(f"{folder / FILE}:1", slices, file, queries, judgments, tuple(repeated))


def _lines(file: Path) -> list[tuple[int, str]]:
    lines = enumerate(file.read_bytes().decode("utf-8").split("\n"), start=1)
    return [(number, line) for number, line in lines if line.strip()]
