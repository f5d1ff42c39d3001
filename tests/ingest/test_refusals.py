"""Rows and files that are refused: each leaves alone, is kept with its reason, and comes back when it is good."""

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import NOW, Feed, limits, pages, row, table

__all__ = ["pages", "table"]


# ---------------------------------------------------------------------------------------------------- quarantine


UNREADABLE = {"a.md": b"", "b.md": b" \n", "c.md": "café".encode("latin-1"), "d.md": b"a\x00b"}


def test_a_file_that_becomes_unreadable_keeps_its_last_good_document(pages: Feed) -> None:
    for name in "abcdefghi":
        pages.write(f"{name}.md", f"Page {name}.\n")
    first = pages.load()
    for name, content in UNREADABLE.items():
        pages.write(name, content)
    report = pages.load()
    assert (report.outcome, report.unreadable, report.removed) == ("accepted", len(UNREADABLE), ())
    assert report.data_version == first.data_version
    assert {name: text for name, text in pages.texts().items() if name in UNREADABLE} == {
        name: f"Page {name[0]}.\n" for name in UNREADABLE
    }
    assert [(one["item"], one["kind"]) for one in pages.quarantine("open")] == [(name, "unreadable") for name in UNREADABLE]
    assert {one.item for one in report.refusals} == UNREADABLE.keys()

    again = pages.load()
    assert (again.items_read, again.outcome) == (len(UNREADABLE), "unchanged"), "they are tried again every night"
    assert len(pages.quarantine()) == len(UNREADABLE), "and told once"

    for name in UNREADABLE:
        pages.write(name, f"Page {name}, fixed.\n")
    fixed = pages.load()
    assert set(fixed.changed) == {f"handbook/{name}" for name in UNREADABLE}
    assert [entry["status"] for entry in pages.quarantine()] == ["resolved"] * len(UNREADABLE)


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


NO_INTEGERS: list[Any] = [float("nan"), float("inf"), 2**70, 1.5, "", "1;DROP", [1], {"n": 1}]


def test_a_value_that_does_not_fit_its_type_refuses_its_row_alone(table: Feed) -> None:
    bad = [row(f"bad {number}", stars=stars) for number, stars in enumerate(NO_INTEGERS)]
    table.rows("a.jsonl", [row("1", stars=1), *bad, row("3", stars=None)])
    report = table.load()
    assert table.texts().keys() == {"1", "3"}
    assert [one.reasons for one in report.refusals] == [("stars is not a valid integer",)] * len(NO_INTEGERS)


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
