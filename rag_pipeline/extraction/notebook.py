"""Notebooks (IPYNB): cells of Markdown to the letter, code and what it printed as blocks of code, no pictures.

JSON needs only Python's own parser. kreuzberg escapes the Markdown of notebooks, keeps the placeholders of pictures, and
reads no notebook of the older form.
Source of the format: https://nbformat.readthedocs.io/en/latest/format_description.html.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.extract import page_text
from rag_pipeline.extraction.html import without_data_urls
from rag_pipeline.extraction.kinds import IPYNB, called

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_INSIDE = re.compile(r"(!?\[[^\]]*\]\()\s*data:[^)\s]*")
"""A picture or link of Markdown that holds what it leads to."""

_SHOWN = ("text/markdown", "text/plain", "text/latex")
"""Forms of an output, the first that is there counts; the others say the same."""

_PLACE_HOLDER = re.compile(r"\s*<[^<>]*>\s*")
"""What stands for a page in plain text: `<IPython.core.display.HTML object>`."""

_PICTURES = ("image/", "application/vnd.", "application/javascript", "video/", "audio/")
"""Where an output has one of these its plain text is a place holder: `<Figure size 640x480 with 1 Axes>`."""


def cells_of(content: str) -> list[dict[str, Any]]:
    """The cells of a notebook of any version. Raises `Unreadable` when it is none."""
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not readable as {called(IPYNB)} ({type(error).__name__}); is it cut off?") from error
    if isinstance(notebook, dict) and isinstance(notebook.get("worksheets"), list):
        notebook = {
            "cells": [one for sheet in notebook["worksheets"] if isinstance(sheet, dict) for one in sheet.get("cells", ())]
        }
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(one, dict) and "cell_type" in one for one in cells):
        raise Unreadable("is JSON, but not a notebook: it has no cells; was it saved by Jupyter?")
    return cells


def notebook_text(content: str) -> str:
    """The text as Markdown."""
    return "\n\n".join(part for cell in cells_of(content) for part in _parts(cell) if part.strip()) + "\n"


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    source = text_in(cell.get("source", cell.get("input")))
    match cell["cell_type"]:
        case "code":
            yield _fenced(source)
            outputs = cell.get("outputs")
            for output in outputs if isinstance(outputs, list) else ():
                if isinstance(output, dict):
                    yield _fenced(_ANSI.sub("", _said(output)))
        case "heading":
            level = cell.get("level")
            yield f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {' '.join(source.split())}"
        case _:
            yield _INSIDE.sub(r"\1", without_data_urls(source)).strip("\n")


def _said(output: dict[str, Any]) -> str:
    """What an output says: of a picture nothing, of an error its name and its message."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{text_in(output.get('ename'))}: {text_in(output.get('evalue'))}"
    data = output.get("data")
    if not isinstance(data, dict):  # what a program printed, or an output of the older form
        return "" if output.keys() & {"png", "jpeg", "svg"} else text_in(output.get("text"))
    if any(str(form).startswith(_PICTURES) for form in data):
        return ""
    said = next((text_in(data[form]) for form in _SHOWN if form in data), "")
    if "text/html" in data and (not said or _PLACE_HOLDER.fullmatch(said)):
        return page_text(text_in(data["text/html"]))
    return said


def text_in(found: Any) -> str:
    """A text, which may be kept as a list of its lines."""
    if isinstance(found, list):
        return "".join(one for one in found if isinstance(one, str))
    return found if isinstance(found, str) else ""


def _fenced(code: str) -> str:
    """A block of code, between more marks than it holds itself."""
    if not code.strip():
        return ""
    marks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    body = code.strip("\n")
    return f"{marks}\n{body}\n{marks}"
