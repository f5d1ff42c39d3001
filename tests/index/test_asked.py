"""What may be asked, and how the rest is told."""

import pytest

from rag_pipeline.errors import PipelineError, QueryError
from rag_pipeline.index.asked import LONGEST, MOST, mode_of, number_of_hits, question_of


def test_a_question_is_asked_as_it_was_typed_with_each_letter_in_one_character() -> None:
    assert question_of("how do I copy\ta folder?\n") == "how do I copy\ta folder?\n"
    assert question_of("cafe\u0301") == "caf\u00e9"
    assert len(question_of("e\u0301" * LONGEST)) == LONGEST


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the query is blank"),
        (" \n\u00a0", "the query is blank"),
        ("x" * (LONGEST + 1), r"has 2,001 characters, 2,000 at most"),
        ("a\x00b", r"character 2 of the query is U\+0000"),
        ("\x1b[31mred", r"character 1 of the query is U\+001B"),
        ("half \ud800", r"character 6 of the query is U\+D800"),
        (None, "this is a NoneType"),
        (b"bytes", "this is a bytes"),
    ],
)
def test_what_is_no_question_is_refused_with_what_to_do(text: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        question_of(text)


def test_a_number_of_hits_is_a_whole_number_in_its_range() -> None:
    assert [number_of_hits(k) for k in (1, MOST)] == [1, MOST]
    for wrong in (0, -1, MOST + 1, 2.0, "5", True, None):
        with pytest.raises(QueryError, match="k"):
            number_of_hits(wrong)  # type: ignore[arg-type]


def test_a_mode_that_there_is_not_is_told_with_the_nearest_one() -> None:
    assert [mode_of(mode) for mode in (None, "dense", "lexical", "hybrid")] == [None, "dense", "lexical", "hybrid"]
    with pytest.raises(QueryError, match=r"unknown mode 'hybird'; did you mean 'hybrid'\?"):
        mode_of("hybird")


def test_it_is_an_error_of_ours_and_of_values() -> None:
    assert issubclass(QueryError, PipelineError) and issubclass(QueryError, ValueError)
