"""Sentences are spans of their passage: none is a word more or less than the document has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.answer.sentences import LONGEST, sentences

PASSAGE = """# Leave policy

Every employee has 30.5 days. Dr. J. Smith approves it, e.g. in May. "Is it so?" asked Ana. Yes it is so!
- first item of the list
- [ ] second item ![a picture](http://example.com/x.png) goes on behind it

| a cell in a table | another cell |
| the second row | its other cell |

A line that is wrapped
goes on in the next one.
"""


def test_sentences_end_where_people_would_say_so() -> None:
    assert [one.text for one in sentences(PASSAGE)] == [
        "Every employee has 30.5 days.",
        "Dr. J. Smith approves it, e.g. in May.",
        '"Is it so?" asked Ana.',
        "Yes it is so!",
        "first item of the list",
        "goes on behind it",
        "a cell in a table | another cell",
        "the second row | its other cell",
        "A line that is wrapped\ngoes on in the next one.",
    ]


@pytest.mark.parametrize("passage", ["", "  \n", "# A heading alone", "Short.", "![x](http://e.example/y)", "| --- | --- |"])
def test_what_says_nothing_is_no_sentence(passage: str) -> None:
    assert sentences(passage) == []


def test_a_text_without_full_stops_is_cut_at_blanks() -> None:
    found = sentences("word " * 1_000)
    assert max(len(one.text) for one in found) <= LONGEST
    assert " ".join(one.text for one in found).split() == ["word"] * 1_000


PIECES = st.sampled_from(
    [
        "A sentence with words. ",
        "\n",
        "\n\n",
        "- ",
        "| ",
        "# Head\n",
        "![p](x)",
        "e.g. ",
        "3.5 % ",
        "Ünï。",
        '"Quoted!" ',
        "x" * 90,
        " ",
        "> ",
    ]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=40).map("".join))
def test_every_sentence_stands_in_its_passage_in_order_and_apart(passage: str) -> None:
    end = 0
    for one in sentences(passage):
        assert passage[one.start : one.end] == one.text
        assert one.text.strip() == one.text and 0 < len(one.text) <= LONGEST
        assert "![" not in one.text or "](" not in one.text
        assert one.start >= end
        end = one.end
