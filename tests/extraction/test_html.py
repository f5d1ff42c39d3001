"""What of a page becomes text: all that a reader sees in it, and nothing of what its pictures are made of."""

import pytest

from rag_pipeline.extraction.html import without_what_is_no_text
from rag_pipeline.extraction.kinds import HTML
from rag_pipeline.extraction.parsing import parse

BASE64 = "data:image/svg+xml;base64,PHN2ZyB2aWV3Qm94PSIwIDAgMjQg"


def text_of(body: str) -> str:
    page = f"<html><head><title>Wiki</title></head><body><p>before</p>{body}<p>after</p></body></html>"
    return parse(without_what_is_no_text(page), HTML)


@pytest.mark.parametrize(
    "body",
    [
        "<form method='post' id='aspnetForm'><p>needle</p></form>",
        "<FORM><div><form>needle</form></div></FORM>",
        "<p>a<form>needle<p>never closed",
        "<table><form><tr><td>needle</td></tr></form></table>",
        "<form><fieldset><legend>x</legend><label>needle</label></fieldset></form>",
        "<form><textarea>needle</textarea><select><option>x</option></select><button>y</button></form>",
    ],
)
def test_the_text_of_a_form_is_text_of_the_page(body: str) -> None:
    text = text_of(body)
    assert "needle" in text
    assert text.startswith("before")
    assert "after" in text


@pytest.mark.parametrize(
    "body",
    [
        "<h1>Printers <svg viewBox='0 0 24 24'><path d='M12 2 L 3.5 7.25 z'/></svg></h1>",
        "<svg><g><svg><text>inner</text></svg></g><text>outer</text></svg>",
        "<svg/>",
        "</svg>",
        "<svg><path d='M12 2'/>",
        f"<img src='{BASE64}'>",
        f'<img class=icon src="{BASE64}" alt="">',
        f"<img src={BASE64}>",
        f"<picture><source srcset='{BASE64}'><img src='{BASE64}'></picture>",
        f"<a href='{BASE64}'>download</a>",
        f"<video poster='{BASE64}'></video><object data='{BASE64}'></object>",
    ],
)
def test_a_drawing_or_a_picture_inside_the_page_leaves_no_code_in_the_text(body: str) -> None:
    text = text_of(body)
    assert text.startswith("before")
    assert text.rstrip().endswith("after")
    assert not any(code in text.lower() for code in ("base64", "data:", "svg", "m12"))


def test_a_picture_inside_the_page_leaves_its_description() -> None:
    assert "A toner cartridge" in text_of(f'<p>See <img src="{BASE64}" alt="A toner cartridge">.</p>')
    assert "![A printer](printer.png)" in text_of('<img src="printer.png" alt="A printer">')
