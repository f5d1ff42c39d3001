"""Re-ranking by a real, tiny and untrained cross-encoder: what it orders is arbitrary, and the same every time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.recipe import retrieval_of
from rag_pipeline.index.rerank import reranker_at
from rag_pipeline.index.retrieve import OpenRelease, Query, open_release
from rag_pipeline.settings import Settings
from tests.support.cross_encoder import save_cross_encoder
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import NOW, bag_of_words, release_of

PAGES = {f"page{number}.md": f"# Page {number}\n\n{'very ' * number}long page about cats {number}" for number in range(8)}

DEPTH = 5


def test_a_re_ranker_has_the_fingerprint_that_releases_know_it_by(tmp_path: Path) -> None:
    """Written down when the first releases were built; with another one they could not answer."""
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (tmp_path / "model.bin").write_text("weights", encoding="utf-8")
    (tmp_path / "README.md").write_text("# Read me", encoding="utf-8")
    assert reranker_at(str(tmp_path)).fingerprint == "1f79f7c91df351f43d4c6c8177add585"
    (tmp_path / "README.md").write_text("# Read me again", encoding="utf-8")
    assert reranker_at(str(tmp_path)).fingerprint == "1f79f7c91df351f43d4c6c8177add585"
    (tmp_path / "model.bin").write_text("other weights", encoding="utf-8")
    assert reranker_at(str(tmp_path)).fingerprint != "1f79f7c91df351f43d4c6c8177add585"


@pytest.fixture(scope="module")
def reranked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest, Path]:
    """Home, a release with a re-ranker, the re-ranker's folder."""
    folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "cross")
    home = Home(tmp_path_factory.mktemp("home"))
    plain = release_of(home, PAGES).manifest
    retrieval = retrieval_of(Settings(home=home, reranker=str(folder), rerank_depth=DEPTH))
    recipe = replace(recipe_of(plain), retrieval=retrieval)
    return home, build_release(home, recipe, run_id="test", now=NOW + timedelta(days=1)).manifest, folder


@pytest.fixture
def opened(reranked: tuple[Home, Manifest, Path]) -> Iterator[OpenRelease]:
    home, manifest, _ = reranked
    with open_release(home, manifest.id, ["hybrid"]) as release:
        yield release


def ask(text: str) -> Query:
    return Query(text, bag_of_words(text))


def test_the_release_names_its_reranker_and_was_built_by_difference(reranked: tuple[Home, Manifest, Path]) -> None:
    _, manifest, folder = reranked
    said = manifest.retrieval
    assert (said.reranker, said.reranker_fingerprint) == (str(folder), reranker_at(str(folder)).fingerprint)
    assert said.rerank_depth == DEPTH
    assert (manifest.origin.removed, manifest.origin.added) == (0, 0) and manifest.origin.base


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_the_first_hits_are_ordered_by_the_cross_encoder_and_the_rest_follow_as_they_were(
    opened: OpenRelease, mode: str
) -> None:
    query = ask("long page about cats")
    before = opened._first(query, 8, mode)  # type: ignore[arg-type]
    hits = opened.search(query, 8, mode)  # type: ignore[arg-type]
    names = [hit.chunk_id for hit in hits]
    first, rest = [name for name, _ in before[:DEPTH]], [name for name, _ in before[DEPTH:]]
    assert set(names[:DEPTH]) == set(first) and names[:DEPTH] != first
    assert names[DEPTH:] == rest
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    said = opened.manifest.retrieval
    scores = reranker_at(said.reranker).scores(query.text, [hit.text for hit in hits[:DEPTH]])
    assert [hit.score for hit in hits[:DEPTH]] == pytest.approx(scores, abs=1e-5)
    assert opened.search(query, 2, mode) == hits[:2]  # type: ignore[arg-type]
    assert opened.rerank(query.text, before) == [(hit.chunk_id, hit.score) for hit in hits]


def test_a_question_without_hits_is_not_reranked(opened: OpenRelease) -> None:
    assert opened.rerank("cats", []) == []
    assert opened.search(ask("zebra?"), 3, "lexical") == []


def test_a_bare_vector_cannot_be_reranked(opened: OpenRelease) -> None:
    with pytest.raises(ValueError, match="reads the question"):
        opened.search(bag_of_words("cats"), 3, "dense")


def test_a_changed_weight_file_is_refused_and_so_is_one_that_is_gone(tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path / "cross")
    home = Home(tmp_path / "home")
    recipe = recipe_of(release_of(home, PAGES).manifest)
    settings = Settings(home=home, reranker=str(folder))
    manifest = build_release(home, replace(recipe, retrieval=retrieval_of(settings)), run_id="test", now=NOW).manifest
    with open_release(home, manifest.id) as release:
        assert release.search(ask("cats"), 3)
        flip_a_bit(folder / "model.safetensors")
        with pytest.raises(ReleaseError, match=r"answers with the re-ranker .* Put the files of that model back"):
            release.search(ask("cats"), 3)
        assert retrieval_of(settings).reranker_fingerprint != manifest.retrieval.reranker_fingerprint
        (folder / "config.json").unlink()
        with pytest.raises(ReleaseError, match=r"needs its re-ranker: RAG_RERANKER=.*not a folder with a cross-encoder"):
            release.search(ask("cats"), 3)


def test_a_model_with_several_labels_is_no_reranker(tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(PipelineError, match="does not give one finite score a text"):
        reranker_at(str(folder)).scores("cats", ["a", "b"])


def test_a_folder_that_is_no_model_is_refused_when_settings_are_read(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"RAG_RERANKER=.*nowhere: not a folder"):
        retrieval_of(Settings(home=tmp_path, reranker=str(tmp_path / "nowhere")))
