"""What an agent gets, asked by the official client: over HTTP through the same door, and on stdio."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from rag_pipeline.corpus.model import model_of
from rag_pipeline.door.keys import read_keys
from rag_pipeline.home import Home
from rag_pipeline.release.followed import Followed
from rag_pipeline.serve.agents import DATA
from tests.conftest import Workspace
from tests.support.replicas import PATIENT, Running, key_for, rag


@asynccontextmanager
async def agent(running: Running, key: str, **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}", **headers}, timeout=60) as web,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=web)) as client,
    ):
        yield client


async def look_around(client: Client) -> None:
    """What every agent sees, however it is connected."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "answer", "read_chunk"}
    for tool in tools.values():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
    assert set(tools["search"].input_schema["properties"]) == {"query", "k", "narrow"}
    assert set(tools["answer"].input_schema["properties"]) == {"query", "k", "narrow"}
    assert set(tools["read_chunk"].input_schema["properties"]) == {"chunk_id", "around"}

    found: Any = await client.call_tool("search", {"query": "somebody took my computer", "k": 2})
    assert not found.is_error
    said = found.structured_content
    assert said["hits"][0]["document_id"] == "handbook/laptops.md"
    assert len(found.content) == len(said["hits"]) == 2
    for part, hit in zip(found.content, said["hits"], strict=True):
        assert part.text.split("\n")[0] == DATA
        assert hit["text"] in part.text

    chunk: Any = await client.call_tool("read_chunk", {"chunk_id": said["hits"][1]["chunk_id"], "around": 1})
    assert chunk.structured_content["chunk"]["text"] == said["hits"][1]["text"]
    assert chunk.content[0].text.startswith(DATA)

    [resource] = (await client.list_resources()).resources
    assert str(resource.uri) == "release://production"
    told: Any = await client.read_resource("release://production")
    assert json.loads(told.contents[0].text)["release"] == said["release"]

    for name, arguments, slug in (
        ("search", {"query": "a\x07b"}, "invalid"),
        ("read_chunk", {"chunk_id": "nothing"}, "not-found"),
    ):
        wrong: Any = await client.call_tool(name, arguments)
        assert wrong.is_error
        assert json.loads(wrong.content[0].text)["type"] == f"/problems/{slug}"
    invalid: tuple[dict[str, Any], ...] = ({}, {"query": ""}, {"query": "x", "k": 51}, {"query": 7})
    for arguments in invalid:
        assert (await client.call_tool("search", arguments)).is_error


def test_an_agent_searches_over_http(running: Running, key: str) -> None:
    async def story() -> None:
        async with agent(running, key) as client:
            await look_around(client)

    asyncio.run(story())


def test_an_agent_searches_on_stdio(served_once: Workspace) -> None:
    async def story() -> None:
        environment = {name: value for name, value in served_once.environment.items() if isinstance(value, str)}
        command = StdioServerParameters(command=rag(), args=["mcp"], env=environment | PATIENT)
        async with Client(stdio_client(command)) as client:
            for _ in range(600):
                if not (await client.call_tool("search", {"query": "x"})).is_error:
                    break
                await asyncio.sleep(0.1)
            await look_around(client)

    asyncio.run(story())


def test_whoever_starts_a_replica_may_wait_until_it_has_tried_to_open_a_release(
    served_once: Workspace, tmp_path: Path
) -> None:
    settings = served_once.settings
    for home, there in ((settings.home, True), (Home(tmp_path), False)):
        followed = Followed(home, "production", lambda: model_of(settings), "cpu")
        try:
            followed.wait_for_first_try(600)
            assert bool(followed.state) == there
            assert bool(followed.why) != there
        finally:
            followed.close()


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}
TYPES = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer rag_" + "x" * 43}, 401),
        ({"authorization": "Bearer {key}", "host": "evil.example"}, 421),
        ({"authorization": "Bearer {key}", "origin": "https://evil.example"}, 421),
        ({"authorization": "Bearer {key}", "content-type": "text/plain"}, 415),
        ({"authorization": "Bearer {key}"}, 200),
    ],
)
def test_agents_pass_the_same_door(running: Running, key: str, headers: dict[str, str], status: int) -> None:
    filled = {name: value.replace("{key}", key) for name, value in headers.items()}
    told = httpx.post(f"{running.url}/mcp", json=INITIALIZE, headers=TYPES | filled)
    assert told.status_code == status
    if status != 200:
        assert told.json()["type"].startswith("/problems/")


def test_a_message_that_is_too_large_or_no_message_is_refused(running: Running, key: str) -> None:
    headers = TYPES | {"authorization": f"Bearer {key}"}
    assert httpx.post(f"{running.url}/mcp", content=b"x" * 70_000, headers=headers).status_code == 413
    assert 400 <= httpx.post(f"{running.url}/mcp", content=b"{", headers=headers).status_code < 500
    streamed = httpx.get(f"{running.url}/mcp", headers=headers)
    assert (streamed.status_code, streamed.headers["allow"]) == (405, "POST")


def test_of_many_agents_at_once_none_is_taken_for_another(running: Running, served_once: Workspace) -> None:
    """Each has its own key; half of them may not search. The log says who asked what."""
    may = {key_for(served_once.home): True for _ in range(6)} | {key_for(served_once.home, "mode"): False for _ in range(6)}
    ids = dict(zip(may, [key.id for key in read_keys(served_once.home)][-12:], strict=True))

    async def ask(key: str) -> list[tuple[str, bool]]:
        told = []
        async with agent(running, key) as client:
            for _ in range(8):
                answer: Any = await client.call_tool("search", {"query": "may I fly", "k": 1})
                said = json.loads(answer.content[0].text) if answer.is_error else answer.structured_content
                told.append((said["query_id"], not answer.is_error))
        return told

    async def story() -> None:
        answers = await asyncio.gather(*(ask(key) for key in may))
        for key, told in zip(may, answers, strict=True):
            assert [answered for _, answered in told] == [may[key]] * 8
            for query_id, _ in told:
                running.wait_until(lambda one=query_id: any(x.get("query_id") == one for x in running.log), "a line")  # type: ignore[misc]
                [line] = [line for line in running.log if line.get("query_id") == query_id]
                assert line["principal"] == ids[key]

    asyncio.run(story())
