"""Texts of OpenDocument: read whole, in order, and what is no part of the text told."""

from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.kinds import ODT
from tests.support.folders import read_bytes
from tests.support.made_documents import changed, odf, odt


def note(kind: str, says: str) -> str:
    body = f"<text:note-body><text:p>{says}</text:p></text:note-body>"
    return f"<text:note text:note-class='{kind}'><text:note-citation>1</text:note-citation>{body}</text:note>"


def lost(content: bytes) -> dict[str, int]:
    account = parsing.document(content, ODT).account
    assert account is not None
    return dict(account.lost)


def test_a_text_is_read_in_order_with_its_links_lists_tables_and_notes(tmp_path: Path) -> None:
    items = "".join(f"<text:list-item><text:p>{one}</text:p></text:list-item>" for one in ("barn owl", "tawny owl"))
    cells = "".join(
        f"<table:table-cell><text:p>{one}</text:p><text:p>next</text:p></table:table-cell>" for one in ("one", "two")
    )
    content = odf(
        "text",
        '<text:h text:outline-level="1">Owls</text:h>'
        '<text:p>See <text:a xlink:href="https://example.com/">the site</text:a> of<text:s text:c="2"/>all'
        f"{note('footnote', 'Except Sundays.')}<text:line-break/>and more.</text:p>"
        f"<text:list><text:list-header><text:p>Kinds:</text:p></text:list-header>{items}</text:list>"
        f"<table:table table:name='t'><table:table-row>{cells}</table:table-row></table:table>"
        f"<text:section text:name='s'><text:p>Inside a section{note('endnote', 'Last.')}</text:p></text:section>"
        "<text:p>Beside <draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame></text:p>",
    )
    row = read_bytes(tmp_path, "owls.odt", content)
    assert (row["title"], row["media_type"]) == ("Owls", ODT)
    places = [
        row["text"].index(words) for words in ("# Owls", "See [the site](https://example.com/) of", "Kinds:", "tawny owl")
    ]
    assert places == sorted(places)
    for words in ("| one next | two next |", "Inside a section", "in a box", "Except Sundays.", "Last."):
        assert words in row["text"]
    assert lost(content) == {}


def test_heads_and_comments_are_told_and_deleted_text_is_not_shown() -> None:
    content = odf(
        "text",
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>crossed out</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes><text:p>Owls hunt<office:annotation><text:p>is this so</text:p>"
        "</office:annotation> at night.</text:p>",
        "<style:master-page style:name='S'><style:header><text:p>Confidential</text:p></style:header>"
        "<style:footer><text:p>Page one</text:p></style:footer></style:master-page>",
    )
    assert parsing.document(content, ODT).text.strip() == "Owls hunt at night."
    assert lost(content) == {"comments": 3, "headers and footers": 3}


def test_a_formula_follows_the_text() -> None:
    formula = "<math xmlns='http://www.w3.org/1998/Math/MathML'><mi>energy</mi><mo>=</mo><mi>mass</mi></math>"
    content = changed(odt("Owls", "They hunt."), "Object 1/content.xml", formula)
    assert parsing.document(content, ODT).text.endswith("Formulas and charts:\n\nenergy = mass\n")
    assert lost(content) == {}


def test_a_wide_table_is_not_filled_up_with_blanks() -> None:
    rows = "".join(
        f"<table:table-row><table:table-cell><text:p>{'x' * size}</text:p></table:table-cell></table:table-row>"
        for size in (1, 500)
    )
    text = parsing.document(odf("text", f"<table:table table:name='t'>{rows}</table:table>"), ODT).text
    assert text.splitlines()[:3] == ["| x |", "|---|", f"| {'x' * 500} |"]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (
            "<table:table-cell office:x='>' table:number-columns-repeated='300'><text:p>x</text:p></table:table-cell>",
            "90,000 cells",
        ),
        (
            f"<table:table-cell><text:p>{'x' * 20_000}</text:p></table:table-cell>" + "<table:table-cell/>" * 40,
            "20,000 char",
        ),
    ],
)
def test_tables_that_would_be_written_out_to_too_much_are_refused_before_they_are(cells: str, says: str) -> None:
    row = f"<table:table-row table:number-rows-repeated='300'>{cells}</table:table-row>"
    with pytest.raises(Unreadable, match=says):
        parsing.document(odf("text", f"<table:table table:name='t'>{row}</table:table>"), ODT)


def test_blanks_that_are_counted_and_not_written_are_not_written_out() -> None:
    content = odt("Owls", 'They <text:s text:c="999999999"/> hunt')
    with pytest.raises(Unreadable, match="filled up with 999,999,999 blanks"):
        parsing.document(content, ODT)


def test_a_document_that_unfolds_or_reads_other_files_as_it_is_parsed_is_refused() -> None:
    content = changed(
        odt("Owls", "text"), "content.xml", '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/hostname">]><w>&a;</w>'
    )
    with pytest.raises(Unreadable, match="is it corrupt or locked"):
        parsing.document(content, ODT)
