"""Values of a PDF form are part of its text, once."""

import io

import pypdf
from fpdf import FPDF
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, PdfObject, TextStringObject

from rag_pipeline.extraction.kinds import PDF
from rag_pipeline.extraction.parsing import parse
from rag_pipeline.extraction.pdf_forms import form_values


def pdf(text: str, *fields: dict[str, PdfObject], password: str = "") -> bytes:
    """One page with a text, and a form with these fields."""
    page, made = FPDF(), io.BytesIO()
    page.add_page()
    page.set_font("helvetica", size=12)
    page.cell(text=text)
    writer = pypdf.PdfWriter(io.BytesIO(bytes(page.output())))
    if fields:
        refs = ArrayObject(
            writer._add_object(DictionaryObject({NameObject(name): value for name, value in field.items()}))
            for field in fields
        )
        writer.root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/Fields"): refs})
    if password:
        writer.encrypt("", password, algorithm="RC4-128")
    writer.write(made)
    return made.getvalue()


def field(kind: str, name: str, value: PdfObject | None, **more: PdfObject) -> dict[str, PdfObject]:
    given: dict[str, PdfObject] = {
        "/FT": NameObject(kind),
        "/T": TextStringObject(name),
        **{f"/{key}": one for key, one in more.items()},
    }
    return given if value is None else {**given, "/V": value}


FILLED = (
    field("/Tx", "room", TextStringObject("Room 9, third floor"), TU=TextStringObject("Which room?")),
    field("/Tx", "empty", None),
    field("/Tx", "blank", TextStringObject("")),
    field("/Btn", "parking", NameObject("/Yes")),
    field("/Btn", "pets", NameObject("/Off")),
    field("/Ch", "days", ArrayObject([TextStringObject("Monday"), TextStringObject("Friday")])),
)


def test_filled_fields_are_read_with_the_names_people_see() -> None:
    assert form_values(pdf("Keys.", *FILLED)) == {
        "Which room?": "Room 9, third floor",
        "parking": "Yes",
        "days": "Monday, Friday",
    }


def test_the_text_holds_each_value_once() -> None:
    text = parse(pdf("Keys for Room 9, third floor are here.", *FILLED), PDF)
    assert text.count("Room 9, third floor") == 1
    assert "- days: Monday, Friday" in text


def test_a_form_that_only_its_owner_may_change_is_read() -> None:
    assert "Room 9" in parse(pdf("Keys.", *FILLED, password="owner"), PDF)


def test_a_file_without_a_form_stays_as_it_is() -> None:
    content = pdf("Just a page.")
    assert form_values(content) == {}
    assert parse(content, PDF).strip() == "Just a page."


def test_a_form_that_cannot_be_read_leaves_the_pages() -> None:
    assert form_values(b"%PDF-1.7 broken") == {}
