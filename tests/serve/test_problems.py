"""docs/problems.md says of each problem what the code says, and no other."""

import re
from collections import Counter

from rag_pipeline.door.problems import FORBIDDEN, INVALID, KINDS, TOO_MANY, UNAUTHENTICATED, Fault, Problem
from rag_pipeline.settings import PROJECT

PAGE = (PROJECT / "docs/problems.md").read_text(encoding="utf-8")


def test_the_page_has_a_section_for_each_problem_and_no_other() -> None:
    sections = dict(re.findall(r"(?m)^## `([a-z-]+)`\n\n(.+)$", PAGE))
    assert sections == {kind.slug: f"**{kind.status}** – {kind.title}. {kind.advice}" for kind in KINDS}
    assert max(Counter(kind.slug for kind in KINDS).values()) == 1


def test_a_problem_is_told_as_the_standard_says() -> None:
    told = Problem(INVALID, "two things", faults=[Fault("/k", "too many")]).told("q_1")
    assert told == {
        "type": "/problems/invalid",
        "title": INVALID.title,
        "status": 400,
        "detail": "two things",
        "query_id": "q_1",
        "errors": [{"pointer": "/k", "detail": "too many"}],
    }
    assert "errors" not in Problem(FORBIDDEN).told("q_1")


def test_the_headers_say_how_to_go_on() -> None:
    assert Problem(TOO_MANY, retry_after_s=0.2).headers()["retry-after"] == "1"
    assert Problem(TOO_MANY, retry_after_s=12.1).headers()["retry-after"] == "13"
    assert Problem(UNAUTHENTICATED).headers()["www-authenticate"] == "Bearer"
    assert "retry-after" not in Problem(FORBIDDEN).headers()
