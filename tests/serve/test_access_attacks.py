"""Attempts to get at rows that were not granted, by a real replica: what is asked, how, and what is told."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from rag_pipeline.door.keys import KeyToMake, make_key, revoke_key
from rag_pipeline.release.withdrawn import restore, withdraw
from tests.support.guarded import HIDDEN_WORD, PAGES, READERS, Guarded, by_agent
from tests.support.labelled import permitted
from tests.support.replicas import key_for

CLOSED = [page for page, (_, access) in PAGES.items() if access]


def without_ids(answer: httpx.Response) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
    """All that is told, but what differs from one answer to the next."""
    told = answer.json()
    told.pop("query_id")
    headers = [(name, value) for name, value in answer.headers.items() if name != "date"]
    return answer.status_code, told, headers


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("reader", ["public", "hr", "board", "crew", "everybody"])
def test_a_reader_is_shown_its_rows_and_no_other(guarded: Guarded, reader: str, mode: str) -> None:
    shown = guarded.documents(reader, "the holiday of each year is paid", mode=mode)
    mine = permitted(PAGES, READERS[reader])
    assert set(shown) == set(mine) if mode != "lexical" else set(shown) <= set(mine)


@pytest.mark.parametrize("way", ["{id}", "{ID}", "%20{id}", "{id}%00", "{id}?around=2", "{id}%2F..%2F{id}"])
@pytest.mark.parametrize("page", CLOSED)
def test_a_guessed_id_is_answered_as_one_that_is_nowhere(guarded: Guarded, page: str, way: str) -> None:
    def asked(name: str) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        path = "/v1/chunks/" + way.replace("{id}", name).replace("{ID}", name.upper())
        return without_ids(guarded.running.get(path, guarded.keys["public"]))

    hidden, absent = asked(guarded.chunks[page]), asked("f" * 32)
    assert hidden == absent and hidden[0] in (400, 404)


@pytest.mark.parametrize(
    "more",
    [
        {"scope": "all"},
        {"scopes": ["s-0"]},
        {"labels": ["hr"]},
        {"reads": ["all"]},
        {"access": "hr"},
        {"collection": "public"},
        {"tenant": "default_tenant"},
        {"where": {"source": "closed"}},
        {"filter": {"$or": []}},
        {"ids": ["0"]},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_field_that_would_widen_is_none(guarded: Guarded, more: dict[str, Any]) -> None:
    answer = guarded.running.ask(guarded.keys["public"], {"query": "holiday"} | more)
    assert answer.status_code == 400 and "closed" not in answer.text and HIDDEN_WORD not in answer.text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-User", "X-Labels", "X-Scope", "X-Remote-Groups", "X-Original-URL", "Cookie", "Forwarded"]
)
def test_a_header_grants_nothing(guarded: Guarded, header: str) -> None:
    key = guarded.keys["public"]
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", header: "labels=hr;reads=all"}
    plain = guarded.running.ask(key, {"query": "holiday", "k": 50}).json()["hits"]
    assert guarded.running.ask(key, {"query": "holiday", "k": 50}, headers=headers).json()["hits"] == plain


@pytest.mark.parametrize("parameter", ["labels=hr", "reads=all", "scope=all"])
def test_a_parameter_of_the_address_grants_nothing(guarded: Guarded, parameter: str) -> None:
    assert guarded.running.get(f"/v1/release?{parameter}", guarded.keys["public"]).status_code == 400
    chunk = f"/v1/chunks/{guarded.chunks['pay.md']}?{parameter}"
    assert guarded.running.get(chunk, guarded.keys["public"]).status_code == 400


def test_a_word_that_only_hidden_rows_have_does_nothing_to_a_score(guarded: Guarded) -> None:
    def scores(question: str) -> list[tuple[str, float]]:
        asked = {"query": question, "mode": "lexical", "k": 50}
        hits = guarded.running.ask(guarded.keys["public"], asked).json()["hits"]
        return [(hit["document_id"], hit["score"]) for hit in hits]

    assert scores("holiday") == scores(f"holiday {HIDDEN_WORD}") == scores("holiday qqqqqq")
    assert scores(HIDDEN_WORD) == []


def test_whoever_was_granted_nothing_that_is_there_learns_nothing(guarded: Guarded) -> None:
    told = [
        guarded.running.ask(guarded.keys["nobody"], {"query": "holiday"}),
        guarded.running.get(f"/v1/chunks/{guarded.chunks['pay.md']}", guarded.keys["nobody"]),
        guarded.running.get("/v1/release", guarded.keys["nobody"]),
    ]
    assert {answer.status_code for answer in told} == {403}
    assert not any(word in answer.text for answer in told for word in ("closed", "hr", HIDDEN_WORD, "s-"))


@pytest.mark.parametrize("reader", ["public", "hr", "board", "everybody"])
def test_the_release_is_counted_as_its_reader_sees_it(guarded: Guarded, reader: str) -> None:
    told = guarded.running.get("/v1/release", guarded.keys[reader]).json()
    mine = permitted(PAGES, READERS[reader])
    assert told["documents"] == told["chunks"] == len(mine)
    assert set(told["sources"]) == {"open" if PAGES[page][1] is None else "closed" for page in mine}


@pytest.mark.parametrize("more", [{}, {"labels": ["hr"]}, {"reads": "all"}, {"channel": "staging"}, {"scope": "all"}])
def test_an_agent_widens_nothing_by_an_argument(guarded: Guarded, more: dict[str, Any]) -> None:
    found = asyncio.run(by_agent(guarded, "search", {"query": "the holiday bonus", "k": 50} | more))
    hits = (found.structured_content or {}).get("hits", [])
    assert {hit["source"] for hit in hits} <= {"open"}
    assert found.is_error or hits


def test_an_agent_is_told_of_a_hidden_chunk_as_of_none(guarded: Guarded) -> None:
    told = [
        asyncio.run(by_agent(guarded, "read_chunk", {"chunk_id": name})) for name in (guarded.chunks["pay.md"], "f" * 32)
    ]
    problems = [json.loads(one.content[0].text) | {"query_id": ""} for one in told]
    assert told[0].is_error and problems[0] == problems[1]


def test_metrics_and_log_tell_no_label_and_no_text(guarded: Guarded) -> None:
    guarded.documents("board", HIDDEN_WORD)
    said = httpx.get(guarded.running.metrics).text + json.dumps(guarded.running.log)
    assert not any(word in said for word in (HIDDEN_WORD, "board", "café", "closed/", "s-"))


def test_a_key_that_is_revoked_reads_nothing_more(guarded: Guarded) -> None:
    home = guarded.workspace.home
    made, key = make_key(home, KeyToMake(name="leaver", may=("search",), reads=("hr",), days=1), datetime.now(UTC))
    chunk = f"/v1/chunks/{guarded.chunks['pay.md']}"
    assert guarded.running.get(chunk, key).status_code == 200
    revoke_key(home, made.id, datetime.now(UTC))
    told = guarded.running.get(chunk, key), guarded.running.ask(key, {"query": "holiday"})
    assert [answer.status_code for answer in told] == [401, 401]


@pytest.mark.parametrize("reads", ["HR", " hr ", "Hr"])
def test_a_label_is_the_same_however_it_is_typed(guarded: Guarded, reads: str) -> None:
    key = key_for(guarded.workspace.home, reads=(reads,))
    hits = guarded.running.ask(key, {"query": "holiday", "k": 50}).json()["hits"]
    assert {hit["document_id"] for hit in hits} == {"closed/pay.md", "closed/bonus.md"}


@pytest.mark.parametrize("reads", ["\uff48\uff52", "h r", "hr.", "h\u0433", "open", "closed", "s-0123456789abcdef"])
def test_what_only_looks_like_a_label_or_names_something_else_reads_nothing(guarded: Guarded, reads: str) -> None:
    key = key_for(guarded.workspace.home, reads=(reads,))
    assert guarded.running.ask(key, {"query": "holiday"}).status_code == 403


def test_a_withdrawn_document_is_gone_for_every_reader_and_comes_back(guarded: Guarded) -> None:
    home, page = guarded.workspace.home, "bonus.md"
    chunk = f"/v1/chunks/{guarded.chunks[page]}"
    withdraw(home, f"closed/{page}", by="ana", why="it is wrong", now=datetime.now(UTC))
    try:
        for reader in ("hr", "board", "everybody"):
            shown = guarded.documents(reader, "holiday bonus", mode="hybrid")
            assert shown and page not in shown
            told = [guarded.running.get(path, guarded.keys[reader]) for path in (chunk, "/v1/chunks/" + "f" * 32)]
            assert without_ids(told[0]) == without_ids(told[1])
    finally:
        restore(home, f"closed/{page}", by="ana", why="it was right", now=datetime.now(UTC))
    assert page in guarded.documents("hr", "holiday bonus")


def test_a_list_of_withdrawn_documents_that_cannot_be_read_closes_the_door(guarded: Guarded) -> None:
    file = guarded.workspace.home.withdrawn
    kept = file.read_bytes() if file.exists() else b'{"format": 1, "withdrawn": []}'
    file.write_bytes(b"rot")
    try:
        told = guarded.running.ask(guarded.keys["public"], {"query": "holiday"})
        assert told.status_code == 503 and told.json()["type"] == "/problems/closed"
    finally:
        file.write_bytes(kept)
    assert guarded.documents("public", "holiday")
