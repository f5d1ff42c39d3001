"""Notebooks: Markdown to the letter, code and what it printed as code; no pictures, and no heading made of a comment."""

import json
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.corpus.chunking import sections
from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.kinds import IPYNB
from tests.support.folders import read_bytes
from tests.support.made_documents import ipynb

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAUA"


def markdown(*lines: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": list(lines)}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def shown(**data: Any) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {name.replace("_", "/", 1): value for name, value in data.items()}}


def lost(content: bytes) -> dict[str, int]:
    account = parsing.document(content, IPYNB).account
    assert account is not None
    return dict(account.lost)


def test_a_notebook_is_read_cell_by_cell_and_called_by_its_first_heading(tmp_path: Path) -> None:
    content = ipynb(
        markdown("# Owls & *mice*\n", "\n", f"Text ![sketch](data:image/png;base64,{PICTURE}) and ![kept](owl.png)."),
        code(
            "# no heading\nprint('a')",
            {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mhello\x1b[0m\n", "there\n"]},
        ),
        code("table", shown(text_html="<table><tr><td>3</td></tr></table>", text_plain=["   a\n", "0  3"])),
        {"cell_type": "raw", "source": "raw words"},
        code("", {"output_type": "error", "ename": "ValueError", "evalue": "no owl", "traceback": ["\x1b[0;31mTrace line"]}),
    )
    row = read_bytes(tmp_path, "birds.ipynb", content)
    assert (row["title"], row["media_type"]) == ("Owls & mice", IPYNB)
    assert row["text"] == (
        "# Owls & *mice*\n\nText ![sketch]() and ![kept](owl.png).\n\n"
        "```\n# no heading\nprint('a')\n```\n\n```\nhello\nthere\n```\n\n"
        "```\ntable\n```\n\n```\n   a\n0  3\n```\n\nraw words\n\n```\nValueError: no owl\n```\n"
    )
    assert [span.heading for span, _ in sections(row["text"])] == [("Owls & *mice*",)]
    assert lost(content) == {"traces of errors": 2}


def test_pictures_leave_nothing_and_pages_that_have_no_plain_text_are_read() -> None:
    content = ipynb(
        markdown(f'<img alt="an owl" src="data:image/png;base64,{PICTURE}">'),
        code("plot", shown(image_png=PICTURE, text_plain="<Figure size 640x480 with 1 Axes>")),
        code("page", shown(text_html="<p>From a <b>page</b></p>", text_plain="<IPython.core.display.HTML object>")),
    )
    assert (
        parsing.document(content, IPYNB).text == "an owl\n\n```\nplot\n```\n\n```\npage\n```\n\n```\nFrom a **page**\n```\n"
    )
    assert lost(content) == {}


def test_a_fence_inside_a_cell_does_not_end_it() -> None:
    text = parsing.document(ipynb(code('"""\n````\n# x\n````\n"""'), markdown("end")), IPYNB).text
    assert text == '`````\n"""\n````\n# x\n````\n"""\n`````\n\nend\n'


def test_a_notebook_of_the_older_form_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Owls"]},
        {
            "cell_type": "code",
            "input": ["x = 1"],
            "outputs": [{"output_type": "pyout", "text": ["one"]}, {"png": PICTURE, "text": ["<Fig>"]}],
        },
    ]
    content = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()
    parsed = parsing.document(content, IPYNB)
    assert (parsed.title, parsed.text) == ("Owls", "## Owls\n\n```\nx = 1\n```\n\n```\none\n```\n")
    assert lost(content) == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (ipynb(markdown("text"))[:-20], r"not readable as a notebook \(IPYNB\) \(JSONDecodeError\); is it cut off"),
        (b"[" * 100_000, r"not readable as a notebook \(IPYNB\) \(RecursionError\)"),
        (b"[1]", "is JSON, but not a notebook"),
        (b'{"a": 1}', "is JSON, but not a notebook"),
        (b'{"cells": [1]}', "is JSON, but not a notebook"),
        (b'{"cells": []}', r"no text found in this notebook"),
        ("{'cells'}".encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_no_notebook_is_unreadable(content: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        parsing.document(content, IPYNB)


@pytest.mark.parametrize("found", [None, 3, {"a": 1}, ["x", 3], "text"])
def test_no_oddly_made_cell_is_a_crash(found: Any) -> None:
    cells = [
        {"cell_type": "code", "source": found, "outputs": [{"output_type": "stream", "text": found}, {"data": found}, found]}
    ]
    assert parsing.document(ipynb(markdown("text"), *cells), IPYNB).text.startswith("text\n")
    assert parsing.document(ipynb(markdown("text"), {**cells[0], "outputs": found}), IPYNB).text.startswith("text\n")
