"""Replicas that answer many clients while releases are promoted and rolled back under them, and while they are killed.

No answer is ever wrong: each is, hit by hit, what the release it names gives alone. Errors are those that say so.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from rag_pipeline.corpus.model import model_of
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import Query, encoder_for, open_release, own_model
from tests.conftest import Workspace
from tests.support.readers import SUBJECTS, pages
from tests.support.replicas import Running, key_for, point, release_with, start

REPLICAS, CLIENTS, MOVES, KILLS = 4, 16, 30, 5
QUESTIONS = [f"tell me about {subject}" for subject in SUBJECTS]
K = 4

Hits = list[tuple[str, str, float]]
"""Chunk id, text, score."""


@dataclass
class Fleet:
    """Replicas on ports of their own, and what their clients saw."""

    workspace: Workspace
    key: str
    truth: dict[tuple[str, str], Hits]
    running: list[Running] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    """Process ids: a connection to one of these may break."""
    wrong: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    """Release id, or problem -> how often."""
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, seed: int) -> None:
        dice = random.Random(seed)
        while not self.over.is_set():
            replica, question = dice.choice(self.running), dice.choice(QUESTIONS)
            try:
                answer = replica.ask(self.key, {"query": question, "k": K, "timeout_ms": 30_000})
            except httpx.TransportError as error:
                if replica.process.pid not in self.killed:
                    self.wrong.append(f"a replica that lives broke a connection: {error!r}")
                time.sleep(0.05)
                continue
            self.judge(question, answer)

    def judge(self, question: str, answer: httpx.Response) -> None:
        told = answer.json()
        if answer.status_code != 200:
            self.count(told["type"])
            if answer.status_code not in (503, 504):
                self.wrong.append(f"{answer.status_code}: {told}")
            return
        self.count(told["release"])
        found = [(hit["chunk_id"], hit["text"], hit["score"]) for hit in told["hits"]]
        expected = self.truth[told["release"], question]
        same = [one[:2] for one in found] == [one[:2] for one in expected]
        if told["degraded"] or not same or any(abs(a[2] - b[2]) > 1e-4 for a, b in zip(found, expected, strict=True)):
            self.wrong.append(f"{question} of {told['release']}: {found} instead of {expected}, {told['degraded']}")

    def count(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1


def truth_of(workspace: Workspace, releases: list[str]) -> dict[tuple[str, str], Hits]:
    home, found = workspace.home, {}
    for release in releases:
        manifest = read_manifest(home.release(release))
        encoder = encoder_for(home, manifest, own_model(manifest, model_of(workspace.settings)))
        with open_release(home, release) as opened:
            for question in QUESTIONS:
                hits = opened.search(Query(question, encoder.queries([question])[0]), K)
                found[release, question] = [(hit.chunk_id, hit.text, hit.score) for hit in hits]
    return found


def releases_in(home: Home) -> list[str]:
    return [release_with(home, pages(number), minutes=number) for number in range(4)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_answer_is_wrong_while_releases_move_and_replicas_are_killed(workspace: Workspace) -> None:
    claim_home(workspace.settings)
    releases = releases_in(workspace.home)
    fleet = Fleet(workspace, key_for(workspace.home), truth_of(workspace, releases))
    point(workspace.home, releases[0])
    limits: dict[str, Any] = {
        "RAG_SERVE_RATE": "900000/minute",
        "RAG_SERVE_RATE_TOTAL": "900000/minute",
        "RAG_SERVE_AT_ONCE_EACH": "99",
    }
    fleet.running = [start(workspace, **limits) for _ in range(REPLICAS)]
    for running in fleet.running:
        running.wait_until(running.ready, "a release")
    clients = [threading.Thread(target=fleet.client, args=(seed,)) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    dice = random.Random(7)
    try:
        for move in range(MOVES):
            point(workspace.home, releases[(move + 1) % len(releases)])
            time.sleep(dice.uniform(0.2, 3.0))
            if move % (MOVES // KILLS) == 2:
                place = dice.randrange(REPLICAS)
                fleet.killed.add(fleet.running[place].process.pid)
                fleet.running[place].kill()
                fleet.running[place] = start(workspace, **limits)
        last = releases[MOVES % len(releases)]
        for running in fleet.running:
            running.wait_until(lambda one=running: one.get("/readyz").json().get("release") == last, "the last move")  # type: ignore[misc]
    finally:
        fleet.over.set()
        for client in clients:
            client.join(120)
        ends = [running.stop() for running in fleet.running]
    assert fleet.wrong == []
    assert ends == [0] * REPLICAS
    assert set(releases) <= set(fleet.seen), "each release answered"
    assert sum(fleet.seen[release] for release in releases) > 500
    assert set(fleet.seen) - set(releases) <= {"/problems/no-release", "/problems/overloaded", "/problems/deadline"}
    print(fleet.seen, len(fleet.killed))  # noqa: T201
