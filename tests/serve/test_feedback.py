"""Verdicts: only of who asked, one that counts, nothing private in them, and no judgment changes by any number of them."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from rag_pipeline.door.keys import read_keys
from rag_pipeline.door.problems import MEDIA_TYPE
from rag_pipeline.traffic.marks import marks_of
from tests.conftest import Workspace
from tests.support.logged import LOGS, SALT, logging_replica, rows_of
from tests.support.planted_values import PLANTED, texts_of
from tests.support.replicas import PLAIN, Running, key_for, replica


@pytest.fixture(scope="module")
def logged(served_once: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy that a replica logs into."""
    folder = tmp_path_factory.mktemp("logged") / "served"
    shutil.copytree(served_once.root, folder)
    return Workspace(folder)


@pytest.fixture(scope="module")
def asker(logged: Workspace) -> str:
    return key_for(logged.home, "search", "feedback")


@pytest.fixture(scope="module")
def logging_one(logged: Workspace, asker: str) -> Iterator[Running]:
    with logging_replica(logged) as found:
        yield found


@pytest.fixture(scope="module")
def answer(logging_one: Running, asker: str) -> dict[str, Any]:
    said: dict[str, Any] = logging_one.ask(asker, {"query": "may I fly"}).json()
    return said


def test_there_is_no_such_operation_where_nothing_is_logged(running: Running, key: str) -> None:
    assert running.post("/v1/feedback", key, {}).status_code == 404
    assert "/v1/feedback" not in running.get("/openapi.json").json()["paths"]


def test_the_last_verdict_counts_and_nothing_private_is_kept(served: Workspace) -> None:
    asker = key_for(served.home, "search", "feedback")
    private = [value for some in PLANTED.values() for value in some]
    with logging_replica(served) as running:
        answer = running.ask(asker, {"query": "may I fly"}).json()
        about = {"query_id": answer["query_id"]}
        for value in private:
            told = running.post(
                "/v1/feedback",
                asker,
                about | {"verdict": "not_useful", "reason": "stale", "comment": f"ask {value} instead"},
            )
            assert told.status_code == 202
            assert told.json() == about | {"verdict": "not_useful"}
        running.post("/v1/feedback", asker, about | {"verdict": "useful", "comment": f"thanks {private[0]}"})
        running.post("/v1/feedback", asker, about | {"verdict": "not_useful", "chunk_id": answer["hits"][0]["chunk_id"]})
    with logging_replica(served) as other:
        for _ in range(1_000 // 50):
            assert other.post("/v1/feedback", asker, about | {"verdict": "useful"}).status_code == 202, (
                "any replica of the home knows whose it is"
            )
    rows = rows_of(served.home, "feedback")
    assert len(rows) == 2
    whole, chunk = sorted(rows, key=lambda row: row["object_id"])
    assert (whole["action_name"], whole["object_id"], chunk["action_name"]) == ("useful", "", "not_useful")
    assert chunk["client_id"] == whole["client_id"] != ""
    lying = (served.home.lake / served.home.traffic.name, served.home.traffic)
    everything = "".join(text for one in lying for path in one.rglob("*") if path.is_file() for text in texts_of(path))
    everything += "".join(running.raw)
    assert not [value for value in private if value in everything]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"verdict": "good"}, "/verdict"),
        ({"verdict": None}, "/verdict"),
        ({"query_id": "q_1"}, "/query_id"),
        ({"query_id": 7}, "/query_id"),
        ({"chunk_id": "../x"}, "/chunk_id"),
        ({"reason": "because"}, "/reason"),
        ({"comment": ""}, "/comment"),
        ({"comment": "x" * 1_001}, "/comment"),
        ({"comment": "a\x07b"}, "/comment"),
        ({"grade": 2}, "/grade"),
        ({"client_id": "k_1"}, "/client_id"),
    ],
)
def test_what_is_no_verdict_is_told_by_its_field(
    logging_one: Running, asker: str, answer: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    told = logging_one.post("/v1/feedback", asker, {"query_id": answer["query_id"], "verdict": "useful"} | change)
    assert (told.status_code, told.headers["content-type"]) == (400, MEDIA_TYPE)
    assert [fault["pointer"] for fault in told.json()["errors"]] == [pointer]


def without_id(told: httpx.Response) -> tuple[int, dict[str, Any]]:
    said = told.json()
    said.pop("query_id")
    return told.status_code, said


def test_an_answer_of_somebody_else_is_told_as_one_that_never_was(
    logging_one: Running, logged: Workspace, asker: str, answer: dict[str, Any]
) -> None:
    other = key_for(logged.home, "search", "feedback")
    mine, theirs = answer["query_id"], logging_one.ask(other, {"query": "may I fly"}).json()["query_id"]
    guessed = [theirs, mine[:-1] + ("0" if mine[-1] != "0" else "1"), mine[:30] + theirs[30:], "q_" + "0" * 40]
    told = [without_id(logging_one.post("/v1/feedback", asker, {"query_id": one, "verdict": "useful"})) for one in guessed]
    third = key_for(logged.home, "search", "feedback")
    old = marks_of(logged.home, SALT).bound("q_" + "0" * 28, read_keys(logged.home)[-1].id)
    told.append(without_id(logging_one.post("/v1/feedback", third, {"query_id": old, "verdict": "useful"})))
    assert told == [told[0]] * len(told)
    assert told[0][0] == 404
    assert logging_one.post("/v1/feedback", other, {"query_id": theirs, "verdict": "useful"}).status_code == 202


def test_a_verdict_needs_a_key_and_a_permission(logging_one: Running, logged: Workspace, answer: dict[str, Any]) -> None:
    key = key_for(logged.home, "search")
    body = {"query_id": answer["query_id"], "verdict": "useful"}
    assert logging_one.post("/v1/feedback", None, body).status_code == 401
    assert logging_one.post("/v1/feedback", key, body).status_code == 403
    assert logging_one.post("/v1/feedback", key, {"query_id": "q_" + "0" * 40, "verdict": "useful"}).status_code == 403


def test_an_agent_reports_on_its_own_answers_only(logging_one: Running, asker: str, answer: dict[str, Any]) -> None:
    async def story() -> None:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {asker}"}, timeout=60) as web,
            Client(streamable_http_client(f"{logging_one.url}/mcp", http_client=web)) as client,
        ):
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"search", "answer", "read_chunk", "report"}
            found = tools["report"].annotations
            assert found is not None and (found.read_only_hint, found.destructive_hint) == (False, False)
            assert set(tools["report"].input_schema["properties"]) == {"query_id", "verdict", "chunk_id", "reason"}
            asked: Any = await client.call_tool("search", {"query": "may I fly", "k": 1})
            mine = {"query_id": asked.structured_content["query_id"], "verdict": "not_useful", "reason": "off_topic"}
            kept: Any = await client.call_tool("report", mine)
            assert not kept.is_error and kept.structured_content["verdict"] == "not_useful"
            for wrong, slug in (({"query_id": "q_" + "1" * 40}, "not-found"), ({"chunk_id": "x"}, "invalid")):
                told: Any = await client.call_tool("report", mine | wrong)
                assert told.is_error and json.loads(told.content[0].text)["type"] == f"/problems/{slug}"

    asyncio.run(story())


def test_the_openapi_names_the_operation_and_its_problems(logging_one: Running) -> None:
    told = logging_one.get("/openapi.json").json()["paths"]["/v1/feedback"]["post"]
    assert told["security"] == [{"bearer": []}]
    assert {"202", "400", "401", "403", "404", "503"} <= set(told["responses"])
    assert "201" not in told["responses"] and "200" not in told["responses"]


def test_one_key_cannot_fill_the_table_with_its_thumbs(served: Workspace) -> None:
    asker = key_for(served.home, "search", "feedback")
    fast: dict[str, Any] = {"RAG_SERVE_RATE": "900000/minute", "RAG_SERVE_RATE_TOTAL": "900000/minute"}
    with replica(served, **LOGS, **fast) as running:
        answer = running.ask(asker, {"query": "may I fly"}).json()
        with httpx.Client(headers={"authorization": f"Bearer {asker}"}, timeout=60, **PLAIN) as client:
            for number in range(1_000):
                verdict = "useful" if number % 2 else "not_useful"
                client.post(f"{running.url}/v1/feedback", json={"query_id": answer["query_id"], "verdict": verdict})
    [row] = rows_of(served.home, "feedback")
    assert row["action_name"] == "useful"
