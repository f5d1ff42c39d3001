from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.condensed import DEEP, condense, condensed_scores, known_documents
from rag_pipeline.evaluate.evidence_store import read_lists
from rag_pipeline.evaluate.recompute import contradictions, known_to_production
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index.manifest import read_manifest
from tests.support.evaluated_home import Desk
from tests.support.golden_sets import doc, golden, living, on_bench
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import release_of

NAMES = [f"d{number}" for number in range(8)]
PAGES = {f"{number:02}.md": f"# Page {number}\n\nall pages speak of cats" for number in range(40)}


@settings(max_examples=40, deadline=None)
@given(st.permutations(NAMES), st.sets(st.sampled_from(NAMES)))
def test_what_is_not_known_is_taken_out_and_the_rest_keeps_its_order(listed: list[str], new: set[str]) -> None:
    known = set(NAMES) - new
    found = condense(listed, known)
    assert set(found) == known
    assert sorted(found, key=listed.index) == found


def test_new_documents_before_a_right_one_cost_nothing_and_a_known_one_does() -> None:
    qrels, deep = {"q": {"old": 1}}, {"q": [*(f"new{number}" for number in range(15)), "old"]}
    scores = condensed_scores(["nDCG@10", "hit@10", "judged@10", "span_recall@5"], qrels, deep, {"old", "other"})
    assert scores == {"nDCG@10": {"q": 1.0}, "hit@10": {"q": 1.0}}, "neither passages nor judged@k are taken of it"
    worse = condensed_scores(["MRR@10"], qrels, {"q": ["other", "new0", "old"]}, {"old", "other"})
    assert worse == {"MRR@10": {"q": 0.5}}


def test_documents_of_a_release_are_known_although_the_sources_moved_on(home: Home) -> None:
    old = release_of(home, {"cats.md": "# Cats\n\npurr", "dogs.md": "# Dogs\n\nbark"}).manifest
    new = release_of(home, {"cats.md": "# Cats\n\npurr", "fish.md": "# Fish\n\nswim"}).manifest
    asked = [doc("cats"), doc("dogs"), doc("fish"), doc("cats")]
    assert known_documents(home, old.id, asked) == {doc("cats"), doc("dogs")}
    assert known_documents(home, new.id, asked) == {doc("cats"), doc("fish")}
    assert known_documents(home, new.id, []) == frozenset()


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_a_release_that_cannot_be_read_knows_nothing_and_says_so(home: Home, tmp_path: Path, how: str) -> None:
    manifest = release_of(home, {"cats.md": "# Cats\n\npurr"}).manifest
    if how == "damaged":
        flip_a_bit(tmp_path / "releases" / manifest.id / CHUNKS_FILE)
    with pytest.raises(ReleaseError, match=r"is not the one it was built from|manifest"):
        known_documents(home, manifest.id if how == "damaged" else "20260101-000000-abcdef01", [doc("cats")])


def test_lists_are_kept_deeper_than_figures_look_and_begin_the_same(home: Home) -> None:
    release = release_of(home, PAGES).manifest.id
    one = golden({"cats": {doc("05"): 1}, "page 7": {doc("07"): 1}})
    with on_bench(home, release) as bench:
        measured = bench.measure(living(home, one), ["nDCG@10", "recall@10"])
    assert {len(documents) for documents in measured.retrieved.values()} == {10}
    assert {len(documents) for documents in measured.lists.documents.values()} == {DEEP}
    assert all(measured.lists.documents[query][:10] == first for query, first in measured.retrieved.items())


def test_evidence_says_what_the_release_scores_without_documents_production_could_not_have(desk: Desk) -> None:
    """`second` holds a page that copies the answer to a question, and another page lost it."""
    second = desk.second()
    found = desk.evaluate(second, production=desk.release).golden_sets["animals"]
    assert found.production is not None
    place = found.query_ids.index("q0")
    assert found.values["nDCG@10"][place] < found.condensed["nDCG@10"][place] <= found.production["nDCG@10"][place]
    assert "judged@10" not in found.condensed
    assert desk.evaluate().golden_sets["animals"].condensed == {}, "nothing to compare with"


def test_without_productions_documents_nothing_is_condensed(desk: Desk) -> None:
    second = desk.second()
    desk.evaluate(production=None)
    flip_a_bit(desk.home.release(desk.release) / CHUNKS_FILE)
    found = desk.evaluate(second, production=desk.release).golden_sets["animals"]
    assert found.production is not None and found.condensed == {}


def test_condensed_figures_are_computed_again_and_an_edited_one_is_found(desk: Desk) -> None:
    second = desk.second()
    evidence = desk.evaluate(second, production=desk.release)
    manifest = read_manifest(desk.home.release(second))
    sets = read_golden_sets(desk.workspace.settings.evals)
    assert contradictions(desk.home, evidence, sets, manifest) == ()
    one = evidence.golden_sets["animals"]
    worse = one.model_copy(update={"condensed": one.condensed | {"nDCG@10": [0.1] * one.queries}})
    edited = evidence.model_copy(update={"golden_sets": {"animals": worse}})
    [says] = contradictions(desk.home, edited, sets, manifest)
    assert "without new documents, nDCG@10 of query q0" in says
    flip_a_bit(desk.home.release(desk.release) / CHUNKS_FILE)
    assert known_to_production(desk.home, evidence, read_lists(desk.home, evidence))[0] is None, "nobody can tell any more"


def test_an_answer_that_is_said_to_have_slipped_and_has_not_is_found(desk: Desk) -> None:
    """It would turn a lost answer into none."""
    second = desk.second()
    evidence = desk.evaluate(second, production=desk.release)
    manifest, sets = read_manifest(desk.home.release(second)), read_golden_sets(desk.workspace.settings.evals)
    one = evidence.golden_sets["animals"]
    said = one.model_copy(update={"slipped": [*one.slipped, one.query_ids[-1]]})
    edited = evidence.model_copy(update={"golden_sets": {"animals": said}})
    [says] = contradictions(desk.home, edited, sets, manifest)
    assert "animals: the queries whose answers slipped a place or two are none, not as it says" in says
