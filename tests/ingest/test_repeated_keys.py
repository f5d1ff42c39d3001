"""A key that comes more than once: one row stands for the document, the others wait; and whatever the nights were."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.home import Home
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import Feed, limits, row, table

__all__ = ["table"]


# ------------------------------------------------------------------------------------------------- repeated keys


def test_the_last_row_of_a_repeated_key_is_kept_and_the_others_are_in_quarantine(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", "first"), row("1", "second"), row("2"), row("1", "third")])
    report = table.load()
    assert (report.rows_in, report.good, report.superseded, report.refused) == (4, 2, 2, 0)
    assert table.texts()["1"] == "third"
    entries = table.quarantine("open")
    assert [json.loads(entry["raw"])["text"] for entry in entries] == ["first", "second"]
    assert {entry["kind"] for entry in entries} == {"superseded"}
    assert report.refusals[0].reasons == ("id repeats the key of a.jsonl row 3, which is kept",)


def test_the_newest_row_of_a_repeated_key_is_kept_where_rows_say_when_they_changed(workspace: Workspace) -> None:
    changed = column("changed", role="modified_at", logicalType="timestamp")
    content = table_contract(workspace.root / "feed" / "a.jsonl", "jsonl", changed, customProperties=limits(100, 100))
    feed = Feed(workspace, "reviews", content)
    feed.rows("a.jsonl", [row("1", "new", changed="2026-02-01"), row("1", "old", changed="2025-02-01"), row("1", "undated")])
    assert feed.load().superseded == 2
    assert feed.texts() == {"1": "new"}


def test_a_key_in_two_files_is_settled_and_the_loser_comes_back_when_the_winner_goes(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", "of a"), row("a")])
    table.rows("b.jsonl", [row("1", "of b"), row("b")])
    report = table.load()
    assert (report.good, report.superseded) == (3, 1)
    assert table.texts()["1"] == "of b"
    (entry,) = table.quarantine("open")
    assert (entry["item"], entry["kind"]) == ("a.jsonl", "superseded")

    again = table.load()
    assert (again.outcome, again.items_read, again.data_version) == ("unchanged", 2, report.data_version)
    assert (again.added, again.changed, again.removed) == ((), (), ())
    assert len(table.quarantine()) == 1

    (table.folder / "b.jsonl").unlink()
    report = table.load()
    assert (report.changed, report.removed) == (("reviews/1",), ("reviews/b",))
    assert table.texts() == {"1": "of a", "a": "Owls hunt at night."}
    assert table.quarantine("open") == []
    assert table.load().items_read == 0


def test_a_loser_comes_back_when_the_winner_drops_the_key(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", "of a")])
    table.rows("b.jsonl", [row("1", "of b"), row("2")])
    table.load()
    table.rows("b.jsonl", [row("2")])
    table.load()
    assert table.texts()["1"] == "of a"
    assert table.quarantine("open") == []


def test_a_key_that_comes_up_in_a_second_file_later_is_settled_the_same_way(table: Feed) -> None:
    table.rows("b.jsonl", [row("1", "of b")])
    table.load()
    table.rows("a.jsonl", [row("1", "of a, which comes later but sorts first")])
    table.load()
    assert table.texts() == {"1": "of b"}
    table.rows("c.jsonl", [row("1", "of c")])
    table.load()
    assert table.texts() == {"1": "of c"}
    assert [entry["item"] for entry in table.quarantine("open")] == ["a.jsonl", "b.jsonl"]


def test_a_row_that_moves_to_another_file_stays_one_document(table: Feed) -> None:
    table.rows("a.jsonl", [row("1"), row("2")])
    table.rows("b.jsonl", [row("3")])
    first = table.load()
    table.rows("a.jsonl", [row("2")])
    table.rows("b.jsonl", [row("3"), row("1")])
    second = table.load()
    assert second.data_version == first.data_version
    assert second.removed == ()
    assert table.documents()["1"]["item"] == "b.jsonl"


# ------------------------------------------------------------------------------------------------------ invariants


def test_a_feed_whose_last_row_goes_is_emptied_where_the_contract_allows_it(table: Feed) -> None:
    table.rows("a.jsonl", [row("1")])
    table.load()
    table.rows("a.jsonl", [])
    report = table.load()
    assert (report.outcome, report.removed, report.documents) == ("accepted", ("reviews/1",), 0)


ROWS = st.builds(row, st.sampled_from("abcd"), st.sampled_from(["One.", "Two.", None]), stars=st.sampled_from([1, "x"]))


NIGHTS = st.lists(
    st.dictionaries(st.sampled_from(["p.jsonl", "q.jsonl"]), st.none() | st.lists(ROWS, max_size=4), min_size=1),
    min_size=2,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=NIGHTS)
@pytest.mark.slow
def test_loading_night_by_night_gives_what_loading_the_last_night_afresh_gives(
    table: Feed, tmp_path_factory: pytest.TempPathFactory, nights: list[dict[str, list[Any] | None]]
) -> None:
    table.home = Home(tmp_path_factory.mktemp("home"))
    for path in table.folder.glob("*.jsonl"):
        path.unlink()
    table.rows("z.jsonl", [row("always there")])  # a feed without a file would be held
    for night in nights:
        for name, rows in night.items():
            if rows is None:
                (table.folder / name).unlink(missing_ok=True)
            else:
                table.rows(name, rows)
        report = table.load()
        assert not report.held

    def stored() -> tuple[list[Any], list[Any]]:
        documents = table.tables.documents.scan().select("document_id", "content_hash", "item").collect().rows()
        entries = [(entry["item"], entry["row"], entry["kind"], entry["raw"]) for entry in table.quarantine("open")]
        return sorted(documents), sorted(entries)

    incremental = stored()
    table.home = Home(tmp_path_factory.mktemp("fresh"))
    fresh = table.load()
    assert stored() == incremental
    assert fresh.data_version == report.data_version
