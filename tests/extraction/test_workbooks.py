"""Workbooks: a document for each sheet, the values cells hold, and what is not in the text told by kind."""

import io
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.kinds import ODS, XLSX
from tests.conftest import Workspace, files_contract
from tests.support.feeds import Feed
from tests.support.folders import files_in, listed, write
from tests.support.made_documents import cell, changed, odf, ods, packed, xlsx


def texts(content: bytes, kind: str = XLSX) -> dict[str, str]:
    return {one.part: one.text for one in parsing.documents(content, kind)}


def account(content: bytes, kind: str = XLSX) -> tuple[int, dict[str, int]]:
    found = parsing.documents(content, kind)[0].account
    assert found is not None
    return found.shown, dict(found.lost)


def written(make: Any) -> bytes:
    import xlsxwriter

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        make(book)
    return made.getvalue()


SHEETS = xlsx(
    ("Prices", [["Item", "Price"], ["Barn owl", 19.99], ["a|b\nc", True]]), ("Empty", []), ("Food & drink", [["Mice"]])
)


def test_each_sheet_is_a_document_that_its_key_title_and_address_lead_to(tmp_path: Path) -> None:
    files = files_in(write(tmp_path, **{"deep/my prices.xlsx": SHEETS}))
    (item,) = listed(files)
    first, second = files.read(item)
    assert (first["path"], second["path"]) == ("deep/my prices.xlsx#Prices", "deep/my prices.xlsx#Food & drink")
    assert (first["title"], second["title"]) == ("my prices – Prices", "my prices – Food & drink")
    assert second["uri"] == f"{tmp_path.as_uri()}/deep/my%20prices.xlsx#Food%20%26%20drink"
    assert first["text"] == "# Prices\n\n| Item | Price |\n| --- | --- |\n| Barn owl | 19.99 |\n| a\\|b c | true |\n"
    told = files.account()
    assert told is not None and (told.shown, told.lost) == (11, {})


def test_a_sheet_that_left_its_workbook_leaves_the_documents_and_one_that_moved_stays(workspace: Workspace) -> None:
    custom = [{"property": "volumeMaxDropPercent", "value": 100}, {"property": "quarantineMaxPercent", "value": 100}]
    feed = Feed(workspace, "handbook", files_contract("../feed", customProperties=custom))
    winter, summer = ("Winter", [["Barn owl", 19.99]]), ("Summer", [["Grey heron", 5]])
    feed.write("prices.xlsx", xlsx(winter, summer))
    assert set(feed.load().added) == {"handbook/prices.xlsx#Summer", "handbook/prices.xlsx#Winter"}
    feed.write("prices.xlsx", xlsx(("Cover", [["Prices"]]), summer))
    report = feed.load()
    assert (report.added, report.changed, report.removed) == (
        ("handbook/prices.xlsx#Cover",),
        ("handbook/prices.xlsx#Summer",),  # by its time of change, which is the file's
        ("handbook/prices.xlsx#Winter",),
    )
    feed.write("prices.xlsx", b"PK cut off")
    report = feed.load()
    assert (report.documents, report.removed, report.unreadable) == (2, (), 1)


def test_values_are_written_as_people_read_them() -> None:
    def make(book: Any) -> None:
        sheet = book.add_worksheet("S")
        form = {
            name: book.add_format({"num_format": name})
            for name in ("dd.mm.yyyy", "dd.mm.yyyy hh:mm", "hh:mm", "[h]:mm", "0%")
        }
        sheet.write_datetime(0, 0, date(2026, 1, 31), form["dd.mm.yyyy"])
        sheet.write_datetime(0, 1, datetime(2026, 1, 31, 9, 15), form["dd.mm.yyyy hh:mm"])
        sheet.write_datetime(0, 2, time(9, 15), form["hh:mm"])
        sheet.write_number(0, 3, 1.5, form["[h]:mm"])
        sheet.write_number(0, 4, 0.25, form["0%"])
        sheet.write_formula(0, 5, "=A1&B1", None, "what it came to")
        sheet.write_number(0, 6, 0.1 + 0.2)
        sheet.write_number(0, 7, 12345678)
        sheet.write_rich_string(0, 8, "half ", book.add_format({"bold": True}), "bold")

    values = [
        "2026-01-31",
        "2026-01-31 09:15:00",
        "09:15:00",
        "36:00:00",
        "0.25",
        "what it came to",
        "0.3",
        "12345678",
        "half bold",
    ]
    assert texts(written(make))["S"].splitlines()[2] == f"| {' | '.join(values)} |"
    assert account(written(make)) == (17, {})


def test_hidden_sheets_rows_and_columns_are_read_too() -> None:
    def make(book: Any) -> None:
        sheet, hidden = book.add_worksheet("Seen"), book.add_worksheet("Unseen")
        sheet.write_row(0, 0, ["shown", "column"])
        sheet.write_row(1, 0, ["row"])
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column(1, 1, None, None, {"hidden": True})
        hidden.write(0, 0, "behind")
        hidden.hide()

    assert texts(written(make)) == {
        "Seen": "# Seen\n\n| shown | column |\n| --- | --- |\n| row |  |\n",
        "Unseen": "# Unseen\n\n| behind |\n| --- |\n",
    }


def test_comments_heads_text_boxes_and_the_titles_of_charts_are_told() -> None:
    def make(book: Any) -> None:
        sheet = book.add_worksheet("S")
        sheet.write_row(0, 0, ["owls", 3])
        sheet.write_comment("A1", "Ask the keeper")
        sheet.set_header('&L&"Arial,Bold"Confidential &P of &N')
        sheet.insert_textbox("D4", "Read this first")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=S!$B$1:$B$1"})
        chart.set_title({"name": "Night hunters"})
        sheet.insert_chart("D9", chart)

    assert account(written(make))[1] == {"text boxes": 3, "comments": 3, "headers and footers": 2, "charts": 2}


def test_what_the_parser_would_leave_out_is_missed() -> None:
    """The second reading finds cells the first has no word of: here, because the text handed on is another one."""
    from rag_pipeline.extraction.account import account_of
    from rag_pipeline.extraction.account.ods import look_at_ods
    from rag_pipeline.extraction.account.workbook import look_at_xlsx

    for seen in (
        look_at_xlsx(SHEETS),
        look_at_ods(ods("S", ["Item", "Price"], ["Barn owl", cell("19,99", value_type="float", value="19.99")])),
    ):
        assert account_of(seen.shown, "Item Price").lost["cells"] >= 4


def test_sheets_of_strings_that_lie_in_the_cells_and_of_days_since_1904() -> None:
    inline = '<c r="A1" t="inlineStr"><is><r><t>with</t></r><r><t>in</t></r></is></c><c r="B1" s="1"><v>44000</v></c>'
    names = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = f'<worksheet {names}><sheetData><row r="1">{inline}</row></sheetData></worksheet>'

    def make(book: Any) -> None:
        book.add_worksheet("S").write_datetime(0, 0, date(2020, 1, 1), book.add_format({"num_format": "dd/mm/yy"}))

    assert account(changed(written(make), "xl/worksheets/sheet1.xml", sheet)) == (4, {})
    import xlsxwriter

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "date_1904": True}) as book:
        book.add_worksheet("S").write_datetime(0, 0, date(2026, 1, 31), book.add_format({"num_format": "dd/mm/yy"}))
    assert "| 2026-01-31 |" in texts(made.getvalue())["S"]
    assert account(made.getvalue()) == (3, {})


def test_a_sheet_of_open_document_is_read_with_values_and_told_of_its_notes() -> None:
    note = cell("owl").replace(
        "<text:p>", "<office:annotation><text:p>ask the keeper</text:p></office:annotation><text:p>", 1
    )
    values = [
        cell("1.234,50", value_type="float", value="1234.5"),
        cell("25 %", value_type="percentage", value="0.25"),
        cell("31.01.26", value_type="date", date_value="2026-01-31"),
        cell("09:15", value_type="time", time_value="PT09H15M00S"),
        cell("WAHR", value_type="boolean", boolean_value="true"),
    ]
    empty = '<table:table-cell table:number-columns-repeated="1000"/>'
    content = ods("Prices", [note, "barn"], values, [empty])
    lines = texts(content, ODS)["Prices"].splitlines()
    assert lines[2:] == [
        "| owl | barn |  |  |  |",
        "| --- | --- | --- | --- | --- |",
        "| 1234.5 | 0.25 | 2026-01-31 | 09:15:00 | true |",
    ]
    assert account(content, ODS) == (13, {"comments": 3})


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (
            written(lambda book: [(s := book.add_worksheet()).write(0, 0, "a"), s.write(9999, 999, "b")]),
            XLSX,
            "10,000 rows and 1,000 col",
        ),
        (
            ods("S", [cell("x").replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="1000001"')]),
            ODS,
            "1 rows and 1,000,001",
        ),
        (
            ods(
                "S",
                [cell("x" * 200_000).replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="1000"')],
            ),
            ODS,
            "hold 200,001,000 characters",
        ),
    ],
)
def test_a_workbook_that_would_be_written_out_to_too_much_is_refused_before_it_is(
    content: bytes, kind: str, says: str
) -> None:
    assert len(content) < 50_000
    with pytest.raises(Unreadable, match=says):
        parsing.documents(content, kind)


def test_blanks_of_a_sheet_that_are_counted_and_not_written_are_not_written_out() -> None:
    with pytest.raises(Unreadable, match=r"hold 1,000,000,0\d\d characters"):
        parsing.documents(ods("S", [cell('a<text:s text:c="999999999"/>b')]), ODS)


def test_a_large_sheet_without_gaps_is_read() -> None:
    content = xlsx(("S", [[f"row {row}", row, row / 8] for row in range(2_000)]))
    (parsed,) = parsing.documents(content, XLSX)
    assert parsed.text.count("\n") == 2_003
    assert parsed.account is not None and parsed.account.lost == {}


def test_a_workbook_without_anything_in_it_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="its sheets are empty"):
        parsing.documents(xlsx(("S", [])), XLSX)


def test_a_sheet_that_refers_to_what_is_not_there_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="is it corrupt or locked"):
        parsing.documents(changed(SHEETS, "xl/sharedStrings.xml", '<sst xmlns="x"/>'), XLSX)


def test_a_workbook_whose_parts_unfold_as_they_are_parsed_is_not_unfolded() -> None:
    bomb = '<!DOCTYPE w [<!ENTITY a "owl">]><office:document-content><text:p>&a;</text:p></office:document-content>'
    with pytest.raises(Unreadable, match="is it corrupt or locked"):
        parsing.documents(changed(odf("spreadsheet", ""), "content.xml", bomb), ODS)
    with pytest.raises(Unreadable, match="is it corrupt or locked"):
        parsing.documents(packed({"xl/worksheets/sheet1.xml": bomb}), XLSX)
