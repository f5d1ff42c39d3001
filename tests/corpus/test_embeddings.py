import numpy as np
import pytest

from rag_pipeline.corpus.checks import chunks_without_vector
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.control import TEXTS
from rag_pipeline.corpus.embeddings import EmbeddingReport, update_embeddings
from rag_pipeline.corpus.engines import base, local
from rag_pipeline.corpus.model import usable
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.support.small_releases import (
    CountingEncoder,
    SmallModel,
    bag_of_words,
    chunker,
    real_encoder,
    real_model,
    store_documents,
)

PAGES = {f"page{number}": f"# Page {number}\n\nunlike any other: {number}" for number in range(7)}

SMALL = SmallModel()


def cut(home: Home, **sources: dict[str, str]) -> None:
    for source, pages in sources.items():
        store_documents(home, source, pages)
    update_chunks(home, list(sources), chunker())


def embed(home: Home, encoder: CountingEncoder, model: SmallModel = SMALL) -> EmbeddingReport:
    return update_embeddings(home, model, lambda: encoder)  # type: ignore[arg-type]


def must_not_load() -> CountingEncoder:
    raise AssertionError("the model was loaded although there is nothing to embed")


def stored(home: Home) -> list[tuple[str, str]]:
    return sorted(vectors_table(home).scan().select("model", "text_hash").collect().rows())


def test_every_distinct_text_is_embedded_once_across_documents_and_sources(home: Home) -> None:
    cut(home, first=PAGES | {"copy": PAGES["page0"]}, second={"again": PAGES["page1"], "own": "# Own\n\nown"})
    encoder = CountingEncoder()
    report = embed(home, encoder)
    assert sorted(encoder.seen) == sorted({*PAGES.values(), "# Own\n\nown"})
    assert (report.texts, report.embedded, report.reused) == (8, 8, 0)
    assert len(stored(home)) == len(set(stored(home))) == 8
    assert chunks_without_vector(home, "small") == []


def test_the_vector_stored_for_a_text_is_the_vector_of_that_text(home: Home) -> None:
    cut(home, handbook=PAGES)
    embed(home, CountingEncoder())
    joined = chunks_table(home).scan().join(vectors_table(home).scan(), on="text_hash").select("text", "vector")
    for text, vector in joined.collect().iter_rows():
        np.testing.assert_allclose(vector, bag_of_words(text), rtol=1e-6)


def test_the_model_is_not_even_loaded_when_no_text_is_new(home: Home) -> None:
    cut(home, handbook=PAGES)
    first = embed(home, CountingEncoder())
    version = vectors_table(home).version()
    report = update_embeddings(home, SmallModel(), must_not_load)  # type: ignore[arg-type]
    assert (report.embedded, report.reused) == (0, 7)
    assert report.texts_fingerprint == first.texts_fingerprint
    assert vectors_table(home).version() == version


def test_only_new_texts_are_embedded_and_old_vectors_stay(home: Home) -> None:
    cut(home, handbook=PAGES)
    embed(home, CountingEncoder())
    cut(home, handbook={**PAGES, "page0": "# Page 0\n\nedited"})
    encoder = CountingEncoder()
    report = embed(home, encoder)
    assert (len(encoder.seen), encoder.seen[TEXTS:]) == (TEXTS + 1, ["# Page 0\n\nedited"]), "after some it knew before"
    assert (report.texts, report.embedded, report.reused) == (7, 1, 6)
    assert len(stored(home)) == 8
    cut(home, handbook=PAGES)
    update_embeddings(home, SmallModel(), must_not_load)  # type: ignore[arg-type]


def test_a_run_that_dies_half_way_leaves_only_the_rest_to_the_next_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.0)
    monkeypatch.setattr(local, "_ENCODE", 2)
    cut(home, handbook=PAGES)
    dying = CountingEncoder(dies_after=4)
    with pytest.raises(RuntimeError, match="went away"):
        embed(home, dying)
    assert len(stored(home)) == 4
    finishing = CountingEncoder()
    report = embed(home, finishing)
    assert sorted(dying.seen) == sorted(finishing.seen[:4]), "held against what is stored"
    assert sorted(dying.seen + finishing.seen[4:]) == sorted(PAGES.values())
    assert (report.embedded, report.reused) == (3, 4)
    assert len(set(stored(home))) == len(stored(home)) == 7


def test_what_was_embedded_before_a_failure_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(home, handbook=PAGES)
    monkeypatch.setattr(local, "_ENCODE", 2)
    dying = CountingEncoder(dies_after=4)
    with pytest.raises(RuntimeError, match="the machine went away"):
        embed(home, dying)
    assert len(stored(home)) == len(dying.seen) == 4
    rest = CountingEncoder()
    assert embed(home, rest).embedded == len(PAGES) - 4
    assert not set(rest.seen[4:]) & set(dying.seen)


def test_another_model_embeds_everything_again_beside_the_old_vectors(home: Home) -> None:
    cut(home, handbook=PAGES)
    embed(home, CountingEncoder())
    before = stored(home)
    other = CountingEncoder()
    report = embed(home, other, SmallModel(fingerprint="other"))
    assert (report.model, report.embedded) == ("other", 7)
    assert sorted(other.seen) == sorted(PAGES.values())
    assert [row for row in stored(home) if row[0] == "small"] == before
    update_embeddings(home, SmallModel(), must_not_load)  # type: ignore[arg-type]


def test_a_corpus_without_chunks_needs_no_model(home: Home) -> None:
    cut(home, handbook={})
    report = update_embeddings(home, SmallModel(), must_not_load)  # type: ignore[arg-type]
    assert (report.texts, report.embedded) == (0, 0)


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (np.ones((2, 3)), "2 vectors for 3 texts"),
        (np.ones((4, 3)), "4 vectors for 3 texts"),
        (np.array([[1, 0, 0], [0, np.nan, 0], [0, 0, 1]]), "NaN or infinity"),
        (np.array([[1, 0, 0], [0, np.inf, 0], [0, 0, 1]]), "NaN or infinity"),
        (np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]]), "zero vector"),
    ],
)
def test_vectors_no_index_may_hold_are_refused_and_none_is_stored(home: Home, vectors: np.ndarray, says: str) -> None:
    class Broken(CountingEncoder):
        def documents(self, texts: list[str]) -> np.ndarray:
            return vectors.astype(np.float32)

    cut(home, handbook={"a": "# A\n\none", "b": "# B\n\ntwo", "c": "# C\n\nthree"})
    with pytest.raises(PipelineError, match=says):
        embed(home, Broken())
    assert stored(home) == []
    with pytest.raises(PipelineError, match=says):
        usable(vectors, 3)


def test_a_vector_of_the_real_model_does_not_depend_on_its_batch_mates() -> None:
    text = "How do I read a file line by line?"
    others = ["yes", "a " * 200, "Une phrase en français.", "🙂" * 30, "x" * 400, "# Heading\n\nBody.", "none", "1 2 3"]
    alone = real_encoder().documents([text])[0]
    for mates in (others, others[:1], [*others, *others]):
        together = real_encoder().documents([*mates, text])[-1]
        assert float(alone @ together) > 0.99999


def test_the_real_model_gives_unit_vectors_of_the_length_it_says() -> None:
    vectors = real_encoder().queries(["a", "b c"])
    assert vectors.shape == (2, real_model().dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
