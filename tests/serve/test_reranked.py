"""Hits come in the order of the release's re-ranker, and without it, told as such, where it is gone or would be too late."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.door.limits import Deadline
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.recipe import retrieval_of
from rag_pipeline.index.retrieve import OpenRelease, Query
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.leases import Leases
from rag_pipeline.serve.reranked import best
from rag_pipeline.settings import Settings
from tests.support.cross_encoder import save_cross_encoder
from tests.support.replicas import point
from tests.support.small_releases import NOW, bag_of_words, release_of

PAGES = {f"page{number}.md": f"# Page {number}\n\n{'very ' * number}long page about cats {number}" for number in range(8)}
ASKED = Query("a page about cats", bag_of_words("a page about cats"))
DEPTH, K = 5, 3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    """A home whose production answers with a re-ranker, and that one's folder."""
    folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "cross")
    home = Home(tmp_path_factory.mktemp("home"))
    retrieval = retrieval_of(Settings(home=home, reranker=str(folder), rerank_depth=DEPTH))
    recipe = replace(recipe_of(release_of(home, PAGES).manifest), retrieval=retrieval)
    point(home, build_release(home, recipe, run_id="test", now=NOW + timedelta(days=1)).manifest.id)
    return home, folder


@pytest.fixture
def leased(served: tuple[Home, Path]) -> Iterator[Leased]:
    with Leases(served[0], words_will_do=True) as leases, leases.lease() as found:
        assert isinstance(found, Leased)
        yield found


def found_by(leased: Leased, timeout_ms: float = 60_000) -> tuple[list[tuple[str, float]], list[tuple[str, str]]]:
    hits, degraded = best(leased, leased.reader(), ASKED, K, "dense", Deadline.in_ms(timeout_ms))
    assert [hit.rank for hit in hits] == list(range(1, K + 1))
    return [(hit.chunk_id, hit.score) for hit in hits], [(one.kind, one.why) for one in degraded]


def without(release: OpenRelease) -> list[tuple[str, float]]:
    return [(hit.chunk_id, hit.score) for hit in release.search(ASKED, K, rerank=False)]


def test_the_order_is_that_of_the_library_hit_by_hit(leased: Leased) -> None:
    hits, degraded = found_by(leased)
    assert hits == [(hit.chunk_id, hit.score) for hit in leased.release.search(ASKED, K)] != without(leased.release)
    assert degraded == [] and leased.rerank_s > 0


def test_a_re_ranker_that_went_is_told_and_found_again(leased: Leased, served: tuple[Home, Path], tmp_path: Path) -> None:
    _, folder = served
    folder.rename(tmp_path / "away")
    try:
        for _ in range(2):
            hits, degraded = found_by(leased)
            assert hits == without(leased.release)
            assert degraded == [("not-reranked", "the re-ranker is not on this replica")]
        assert leased.no_reranker == "ReleaseError", "what it says may quote a question"
        leased.find_reranker()
        assert "needs its re-ranker" in leased.no_reranker
    finally:
        (tmp_path / "away").rename(folder)
    leased.find_reranker()
    assert leased.no_reranker == "" and found_by(leased)[1] == []


def test_a_re_ranker_that_would_be_too_late_is_left_out_as_long_as_it_would_be(leased: Leased) -> None:
    leased.rerank_s = 10.0
    hits, degraded = found_by(leased, timeout_ms=14_000)
    assert (hits, degraded) == (
        without(leased.release),
        [("not-reranked", "the re-ranker would have taken longer than this request allows")],
    )
    for _ in range(100):
        if found_by(leased, timeout_ms=1_000)[1] == []:
            break
    else:
        raise AssertionError("it is never tried again")
    assert leased.rerank_s < 1.0


def test_what_it_took_of_late_is_forgotten_step_by_step(leased: Leased) -> None:
    leased.rerank_s = 1_000.0
    began = time.monotonic()
    leased.rerank(leased.reader(), ASKED.text, leased.reader().search(ASKED, DEPTH, rerank=False), K)
    assert 0.8 * 1_000 <= leased.rerank_s <= 0.8 * 1_000 + time.monotonic() - began
