"""A reader whose channel or release is in trouble says so, and goes on when it is fixed."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import RetrievalParameters, read_manifest
from rag_pipeline.index.retrieve import OpenRelease, Query, open_release
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.retention import collect
from rag_pipeline.release.serving import ChannelReader
from tests.support.office import Office
from tests.support.readers import BY_FORCE, build, town
from tests.support.release_damage import delete_records
from tests.support.small_releases import NOW, SMALL, bag_of_words

__all__ = ["town"]


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
        delete_records(town.home.release(second), 1)
        with pytest.raises(ReleaseError, match=f"release {second} is damaged"):
            reader.search(query, 3)
        third = build(town.home, 2)
        town.evaluate(third)
        promote(town.inputs(), PromotionRequest(third, by="t", why="x", override=True), run_id="r")
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

    def others_are_faster(home: Home, release: str, modes: None, *, device: str) -> AbstractContextManager[OpenRelease]:
        opened.append(release)
        if release == town.first:
            for following in (second, third):
                town.serve(following)
            collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
            assert not town.home.release(town.first).exists()
        return open_release(home, release, modes, device=device)

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
        assert list(town.home.views.iterdir())
    assert not list(town.home.views.iterdir())


def test_a_reader_follows_a_channel_to_a_release_that_answers_by_words(town: Office) -> None:
    question = "about cats here"
    query = Query(question, bag_of_words(question))
    town.serve(town.first)
    with ChannelReader(town.home) as reader:
        assert reader.search(query, 3)[0] == town.first
        recipe = recipe_of(read_manifest(town.home.release(town.first)))
        by_words = replace(recipe, retrieval=RetrievalParameters(mode="lexical"))
        second = build_release(town.home, by_words, run_id="test", now=NOW + timedelta(days=3)).manifest
        before = read_channel(town.home, "production")
        assert before is not None
        moved = {"release": second.id, "fingerprint": second.fingerprint, "previous": town.first, **BY_FORCE}
        move_and_record(town.home, "production", before.model_copy(update=moved | {"sequence": 2}), expected=before)
        release, hits = reader.search(query, 3)
        assert (release, hits[0].document_id) == (second.id, "handbook/cats.md")
        assert reader.search(Query(question), 3) == (release, hits), "words need no vector"
