"""Narrowing as a caller meets it: over HTTP and by an agent, with what is not there named, and never wider."""

import asyncio
from typing import Any

import pytest

from tests.support.guarded import Guarded, by_agent


@pytest.mark.parametrize(
    ("narrow", "pages"),
    [
        ({"sources": ["open"]}, {"leave.md", "travel.md"}),
        ({"sources": ["closed"]}, {"pay.md", "bonus.md"}),
        ({"columns": {"team": ["p", "l"]}}, {"pay.md", "leave.md"}),
        ({"sources": ["open"], "columns": {"team": ["p", "l"]}}, {"leave.md"}),
        ({"columns": {"team": ["m"]}}, set()),
        ({"columns": {"team": [True, 1, "b"]}}, {"bonus.md"}),
        ({}, {"leave.md", "travel.md", "pay.md", "bonus.md"}),
    ],
)
@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_a_question_is_narrowed_to_sources_and_values(
    guarded: Guarded, narrow: dict[str, Any], pages: set[str], mode: str
) -> None:
    assert set(guarded.documents("hr", "holiday", narrow=narrow, mode=mode)) == pages


@pytest.mark.parametrize(
    ("narrow", "pointer"),
    [
        ({"sources": ["closed"]}, "/narrow/sources/0"),
        ({"sources": ["open", "nothing"]}, "/narrow/sources/1"),
        ({"columns": {"title": ["Pay"]}}, "/narrow/columns/title"),
        ({"columns": {"__labels": [["hr"]]}}, "/narrow/columns/__labels/0"),
        ({"columns": {"__labels": ["hr"]}}, "/narrow/columns/__labels"),
        ({"columns": {"document_id": ["closed/pay.md"]}}, "/narrow/columns/document_id"),
        ({"sources": []}, "/narrow/sources"),
        ({"sources": ["*"]}, "/narrow/sources/0"),
        ({"sources": {"$ne": "open"}}, "/narrow/sources"),
        ({"columns": {"team": {"$ne": "x"}}}, "/narrow/columns/team"),
        ({"columns": {"team": []}}, "/narrow/columns/team"),
        ({"labels": ["hr"]}, "/narrow/labels"),
        ("all", "/narrow"),
    ],
)
def test_what_is_not_there_or_hidden_is_named_alike(guarded: Guarded, narrow: Any, pointer: str) -> None:
    answer = guarded.running.ask(guarded.keys["public"], {"query": "holiday", "narrow": narrow})
    assert answer.status_code == 400
    assert any(one["pointer"].startswith(pointer) for one in answer.json()["errors"]), answer.text
    hidden, absent = ({"query": "holiday", "narrow": {"sources": [name]}} for name in ("closed", "nowhere"))
    told = [guarded.running.ask(guarded.keys["public"], asked).json() | {"query_id": ""} for asked in (hidden, absent)]
    assert told[0] == told[1]


def test_an_agent_narrows_as_an_application_does(guarded: Guarded) -> None:
    found = asyncio.run(by_agent(guarded, "search", {"query": "holiday", "narrow": {"columns": {"team": ["l"]}}}))
    assert [hit["document_id"] for hit in found.structured_content["hits"]] == ["open/leave.md"]
    wrong = asyncio.run(by_agent(guarded, "search", {"query": "holiday", "narrow": {"sources": ["closed"]}}))
    assert wrong.is_error and "/narrow/sources/0" in wrong.content[0].text
