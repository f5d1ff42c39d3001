from dataclasses import replace

import polars as pl
import pytest

from rag_pipeline.errors import GoldenSetError, ReleaseError
from rag_pipeline.evaluate.evaluate import evaluate_release
from rag_pipeline.evaluate.remembered import evaluations_table
from rag_pipeline.files import file_sha256
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.index.manifest import MODES, read_manifest
from rag_pipeline.index.recipe import retrieval_of
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.settings import Settings
from tests.support.cross_encoder import save_cross_encoder
from tests.support.evaluated_home import LATER, PAGES, WORSE, Desk
from tests.support.small_releases import (
    NOW,
    SmallModel,
    bag_of_words,
    release_of,
    store_documents,
)
from tests.support.zoo import served_as


def test_evidence_names_everything_it_was_measured_with(desk: Desk) -> None:
    evidence = desk.evaluate()
    manifest = release_of(desk.home, PAGES).manifest
    [golden] = read_golden_sets(desk.workspace.settings.evals)
    assert (evidence.release, evidence.release_fingerprint) == (manifest.id, manifest.fingerprint)
    assert (evidence.model_fingerprint, evidence.policies, evidence.created_at) == ("small", {"production": "policy"}, NOW)
    assert (evidence.mode, evidence.run_id, evidence.approximate_recall) == ("dense", "run", manifest.probe.recall_at_10)
    assert evidence.manifest_sha256 == file_sha256(desk.home.manifest(manifest.id))
    assert evidence.compared_with is None
    measured = evidence.golden_sets["animals"]
    assert measured.fingerprint == golden.fingerprint
    assert (measured.owner, measured.made_by, measured.primary) == ("docs@example.com", "people", "nDCG@10")
    assert (measured.query_ids, measured.judgments, measured.moved) == (["q0", "q1", "q2"], 3, 0)
    assert (measured.unresolved, measured.unanswered, measured.examples) == ([], [], [])
    assert measured.metrics == {"nDCG@10": 1.0, "recall@10": 1.0, "MRR@10": 1.0, "judged@10": pytest.approx(1 / 3, abs=1e-6)}
    assert measured.values["nDCG@10"] == [1.0, 1.0, 1.0]
    assert (measured.production, measured.production_metrics, measured.overlap_at_10) == (None, None, None)
    assert measured.slices == {"kind": ["(none)"] * 3} and measured.members("kind") == {"(none)": [0, 1, 2]}
    assert [one.queries for one in evidence.latency] == [3]


def test_every_way_to_retrieve_is_measured_and_reported(desk: Desk) -> None:
    measured = desk.evaluate(metrics={"animals": ["hit@1"]}).golden_sets["animals"]
    assert tuple(measured.modes) == MODES
    assert measured.modes["dense"] == pytest.approx(measured.metrics, abs=1e-6)
    assert {mode: means["hit@1"] for mode, means in measured.modes.items()} == dict.fromkeys(MODES, 1.0)
    assert measured.modes["lexical"]["judged@10"] == 1.0, "one document has these words, and it is judged"


def test_every_query_and_metric_is_a_row_of_the_table(desk: Desk) -> None:
    evidence = desk.evaluate()
    rows = evaluations_table(desk.home).scan().collect()
    assert rows.height == 12
    assert set(rows["release_fingerprint"]) == {evidence.release_fingerprint}
    means = dict(rows.group_by("metric").agg(pl.col("value").mean()).iter_rows())
    assert means == pytest.approx(evidence.golden_sets["animals"].metrics, abs=1e-6)
    retrieved = rows.filter(pl.col("query_id") == "q0")["retrieved"][0].to_list()
    assert retrieved[0] == "handbook/cats.md"
    assert set(retrieved) == {f"handbook/{name}" for name in PAGES}
    desk.evaluate(now=LATER)
    assert evaluations_table(desk.home).scan().collect().height == 24


def test_dead_judgments_are_taken_out_and_listed(desk: Desk) -> None:
    store_documents(desk.home, "handbook", {name: text for name, text in PAGES.items() if name != "fish.md"})
    measured = desk.evaluate().golden_sets["animals"]
    assert measured.unresolved == [Unresolved(query="q2", document="handbook/fish.md", status="dead")]
    assert (measured.queries, measured.judgments, measured.unresolved_percent) == (2, 3, pytest.approx(100 / 3))
    assert measured.metrics["nDCG@10"] == 1.0


def test_documents_nobody_judged_are_listed_those_that_come_first_first(desk: Desk) -> None:
    measured = desk.evaluate(desk.second()).golden_sets["animals"]
    assert measured.unjudged[0] == ("q0", "handbook/noise.md")
    judged = {("q0", "handbook/cats.md"), ("q1", "handbook/dogs.md"), ("q2", "handbook/fish.md")}
    everything = {(query, f"handbook/{name}") for query in ("q0", "q1", "q2") for name in WORSE}
    assert set(measured.unjudged) == everything - judged and len(measured.unjudged) == 9


def test_a_release_of_another_model_is_not_measured(desk: Desk) -> None:
    with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
        desk.evaluate(model=SmallModel(fingerprint="other"))
    assert not desk.home.evidence.exists()


def test_nor_is_one_that_retrieves_by_words_although_no_question_needs_the_model(desk: Desk) -> None:
    by_words = served_as(desk.home, read_manifest(desk.home.release(desk.release)), mode="lexical").id
    desk.evaluate(by_words)  # the vectors of its questions are known from now on
    with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
        desk.evaluate(by_words, model=SmallModel(fingerprint="other"))


def test_metrics_of_passages_asked_of_a_set_without_any_are_refused(desk: Desk) -> None:
    with pytest.raises(GoldenSetError, match=r"animals, by gate\.yaml: span_recall@5 needs quoted passages"):
        desk.evaluate(metrics={"animals": ["span_recall@5"]})
    assert not desk.home.evidence.exists()


def test_latency_is_measured_with_as_many_users_as_policies_name(desk: Desk) -> None:
    evidence = desk.evaluate(concurrencies=(1, 3))
    assert [(one.concurrency, one.queries, len(one.times_ms)) for one in evidence.latency] == [(1, 3, 3), (3, 3, 3)]
    assert all(0 < one.p50_ms <= one.p95_ms for one in evidence.latency)


def test_a_release_with_a_reranker_is_measured_with_it_and_its_ways_without(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pages = {
        f"page{number}.md": f"# Page {number}\n\n{'very ' * number}long page about cats {number}" for number in range(8)
    }
    judged = {f"long page about cats {number}": [f"handbook/page{number}.md"] for number in range(8)}
    desk.workspace.golden("animals", judged)
    plain = release_of(desk.home, pages).manifest
    folder = save_cross_encoder(tmp_path_factory.mktemp("models") / "cross")
    said = retrieval_of(Settings(home=desk.home, reranker=str(folder), rerank_depth=5))
    candidate = served_as(desk.home, plain, **said.model_dump())
    measured = desk.evaluate(candidate.id, plain.id).golden_sets["animals"]
    assert measured.modes["dense"] == pytest.approx(measured.production_metrics, abs=1e-6), "the same without it"
    assert any(measured.differences("nDCG@10"))
    with open_release(desk.home, candidate.id) as release:
        for place, (text, [document]) in enumerate(judged.items()):
            hits = release.search(Query(text, bag_of_words(text)), 10)
            rank = [hit.document_id for hit in hits].index(document) + 1
            assert measured.values["MRR@10"][place] == pytest.approx(1 / rank, abs=1e-6)


def test_there_is_nothing_to_measure_with_when_there_is_no_golden_set(desk: Desk) -> None:
    with pytest.raises(GoldenSetError, match="no golden set, so nothing can be measured"):
        evaluate_release(replace(desk.evaluation(), golden_sets=()), desk.release, None)


def test_an_unknown_release_is_named(desk: Desk) -> None:
    with pytest.raises(ReleaseError, match="20200101-000000-deadbeef is not a release"):
        desk.evaluate("20200101-000000-deadbeef")
