"""Folders of documents, and single files of the kinds people have."""

import io
from pathlib import Path

from rag_pipeline.connectors import Item, Row
from rag_pipeline.connectors.files import FilesServer
from rag_pipeline.connectors.files.connector import Files
from rag_pipeline.limits import Limits


def write(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def files_in(folder: Path, pattern: str | None = None, *, max_mb: float = 50) -> Files:
    return Files(FilesServer(folder, pattern, limits=Limits(max_mb=max_mb)))


def listed(files: Files) -> list[Item]:
    return list(files.items(lambda key: None))


def read(path: Path, *, max_mb: float = 50) -> Row:
    files = files_in(path.parent, max_mb=max_mb)
    (item,) = (item for item in listed(files) if item.key == path.name)
    (row,) = files.read(item)
    return row


def read_bytes(folder: Path, name: str, content: bytes, *, max_mb: float = 50) -> Row:
    write(folder, **{name: content})
    return read(folder / name, max_mb=max_mb)


def pdf(*pages: str) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    for text in pages:
        document.add_page()
        document.set_font("Helvetica", size=12)
        if text:
            document.multi_cell(0, 8, text)
    return bytes(document.output())


def locked_pdf(text: str, password: str) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    document.set_encryption(owner_password="owner", user_password=password)
    document.add_page()
    document.set_font("Helvetica", size=12)
    document.multi_cell(0, 8, text)
    return bytes(document.output())


def docx(heading: str, *paragraphs: str) -> bytes:
    from docx import Document

    document = Document()
    document.add_heading(heading, level=1)
    for text in paragraphs:
        document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()
