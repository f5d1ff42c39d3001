"""A replica with a language model behind it: what the model writes is sent if it was checked, and told if it was not."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import yaml
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.conftest import Workspace
from tests.support.guarded import PAGES, guarded_replica
from tests.support.logged import logging_replica, rows_of
from tests.support.lying_model import LyingModel, line, model_in_a_thread
from tests.support.replicas import PLAIN, Running, key_for, named_by_force, replica

pytest.importorskip("openai")

TRUTH = "Every employee has thirty days of paid holiday each year."
QUESTION = {"query": "how many days of paid holiday has every employee"}


def configured(folder: Path, model: LyingModel, **changes: Any) -> Path:
    file = folder / "answers.yaml"
    one = {
        "name": "house",
        "url": model.url,
        "model": "liar-1",
        "usd_per_million": {"in": 1, "out": 1},
        "timeout_ms": 20_000,
        "classifications": ["unstated"],
    }
    file.write_text(yaml.safe_dump({"models": [one | changes], "budget": {"usd_per_day": 1, "usd_per_query": 0.1}}))
    return file


def ask(running: Running, key: str, **more: Any) -> httpx.Response:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    body = json.dumps(QUESTION | {"timeout_ms": 30_000} | more)
    return httpx.post(f"{running.url}/v1/answer", content=body, headers=headers, timeout=60, **PLAIN)


def test_what_a_model_writes_is_sent_once_it_was_checked_and_otherwise_whole_sentences_are(
    served: Workspace, tmp_path: Path
) -> None:
    writes, reads_only = key_for(served.home, "search", "answer"), key_for(served.home)
    with model_in_a_thread() as model, replica(served, RAG_SERVE_ANSWERS=str(configured(tmp_path, model))) as running:
        unnamed = ask(running, writes).json()
        assert (unnamed["generator"]["kind"], unnamed["generator"]["version"], model.asked) == ("extractive", None, [])
        [degraded] = unnamed["degraded"]
        assert (degraded["kind"], degraded["instead_of"]) == ("extractive", "liar-1")
        assert "names no answer version" in degraded["why"]
        running.wait_until(lambda: any("rag promote --answers" in one for one in running.raw), "how to have it served")
        assert running.get("/v1/release", writes).json()["answers"] == {
            "version": None,
            "prompt": None,
            "says": "whole sentences",
        }
        version = named_by_force(served, tmp_path / "answers.yaml")
        said = {"text": ""}
        model.content = lambda kind: said["text"]  # type: ignore[method-assign]
        said["text"] = line("Every employee has thirty days of paid holiday.", TRUTH, 1)
        told = ask(running, writes).json()
        [sentence] = told["sentences"]
        assert sentence["text"] == "Every employee has thirty days of paid holiday."
        assert sentence["citations"][0]["quote"] == TRUTH
        assert (told["generator"]["kind"], told["generator"]["model"], told["degraded"]) == ("model", "liar-1", [])
        assert told["generator"]["version"] == version
        named = running.get("/v1/release", writes).json()["answers"]
        assert (named["version"], named["prompt"]) == (version, told["generator"]["prompt"])
        assert told["generator"]["prompt"].startswith("answer@") and told["generator"]["usd"] > 0
        names = [part.split("\n")[0] for part in ask(running, writes, stream=True).text.strip().split("\n\n")]
        assert names == ["event: hits", "event: sentence", "event: done"]
        seen = json.loads(model.asked[-1]["messages"][1]["content"])
        assert {one["text"] for one in seen["passages"]} == {hit["text"] for hit in told["hits"]}

        asked = len(model.asked)
        plain = ask(running, reads_only).json()
        assert (plain["generator"]["kind"], plain["degraded"], len(model.asked)) == ("extractive", [], asked)

        said["text"] = line("Every employee has ninety days of paid holiday.", TRUTH, 1)
        lied = ask(running, writes).json()
        assert lied["sentences"] == plain["sentences"] and lied["generator"]["kind"] == "extractive"
        [degraded] = lied["degraded"]
        assert (degraded["kind"], degraded["instead_of"]) == ("extractive", "liar-1")
        assert "no sentence that its quotes hold" in degraded["why"] and lied["generator"]["left_out"] == 2
        assert "ninety" not in json.dumps(lied) and lied["generator"]["usd"] > 0

        model.kinds = ["status 500"]
        broken = ask(running, writes).json()
        assert broken["sentences"] == plain["sentences"] and "status 500" in broken["degraded"][0]["why"]
        asked = len(model.asked)
        nothing = ask(running, writes, query="which tennis player won the cup in the year of the comet").json()
        assert nothing["refused"] and len(model.asked) == asked, "what no passage supports costs nothing"


def test_a_model_sees_only_the_rows_that_it_was_granted(tmp_path: Path) -> None:
    with model_in_a_thread() as model:
        file = configured(tmp_path, model, reads=["hr"], classifications=["unstated", "public"])
        with guarded_replica(tmp_path / "home", RAG_SERVE_ANSWERS=str(file)) as guarded:
            key = key_for(guarded.workspace.home, "search", "answer", reads=("all",))
            named_by_force(guarded.workspace, file)
            told = ask(guarded.running, key, query="when is the holiday bonus paid", k=20).json()
            assert len(told["hits"]) == len(PAGES)
            readable = {text for text, labels in PAGES.values() if labels and "hr" in labels.casefold()}
            for one in model.asked:
                seen = {each["text"] for each in json.loads(one["messages"][1]["content"])["passages"]}
                assert seen and seen <= readable


def test_what_an_answer_cost_is_in_its_row_however_it_was_asked_and_wherever_it_broke_off(
    served: Workspace, tmp_path: Path
) -> None:
    writes, reads_only = key_for(served.home, "search", "answer"), key_for(served.home)
    with model_in_a_thread() as model:
        file = configured(tmp_path, model)
        named_by_force(served, file)
        with logging_replica(served, RAG_SERVE_ANSWERS=str(file)) as running:
            model.content = lambda kind: line("Every employee has thirty days of paid holiday.", TRUTH, 1)  # type: ignore[method-assign]
            whole = ask(running, writes).json()
            streamed = json.loads(ask(running, writes, stream=True).text.strip().rsplit("data: ", 1)[1])
            plain = ask(running, reads_only).json()
            refused = ask(running, writes, query="which tennis player won the cup in the year of the comet").json()
            searched = running.ask(reads_only, {"query": "may I fly"}).json()
            agent = asyncio.run(asked_by_agent(running, writes))
            model.kinds, asked = ["stall"], len(model.asked)
            headers = {"content-type": "application/json", "authorization": f"Bearer {writes}"}
            body = json.dumps(QUESTION | {"timeout_ms": 30_000, "stream": True})
            with httpx.stream(
                "POST", f"{running.url}/v1/answer", content=body, headers=headers, timeout=60, **PLAIN
            ) as left:
                parts = left.iter_text()  # which would close the connection once nobody holds it
                assert "event: hits" in next(parts)
                running.wait_until(lambda: len(model.asked) > asked, "the model")
    rows = {row["query_id"]: row for row in rows_of(served.home)}
    assert len(rows) == 7
    for answer in (whole, streamed, agent):
        row = rows[answer["query_id"]]
        assert (row["generator"], row["sentences"], row["tokens_in"], row["tokens_out"]) == ("liar-1", 1, 300, 50)
        assert row["usd"] == answer["generator"]["usd"] > 0 and row["prompt"] == answer["generator"]["prompt"]
    for answer, sentences in ((plain, len(plain["sentences"])), (refused, 0)):
        row = rows[answer["query_id"]]
        assert (row["generator"], row["sentences"], row["usd"]) == ("extractive", sentences, 0.0)
    assert rows[searched["query_id"]]["generator"] is None and rows[searched["query_id"]]["usd"] is None
    known = {one["query_id"] for one in (whole, streamed, agent, plain, refused, searched)}
    [broken] = [row for query, row in rows.items() if query not in known]
    assert broken["sentences"] is None and broken["usd"] > 0, "what nobody waited for is paid for all the same"


async def asked_by_agent(running: Running, key: str) -> dict[str, Any]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as web,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=web)) as client,
    ):
        told: Any = await client.call_tool("answer", QUESTION)
        found: dict[str, Any] = told.structured_content
        return found


def test_who_closes_the_connection_ends_the_models_call(served: Workspace, tmp_path: Path) -> None:
    writes = key_for(served.home, "search", "answer")
    with model_in_a_thread() as model:
        model.kinds = ["stall"]
        file = configured(tmp_path, model)
        named_by_force(served, file)
        with logging_replica(served, RAG_SERVE_ANSWERS=str(file)) as running:
            asked = threading.Event()
            model.on_request = asked.set
            connection = http.client.HTTPConnection(running.url.removeprefix("http://"))
            headers = {"content-type": "application/json", "authorization": f"Bearer {writes}"}
            connection.request("POST", "/v1/answer", json.dumps(QUESTION | {"timeout_ms": 30_000}), headers)
            assert asked.wait(60)
            connection.close()
            assert wait_until(lambda: model.left == ["stall"]), "the endpoint is let go of at once"
            model.kinds = ["truth"]
            model.content = lambda kind: line("Every employee has thirty days of paid holiday.", TRUTH, 1)  # type: ignore[method-assign]
            assert ask(running, writes).json()["generator"]["kind"] == "model", "and the next one is answered"
    broken = [row for row in rows_of(served.home) if row["sentences"] is None]
    assert len(broken) == 1 and broken[0]["usd"] > 0


def wait_until(found: Callable[[], bool], seconds: float = 15) -> bool:
    """Well before the model, or the question, ends by itself."""
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.05)
    return found()
