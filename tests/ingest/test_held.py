"""When a source is held at its last good version: what it serves meanwhile, why, and how it recovers."""

import os

from rag_pipeline.ingest.report import LoadReport
from tests.conftest import Workspace, table_contract
from tests.support.feeds import Feed, limits, pages, row, table

__all__ = ["pages", "table"]


# -------------------------------------------------------------------------------------- held at the last good version


def held_and_recovered(feed: Feed, reason: str) -> LoadReport:
    """The load that follows is held, and whatever was stored before is there still."""
    before, commit = feed.documents(), feed.tables.documents.version()
    report = feed.load()
    assert report.outcome == "held"
    assert reason in report.reason
    assert (report.added, report.changed, report.removed) == ((), (), ())
    assert feed.documents() == before
    assert feed.tables.documents.version() == commit
    return report


def test_a_source_whose_feed_is_unreachable_is_held_and_recovers_by_itself(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    first = pages.load()
    pages.folder.rename(pages.folder.with_name("elsewhere"))
    held = held_and_recovered(pages, "is not a folder that can be read; check `path` in the contract")
    assert held.data_version == first.data_version
    pages.folder.with_name("elsewhere").rename(pages.folder)
    assert pages.load().outcome == "unchanged"
    pages.write("b.md", "Page b.\n")
    assert pages.load().added == ("handbook/b.md",)


def test_a_source_whose_feed_is_empty_is_held_at_its_last_good_version(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    pages.load()
    (pages.folder / "a.md").unlink()
    held_and_recovered(pages, f"the feed is empty: {pages.folder} lists nothing to read")
    pages.write("a.md", "Page a, again.\n")
    assert pages.load().changed == ("handbook/a.md",)


def test_a_table_without_a_row_is_an_empty_feed_not_a_source_of_nothing(table: Feed) -> None:
    table.write("a.jsonl", "")
    report = table.load()
    assert report.held
    assert report.reason == "the feed is empty: what it lists holds no row"
    table.rows("a.jsonl", [row("1")])
    assert table.load().added == ("reviews/1",)


def test_the_values_of_a_table_without_header_line_are_not_taken_for_names_and_told(workspace: Workspace) -> None:
    path = workspace.root / "feed" / "people.csv"
    people = Feed(workspace, "people", table_contract(path, "csv"))
    people.write("people.csv", "ana@private.example,Ana owes money\nbob@private.example,Bob does not\n")
    report = people.load()
    assert report.held
    assert "does the file lack its header line?" in report.reason
    assert "private" not in repr(report)
    assert "owes" not in repr(report)


def test_a_source_whose_table_lost_a_required_column_is_held(table: Feed) -> None:
    table.rows("a.jsonl", [row("1"), row("2")])
    table.load()
    table.rows("a.jsonl", [{"id": "1", "body": "Owls."}, {"id": "2", "body": "Herons."}])
    held_and_recovered(table, "column text is required but missing from the feed (columns found: body, id)")
    table.rows("a.jsonl", [row("1"), row("2", "Edited.")])
    assert table.load().changed == ("reviews/2",)
    assert table.quarantine("open") == []


def test_a_source_with_too_many_refused_rows_is_held_and_its_quarantine_says_why(table: Feed) -> None:
    table.content["customProperties"] = limits(25, 100)
    table.rows("a.jsonl", [row(str(n), stars=n) for n in range(4)])
    table.load()
    table.rows("a.jsonl", [row("0", stars="many"), row("1", stars="few"), row("2", stars=2), row("3", stars=3)])
    report = held_and_recovered(table, "2 of 4 rows (50.0 %) break the contract, more than quarantineMaxPercent 25 allows")
    assert (report.refused, report.good, report.open_refusals) == (2, 2, 2)
    assert [entry["reasons"] for entry in table.quarantine("open")]
    table.rows("a.jsonl", [row(str(n), "Edited.", stars=n) for n in range(4)])
    recovered = table.load()
    assert recovered.outcome == "accepted"
    assert len(recovered.changed) == 4
    assert recovered.open_refusals == 0


def test_a_share_of_refused_rows_exactly_at_the_limit_is_accepted(table: Feed) -> None:
    table.content["customProperties"] = limits(25, 100)
    table.rows("a.jsonl", [row("0", stars="many"), *(row(str(n), stars=n) for n in range(1, 4))])
    report = table.load()
    assert (report.outcome, report.refused, report.documents) == ("accepted", 1, 3)


def test_a_source_that_would_shrink_too_much_is_held_until_it_is_back_or_allowed(table: Feed) -> None:
    table.content["customProperties"] = limits(100, 50)
    table.rows("a.jsonl", [row(str(n)) for n in range(10)])
    table.load()
    table.rows("a.jsonl", [row(str(n)) for n in range(4)])
    held_and_recovered(table, "would shrink from 10 to 4 documents (60.0 % less), more than volumeMaxDropPercent 50 allows")
    assert table.load().outcome == "held", "it does not slip through the second time"
    table.content["customProperties"] = limits(100, 60)
    assert len(table.load().removed) == 6


def test_files_that_vanish_in_number_are_a_collapse_too(pages: Feed) -> None:
    for name in "abcde":
        pages.write(f"{name}.md", f"Page {name}.\n")
    pages.load()
    for name in "abc":
        (pages.folder / f"{name}.md").unlink()
    held_and_recovered(pages, "would shrink from 5 to 2 documents (60.0 % less)")


def test_a_first_load_that_breaks_the_contract_stores_no_document(table: Feed) -> None:
    table.content["customProperties"] = limits(10, 10)
    table.rows("a.jsonl", [row("1", stars="x"), row("2", stars=2)])
    report = table.load()
    assert report.outcome == "held"
    assert table.documents() == {}
    assert report.open_refusals == 1
    table.rows("a.jsonl", [row("1", stars=1), row("2", stars=2)])
    assert (table.load().documents, table.quarantine("open")) == (2, [])


def test_every_load_is_remembered_with_its_outcome(table: Feed) -> None:
    table.rows("a.jsonl", [row("1")])
    table.load()
    table.load()
    (table.folder / "a.jsonl").unlink()
    table.load()
    loads = table.tables.loads.scan().collect().sort("at")
    assert loads["outcome"].to_list() == ["accepted", "unchanged", "held"]
    assert loads["run_id"].to_list() == ["night-1", "night-2", "night-3"]
    assert loads["documents"].to_list() == [1, 1, 1]
    assert loads["data_version"].n_unique() == 1


def test_a_file_that_was_held_when_it_came_is_forgotten_when_it_is_gone(table: Feed) -> None:
    table.content["customProperties"] = limits(40, 100)
    table.rows("good.jsonl", [row("1"), row("2")])
    table.load()
    bad = table.rows("new.jsonl", [row(f"n{n}", stars="x") for n in range(9)])
    assert held_and_recovered(table, "quarantineMaxPercent").open_refusals == 9
    bad.unlink()
    assert (table.load().outcome, table.quarantine("open")) == ("accepted", [])
    table.rows("good.jsonl", [row("1"), row("2"), row("3")])
    assert table.load().added == ("reviews/3",)


def test_a_held_feed_that_comes_back_with_its_old_time_of_change_closes_its_refusals(table: Feed) -> None:
    table.content["customProperties"] = limits(40, 100)
    good = table.rows("a.jsonl", [row("1"), row("2")])
    table.load()
    saved, stat = good.read_bytes(), good.stat()
    table.rows("a.jsonl", [row("1", stars="x"), row("2", stars="y")])
    assert held_and_recovered(table, "quarantineMaxPercent").open_refusals == 2
    good.write_bytes(saved)
    os.utime(good, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    report = table.load()
    assert (report.outcome, report.open_refusals, report.changed) == ("accepted", 0, ())
    assert table.load().items_read == 0
