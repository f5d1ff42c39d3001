"""Word documents that kreuzberg alone would not read, or not whole."""

import io
import zipfile

import pytest
from docx import Document

from rag_pipeline.extraction.docx import ready, with_one_mark_a_note
from rag_pipeline.extraction.kinds import DOCX
from rag_pipeline.extraction.parsing import parse

SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def word(*paragraphs: str) -> bytes:
    """A document as python-docx writes it."""
    document, made = Document(), io.BytesIO()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    document.save(made)
    return made.getvalue()


def changed(content: bytes, **parts: str) -> bytes:
    """The same package with parts replaced or added; `__` in a name stands for `/`, `_dot_` for a dot."""
    made = io.BytesIO()
    new = {name.replace("__", "/").replace("_dot_", "."): part for name, part in parts.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as package:
        for info in old.infolist():
            if info.filename not in new:
                package.writestr(info.filename, old.read(info))
        for name, part in new.items():
            package.writestr(name, part)
    return made.getvalue()


def with_notes(first: int, *notes: str, separators: tuple[int, int] = (-1, 0)) -> bytes:
    """A document whose only paragraph refers to every note; their ids count from `first`."""
    ids = range(first, first + len(notes))
    marks = "".join(
        f'<w:r><w:t>word{number} </w:t></w:r><w:r><w:footnoteReference w:id="{number}"/></w:r>' for number in ids
    )
    apart = "".join(f'<w:footnote w:type="separator" w:id="{number}"><w:p/></w:footnote>' for number in separators)
    texts = "".join(
        f'<w:footnote w:id="{number}"><w:p><w:r><w:t>{note}</w:t></w:r></w:p></w:footnote>'
        for number, note in zip(ids, notes, strict=True)
    )
    return changed(
        word(),
        word__document_dot_xml=f"<w:document {SPACE}><w:body><w:p>{marks}</w:p></w:body></w:document>",
        word__footnotes_dot_xml=f"<w:footnotes {SPACE}>{apart}{texts}</w:footnotes>",
    )


@pytest.mark.parametrize(("first", "separators"), [(1, (-1, 0)), (2, (0, 1)), (7, (-1, 0))])
def test_every_note_is_read_once_and_marked_where_it_is_referred_to(first: int, separators: tuple[int, int]) -> None:
    text = parse(with_notes(first, "alpha", "beta", "gamma", separators=separators), DOCX)
    assert [text.count(note) for note in ("alpha", "beta", "gamma")] == [1, 1, 1]
    body, _, _ = text.partition("\n")
    assert [body.count(f"[^{number}]") for number in (1, 2, 3)] == [1, 1, 1]
    assert body.index("[^1]") < body.index(f"word{first + 1}") < body.index("[^2]")


def test_a_document_without_notes_is_left_as_it_is() -> None:
    content = word("One paragraph.", "Another one.")
    assert ready(content) is content


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_word_document_is_left_to_the_reader(content: bytes) -> None:
    assert ready(content) is content


def test_a_main_part_that_the_relations_name_is_read_wherever_it_lies() -> None:
    relations = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        "<Relationship Target='/parts/main.xml' Id='r1' "
        "Type='http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument'/></Relationships>"
    )
    document = f"<w:document {SPACE}><w:body><w:p><w:r><w:t>Found here.</w:t></w:r></w:p></w:body></w:document>"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("_rels/.rels", relations)
        package.writestr("parts/main.xml", document)
    assert parse(made.getvalue(), DOCX).strip() == "Found here."


def test_a_text_that_only_looks_like_a_note_stays() -> None:
    assert with_one_mark_a_note("see [^1] and [^12]\n\n[^1]:\n     text\n") == "see [^1] and [^12]\n\n[^1]:\n     text\n"
