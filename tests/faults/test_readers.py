"""Readers never notice: they answer from exactly one release while releases are promoted, rolled back and collected."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.errors import PromotionRefused
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests, read_manifest
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.retention import collect
from rag_pipeline.release.rollback import release_before
from rag_pipeline.release.serving import ChannelReader
from tests.support.office import Office
from tests.support.readers import BY_FORCE, SUBJECTS, build, town
from tests.support.small_releases import NOW, SMALL, bag_of_words

__all__ = ["town"]


ROOT = Path(__file__).parents[2]


READERS, PROMOTIONS = 4, 20


READER = """
import json, sys
from collections import Counter
from pathlib import Path
import numpy as np
from rag_pipeline.home import Home
from rag_pipeline.release.serving import ChannelReader

home, vectors, stop, wanted = Home(Path(sys.argv[1])), np.load(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
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
def readers(home: Home, stop: Path) -> Iterator[list[dict[str, Any]]]:
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
            done = promote(
                town.inputs(now), PromotionRequest(target, by="tests", why="x", named=True, withdraw=rollback), run_id="r"
            )
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
    assert len(all_manifests(town.home.releases)) <= 3
    assert not list(town.home.views.glob("*")), "a view was left behind"


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
            fingerprint = read_manifest(town.home.release(release)).fingerprint
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
    assert {one.id for one in all_manifests(town.home.releases)} == set(made[-2:])


def test_a_reader_answers_from_a_collected_release_until_the_channel_moves_and_moves_over_with_the_next_query(
    town: Office,
) -> None:
    query = bag_of_words("about cats here")
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        before = reader.search(query, 3)
        assert before[0] == town.first
        collected_under_the_reader = town.home.release(town.first)
        collected_under_the_reader.rename(collected_under_the_reader.with_name(".trash-it"))
        collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
        assert not collected_under_the_reader.exists()
        assert reader.search(query, 3) == before
        second = build(town.home, 1)
        assert reader.search(query, 3) == before, "a release that is only built is not served"
        town.evaluate(second)
        with pytest.raises(PromotionRefused, match="nobody can tell whether a source shrank"):
            town.promote(second)
        promote(town.inputs(), PromotionRequest(second, by="tests", why="what served is gone", override=True), run_id="run")
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
        assert not town.home.release(town.first).exists(), "production pointed elsewhere twice since"
        assert held.search(query, 4) == before
        release, hits = reader.search(query, 4)
        assert release != town.first
        assert all("marker-2" in hit.text for hit in hits)
