"""Readers never notice: they answer from exactly one release while releases are promoted, rolled back and collected."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import RetrievalParameters, all_manifests, read_manifest
from rag_pipeline.index.retrieve import OpenRelease, Query, open_release
from rag_pipeline.release.audit import move_and_record
from rag_pipeline.release.channels import read_channel
from rag_pipeline.release.promote import promote
from rag_pipeline.release.retention import collect
from rag_pipeline.release.rollback import release_before
from rag_pipeline.release.serving import ChannelReader
from tests.conftest import Workspace, files_contract
from tests.corpus.small import NOW, SMALL, bag_of_words, release_of
from tests.index.damage import delete_records
from tests.release.test_promote import FLOOR, Office

ROOT = Path(__file__).parents[2]

SUBJECTS = ("cats", "dogs", "birds", "fish", "horses", "bees", "ants", "frogs", "owls", "bears", "wolves", "mice")
READERS, PROMOTIONS = 4, 20
BY_FORCE = {"action": "overridden", "outcome": "regressed"}
"""A move without evidence, as only a person can make it."""


def pages(number: int) -> dict[str, str]:
    """The pages of one release: every id is there in each release, every text carries the release's own marker."""
    return {f"{subject}.md": f"# About {subject}\n\n{subject} here marker-{number}." for subject in SUBJECTS}


READER = """
import json, sys
from collections import Counter
from pathlib import Path
import numpy as np
from rag_pipeline.release.serving import ChannelReader

home, vectors, stop, wanted = Path(sys.argv[1]), np.load(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
queries, markers, moved, last = 0, {}, 0, None
with ChannelReader(home) as reader:
    print("ready", flush=True)
    while not stop.exists():
        for vector in vectors:
            release, hits = reader.search(vector, wanted)
            assert len(hits) == wanted, f"{len(hits)} of {wanted} hits from {release}"
            assert len({hit.document_id for hit in hits}) == wanted, "a document twice"
            found = Counter(word.strip(".") for hit in hits for word in hit.text.split() if word.startswith("marker-"))
            assert sum(found.values()) == wanted, found
            assert len(found) == 1, f"one answer mixes {dict(found)}"
            markers.setdefault(release, set()).update(found)
            queries, moved, last = queries + 1, moved + (release != last), release
print(json.dumps({"queries": queries, "moved": moved, "markers": {name: sorted(one) for name, one in markers.items()}}))
"""


@contextmanager
def readers(home: Path, stop: Path) -> Iterator[list[dict[str, Any]]]:
    """Reader processes that query without pause; the list holds what each has to tell once the block has ended."""
    np.save(stop.with_name("vectors.npy"), np.stack([bag_of_words(f"about {subject} here") for subject in SUBJECTS]))
    words = [sys.executable, "-c", READER, str(home), str(stop.with_name("vectors.npy")), str(stop), str(len(SUBJECTS))]
    running = [
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(READERS)
    ]
    told: list[dict[str, Any]] = []
    try:
        for reader in running:
            assert reader.stdout is not None and reader.stderr is not None
            assert reader.stdout.readline() == "ready\n", reader.stderr.read()
        yield told
    finally:
        stop.touch()
        for reader in running:
            out, err = reader.communicate(timeout=120)
            told.append(json.loads(out) if reader.returncode == 0 else {"died": err[-2000:]})


@pytest.fixture
def town(workspace: Workspace) -> Office:
    """An office whose first release has the marker of number 0."""
    workspace.contract("handbook", files_contract(workspace.pages(pages(0))))
    judged = {f"about {subject}": [f"handbook/{subject}.md"] for subject in SUBJECTS}
    workspace.golden("animals", judged)
    workspace.policy({"animals": FLOOR}, sources_within_sla=False)
    return Office(workspace, build(workspace.home, 0))


def build(home: Path, number: int) -> str:
    built = release_of(home, pages(number), now=NOW + timedelta(minutes=number))
    assert built.new
    return built.manifest.id


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_readers_never_notice_promotions_rollbacks_and_collections(
    town: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    markers, collected, rollbacks, hour = {town.first: "marker-0"}, 0, 0, 0
    town.serve(town.first)
    with readers(town.home, tmp_path / "stop") as told:
        number = 0
        for move in range(PROMOTIONS):
            hour += 1
            now = NOW + timedelta(hours=hour)
            if move % 4 == 3:  # the release before is kept for just this
                target, rollback = release_before(town.home, "production"), True
                rollbacks += 1
            else:
                number, rollback = number + 1, False
                target = build(town.home, number)
                markers[target] = f"marker-{number}"
            town.evaluate(target, now)
            done = promote(town.desk(now), target, by="tests", why="x", run_id="r", named=True, withdraw=rollback)
            assert done.moved
            gone = collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
            collected += len(gone.removed)
    assert not [one["died"] for one in told if "died" in one]
    seen = [set(one["markers"]) for one in told]
    with capsys.disabled():
        queries = [one["queries"] for one in told]
        print(  # noqa: T201
            f"\n{PROMOTIONS} moves ({rollbacks} rollbacks), {len(markers)} releases built, {collected} collected; "
            f"{READERS} readers: {sum(queries):,} queries {queries}, releases seen {[len(one) for one in seen]}, "
            f"moves seen {[one['moved'] for one in told]}"
        )
    for one in told:
        assert one["markers"] == {release: [markers[release]] for release in one["markers"]}, "an answer of another release"
        assert one["queries"] > 0
    assert min(len(one) for one in seen) >= 3, "a reader stayed where it was"
    assert collected >= 5
    assert len(all_manifests(town.home / "releases")) <= 3
    assert not list((town.home / "views").glob("*")), "a view was left behind"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_readers_never_notice_a_channel_that_moves_as_fast_as_it_can_with_a_collection_after_every_move(
    town: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [town.first, *(build(town.home, number) for number in range(1, 24))]
    markers = {release: [f"marker-{number}"] for number, release in enumerate(made)}
    town.serve(made[0])
    with readers(town.home, tmp_path / "stop") as told:
        for number, release in enumerate(made[1:], start=1):
            before = read_channel(town.home, "production")
            assert before is not None
            fingerprint = read_manifest(town.home / "releases" / release).fingerprint
            moved = {"release": release, "fingerprint": fingerprint, "previous": before.release, **BY_FORCE}
            target = before.model_copy(update={**moved, "sequence": before.sequence + 1})
            move_and_record(town.home, "production", target, expected=before)
            collect(town.home, keep=len(made) - number, days=30, model=SMALL.fingerprint)
    assert not [one["died"] for one in told if "died" in one]
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{len(made) - 1} hurried moves: {sum(one['queries'] for one in told):,} queries, "
            f"releases seen {[len(one['markers']) for one in told]}"
        )
    for one in told:
        assert one["markers"] == {release: markers[release] for release in one["markers"]}
        assert len(one["markers"]) >= 3
    assert {one.id for one in all_manifests(town.home / "releases")} == set(made[-2:])


def test_a_reader_answers_from_a_collected_release_until_the_channel_moves_and_moves_over_with_the_next_query(
    town: Office,
) -> None:
    query = bag_of_words("about cats here")
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        before = reader.search(query, 3)
        assert before[0] == town.first
        collected_under_the_reader = town.home / "releases" / town.first
        collected_under_the_reader.rename(collected_under_the_reader.with_name(".trash-it"))
        collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
        assert not collected_under_the_reader.exists()
        assert reader.search(query, 3) == before
        second = build(town.home, 1)
        assert reader.search(query, 3) == before, "a release that is only built is not served"
        town.evaluate(second)
        with pytest.raises(PromotionRefused, match="nobody can tell whether a source shrank"):
            town.promote(second)
        promote(town.desk(), second, by="tests", why="what served is gone", run_id="run", override=True)
        release, hits = reader.search(query, 3)
        assert release == second
        assert hits[0].document_id == "handbook/cats.md"
        assert all("marker-1" in hit.text for hit in hits)


def test_a_reader_that_holds_a_release_open_is_not_disturbed_by_its_collection(town: Office) -> None:
    query = bag_of_words("about owls here")
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        held = reader.current()
        before = held.search(query, 4)
        for number in (1, 2):
            town.serve(build(town.home, number))
            collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
        assert not (town.home / "releases" / town.first).exists(), "production pointed elsewhere twice since"
        assert held.search(query, 4) == before
        release, hits = reader.search(query, 4)
        assert release != town.first
        assert all("marker-2" in hit.text for hit in hits)


def test_a_channel_that_points_at_nothing_says_so_and_can_be_opened_once_it_points(town: Office) -> None:
    with (
        pytest.raises(ReleaseError, match=r"channel production of .* points at nothing yet; run `rag refresh`"),
        ChannelReader(town.home),
    ):
        pass
    with pytest.raises(ReleaseError, match="channel staging of"), ChannelReader(town.home, "staging"):
        pass
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        assert reader.search(bag_of_words("about cats here"), 1)[0] == town.first


def test_a_reader_whose_next_release_is_damaged_says_so_and_goes_on_when_the_channel_is_mended(town: Office) -> None:
    query = bag_of_words("about bees here")
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        second = build(town.home, 1)
        town.serve(second)
        delete_records(town.home / "releases" / second, 1)
        with pytest.raises(ReleaseError, match=f"release {second} is damaged"):
            reader.search(query, 3)
        third = build(town.home, 2)
        town.evaluate(third)
        promote(town.desk(), third, by="t", why="x", run_id="r", override=True)
        release, hits = reader.search(query, 3)
        assert release == third
        assert all("marker-2" in hit.text for hit in hits)


def test_a_release_that_is_collected_while_a_reader_opens_it_sends_the_reader_to_the_next_one(
    town: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel is read, moves on, and what it named is collected before the reader has opened it."""
    town.serve(town.first)
    second, third = build(town.home, 1), build(town.home, 2)
    opened: list[str] = []

    def others_are_faster(home: Path, release: str, *, device: str) -> AbstractContextManager[OpenRelease]:
        opened.append(release)
        if release == town.first:
            for following in (second, third):
                town.serve(following)
            collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
            assert not (town.home / "releases" / town.first).exists()
        return open_release(home, release, device=device)

    monkeypatch.setattr("rag_pipeline.release.serving.open_release", others_are_faster)
    with ChannelReader(town.home) as reader:
        release, hits = reader.search(bag_of_words("about cats here"), 3)
    assert opened == [town.first, third]
    assert release == third
    assert all("marker-2" in hit.text for hit in hits)


def test_closing_a_reader_leaves_no_view_behind(town: Office) -> None:
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        reader.search(bag_of_words("about cats here"), 1)
        assert list((town.home / "views").iterdir())
    assert not list((town.home / "views").iterdir())


def test_a_reader_follows_a_channel_to_a_release_that_answers_by_words(town: Office) -> None:
    question = "about cats here"
    query = Query(question, bag_of_words(question))
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        assert reader.search(query, 3)[0] == town.first
        recipe = recipe_of(read_manifest(town.home / "releases" / town.first))
        by_words = replace(recipe, retrieval=RetrievalParameters(mode="lexical"))
        second = build_release(town.home, by_words, run_id="test", now=NOW + timedelta(days=3)).manifest
        before = read_channel(town.home, "production")
        assert before is not None
        moved = {"release": second.id, "fingerprint": second.fingerprint, "previous": town.first, **BY_FORCE}
        move_and_record(town.home, "production", before.model_copy(update=moved | {"sequence": 2}), expected=before)
        release, hits = reader.search(query, 3)
        assert (release, hits[0].document_id) == (second.id, "handbook/cats.md")
        assert reader.search(Query(question), 3) == (release, hits), "words need no vector"
