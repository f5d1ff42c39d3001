"""What comes from a feed is shown in the UI as text, whatever it looks like."""

import math
import re

import pytest
from markdown_it import MarkdownIt

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.defs.source_specs import column_schema
from rag_pipeline.host.ui_tables import check, plain, said, table
from tests.conftest import Workspace, column, files_contract

HOSTILE = [
    "[click](https://evil.example)",
    "![x](https://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<https://evil.example>",
    "**bold** and _slanted_ and ~~gone~~ and `code`",
    "a | b | c",
    "line one\nline two\r\n# three",
    "back\\slash \\[not](a-link)",
    "&lt;b&gt; &#60;i&#62;",
    "[ref]: https://evil.example",
    "\x1b[2J\x07bell",
    "snake_case_name and __init__.py",
]


def texts(markdown: str) -> tuple[set[str], str]:
    """The kinds of inline token beside text, and the text a reader sees."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    children = [child for token in parser.parse(markdown) for child in token.children or ()]
    return {child.type for child in children} - {"text", "text_special"}, "".join(child.content for child in children)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_shows_the_text_and_is_no_markup(text: str) -> None:
    kinds, shown = texts(plain(text))
    assert kinds == set()
    assert shown.strip() == "".join(character if character.isprintable() else " " for character in text).strip()


@pytest.mark.parametrize(
    "text", ["https://evil.example/a", "see www.evil.example", "mail bob@evil.example", "HTTP://EVIL.example"]
)
def test_an_address_is_not_made_a_link(text: str) -> None:
    markdown = plain(text)
    assert not re.search(r"[a-z]://|www\.|[^\\]@", markdown, re.IGNORECASE)
    assert texts(markdown) == (set(), text)


def test_names_of_the_project_look_as_they_are() -> None:
    for name in ("python_library", "handbook/leave.md", "20261129-021500-1a2b3c4d", "+245 -0", "nDCG@10 0.5"):
        assert texts(plain(name)) == (set(), name)
    assert plain("python_library/a-b.md") == "python_library/a-b.md"


def test_a_table_shows_cells_as_the_values_they_are() -> None:
    found = table(("key", "rows", "share"), [(text, 3, 0.123456) for text in HOSTILE])
    shown = [tuple(record.data.values()) for record in found.records]
    assert shown == [("".join(one if one.isprintable() else " " for one in text), 3, 0.1235) for text in HOSTILE]
    assert [(column.name, column.type) for column in found.schema.columns] == [
        ("key", "string"),
        ("rows", "int"),
        ("share", "float"),
    ]


def test_a_long_table_says_how_many_rows_it_leaves_out_and_an_empty_one_that_there_are_none() -> None:
    long = table(("key", "rows"), [(f"k{number}", number) for number in range(1_234)])
    assert [record.data for record in long.records][19:] == [
        {"key": "k19", "rows": 19},
        {"key": "… and 1,214 more", "rows": None},
    ]
    empty = table(("outcome", "reason"), [], empty="none: every demand is met")
    assert [record.data for record in empty.records] == [{"outcome": "none: every demand is met", "reason": None}]


def test_a_number_that_is_none_is_shown_as_text_since_json_has_no_word_for_it() -> None:
    assert table(("share",), [(math.nan,), (1.0,)]).records[0].data == {"share": "nan"}


@pytest.mark.parametrize("text", [*HOSTILE, "mail bob@evil.example, see www.evil.example", "`rag refresh` fixes nDCG@10"])
def test_what_a_check_says_is_shown_as_text_and_told_elsewhere_as_it_was(text: str) -> None:
    """The UI renders descriptions of checks as Markdown, pictures and all; the command line and alerts do not."""
    made = check(["handbook", "quarantine"], "no_row_is_refused", passed=False, says=f"1 row is refused: {text}")
    assert made.description is not None
    assert texts(made.description.replace("\n", " "))[0] == set()
    lines = f"1 row is refused: {text}".splitlines()
    expected = "\n".join("".join(" " if ord(one) < 32 else one for one in line) for line in lines)
    assert said(made.description) == expected


def test_what_was_never_escaped_is_said_as_it_is() -> None:
    for text in ("C:\\temp", "plain text", "a \\d+ pattern"):
        assert said(text) == text


def test_what_a_contract_says_of_a_column_is_shown_as_text(workspace: Workspace) -> None:
    """The UI renders the descriptions of columns as Markdown, on the page of the asset and in its lineage."""
    columns = [column(f"c{number}", description=text) for number, text in enumerate(HOSTILE)]
    contract = files_contract("../feed")
    contract["schema"][0]["properties"] += columns
    schema = column_schema(read_contract(workspace.contract("handbook", contract)))
    told = {one.name: one.description for one in schema.columns}
    assert told["path"] is None
    for number, text in enumerate(HOSTILE):
        shown = told[f"c{number}"]
        assert shown is not None
        assert texts(shown.replace("\n", " "))[0] == set(), text
        assert said(shown).split() == "".join(one if one.isprintable() or one.isspace() else " " for one in text).split()
