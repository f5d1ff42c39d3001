"""Questions of a golden set that its documents do not answer (`unanswerable.jsonl`): an answer to one of them is a mistake.

They say nothing about retrieval, so they are in no evidence and in no fingerprint of the set.
"""

from pathlib import Path

from rag_pipeline.golden.query_guard import QueryGuard
from rag_pipeline.golden.question_lines import questions
from rag_pipeline.golden.read import read_about

UNANSWERABLE = "unanswerable.jsonl"


def read_unanswerable(folder: Path) -> dict[str, str]:
    """Question id -> text, in the form of queries.jsonl; none where there is no such file.

    Raises `GoldenSetError` with file and line.
    """
    file = folder / UNANSWERABLE
    if not file.is_file():
        return {}
    about, _ = read_about(folder)
    guard = QueryGuard(about.piiPolicy, about.piiEntities, about.piiRegions)
    return {one.id: one.text for one in questions(file, guard, ())}
