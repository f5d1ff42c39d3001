"""docs/troubleshooting.md quotes messages as the code has them."""

import re

import pytest

from rag_pipeline.settings import PROJECT
from tests.support.messages import says, templates

PAGE = (PROJECT / "docs/troubleshooting.md").read_text(encoding="utf-8").split("## Outside of the messages")[0]
MESSAGES = re.findall(r"(?m)^\| `([^`]+)` \|", PAGE)


def test_messages_are_found_on_the_page_and_in_the_code() -> None:
    assert len(MESSAGES) >= 30
    assert len(MESSAGES) == len(set(MESSAGES)) == len(re.findall(r"(?m)^\| [^-m]", PAGE))
    assert len(templates()) > 2_000


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_that_the_code_has(message: str) -> None:
    assert len(message) > 15, "too short to be looked for"
    assert says(message)


def test_a_message_that_nobody_says_is_noticed() -> None:
    assert not says("this pipeline says no such thing at all")
    assert not says("to do it … is damaged … at all")
