"""An account of words: what a file shows and its text lacks is told by kind, and nothing else is."""

import io
import zipfile
from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.account import Account, account_of
from rag_pipeline.extraction.kinds import ASCIIDOC, DOCX, HTML, PDF, PPTX, RST
from rag_pipeline.extraction.pdf_pages import body_of, with_lost_lines

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def lost(content: bytes, kind: str) -> dict[str, int]:
    account = parsing.document(content, kind).account
    assert account is not None
    return dict(account.lost)


def docx_with(part: str, xml: str) -> bytes:
    """A document with one part more, referred to by nothing: what a writer may add and kreuzberg does not read."""
    from docx import Document

    made, document = io.BytesIO(), Document()
    document.add_paragraph("The owl hunts at night.")
    document.save(made)
    with zipfile.ZipFile(made, "a") as packed:
        packed.writestr(part, f'<w:x xmlns:w="{WORD}"><w:p><w:r><w:t>{xml}</w:t></w:r></w:p></w:x>')
    return made.getvalue()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Two owls hunt, and two owls sleep.", {}),
        ("hunt **tw**o owls two OWLS and sleep", {}),
        ("two owls hunt and twoowls sleep", {}),
        ("two owls hunt and two o wls sleep", {}),
        ("two owls hunt and sleep", {"text": 2}),
        ("", {"text": 7}),
    ],
)
def test_words_are_counted_whatever_their_order_case_and_marks(text: str, missing: dict[str, int]) -> None:
    account = account_of({"text": ["Two owls hunt and two owls sleep"]}, text)
    assert (account.shown, account.lost) == (7, missing)


def test_what_is_missing_of_two_kinds_is_missed_in_the_less_important_one() -> None:
    account = account_of({"text": ["owl"], "notes": ["owl heron"]}, "owl heron")
    assert account.lost == {"notes": 1}


def test_the_share_is_of_words_or_of_pages_whichever_is_greater() -> None:
    assert Account(100, {"notes": 5, "navigation": 50}, pages=10, silent=1).percent == 10
    assert Account(100, {"notes": 20}, pages=10, silent=1).percent == 20
    assert Account().percent == 0


def test_an_account_of_before_files_came_with_mails_is_read() -> None:
    told = Account(7, {"notes": 2}, 3, 1, {".pdf": 2})
    assert Account.from_json(told.as_json()) == told
    assert Account.from_json('{"shown": 7, "lost": {"notes": 2}, "pages": 3, "silent": 1}') == Account(7, {"notes": 2}, 3, 1)
    assert told.plus(told).came_with == {".pdf in mails": 4}


def test_of_a_web_page_what_is_not_in_its_text_is_told_by_kind() -> None:
    page = (
        "<html><head><title>Birds</title><style>p{}</style></head><body><nav>Home About</nav><h1>Owls</h1>"
        "<p>They hunt <b>at</b> ni<i>ght</i>, snake_case &amp; all.</p><div hidden>secret <div>inner</div> words</div>"
        "<table><tr><td>one</td><td>two</td></tr></table><input value='Jane Doe'><script>var x = 'no word';</script>"
        "<!-- no word either --><img src='o.png' alt='A sleeping owl'><p>End.</p></body></html>"
    )
    assert lost(page.encode(), HTML) == {"navigation": 2, "hidden text": 3, "form fields": 2}


def test_a_web_page_that_is_read_whole_has_nothing_to_tell() -> None:
    page = "<h1>Owls</h1><p>They <em>hunt</em> at night.</p><ul><li>barn owl</li><li>tawny owl</li></ul>"
    assert lost(page.encode(), HTML) == {}


@pytest.mark.parametrize("start", ["<a ", "<a '", '<p "', "<!--", "<div hidden>", "<svg>", "<script>", "<"])
def test_a_page_of_nothing_but_open_tags_is_counted_in_linear_time(start: str) -> None:
    from rag_pipeline.extraction.account.page import shown_on_page

    assert shown_on_page(start * 100_000 + "</p>" * 100_000)  # of quadratic time it would need many minutes


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("word/header9.xml", "headers and footers"),
        ("word/footer9.xml", "headers and footers"),
        ("word/comments9.xml", "comments"),
    ],
)
def test_of_a_word_document_each_part_that_is_not_in_its_text_is_told(part: str, kind: str) -> None:
    assert lost(docx_with(part, "Herons wade"), DOCX) == {kind: 2}


@pytest.mark.parametrize("part", ["word/charts/chart1.xml", "word/diagrams/data1.xml", "word/footnotes9.xml"])
def test_words_of_a_figure_or_a_lost_note_follow_the_text(part: str) -> None:
    parsed = parsing.document(docx_with(part, "Herons wade"), DOCX)
    assert parsed.account == Account(7, {})
    assert parsed.text.endswith("s:\n\nHerons wade\n")


def test_a_presentation_is_read_with_its_tables_groups_notes_and_charts() -> None:
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    made, show = io.BytesIO(), Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Owls", "They hunt at night"
    slide.notes_slide.notes_text_frame.text = "Say this slowly"
    table = slide.shapes.add_table(1, 2, 0, 0, Inches(3), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "barn owl", "tawny owl"
    slide.shapes.add_group_shape().shapes.add_textbox(0, 0, 100, 100).text_frame.text = "grouped words"
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Mice eaten", (19.2, 21.4))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    show.save(made)
    parsed = parsing.document(made.getvalue(), PPTX)
    assert parsed.title == "Owls"
    assert "Notes:\n\nSay this slowly\n\nCharts:\n\nMice eaten" in parsed.text
    assert parsed.account == Account(22, {})


def test_a_presentation_that_is_a_bomb_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("ppt/slides/slide1.xml", b"0" * (101 * 1024 * 1024))
    with pytest.raises(Unreadable, match="unpacks to"):
        parsing.document(made.getvalue(), PPTX)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Owls\n====\n\nText.\n\nFood\n----\nMice.\n\nRest\n====\n", "# Owls\n\nText.\n\n## Food\nMice.\n\n# Rest\n"),
        ("======\n Owls \n======\n\nFood\n~~~~\n", "# Owls\n\n## Food\n"),
        ("::\n\n    code\n    ----\n\nend", "::\n\n    code\n    ----\n\nend"),
        ("=====  =====\none    two\n=====  =====\n", "=====  =====\none    two\n=====  =====\n"),
        ("A paragraph\nof two lines\n------------\n", "A paragraph\nof two lines\n------------\n"),
        ("text\n\n----\n\nmore", "text\n\n----\n\nmore"),
        (
            ".. code-block:: sh\n\n   # no heading\n   ---\n\nend\n",
            ".. code-block:: sh\n\n    # no heading\n    ---\n\nend\n",
        ),
        ("so::\n\n  # no heading\n\nend\n", "so::\n\n    # no heading\n\nend\n"),
        (".. note::\n   text\n", ".. note::\n   text\n"),
    ],
)
def test_headings_of_restructured_text_become_markdown_and_the_rest_stays(text: str, made: str) -> None:
    assert parsing.document(text.encode(), RST).text == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("= Owls\nJane Doe\n\n== Food\n\nMice.\n", "# Owls\nJane Doe\n\n## Food\n\nMice.\n"),
        ("----\n= no heading\n# nor this\n----\n\n=== Deep\n", "```\n= no heading\n# nor this\n```\n\n### Deep\n"),
        (".Title\n----\n```\n----\n", ".Title\n\n````\n```\n````\n"),
        ("[NOTE]\n====\nexample\n====\na = b\n", "[NOTE]\n\n====\nexample\n\n====\na = b\n"),
        ("Owls\n====\n\nFood\n~~~~\nMice.\n", "# Owls\n\n### Food\nMice.\n"),
    ],
)
def test_headings_of_asciidoc_become_markdown_and_the_rest_stays(text: str, made: str) -> None:
    assert parsing.document(text.encode(), ASCIIDOC).text == made


@pytest.mark.parametrize(("kind", "line"), [(RST, "::\n\n  x\n"), (ASCIIDOC, "----\nx\n----\nT\n--\n")])
def test_headings_are_looked_for_in_linear_time(kind: str, line: str) -> None:
    assert parsing.document((line * 20_000).encode(), kind).text  # of quadratic time it would need minutes


def test_no_example_nor_listing_is_taken_for_a_heading() -> None:
    from rag_pipeline.corpus.chunking import sections

    example = "[NOTE]\n====\nThey sleep.\n====\n\n.Install\n[source,sh]\n----\n# as root\nmake\n----\n\n"
    parsed = parsing.document(f"= Owls\n\n{example}Food\n----\n\nMice.\n".encode(), ASCIIDOC)
    assert [span.heading for span, _ in sections(parsed.text)] == [("Owls",), ("Owls", "Food")]


def test_a_word_document_with_tables_and_text_boxes_is_read_whole() -> None:
    from docx import Document

    document, made = Document(), io.BytesIO()
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "barn owl", "tawny owl"
    paragraph = document.add_paragraph("They ")
    paragraph.add_run("hu").bold = True
    paragraph.add_run("nt at night.")
    document.save(made)
    parsed = parsing.document(made.getvalue(), DOCX)
    assert parsed.account == Account(8, {})


def test_a_word_document_that_unfolds_as_it_is_parsed_is_not_unfolded() -> None:
    from rag_pipeline.extraction.account.parts import DOCX, shown_in_parts

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("word/document.xml", '<!DOCTYPE w [<!ENTITY a "owl">]><w>&a;</w>')
    assert shown_in_parts(made.getvalue(), DOCX) is None


def pdf_with(*, scan: bool = False, note: str = "") -> bytes:
    from fpdf import FPDF
    from PIL import Image

    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", size=12)
    document.multi_cell(0, 8, "The owl hunts at night.")
    if note:
        document.text_annotation(20, 40, note)
    document.add_page()
    if scan:
        document.image(Image.new("RGB", (40, 40), "grey"), 10, 10, 100, 100)
    return bytes(document.output())


def test_a_page_that_is_a_scan_is_told_and_an_empty_one_is_not() -> None:
    empty, scan = (parsing.document(pdf_with(scan=scan), PDF).account for scan in (False, True))
    assert empty == Account(5, {}, pages=2, silent=0)
    assert scan == Account(5, {}, pages=2, silent=1)
    assert scan.says == "1 of 2 pages, which have no text layer"


def test_a_note_somebody_stuck_to_a_pdf_is_told() -> None:
    assert lost(pdf_with(note="Check this again"), PDF) == {"comments": 3}


@pytest.mark.parametrize("kind", ["Highlight", "Underline", "Squiggly", "StrikeOut", "Caret", "Stamp"])
def test_a_comment_of_any_kind_that_a_reader_sees_is_told(kind: str) -> None:
    """Kinds of annotations: ISO 32000-1, table 169."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NameObject

    made, writer = io.BytesIO(), PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_with(note="Check this again"))))
    writer.pages[0]["/Annots"][0].get_object()[NameObject("/Subtype")] = NameObject(f"/{kind}")  # type: ignore[index]
    writer.write(made)
    assert lost(made.getvalue(), PDF) == {"comments": 3}


def test_lines_of_a_page_that_its_markdown_lacks_follow_it_and_running_heads_do_not() -> None:
    pages = [
        f"Owls in spring\nLine {word} here.\ncode {word} = begin\ncode {word} = end\n- {number} -"
        for number, word in enumerate("abc")
    ]
    text = with_lost_lines("# Owls in spring\n\nLine a here. Line b here. Line c here.\n", pages)
    assert text.startswith("# Owls in spring\n\nLine a here.")
    assert "\n\ncode b = begin\ncode b = end\n\n" in text
    assert text.count("Owls in spring") == 1
    assert with_lost_lines(text, pages) == text
    assert body_of(pages)[0] == "Line a here.\ncode a = begin\ncode a = end"


def test_text_taken_to_the_letter_has_no_account() -> None:
    assert parsing.document(b"# Owls\n", None).account is None


def test_the_real_cases_of_other_people_are_read_whole() -> None:
    cases = Path(__file__).parents[3] / "shared" / "cases"
    if not cases.is_dir():
        pytest.skip("the shared cases are not here")
    for file in sorted(cases.glob("docx-*/*.docx")):
        assert lost(file.read_bytes(), DOCX) == {}, file.name
