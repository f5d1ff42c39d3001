import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.chunk_spans import places_of
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import OpenRelease, Query, encoder_for, open_release
from tests.support.small_releases import SmallModel, bag_of_words, build, release_of, store_vectors, unit_vectors


def documents(home: Home, release: OpenRelease, queries: Vectors, k: int) -> list[list[str]]:
    """The `k` documents of the best chunks, as evaluations rank them."""
    ranked = release.ranked([Query("", query) for query in queries], 100, "dense")
    places = places_of(home, release.manifest, (chunk for one in ranked for chunk, _ in one), set())
    return [places.best_documents(one, k) for one in ranked]


def test_hits_come_best_first_with_what_a_reader_is_shown(home: Home) -> None:
    pages = {"cats.md": "# Cats\n\ncats purr", "dogs.md": "# Dogs\n\ndogs bark", "both.md": "# Both\n\ncats dogs"}
    manifest = release_of(home, pages).manifest
    query = bag_of_words("cats purr")
    with open_release(home, manifest.id) as release:
        hits = release.search(query, 3)
        assert release.search(query, 1) == hits[:1]
        assert release.search(query, 50) == hits, "asking for more than there is gives all there is"
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    best = hits[0]
    assert (best.document_id, best.source, best.title, best.uri) == (
        "handbook/cats.md",
        "handbook",
        "cats.md",
        "file:///cats.md",
    )
    assert pages["cats.md"][best.start : best.end] == best.text == pages["cats.md"]
    for hit in hits:
        assert hit.score == pytest.approx(float(query @ bag_of_words(hit.text)), abs=1e-5)


def test_equal_scores_are_ordered_by_chunk_id_every_time(home: Home) -> None:
    same = np.tile(unit_vectors(1), (30, 1))
    ids = store_vectors(home, same)
    shuffled = chunks_table(home).scan().collect().sample(fraction=1, shuffle=True, seed=3)
    chunks_table(home).overwrite(shuffled)
    manifest = build(home).manifest
    with open_release(home, manifest.id) as release:
        assert [hit.chunk_id for hit in release.search(same[0], 30)] == sorted(ids)
        assert documents(home, release, same[:1], 3)[0] == [f"numbers/{name}" for name in sorted(ids)[:3]]


def test_documents_are_ranked_by_their_best_chunk_and_named_once(home: Home) -> None:
    angles = {"near": 0.1, "middle": 0.2, "far": 0.3, "near again": 0.4, "far again": 0.25}
    vectors = np.array([[np.cos(angle), np.sin(angle)] for angle in angles.values()], dtype=np.float32)
    store_vectors(home, vectors)
    owners = pl.Series([f"numbers/{name.removesuffix(' again')}" for name in angles])
    rows = chunks_table(home).scan().collect().sort("chunk_id").with_columns(document_id=owners)
    chunks_table(home).overwrite(rows)
    manifest = build(home).manifest
    assert manifest.documents == 3
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)
    with open_release(home, manifest.id) as release:
        near, far = documents(home, release, queries, 3)
        assert documents(home, release, queries, 1) == [near[:1], far[:1]]
    assert near == ["numbers/near", "numbers/middle", "numbers/far"]
    assert far == ["numbers/near", "numbers/far", "numbers/middle"], "0.4 is the nearest to a right angle, then 0.3, 0.2"


def test_documents_agree_with_exact_search(home: Home) -> None:
    vectors, queries = unit_vectors(600), unit_vectors(40, seed=11)
    ids = store_vectors(home, vectors)
    manifest = build(home).manifest
    exact = [[f"numbers/{ids[index]}" for index in np.argsort(-(vectors @ query))[:10]] for query in queries]
    with open_release(home, manifest.id) as release:
        found = documents(home, release, queries, 10)
    agreed = sum(len(set(one) & set(other)) for one, other in zip(exact, found, strict=True))
    assert agreed >= 0.99 * 10 * len(queries)


def test_a_query_with_another_model_is_refused_before_it_is_loaded(home: Home) -> None:
    manifest = release_of(home, {"cats.md": "# Cats\n\ncats purr", "dogs.md": "# Dogs\n\ndogs bark"}).manifest
    assert encoder_for(home, manifest, SmallModel()).queries(["a"]).shape[0] == 1  # type: ignore[arg-type]

    class NeverLoaded(SmallModel):
        def load(self) -> None:  # type: ignore[override]
            raise AssertionError("loaded")

    with pytest.raises(ReleaseError, match=r"built with the model small .* cannot be compared"):
        encoder_for(home, manifest, NeverLoaded(fingerprint="other"))  # type: ignore[arg-type]
