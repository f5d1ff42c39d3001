"""One whole file of every kind, and ways to break it."""

from collections.abc import Callable

from tests.support import made_documents
from tests.support.folders import docx, pdf

SAYS = "The owl hunts at night, and sleeps by day."


def pptx() -> bytes:
    import io

    from pptx import Presentation

    show, file = Presentation(), io.BytesIO()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = SAYS
    show.save(file)
    return file.getvalue()


def eml() -> bytes:
    message = made_documents.mail("Owls", SAYS)
    message.add_attachment(b"x" * 3000, maintype="application", subtype="pdf", filename="a.pdf")
    return message.as_bytes()


WHOLE: dict[str, Callable[[], bytes]] = {
    ".html": lambda: f"<html><body><h1>Owls</h1><p>{SAYS}</p></body></html>".encode(),
    ".pdf": lambda: pdf(SAYS),
    ".docx": lambda: docx("Owls", SAYS),
    ".pptx": pptx,
    ".xlsx": lambda: made_documents.xlsx(("Owls", [[SAYS, 1.5]])),
    ".odt": lambda: made_documents.odt("Owls", SAYS),
    ".ods": lambda: made_documents.ods("Owls", [SAYS]),
    ".epub": lambda: made_documents.epub("Owls", {"a.xhtml": f"<p>{SAYS}</p>"}),
    ".eml": eml,
    ".msg": lambda: made_documents.msg("Owls", SAYS),
    ".ipynb": lambda: made_documents.ipynb({"cell_type": "markdown", "source": f"# Owls\n\n{SAYS}"}),
    ".rst": lambda: f"Owls\n====\n\n{SAYS}\n".encode(),
    ".adoc": lambda: f"= Owls\n\n{SAYS}\n".encode(),
    ".md": lambda: f"# Owls\n\n{SAYS}\n".encode(),
}


PLAIN = (".html", ".rst", ".adoc", ".md")
"""Kinds that any UTF-8 text is one of: half of one is one too."""


LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000)
"""How office programs keep what has a password."""


_XML = dict.fromkeys(("content.xml", "word/document.xml", "xl/workbook.xml", "META-INF/container.xml"), b"\xff no xml")


def broken(kind: str) -> dict[str, bytes]:
    """Ways to be no sound file of a kind."""
    content = WHOLE[kind]()
    cut = {} if kind in PLAIN else {"cut off": content[: len(content) // 2]}
    return cut | {
        "another kind": b"%PDF-1.4 \xff\xfe" if kind != ".pdf" else WHOLE[".odt"](),
        "locked": LOCKED,
        "zeros": bytes(3000),
        "a zip of nothing": made_documents.packed({"a.txt": "x"}),
        "parts that are no XML": made_documents.packed(_XML),
    }
