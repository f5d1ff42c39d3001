"""Two judges on a tenth: who is asked again, what it changes (nothing), and how well they agree."""

from pathlib import Path

import pytest

from rag_pipeline.golden.journal import Judgment
from rag_pipeline.traffic.agreement import Agreement, agreement, keep_second, seconds, wants_a_second


def said(number: int, grade: int | None, judge: str = "ana") -> Judgment:
    return Judgment(f"q{number}", "d", grade, "text", judge, "2026-11-30T00:00:00+00:00", "r")


def pairs(*grades: tuple[int, int]) -> Agreement:
    first = {(f"q{number}", "d"): said(number, one) for number, (one, _) in enumerate(grades)}
    second = {(f"q{number}", "d"): said(number, other, "ben") for number, (_, other) in enumerate(grades)}
    return agreement(first, second)


def test_kappa_is_cohens() -> None:
    """Checked by hand: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no gives (0.7 - 0.5) / 0.5."""
    found = pairs(*[(1, 1)] * 20, *[(1, 0)] * 5, *[(0, 1)] * 10, *[(0, 0)] * 15)
    assert (found.twice, found.agreed) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert "0.40" in found.says


def test_what_cannot_be_told_is_not() -> None:
    assert pairs().kappa is None
    assert pairs((2, 2), (2, 2)).kappa is None
    assert agreement({("q0", "d"): said(0, 2)}, {("q0", "d"): said(0, 2)}).twice == 0, (
        "one person twice is nobody's agreement"
    )


def test_a_tenth_is_judged_twice() -> None:
    chosen = sum(wants_a_second((f"q_{number}", "handbook/leave.md")) for number in range(10_000))
    assert 900 < chosen < 1_100


def test_a_second_judgment_is_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    keep_second(tmp_path, said(1, 2))
    keep_second(tmp_path, said(2, 0))
    keep_second(tmp_path, said(1, None))
    assert seconds(tmp_path) == {("q2", "d"): said(2, 0)}
