"""Loading a source with real tables: what changed is read, what breaks its contract is held or kept in quarantine."""

import json
import os
from pathlib import Path

from tests.support.feeds import Feed, pages, row, table

__all__ = ["pages", "table"]


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


STRANGE = ["it's", 'a "quote"', "two words", "ünï/cödé 🦉", "back\\slash", "100%_x", "a\nb", "null", "-- ;"]


def test_a_document_id_may_hold_any_text(table: Feed) -> None:
    ids = {f"reviews/{key}" for key in STRANGE}
    others = [row(f"other {number}") for number in range(10)]
    table.rows("a.jsonl", [*(row(key, f"One: {key}.") for key in STRANGE), *others])
    assert ids < set(table.load().added)
    table.rows("a.jsonl", [*(row(key, f"Two: {key}.") for key in STRANGE), *others])
    assert set(table.load().changed) == ids
    assert {key: text for key, text in table.texts().items() if text.startswith("Two")} == {
        key: f"Two: {key}." for key in STRANGE
    }
    table.rows("a.jsonl", others)
    assert set(table.load().removed) == ids
    assert table.texts().keys() == {f"other {number}" for number in range(10)}


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
