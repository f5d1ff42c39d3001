"""Which row stands for its document, row by row: the last by time of change, file and place, and what is read again."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.ingest.clock import A_DAY
from rag_pipeline.ingest.staged import Staged, settle

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


def row(item: str, number: int = 0, changed: datetime | None = None, document: str = "d") -> dict[str, Any]:
    return {"document_id": document, "item": item, "row": number, "modified_at": changed}


def settled(*rows: dict[str, Any]) -> Staged:
    staged = Staged(Path("documents"), Path("quarantine"))
    for one in rows:
        settle(staged, one, NOW)
    return staged


def kept(staged: Staged, document: str = "d") -> tuple[str, int]:
    return staged.winners[document][1:]


OLD, NEW = NOW - timedelta(days=9), NOW - timedelta(days=1)

LATER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "by its time of change, whatever its file is called": (row("b", 5, OLD), row("a", 0, NEW)),
    "because it has a time of change": (row("b", 5), row("a", 0, OLD)),
    "by the name of its file, where the times are the same": (row("a", 5, OLD), row("b", 0, OLD)),
    "by the name of its file, where there are no times": (row("a", 5), row("b", 0)),
    "by its place in the file": (row("a", 4, OLD), row("a", 5, OLD)),
}


@pytest.mark.parametrize("why", LATER)
def test_of_two_rows_of_one_document_the_later_is_kept_in_whatever_order_they_come(why: str) -> None:
    earlier, later = LATER[why]
    for rows in permutations((earlier, later)):
        staged = settled(*rows, row("x", 0, OLD, document="another"))
        assert kept(staged) == (later["item"], later["row"])
        assert kept(staged, "another") == ("x", 0)
        assert staged.keeps("d", later["item"], later["row"])
        assert not staged.keeps("d", earlier["item"], earlier["row"])
        assert staged.knows("d") and not staged.knows("nobody")
        assert staged.unsettled_items == ({earlier["item"]} - {later["item"]}), "its file is read again, and no other"


def test_a_document_that_lost_every_row_is_known_and_keeps_none() -> None:
    staged = settled(row("a"))
    staged.lost.add(staged.winners.popitem()[0])
    assert staged.knows("d")
    assert not staged.keeps("d", "a", 0)


def test_a_time_of_change_up_to_a_day_ahead_counts_and_one_beyond_counts_as_none() -> None:
    at_most, beyond = row("b", 0, NOW + A_DAY), row("a", 0, NOW + A_DAY + timedelta(microseconds=1))
    for rows in permutations((row("c", 0, NEW), at_most)):
        assert kept(settled(*rows)) == ("b", 0)
    for rows in permutations((row("0", 0, OLD), beyond)):
        staged = settled(*rows)
        assert kept(staged) == ("0", 0)
        assert staged.unsettled_items == {"a"}, "it may come true, so its file is read again"


def test_a_row_from_the_future_has_its_file_read_again_though_it_came_second_in_the_same_file() -> None:
    ahead = NOW + timedelta(days=9)
    assert settled(row("a", 0, OLD), row("a", 1, ahead)).unsettled_items == {"a"}
    assert settled(row("a", 0, ahead)).unsettled_items == set(), "alone it stands for its document"
