"""What people wrote as the answer to a question of a golden set (`answers.jsonl`): answers of a release are held against it.

They say nothing about retrieval, so they are in no evidence and in no fingerprint of the set. No dialogue writes them.
"""

from collections.abc import Collection
from pathlib import Path

from rag_pipeline.errors import GoldenSetError, did_you_mean, given_twice
from rag_pipeline.golden.query_guard import QueryGuard
from rag_pipeline.golden.question_lines import rows
from rag_pipeline.golden.read import read_about

ANSWERS = "answers.jsonl"

_FORM = '{"_id": "q1", "answers": ["thirty days"]}'


def read_answers(folder: Path, queries: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Query id -> its reference answers, one or more, each as right as the others; none where there is no such file.

    `queries`: ids of queries.jsonl. Raises `GoldenSetError` with file, line and field.
    """
    file = folder / ANSWERS
    if not file.is_file():
        return {}
    about, _ = read_about(folder)
    guard = QueryGuard(about.piiPolicy, about.piiEntities, about.piiRegions)
    found: dict[str, tuple[str, ...]] = {}
    for number, line in rows(file):
        where = f"{file}:{number}"
        row = guard.query(line, where)
        query, answers = str(row.get("_id", "")), row.get("answers")
        if query not in queries:
            says = f"no query of queries.jsonl is called {query!r}; {did_you_mean(query, queries)}"
            raise GoldenSetError(f"{where}: _id: {says}")
        if query in found:
            raise GoldenSetError(f"{where}: _id: {given_twice(f'query {query!r}')}; write all its answers into one line")
        if not isinstance(answers, list) or not answers or not all(isinstance(one, str) and one.strip() for one in answers):
            raise GoldenSetError(f"{where}: answers: expected a list of texts that are not blank, as in {_FORM}")
        found[query] = tuple(answers)
    return found
