"""On real texts and questions every sentence is a span of its passage, and every quote stands where it says."""

import csv
import json
from pathlib import Path

import pytest

from rag_pipeline.answer.cited import Passage, stands
from rag_pipeline.answer.select import PASSAGES, Retrieved, select
from rag_pipeline.answer.sentences import sentences
from tests.conftest import SHARED

PIECE = 900
CHUNKING, HANDBOOK, SQUAD = SHARED / "chunking-evaluation", SHARED / "gitlab-handbook", SHARED / "squad-dev"


def texts() -> dict[str, str]:
    """Document -> text, of those that this checkout has."""
    files = [*CHUNKING.glob("corpora/*.md"), *HANDBOOK.glob("content/**/*.md")]
    found = {file.relative_to(SHARED).as_posix(): file.read_text(encoding="utf-8") for file in sorted(files)}
    if SQUAD.is_dir():
        rows = map(json.loads, (SQUAD / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:300])
        found |= {f"squad/{row['_id']}": row["text"] for row in rows}
    return found


def asked() -> list[str]:
    questions: list[str] = []
    if CHUNKING.is_dir():
        with (CHUNKING / "questions_df.csv").open(encoding="utf-8", newline="") as table:
            questions += [row["question"] for row in csv.DictReader(table)]
    for file in [HANDBOOK / "golden" / "queries.jsonl", SQUAD / "queries.jsonl"]:
        questions += [json.loads(line)["text"] for line in _lines(file)[:200]]
    return questions


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


@pytest.mark.skipif(not SHARED.is_dir(), reason="this checkout has no real data beside it")
def test_every_quote_of_every_golden_set_stands_in_the_passage_it_cites() -> None:
    passages = [
        Passage(f"{document}#{start}", document, "shared", text[start : start + PIECE], start)
        for document, text in texts().items()
        for start in range(0, len(text), PIECE)
    ]
    for one in passages:
        for sentence in sentences(one.text):
            assert one.text[sentence.start : sentence.end] == sentence.text
    count = 0
    for number, question in enumerate(asked()):
        taken = tuple(passages[(7919 * number + place * 13) % len(passages)] for place in range(PASSAGES))
        for found in select(question, Retrieved(taken, (), None), "english").sentences:
            count += 1
            assert all(stands(citation, taken) for citation in found.citations)
            assert "](" not in found.text and "![" not in found.text and "://" not in found.text
    assert count > 1_000
