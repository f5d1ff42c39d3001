"""Answers in sentences, over HTTP, as events and by MCP: through the same door as a search."""

import asyncio
import json
from typing import Any

import httpx
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from rag_pipeline.answer.bounds import NO_PASSAGE
from rag_pipeline.serve.agents import DATA
from tests.conftest import Workspace
from tests.support.guarded import HIDDEN_WORD, Guarded
from tests.support.replicas import PLAIN, SECRET_WORD, Running, key_for

FOREIGN = "which tennis player won the cup in the year of the comet"


def ask(running: Running, key: str | None, body: Any) -> httpx.Response:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    return httpx.post(f"{running.url}/v1/answer", content=json.dumps(body), headers=headers, timeout=60, **PLAIN)


def events_of(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


def test_an_answer_is_a_sentence_that_stands_in_the_chunk_it_cites(running: Running, key: str) -> None:
    told = ask(running, key, {"query": "how many days of paid holiday has every employee"}).json()
    first = told["sentences"][0]
    assert first["text"] == "Every employee has thirty days of paid holiday each year."
    [cited] = first["citations"]
    [hit] = [hit for hit in told["hits"] if hit["chunk_id"] == cited["chunk_id"]]
    assert hit["text"][cited["start"] - hit["start"] : cited["end"] - hit["start"]] == cited["quote"]
    assert (cited["document_id"], told["refused"], told["degraded"]) == ("handbook/leave.md", None, [])
    assert told["generator"] | {"kind": "extractive", "usd": 0.0} == told["generator"]
    searched = running.ask(key, {"query": "how many days of paid holiday has every employee", "k": 5}).json()
    assert told["hits"] == searched["hits"] and told["release"] == searched["release"]


def test_the_events_of_an_answer_are_the_answer_piece_by_piece(running: Running, key: str) -> None:
    question = {"query": "who approves flights", "k": 2}
    whole, found = ask(running, key, question).json(), events_of(ask(running, key, question | {"stream": True}))
    names = [name for name, _ in found]
    assert names == ["hits", *["sentence"] * len(whole["sentences"]), "done"] and len(whole["sentences"]) >= 1
    assert found[0][1]["hits"] == whole["hits"] and len(whole["hits"]) == 2
    assert [said for name, said in found if name == "sentence"] == whole["sentences"]
    assert found[-1][1]["release"] == whole["release"]


def test_what_no_passage_supports_is_refused_and_says_so(running: Running, key: str) -> None:
    told = ask(running, key, {"query": FOREIGN}).json()
    assert (told["sentences"], told["refused"]) == ([], NO_PASSAGE)
    assert [name for name, _ in events_of(ask(running, key, {"query": FOREIGN, "stream": True}))] == ["hits", "done"]


def test_the_door_is_that_of_a_search(running: Running, served_once: Workspace, key: str) -> None:
    question = {"query": "may I fly"}
    may_not = key_for(served_once.home, "mode")
    assert ask(running, None, question).status_code == 401
    assert ask(running, may_not, question).status_code == 403
    assert ask(running, key, question | {"channel": "staging"}).status_code == 403
    wrongs: tuple[dict[str, Any], ...] = ({"k": 21}, {"stream": "yes"}, {"mode": "dense"}, {"query": ""})
    for wrong, pointer in ((one, f"/{next(iter(one))}") for one in wrongs):
        told = ask(running, key, question | wrong)
        assert (told.status_code, told.json()["errors"][0]["pointer"]) == (400, pointer)
    assert ask(running, key, question | {"stream": True, "k": 0}).status_code == 400


def test_neither_the_question_nor_the_answer_is_in_the_log(running: Running, key: str) -> None:
    told = ask(running, key, {"query": f"what is the code {SECRET_WORD}"}).json()
    assert any(SECRET_WORD in one["text"] for one in told["sentences"])
    running.wait_until(lambda: any(line.get("query_id") == told["query_id"] for line in running.log), "its line")
    [line] = [line for line in running.log if line.get("query_id") == told["query_id"]]
    assert (line["event"], line["answer"]["generator"]) == ("answer", "extractive")
    assert line["answer"]["sentences"] == len(told["sentences"])
    assert SECRET_WORD not in "".join(running.raw)


def test_nobody_is_answered_from_rows_that_he_may_not_read(guarded: Guarded) -> None:
    question = {"query": f"when do we buy the {HIDDEN_WORD} company"}
    board = ask(guarded.running, guarded.keys["board"], question).json()
    assert any(HIDDEN_WORD in one["text"] for one in board["sentences"])
    for reader in ("public", "hr", "crew"):
        told = ask(guarded.running, guarded.keys[reader], question)
        assert told.status_code == 200
        assert HIDDEN_WORD not in told.text
    assert ask(guarded.running, guarded.keys["nobody"], question).status_code == 403


def test_an_agent_is_answered_with_sources_and_told_when_there_is_no_answer(running: Running, key: str) -> None:
    async def story() -> tuple[Any, Any]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as web,
            Client(streamable_http_client(f"{running.url}/mcp", http_client=web)) as client,
        ):
            return (
                await client.call_tool("answer", {"query": "who approves flights"}),
                await client.call_tool("answer", {"query": FOREIGN}),
            )

    found, nothing = asyncio.run(story())
    text = found.content[0].text
    assert text.startswith(DATA) and "Flights need approval. [handbook/travel.md, " in text
    assert found.structured_content["sentences"][0]["citations"][0]["quote"] == "Flights need approval."
    assert NO_PASSAGE in nothing.content[0].text and nothing.structured_content["sentences"] == []
