"""Books: every chapter in the order of reading, whatever its name and its charset, and nothing that is no text."""

from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.kinds import EPUB
from tests.support.folders import read_bytes
from tests.support.made_documents import PAGE, changed, epub


def test_a_book_is_read_in_order_with_the_title_it_gives_itself(tmp_path: Path) -> None:
    latin = PAGE.replace("UTF-8", "ISO-8859-1").format("<h1>Third</h1><p>Käse</p>").encode("latin-1")
    wide = PAGE.replace("UTF-8", "UTF-16").format("<h1>Fourth</h1><p>wide letters</p>").encode("utf-16")
    pages: dict[str, str | bytes] = {
        "one.xhtml": "<h1>First</h1><p>Barn&nbsp;owls &amp; others.</p>",
        "my%20two.xhtml": "<h1>Second</h1><form><p>In a form.</p></form>",
        "three.xhtml": latin,
        "deep/four.xhtml": wide,
    }
    row = read_bytes(tmp_path, "owls.epub", epub("The  Owl\nBook", pages))
    assert (row["title"], row["media_type"]) == ("The Owl Book", EPUB)
    assert row["text"].split("\n\n") == [
        "# First", "Barn owls & others.", "# Second", "In a form.", "# Third", "Käse", "# Fourth", "wide letters\n",
    ]  # fmt: skip
    account = parsing.document(epub("B", pages), EPUB).account
    assert account is not None and account.lost == {}


def test_pictures_are_no_text_and_tables_of_contents_and_stray_pages_are_told() -> None:
    picture = '<img src="data:image/png;base64,iVBORw0KGgo=" alt="an owl"/><svg xmlns="http://www.w3.org/2000/svg"><text>drawn</text></svg>'
    pages = {
        "nav.xhtml": "<p>Contents here</p>",
        "a.xhtml": f"<p>Owls. {picture}</p>",
        "b.xhtml": "<p>A page in no order</p>",
    }
    parsed = parsing.document(epub("B", pages, beside=("b.xhtml",), nav="nav.xhtml"), EPUB)
    assert parsed.text == "Owls. an owl\n"
    assert parsed.account is not None
    assert parsed.account.lost == {"drawings": 1, "navigation": 2, "pages outside the reading order": 5}


def test_formulas_leave_no_code() -> None:
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi>x</mi><mo>=</mo><mn>2</mn></math>'
    assert parsing.document(epub("B", {"a.xhtml": f"<p>Let {formula} be.</p>"}), EPUB).text == "Let x=2 be.\n"


BOOK = epub("B", {"a.xhtml": "<p>Owls</p>"})
LOCKED = '<encryption><EncryptedData><CipherData><CipherReference URI="{}"/></CipherData></EncryptedData></encryption>'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (changed(BOOK, "META-INF/encryption.xml", LOCKED.format("OEBPS/a.xhtml")), "is encrypted, so that only the reader"),
        (changed(BOOK, "META-INF/container.xml", "<container/>"), r"not readable as EPUB"),
        (changed(BOOK, "OEBPS/a.xhtml", b"\xff\xfe\xff"), "not utf-16"),
        (epub("B", {"a.xhtml": b"\xe4"}), "not utf-8: byte 0xe4"),
        (epub("B", {"a.xhtml": "<p> </p>"}), "no text found in this EPUB"),
    ],
)
def test_a_book_that_cannot_be_read_whole_is_unreadable(content: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        parsing.document(content, EPUB)


def test_a_book_that_lacks_a_chapter_is_unreadable_and_one_with_locked_fonts_is_read() -> None:
    import io
    import zipfile

    from tests.support.made_documents import packed

    with zipfile.ZipFile(io.BytesIO(epub("B", {"a.xhtml": "<p>Owls</p>", "b.xhtml": "<p>More</p>"}))) as whole:
        cut = packed({name: whole.read(name) for name in whole.namelist() if "b.xhtml" not in name})
    with pytest.raises(Unreadable, match="a page of its reading order is missing"):
        parsing.document(cut, EPUB)
    fonts = changed(BOOK, "META-INF/encryption.xml", LOCKED.format("OEBPS/font.otf"))
    assert parsing.document(fonts, EPUB).text == "Owls\n"
