"""Books (EPUB): a zip of HTML pages, each read as any page is read, in the order of the book.

kreuzberg's own reading of books silently leaves out chapters (in other charsets, with blanks in their names), and
takes pictures for text.
Sources of the format: EPUB 3.3, sections 3 (publication), 5.7 (spine) and 4.2.6.3.2 (encryption); OPF 2.0.1.
"""

import io
import posixpath
import zipfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account.parts import NOT_SOUND
from rag_pipeline.extraction.extract import not_readable
from rag_pipeline.extraction.html import characters
from rag_pipeline.extraction.kinds import EPUB

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")


@dataclass(frozen=True, slots=True)
class Book:
    """`pages` in the order they are read in; `beside`: those which are in no order; `tables`: of contents."""

    title: str
    pages: list[str]
    beside: list[str]
    tables: list[str]


def book_of(content: bytes) -> Book:
    """Raises `Unreadable` when it is no book, is encrypted, or lacks a page that it has in its order."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return _book(packed)
    except NOT_SOUND as error:
        raise not_readable(EPUB, error) from error


def _book(packed: zipfile.ZipFile) -> Book:
    names = set(packed.namelist())
    package = _first(fromstring(packed.read(_CONTAINER)), "rootfile").get("full-path", "")
    root = fromstring(packed.read(package))
    guide = {unquote(one.get("href", "").partition("#")[0]) for one in _all(root, "reference") if one.get("type") == "toc"}
    listed: dict[str, tuple[str, bool]] = {}
    for item in _all(root, "item"):
        if item.get("media-type", "") in _PAGES:
            name = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href", ""))))
            is_table = "nav" in item.get("properties", "").split() or unquote(item.get("href", "")) in guide
            listed[item.get("id", "")] = (name, is_table)
    order = list(dict.fromkeys(one.get("idref", "") for one in _all(root, "itemref")))
    locked = _encrypted(packed, names)
    pages, beside, tables = list[str](), list[str](), list[str]()
    for identifier in [*order, *(one for one in listed if one not in order)]:
        if identifier not in listed:
            continue  # a drawing in place of a page
        name, is_table = listed[identifier]
        if name in locked:
            raise Unreadable("is encrypted, so that only the reader it was sold for can open it")
        if name not in names:
            if identifier in order:
                raise Unreadable("a page of its reading order is missing; is it cut off?")
            continue
        where = tables if is_table else pages if identifier in order else beside
        where.append(characters(packed.read(name), "", html=True))
    title = next((" ".join("".join(one.itertext()).split()) for one in _all(root, "title")), "")
    return Book(title, pages, beside, tables)


def _encrypted(packed: zipfile.ZipFile, names: set[str]) -> set[str]:
    """Parts that are; of honest books only fonts."""
    if _ENCRYPTION not in names:
        return set()
    return {unquote(one.get("URI", "")) for one in _all(fromstring(packed.read(_ENCRYPTION)), "CipherReference")}


def _all(root: Any, name: str) -> list[Any]:
    return [one for one in root.iter() if isinstance(one.tag, str) and one.tag.rpartition("}")[2] == name]


def _first(root: Any, name: str) -> Any:
    found = _all(root, name)
    if not found:
        raise ValueError(f"no {name}")
    return found[0]
