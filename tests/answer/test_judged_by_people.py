"""People judge answers at a terminal or on a pipe: each judgment is kept at once, and a session goes on where one ended."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.answer.cited import Citation, Cited
from rag_pipeline.answer.judged_by_people import JUDGMENTS, AnswerSession, in_turn, read_judgments
from rag_pipeline.answer.opinions import Item, Opinion
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.terminal import Printer

ITEMS = [
    Item("pets", f"q{n}", f"question {n}", (Cited(f"Cats purr {n}.", 1.0, (Citation("c", "hr/a.md", f"purr {n}", 0, 9),)),))
    for n in range(5)
]


def session(folder: Path, keys: str, limit: int | None = None) -> AnswerSession:
    lines: Iterator[str] = iter([f"{key}\n" for key in keys])
    made = AnswerSession(
        folder,
        "ana",
        in_turn(ITEMS, read_judgments(folder)),
        Printer(),
        lambda: next(lines, ""),
        lambda: datetime(2026, 3, 1, tzinfo=UTC),
    )
    made.talk(limit)
    return made


def test_what_is_said_is_kept_at_once_and_not_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = in_turn(ITEMS, ())
    first = session(tmp_path, "yynx?yyn")
    assert [(one.faithful, one.relevant) for _, one in first.judged] == [(True, True), (False, True), (True, False)]
    out = capsys.readouterr().out
    assert "“purr" in out and "hr/a.md" in out and "y yes, n no" in out
    kept = read_judgments(tmp_path)
    assert list(kept) == [one.id for one in order[:3]]
    second = session(tmp_path, "sq")
    assert (second.skipped, len(second.judged), len(second.items)) == (1, 0, 2)
    assert session(tmp_path, "yyyyyy").items == second.items
    assert len(read_judgments(tmp_path)) == 5


def test_the_last_one_can_be_taken_back_and_given_anew(tmp_path: Path) -> None:
    session(tmp_path, "u" + "yy" + "u" + "nn" + "q")
    [(answer, said)] = read_judgments(tmp_path).items()
    assert (answer, said) == (in_turn(ITEMS, ())[0].id, Opinion(faithful=False, relevant=False))
    assert len((tmp_path / JUDGMENTS).read_text().splitlines()) == 3, "the file tells all of it"


def test_a_limit_ends_it_and_so_does_the_end_of_the_input(tmp_path: Path) -> None:
    assert len(session(tmp_path, "yy" * 9, limit=2).judged) == 2
    assert len(session(tmp_path, "yyy").judged) == 1, "a half judgment is none"
    assert len(read_judgments(tmp_path)) == 3


@pytest.mark.parametrize("line", ['{"answer": 1}', '{"answer": "a", "faithful": "yes", "relevant": true}', "{", "[]"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / JUDGMENTS).write_text(f"\n{line}\n")
    with pytest.raises(GoldenSetError, match=r"answer_judgments\.jsonl:2: "):
        read_judgments(tmp_path)
