"""Files of the kinds people have, made by the usual writers, and by hand where the tests need what those do not write."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

_ODF = {
    name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "text", "table", "style", "manifest")
}
_ODF |= {"draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0", "xlink": "http://www.w3.org/1999/xlink"}
_NAMES = " ".join(f'xmlns:{name}="{address}"' for name, address in _ODF.items())


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            how = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, part, how)
    return made.getvalue()


def changed(content: bytes, name: str, part: str | bytes) -> bytes:
    """The same zip with another part of that name, or with one more."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts: dict[str, str | bytes] = {one: archive.read(one) for one in archive.namelist()}
    return packed({**parts, name: part})


def xlsx(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    """A workbook as xlsxwriter writes it."""
    import xlsxwriter

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "default_date_format": "dd.mm.yyyy"}) as book:
        for name, rows in sheets:
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return made.getvalue()


def odf(kind: str, body: str, styles: str = "") -> bytes:
    """A file of OpenDocument as LibreOffice lays it out. `kind`: text or spreadsheet."""
    media = f"application/vnd.oasis.opendocument.{kind}"
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="text/xml"/>' for name in _PARTS
    )
    root = f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{media}"/>'
    return packed(
        {
            "mimetype": media,
            "META-INF/manifest.xml": f"<manifest:manifest {_NAMES}>{root}{entries}</manifest:manifest>",
            "content.xml": f"<office:document-content {_NAMES} office:version='1.3'><office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {_NAMES} office:version='1.3'><office:master-styles>{styles}"
            "</office:master-styles></office:document-styles>",
            "meta.xml": f"<office:document-meta {_NAMES} office:version='1.3'><office:meta/></office:document-meta>",
        }
    )


_PARTS = ("content.xml", "styles.xml", "meta.xml")


def odt(*paragraphs: str) -> bytes:
    heading, *rest = paragraphs
    return odf(
        "text", f'<text:h text:outline-level="1">{heading}</text:h>' + "".join(f"<text:p>{one}</text:p>" for one in rest)
    )


def ods(name: str, *rows: list[str]) -> bytes:
    """Each cell as its XML, or as a text."""
    cells = [[one if one.startswith("<") else cell(one) for one in row] for row in rows]
    lines = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in cells)
    return odf("spreadsheet", f'<table:table table:name="{name}">{lines}</table:table>')


def cell(shown: str, **said: str) -> str:
    """A cell, with what it says of its value."""
    said = said or {"value_type": "string"}
    attributes = "".join(f' office:{name.replace("_", "-")}="{value}"' for name, value in said.items())
    return f"<table:table-cell{attributes}><text:p>{shown}</text:p></table:table-cell>"


PAGE = '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>c</title></head><body>{}</body></html>'


def epub(title: str, pages: Mapping[str, str | bytes], *, beside: tuple[str, ...] = (), nav: str = "") -> bytes:
    """A book of pages by their names, in that order; those `beside` are in none."""
    items, order = "", ""
    for number, name in enumerate(pages):
        said = ' properties="nav"' if name == nav else ""
        items += f'<item id="p{number}" href="{name}" media-type="application/xhtml+xml"{said}/>'
        order += "" if name in beside else f'<itemref idref="p{number}"/>'
    head = f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
    package = f'<package xmlns="http://www.idpf.org/2007/opf" version="3.0">{head}<manifest>{items}</manifest>'
    container = '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/>'
    whole = {name: page if isinstance(page, bytes) else PAGE.format(page) for name, page in pages.items()}
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f"<container>{container}</container>",
            "OEBPS/content.opf": f"{package}<spine>{order}</spine></package>",
            **{f"OEBPS/{name.replace('%20', ' ')}": page for name, page in whole.items()},
        }
    )


def mail(subject: str, text: str, **heads: str) -> EmailMessage:
    message = EmailMessage()
    heads = {
        "From": "Anna Müller <anna@example.com>",
        "To": "bob@example.com",
        "Date": "Mon, 02 Mar 2026 09:15:00 +0100",
    } | heads
    for name, value in {"Subject": subject, **heads}.items():
        message[name] = value
    message.set_content(text)
    return message


def ipynb(*cells: Mapping[str, Any], **about: Any) -> bytes:
    """A notebook of the fourth form."""
    whole = [
        {"metadata": {}, **({"outputs": [], "execution_count": 1} if one["cell_type"] == "code" else {}), **one}
        for one in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": whole, **about}, indent=1).encode()


def msg(
    subject: str, plain: str | None = None, page: bytes | None = None, *, rich: bytes = b"", attached: tuple[str, ...] = ()
) -> bytes:
    """A mail as Outlook keeps it ([MS-OXMSG])."""
    texts = {0x001A: "IPM.Note", 0x0037: subject, 0x0C1A: "Anna Müller", 0x0C1F: "anna@example.com"}
    texts |= {0x1000: plain} if plain is not None else {}
    blobs = {0x1013: page} if page is not None else {}
    blobs |= {0x1009: rich} if rich else {}
    sent = int((datetime(2026, 3, 2, 8, 15, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
    fixed = {(0x0039, 0x0040): struct.pack("<Q", sent), (0x3FDE, 0x0003): struct.pack("<II", 65001, 0)}
    root: Tree = _properties(struct.pack("<8xIIII8x", 1, len(attached), 1, len(attached)), texts, blobs, fixed)
    to = {(0x0C15, 0x0003): struct.pack("<II", 1, 0)}
    root["__recip_version1.0_#00000000"] = _properties(
        bytes(8), {0x3001: "Bob", 0x3003: "bob@example.com", 0x39FE: "bob@example.com"}, {}, to
    )
    for number, name in enumerate(attached):
        by_value = {(0x3705, 0x0003): struct.pack("<II", 1, 0)}
        root[f"__attach_version1.0_#{number:08X}"] = _properties(bytes(8), {0x3707: name}, {0x3701: b"content"}, by_value)
    return compound(root)


Tree = dict[str, "bytes | Tree"]


def _properties(
    head: bytes, texts: Mapping[int, str], blobs: Mapping[int, bytes], fixed: Mapping[tuple[int, int], bytes]
) -> Tree:
    streams = {(number, 0x001F): text.encode("utf-16-le") for number, text in texts.items()}
    streams |= {(number, 0x0102): blob for number, blob in blobs.items()}
    rows = [(key, struct.pack("<II", len(value) + 2, 3)) for key, value in streams.items()] + list(fixed.items())
    listed = head + b"".join(struct.pack("<HHI", kind, number, 6) + value for (number, kind), value in rows)
    named: Tree = {f"__substg1.0_{number:04X}{kind:04X}": value for (number, kind), value in streams.items()}
    return named | {"__properties_version1.0": listed}


_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound(root: Tree) -> bytes:
    """A compound file ([MS-CFB], version 3) that holds these streams and storages."""
    entries: list[dict[str, Any]] = [{"name": "Root Entry", "type": 5, "left": _NONE, "right": _NONE, "child": _NONE}]
    mini, minifat, large, fat = bytearray(), list[int](), bytearray(), list[int]()

    def chained(data: bytes, size: int, kept: bytearray, table: list[int]) -> int:
        first, count = len(table), -(-len(data) // size)
        kept.extend(data.ljust(count * size, b"\0"))
        table.extend([*range(first + 1, first + count), _END] if count else [])
        return first if count else _END

    def add(tree: Tree, parent: int) -> None:
        names = sorted(tree, key=lambda name: (len(name), name.upper()))
        before = parent
        for place, name in enumerate(names):
            number, value = len(entries), tree[name]
            entries.append({"name": name, "left": _NONE, "right": _NONE, "child": _NONE, "start": 0, "size": 0, "type": 1})
            entries[before]["child" if place == 0 else "right"] = number
            before = number
            if isinstance(value, bytes):
                small = len(value) < _CUTOFF
                start = chained(value, _MINI, mini, minifat) if small else chained(value, _SECTOR, large, fat)
                entries[number] |= {"type": 2, "start": start, "size": len(value)}
            else:
                add(value, number)

    add(root, 0)
    entries[0] |= {"start": chained(bytes(mini), _SECTOR, large, fat), "size": len(mini)}
    minis = struct.pack(f"<{len(minifat)}I", *minifat)
    minis_start = chained(minis + b"\xff" * (-len(minis) % _SECTOR), _SECTOR, large, fat)
    directory = b"".join(_entry(one) for one in entries)
    directory_start = chained(directory + b"".join([_EMPTY] * (-len(entries) % 4)), _SECTOR, large, fat)
    sectors = 1
    while len(fat) + sectors > sectors * (_SECTOR // 4):
        sectors += 1
    first_fat = len(fat)
    fat += [_FAT] * sectors
    fat += [_FREE] * (-len(fat) % (_SECTOR // 4))
    head = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        sectors,
        directory_start,
        0,
        _CUTOFF,
        minis_start,
        -(-len(minis) // _SECTOR),
        _END,
        0,
    )
    places = [*range(first_fat, first_fat + sectors), *[_FREE] * (109 - sectors)]
    return head + struct.pack("<109I", *places) + bytes(large) + struct.pack(f"<{len(fat)}I", *fat)


_EMPTY = struct.pack("<64sHBBIII16xIQQIQ", b"", 0, 0, 0, _NONE, _NONE, _NONE, 0, 0, 0, 0, 0)


def _entry(one: Mapping[str, Any]) -> bytes:
    name = one["name"].encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16xIQQIQ",
        name,
        len(name) + 2,
        one["type"],
        1,
        one["left"],
        one["right"],
        one["child"],
        0,
        0,
        0,
        one.get("start", 0),
        one.get("size", 0),
    )


def with_comment(text: str, comment: str) -> bytes:
    from docx import Document

    document, made = Document(), io.BytesIO()
    run = document.add_paragraph(text).runs[0]
    if comment:
        document.add_comment(run, comment)
    document.save(made)
    return made.getvalue()
