"""Loading a source with real tables: what changed is read, what breaks its contract is held or kept in quarantine."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import SourceTables, source_tables
from tests.conftest import Workspace, column, files_contract, table_contract

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


@dataclass
class Feed:
    """One source of a workspace: its contract, its files below `feed/`, its loads night after night."""

    workspace: Workspace
    source: str
    content: dict[str, Any]
    nights: int = 0
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.workspace.home
        self.folder = self.workspace.root / "feed"
        self.folder.mkdir(exist_ok=True)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file; its time of change is one of its own, so that no two edits look the same."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        Feed.clock += 1_000_000_000
        os.utime(path, ns=(Feed.clock, Feed.clock))
        return path

    def rows(self, name: str, rows: Iterable[Any]) -> Path:
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def load(self) -> LoadReport:
        """The next night: the counts of every load add up."""
        self.nights += 1
        contract = read_contract(self.workspace.contract(self.source, self.content))
        now = NOW + timedelta(days=self.nights)
        report = load_source(contract, self.home, run_id=f"night-{self.nights}", now=now)
        assert report.rows_in == report.good + report.refused + report.superseded
        assert report.documents == len(self.documents())
        assert report.open_refusals == len(self.quarantine("open"))
        assert not list((self.home / "scratch").iterdir())
        return report

    @property
    def tables(self) -> SourceTables:
        return source_tables(self.home, self.source)

    def documents(self) -> dict[str, dict[str, Any]]:
        rows = self.tables.documents.scan().collect().to_dicts()
        assert len({row["document_id"] for row in rows}) == len(rows)
        return {row["key"]: row for row in rows}

    def texts(self) -> dict[str, str]:
        return {key: row["text"] for key, row in self.documents().items()}

    def quarantine(self, status: str | None = None) -> list[dict[str, Any]]:
        rows = self.tables.quarantine.scan().collect().sort("item", "row", "first_seen_at").to_dicts()
        return [row for row in rows if status in (None, row["status"])]


Feed.clock = 1_700_000_000_000_000_000


def limits(quarantine: float, drop: float) -> list[dict[str, Any]]:
    return [
        {"property": "quarantineMaxPercent", "value": quarantine},
        {"property": "volumeMaxDropPercent", "value": drop},
    ]


@pytest.fixture
def pages(workspace: Workspace) -> Feed:
    """A folder of pages that may lose everything but half."""
    return Feed(workspace, "handbook", files_contract(workspace.root / "feed", customProperties=limits(50, 50)))


@pytest.fixture
def table(workspace: Workspace) -> Feed:
    """A glob of JSON Lines files with a typed column, whose batch limits never hold it."""
    path = workspace.root / "feed" / "*.jsonl"
    content = table_contract(path, "jsonl", column("stars", logicalType="integer"), customProperties=limits(100, 100))
    return Feed(workspace, "reviews", content)


def row(key: Any, text: Any = "Owls hunt at night.", **more: Any) -> dict[str, Any]:
    return {"id": key, "text": text, **more}


# ------------------------------------------------------------------------------------------- reading what changed


def test_a_first_load_stores_every_document(pages: Feed) -> None:
    pages.write("owls.md", "# Owls\n\nThey hunt at night.\n")
    pages.write("deep/herons.md", "Herons wait.\n")
    report = pages.load()
    assert report.outcome == "accepted"
    assert (report.items_listed, report.items_read, report.rows_in, report.good, report.documents) == (2, 2, 2, 2, 2)
    assert sorted(report.added) == ["handbook/deep/herons.md", "handbook/owls.md"]
    assert (report.changed, report.removed) == ((), ())
    owls = pages.documents()["owls.md"]
    assert owls["document_id"] == "handbook/owls.md"
    assert owls["title"] == "Owls"
    assert owls["text"] == "# Owls\n\nThey hunt at night.\n"
    assert owls["uri"].startswith("file:///")
    assert (owls["item"], owls["contract_version"], owls["run_id"]) == ("owls.md", "1.0.0", "night-1")


def test_a_second_load_of_an_unchanged_feed_reads_nothing(pages: Feed) -> None:
    pages.write("owls.md", "Owls.\n")
    first = pages.load()
    commit = pages.tables.documents.version()
    second = pages.load()
    assert second.outcome == "unchanged"
    assert (second.items_listed, second.items_read, second.rows_in) == (1, 0, 0)
    assert second.data_version == first.data_version
    assert pages.tables.documents.version() == commit


def test_an_edited_file_is_the_only_one_read_and_changed(pages: Feed) -> None:
    for name in "abc":
        pages.write(f"{name}.md", f"Page {name}.\n")
    first = pages.load()
    pages.write("b.md", "Page b, edited.\n")
    second = pages.load()
    assert (second.items_read, second.added, second.changed, second.removed) == (1, (), ("handbook/b.md",), ())
    assert second.data_version != first.data_version
    assert pages.texts() == {"a.md": "Page a.\n", "b.md": "Page b, edited.\n", "c.md": "Page c.\n"}
    assert {key: found["run_id"] for key, found in pages.documents().items()} == {
        "a.md": "night-1",
        "b.md": "night-2",
        "c.md": "night-1",
    }


def test_a_removed_file_takes_its_document_with_it(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    pages.write("b.md", "Page b.\n")
    pages.load()
    (pages.folder / "a.md").unlink()
    report = pages.load()
    assert report.outcome == "accepted"
    assert (report.items_read, report.added, report.changed, report.removed) == (0, (), (), ("handbook/a.md",))
    assert pages.texts() == {"b.md": "Page b.\n"}


def test_a_renamed_file_is_a_document_removed_and_one_added(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    pages.write("b.md", "Page b.\n")
    pages.load()
    (pages.folder / "a.md").rename(pages.folder / "z.md")
    report = pages.load()
    assert (report.added, report.removed) == (("handbook/z.md",), ("handbook/a.md",))


def test_a_file_that_was_only_touched_does_not_change_the_data(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    first = pages.load()
    before = pages.documents()["a.md"]
    pages.write("a.md", "Page a.\n")
    second = pages.load()
    assert second.items_read == 1
    assert second.data_version == first.data_version
    after = pages.documents()["a.md"]
    assert after["content_hash"] == before["content_hash"]
    assert after["modified_at"] > before["modified_at"]


def test_a_feed_that_comes_back_to_an_old_text_has_its_old_data_version(pages: Feed) -> None:
    versions = []
    for text in ("One.\n", "Two.\n", "One.\n"):
        pages.write("a.md", text)
        versions.append(pages.load().data_version)
    assert versions[0] == versions[2] != versions[1]


def test_the_data_version_does_not_depend_on_the_order_of_rows(table: Feed) -> None:
    table.rows("a.jsonl", [row("1"), row("2", "Other.")])
    first = table.load().data_version
    table.rows("a.jsonl", [row("2", "Other."), row("1")])
    assert table.load().data_version == first


def test_a_new_version_of_the_contract_has_everything_read_again(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    pages.write("b.md", "Page b.\n")
    first = pages.load()
    pages.content["version"] = "1.1.0"
    second = pages.load()
    assert second.items_read == 2
    assert second.data_version == first.data_version
    assert {found["contract_version"] for found in pages.documents().values()} == {"1.1.0"}
    assert pages.load().items_read == 0


def test_a_tightened_rule_is_applied_to_rows_already_stored(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", stars=1), row("2", stars=5)])
    table.load()
    table.content["schema"][0]["properties"][2]["logicalTypeOptions"] = {"minimum": 2}
    report = table.load()
    assert report.items_read == 1
    assert report.removed == ("reviews/1",)
    assert table.texts().keys() == {"2"}
    assert report.refusals[0].reasons == ("stars is below 2",)


def test_columns_without_a_role_are_kept_as_metadata_and_unknown_ones_are_named(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", stars=5, colour="red"), row("2")])
    report = table.load()
    assert json.loads(table.documents()["1"]["metadata"]) == {"stars": 5}
    assert json.loads(table.documents()["2"]["metadata"]) == {}
    assert report.unknown_columns == ("colour",)


def test_a_change_of_metadata_alone_is_a_change_of_content(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", stars=5)])
    first = table.load()
    table.rows("a.jsonl", [row("1", stars=4)])
    second = table.load()
    assert second.changed == ("reviews/1",)
    assert second.data_version != first.data_version


@pytest.mark.parametrize(
    "key", ["it's", 'a "quote"', "two words", "ünï/cödé 🦉", "back\\slash", "100%_x", "a\nb", "null", "-- ;"]
)
def test_a_document_id_may_hold_any_text(table: Feed, key: str) -> None:
    table.rows("a.jsonl", [row(key, "One."), row("other")])
    assert f"reviews/{key}" in table.load().added
    table.rows("a.jsonl", [row(key, "Two."), row("other")])
    assert table.load().changed == (f"reviews/{key}",)
    assert table.texts()[key] == "Two."
    table.rows("a.jsonl", [row("other")])
    assert table.load().removed == (f"reviews/{key}",)
    assert table.texts().keys() == {"other"}


def test_a_file_whose_name_is_not_utf_8_is_loaded_like_any_other(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    odd = Path(os.fsdecode(os.fsencode(pages.folder) + b"/caf\xe9.md"))
    odd.write_bytes(b"Page of a coffee house.\n")
    assert pages.load().documents == 2
    assert pages.load().items_read == 0
    odd.unlink()
    assert len(pages.load().removed) == 1


def test_more_rows_than_a_batch_are_all_stored(table: Feed) -> None:
    table.rows("a.jsonl", [row(str(n), f"Text {n}.", stars="x" if n % 100 == 0 else n) for n in range(2_300)])
    report = table.load()
    assert (report.rows_in, report.good, report.refused) == (2_300, 2_277, 23)
    assert len(report.refusals) == 23
    assert table.texts()["2299"] == "Text 2299."


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
    held_and_recovered(pages, "the feed is empty: it lists nothing to read")
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


# ---------------------------------------------------------------------------------------------------- quarantine


@pytest.mark.parametrize("content", [b"", b" \n", "café".encode("latin-1"), b"a\x00b"])
def test_a_file_that_becomes_unreadable_keeps_its_last_good_document(pages: Feed, content: bytes) -> None:
    for name in "abc":
        pages.write(f"{name}.md", f"Page {name}.\n")
    first = pages.load()
    pages.write("a.md", content)
    report = pages.load()
    assert (report.outcome, report.unreadable, report.removed) == ("accepted", 1, ())
    assert report.data_version == first.data_version
    assert pages.texts()["a.md"] == "Page a.\n"
    (entry,) = pages.quarantine("open")
    assert (entry["item"], entry["kind"]) == ("a.md", "unreadable")
    assert report.refusals[0].item == "a.md"

    again = pages.load()
    assert (again.items_read, again.outcome) == (1, "unchanged"), "it is tried again every night"
    assert len(pages.quarantine()) == 1, "and told once"

    pages.write("a.md", "Page a, mended.\n")
    mended = pages.load()
    assert mended.changed == ("handbook/a.md",)
    assert [entry["status"] for entry in pages.quarantine()] == ["resolved"]


def test_a_new_file_that_is_unreadable_leaves_the_others_alone(pages: Feed) -> None:
    pages.write("a.md", "Page a.\n")
    pages.write("b.pdf", b"no pdf at all")
    report = pages.load()
    assert (report.outcome, report.documents, report.good, report.refused, report.unreadable) == ("accepted", 1, 1, 1, 1)
    (pages.folder / "b.pdf").unlink()
    assert pages.load().open_refusals == 0


def test_a_row_that_becomes_bad_leaves_the_documents_and_comes_back_when_it_is_good(table: Feed) -> None:
    table.rows("a.jsonl", [row("1", stars=1), row("2", stars=2)])
    first = table.load()
    table.rows("a.jsonl", [row("1", stars="one"), row("2", stars=2)])
    bad = table.load()
    assert bad.removed == ("reviews/1",)
    (refusal,) = bad.refusals
    assert (refusal.item, refusal.row, refusal.kind, refusal.reasons) == (
        "a.jsonl",
        0,
        "refused",
        ("stars is not a valid integer",),
    )
    (entry,) = table.quarantine("open")
    assert json.loads(entry["raw"]) == row("1", stars="one")
    assert (entry["run_id"], entry["first_seen_at"], entry["resolved_at"]) == ("night-2", NOW + timedelta(days=2), None)

    table.rows("a.jsonl", [row("1", stars=1), row("2", stars=2)])
    good = table.load()
    assert good.added == ("reviews/1",)
    assert good.data_version == first.data_version
    (entry,) = table.quarantine()
    assert (entry["status"], entry["resolved_at"]) == ("resolved", NOW + timedelta(days=3))

    table.rows("a.jsonl", [row("1", stars="one"), row("2", stars=2)])
    table.load()
    (entry,) = table.quarantine()
    assert (entry["status"], entry["resolved_at"], entry["first_seen_at"]) == ("open", None, NOW + timedelta(days=2))


def test_a_broken_line_is_kept_and_the_lines_around_it_are_loaded(table: Feed) -> None:
    table.write("a.jsonl", b'{"id": "1", "text": "One."}\n{"id": "2", \n{"id": "3", "text": "Three."}\n')
    report = table.load()
    assert table.texts() == {"1": "One.", "3": "Three."}
    assert report.refusals[0].reasons[0].startswith("line 2 is not JSON")
    assert json.loads(table.quarantine("open")[0]["raw"]) == {"line": 2, "raw": '{"id": "2", \n'}


def test_a_row_with_fields_named_like_our_own_is_an_ordinary_row(table: Feed) -> None:
    marker = "s3cr3t-v4lue"
    names = ("_broken", "_line", "_raw", "_item", "_row", "__item", "__row", "__reasons", "__as_found_id")
    table.rows("a.jsonl", [row("1", **dict.fromkeys(names, marker)), row("2", stars="x", **dict.fromkeys(names, marker))])
    report = table.load()
    assert (report.good, report.refused, report.unreadable) == (1, 1, 0)
    assert report.refusals[0].reasons == ("stars is not a valid integer",)
    assert report.unknown_columns == tuple(sorted(names))
    assert marker not in repr(report)
    assert table.documents()["1"]["item"] == "a.jsonl"
    assert json.loads(table.quarantine("open")[0]["raw"])["_broken"] == marker


def test_columns_of_a_contract_may_have_the_names_the_pipeline_uses_for_itself(workspace: Workspace) -> None:
    names = ["_item", "_row", "_broken", "_position", "id__as_found", "reasons", "item", "row", "index"]
    path = workspace.root / "feed" / "a.jsonl"
    stars = column("stars", logicalType="integer")
    content = table_contract(path, "jsonl", stars, *map(column, names), customProperties=limits(100, 100))
    feed = Feed(workspace, "reviews", content)
    values = {name: f"value of {name}" for name in names}
    feed.rows("a.jsonl", [row("1", **values), row("2", stars="x", **values)])
    report = feed.load()
    assert (report.good, report.refused) == (1, 1)
    found = feed.documents()["1"]
    assert json.loads(found["metadata"]) == values
    assert found["item"] == "a.jsonl"
    (entry,) = feed.quarantine("open")
    assert (entry["item"], entry["row"], report.refusals[0].reasons) == ("a.jsonl", 1, ("stars is not a valid integer",))
    assert json.loads(entry["raw"]) == row("2", stars="x", **values)


def test_a_new_file_of_broken_lines_does_not_hold_the_others(table: Feed) -> None:
    table.rows("a.jsonl", [row("1")])
    table.load()
    table.write("b.jsonl", b"this is not JSON\n")
    report = table.load()
    assert (report.outcome, report.refused, report.documents) == ("accepted", 1, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "2", "text": "half \ud800 of a pair"},
        {"id": "\udfff", "text": "Two."},
        {"id": "2", "text": "Two.", "tags": ["\ud800"]},
        {"id": "2", "text": {"nested": "\ud800"}},
        {"id": "2", "text": "Two.", "\ud800": 1},
    ],
)
def test_a_row_with_text_no_encoding_can_hold_is_refused_alone(table: Feed, bad: dict[str, Any]) -> None:
    table.rows("a.jsonl", [row("1"), bad, row("3")])
    report = table.load()
    assert table.texts().keys() == {"1", "3"}
    assert "holds an unpaired surrogate" in report.refusals[0].reasons[0]
    repr(report).encode("utf-8")


def test_values_of_any_json_type_are_taken_as_text(table: Feed) -> None:
    table.rows("a.jsonl", [row(7, {"a": "é"}), row(2.5, ["x", None]), row(key=True, text="yes"), row(2**70, "big")])
    assert table.load().documents == 4
    assert table.texts() == {"7": '{"a": "é"}', "2.5": '["x", null]', "true": "yes", str(2**70): "big"}


@pytest.mark.parametrize("stars", [float("nan"), float("inf"), 2**70, 1.5, "", "1;DROP", [1], {"n": 1}])
def test_a_value_that_does_not_fit_its_type_refuses_its_row_alone(table: Feed, stars: Any) -> None:
    table.rows("a.jsonl", [row("1", stars=1), row("2", stars=stars), row("3", stars=None)])
    report = table.load()
    assert table.texts().keys() == {"1", "3"}
    assert report.refusals[0].reasons == ("stars is not a valid integer",)


def test_whole_numbers_a_data_frame_wrote_as_floats_are_integers(workspace: Workspace) -> None:
    stars = column("stars", logicalType="integer")
    path = workspace.root / "feed" / "a.parquet"
    feed = Feed(workspace, "reviews", table_contract(path, "parquet", stars, customProperties=limits(100, 100)))
    texts = [f"Text {key}." for key in "abcd"]
    pq.write_table(pa.table({"id": [*"abcd"], "text": texts, "stars": [5.0, -2.0, None, 5.5]}), path)
    report = feed.load()
    found = {key: json.loads(document["metadata"]) for key, document in feed.documents().items()}
    assert found == {"a": {"stars": 5}, "b": {"stars": -2}, "c": {}}
    assert report.refusals[0].reasons == ("stars is not a valid integer",)


def test_a_refusal_that_comes_or_goes_makes_a_load_accepted_although_no_document_changed(table: Feed) -> None:
    outcomes = []
    for rows in ([row("1")], [row("1"), row("2", stars="x")], [row("1"), row("2", stars="x")], [row("1")], [row("1")]):
        table.rows("a.jsonl", rows)
        outcomes.append(table.load().outcome)
    assert outcomes == ["accepted", "accepted", "unchanged", "accepted", "unchanged"]


def test_no_raw_value_stands_in_a_report(table: Feed) -> None:
    marker = "s3cr3t-v4lue"
    table.rows(
        "a.jsonl", [row("1"), row("2", stars=marker), row(None, marker), row(f"{marker}-key", None), ["list", marker]]
    )
    (table.folder / "a.jsonl").write_bytes((table.folder / "a.jsonl").read_bytes() + f'{{"id": "{marker}'.encode())
    accepted = table.load()
    assert accepted.refused == 5
    assert marker not in repr(accepted)
    table.content["customProperties"] = limits(0, 0)
    table.rows("a.jsonl", [row("1"), row("2", stars=marker)])
    held = table.load()
    assert held.held
    assert marker not in repr(held)
    loads = table.tables.loads.scan().collect()
    assert not loads.select(pl.col("reason").str.contains(marker, literal=True).any()).item()
    entries = table.quarantine()
    assert not any(marker in entry["reasons"] for entry in entries)
    assert all(marker in entry["raw"] for entry in entries)


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
    table.home = tmp_path_factory.mktemp("home")
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
    table.home = tmp_path_factory.mktemp("fresh")
    fresh = table.load()
    assert stored() == incremental
    assert fresh.data_version == report.data_version
