"""Marks tell principals and questions apart, name nobody, and say whose an answer was."""

import stat
from datetime import UTC, datetime

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.traffic.marks import KEY, asked_at, marks_of

ID = f"q_{1_780_000_000_123:012x}{'a' * 16}"


def test_only_who_asked_is_known_by_the_id_of_the_question(home: Home) -> None:
    marks = marks_of(home, "salt")
    mine = marks.bound(ID, "k_1")
    assert mine.startswith(ID)
    assert marks_of(home, "salt").asked_by(mine, "k_1"), "by another replica too"
    assert not marks.asked_by(mine, "k_2")
    assert not marks.asked_by(ID, "k_1")
    assert not marks.asked_by(ID + "0" * 12, "k_1")
    assert not marks.asked_by(mine[:-1] + "ü", "k_1")
    assert not marks_of(home, "another salt").asked_by(mine, "k_1")


def test_the_id_of_a_question_says_when_it_was_asked() -> None:
    assert asked_at(ID) == datetime.fromtimestamp(1_780_000_000.123, UTC)


def test_the_same_question_has_the_same_mark_however_it_is_typed(home: Home) -> None:
    marks = marks_of(home, "salt")
    assert marks.same("How do I  copy a folder") == marks.same(" how do i copy a FOLDER")
    assert marks.same("how do I copy a file") != marks.same("how do I copy a folder")


def test_without_a_salt_one_key_is_made_for_all_and_no_other_account_reads_it(home: Home) -> None:
    first, second = marks_of(home, ""), marks_of(home, "")
    assert first.client("k_1") == second.client("k_1")
    assert stat.S_IMODE((home.traffic / KEY).stat().st_mode) == 0o600
    assert first.client("k_1") != marks_of(home, "salt").client("k_1")
    assert "k_1" not in first.client("k_1")


def test_a_damaged_key_is_told_with_what_to_do(home: Home) -> None:
    marks_of(home, "")
    (home.traffic / KEY).write_text("no key")
    with pytest.raises(PipelineError, match=r"marks\.key is no key .* remove it"):
        marks_of(home, "")
