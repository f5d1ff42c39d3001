"""Of what somebody typed, nothing private is kept: every kind that contracts can find, and keys."""

import pytest

from rag_pipeline.traffic.words import Words
from tests.support.planted_values import PLANTED
from tests.support.private_values import EXAMPLES

WORDS = Words("salt")


VALUES = [value for found, _ in EXAMPLES.values() for value in found] + [one for some in PLANTED.values() for one in some]


@pytest.mark.parametrize("value", VALUES)
def test_no_private_value_is_kept_of_a_question(value: str) -> None:
    kept = WORDS.kept(f"what about {value} please")
    assert kept is not None
    assert value not in kept
    assert kept.startswith("what about")
    assert WORDS.held(kept) == 0
    assert WORDS.held(f"what about {value} please") > 0


def test_an_ordinary_question_is_kept_as_it_is() -> None:
    assert WORDS.kept("how do I copy 12 folders in 2026") == "how do I copy 12 folders in 2026"


@pytest.mark.parametrize(
    "secret", ["rag_" + "a" * 43, "https://ana:hunter2@example.com/x", "https://example.com/?token=hunter2"]
)
def test_a_key_or_a_password_in_a_question_is_not_kept(secret: str) -> None:
    kept = WORDS.kept(f"why is {secret} refused")
    assert kept is not None
    assert "hunter2" not in kept
    assert "rag_a" not in kept
