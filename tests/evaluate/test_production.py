"""What serves now, measured beside a candidate: another mode, another model, older, damaged."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Model
from rag_pipeline.corpus.query_vectors import query_vectors_table
from rag_pipeline.evaluate import bench
from rag_pipeline.evaluate.evaluate import ServingRelease, evaluate_release
from rag_pipeline.evaluate.evidence import Passage
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import ModelEntry, read_manifest
from rag_pipeline.index.retrieve import OpenRelease, open_release
from rag_pipeline.settings import Settings
from tests.support.evaluated_home import LATER, PAGES, WORSE, Desk
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import (
    NOW,
    SmallModel,
    chunker,
    real_model,
    recipe,
    release_of,
    store_documents,
)
from tests.support.zoo import served_as

DEFAULT = Settings().model


def test_production_is_measured_side_by_side_on_the_same_queries(desk: Desk) -> None:
    candidate = desk.second()
    evidence = desk.evaluate(candidate, desk.release)
    assert (evidence.release, evidence.compared_with) == (candidate, desk.release)
    measured = evidence.golden_sets["animals"]
    assert measured.production is not None and measured.production.keys() == measured.values.keys()
    assert measured.production_metrics is not None and measured.production_metrics["nDCG@10"] == 1.0
    lost, *others = measured.differences("nDCG@10")
    assert lost < 0 and others == [0.0, 0.0]
    assert measured.differences("nDCG@10", [1]) == [0.0]
    stored = newest(desk.home, evidence.release_fingerprint)
    assert stored is not None and with_texts(desk.home, stored) == evidence


def test_one_release_is_open_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of a million chunks takes two gigabytes and more, and two of them twice that."""
    opened, most = [0], [0]

    @contextmanager
    def watched(*asked: Any, **rest: Any) -> Iterator[OpenRelease]:
        opened[0] += 1
        most[0] = max(most[0], opened[0])
        with open_release(*asked, **rest) as release:
            yield release
        opened[0] -= 1

    monkeypatch.setattr(bench, "open_release", watched)
    evidence = desk.evaluate(desk.second(), desk.release)
    assert evidence.compared_with == desk.release and evidence.golden_sets["animals"].examples
    assert (most, opened) == ([1], [0])


def test_the_queries_that_lost_most_are_shown_with_their_passages(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    measured = evidence.golden_sets["animals"]
    [shown] = measured.examples
    assert (shown.query, shown.text) == ("q0", "cats purr")
    assert shown.difference == pytest.approx(measured.differences("nDCG@10")[0], abs=1e-6)
    assert shown.expected == [Passage(document="handbook/cats.md", text="", relevant=True)]
    before, now = shown.production[0], shown.candidate[0]
    assert (before.document, before.text, before.relevant) == ("handbook/cats.md", PAGES["cats.md"], True)
    assert (now.document, now.text, now.relevant) == ("handbook/noise.md", WORSE["noise.md"], False)
    assert now.score is not None and 0 < now.score <= 1
    assert len(shown.production) == len(shown.candidate) == 3


def test_no_more_queries_are_shown_than_a_person_reads_and_long_passages_are_cut(desk: Desk) -> None:
    judged = {f"cats purr {word}": ["handbook/cats.md"] for word in "abcdefghijklm"}
    desk.workspace.golden("animals", judged)
    worse = {**WORSE, "noise.md": f"# Noise\n\ncats purr {'understanding ' * 36}"}
    candidate = release_of(desk.home, worse, now=LATER).manifest.id
    shown = desk.evaluate(candidate, desk.release).golden_sets["animals"].examples
    assert len(shown) == 10
    assert [(one.difference, one.query) for one in shown] == sorted((one.difference, one.query) for one in shown)
    long = next(one for one in shown[0].candidate if one.document == "handbook/noise.md")
    assert long.text.endswith("understanding …") and 480 < len(long.text) <= 502


def test_drift_is_measured_without_judgments(desk: Desk) -> None:
    candidate = desk.second()
    assert desk.evaluate(candidate, desk.release).golden_sets["animals"].overlap_at_10 == 1.0, "all that was is still there"
    other = release_of(desk.home, {"cats.md": PAGES["cats.md"], "new.md": "# New"}, now=LATER).manifest.id
    store_documents(desk.home, "handbook", PAGES)
    overlap = desk.evaluate(other, desk.release).golden_sets["animals"].overlap_at_10
    assert overlap == pytest.approx(1 / 3), "of production's three documents one is left"


def test_production_itself_is_compared_with_nothing(desk: Desk) -> None:
    evidence = desk.evaluate(desk.release, desk.release)
    assert (evidence.compared_with, evidence.golden_sets["animals"].production) == (None, None)


def test_a_twin_of_production_differs_in_nothing(desk: Desk) -> None:
    [file] = desk.home.release(desk.release).glob("chunks.parquet")
    flip_a_bit(file)
    twin = release_of(desk.home, PAGES, now=LATER).manifest
    assert twin.id != desk.release
    evidence = desk.evaluate(twin.id, desk.release)
    measured = evidence.golden_sets["animals"]
    assert evidence.compared_with == desk.release
    assert measured.production == measured.values
    assert (measured.overlap_at_10, measured.examples) == (1.0, [])


def test_differences_of_what_was_not_measured_on_both_are_no_zeros(desk: Desk) -> None:
    alone = desk.evaluate().golden_sets["animals"]
    for metric in ("nDCG@10", "recall@77"):
        with pytest.raises(KeyError, match=metric):
            alone.differences(metric)


def test_production_of_another_model_is_compared_by_what_it_retrieved_when_it_was_measured(desk: Desk) -> None:
    before = desk.evaluate()
    other = SmallModel(fingerprint="other")
    candidate = release_of(desk.home, PAGES, now=LATER, model=other).manifest.id
    evidence = desk.evaluate(candidate, desk.release, model=other)
    measured = evidence.golden_sets["animals"]
    assert evidence.compared_with == desk.release
    assert measured.production == before.golden_sets["animals"].values
    assert measured.differences("nDCG@10") == [0.0, 0.0, 0.0]
    assert (measured.overlap_at_10, measured.examples) == (1.0, [])


def test_production_of_another_model_that_was_never_measured_is_compared_with_nothing(desk: Desk) -> None:
    other = SmallModel(fingerprint="other")
    candidate = release_of(desk.home, PAGES, now=LATER, model=other).manifest.id
    evidence = desk.evaluate(candidate, desk.release, model=other)
    assert (evidence.compared_with, evidence.golden_sets["animals"].production) == (None, None)


def test_production_of_another_model_that_is_on_this_machine_is_asked_with_its_own(desk: Desk) -> None:
    """The model is the same by name, and another by the prompt it puts before queries."""

    def built(model: Model, now: datetime) -> str:
        store_documents(desk.home, "handbook", PAGES)
        update_chunks(desk.home, ["handbook"], chunker())
        update_embeddings(desk.home, model, model.load)
        prompts = {"query_prompt": model.query_prompt, "document_prompt": model.document_prompt}
        named = ModelEntry(name=DEFAULT, fingerprint=model.fingerprint, dimensions=model.dimensions, **prompts)
        return build_release(desk.home, replace(recipe(), model=named), run_id="test", now=now).manifest.id

    configured, before = real_model(), replace(real_model(), query_prompt="zebra crossing: ")
    production, candidate = built(before, NOW), built(configured, LATER)
    evidence = desk.evaluate(candidate, production, model=configured)
    assert (evidence.compared_with, evidence.model_fingerprint) == (production, configured.fingerprint)
    assert evidence.golden_sets["animals"].production_metrics is not None
    rows = query_vectors_table(desk.home).scan().group_by("model").len().collect()
    assert dict(rows.iter_rows()) == {configured.fingerprint: 3, before.fingerprint: 3}


@pytest.mark.parametrize(("mode", "other"), [("dense", "lexical"), ("lexical", "hybrid"), ("hybrid", "dense")])
def test_production_of_another_mode_is_measured_as_it_serves(desk: Desk, mode: str, other: str) -> None:
    """Of a page with other words only meaning gives any document at all."""
    desk.workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "zebra": ["handbook/fish.md"]})
    first = read_manifest(desk.home.release(desk.release))
    production, candidate = (served_as(desk.home, first, mode=one) for one in (other, mode))
    evidence = desk.evaluate(candidate.id, production.id)
    measured = evidence.golden_sets["animals"]
    assert (evidence.mode, evidence.compared_with) == (mode, production.id)
    assert measured.metrics == pytest.approx(measured.modes[mode], abs=1e-6)
    assert measured.production_metrics == pytest.approx(measured.modes[other], abs=1e-6)
    assert measured.unanswered == (["q1"] if mode == "lexical" else [])


@pytest.mark.parametrize("name", ["chunks.parquet", "chroma/sealed.sqlite3", "manifest.json"])
def test_production_that_is_damaged_is_compared_by_what_it_retrieved_when_it_was_measured(desk: Desk, name: str) -> None:
    before, candidate = desk.evaluate(), desk.second()
    rival = ServingRelease(desk.release, before.release_fingerprint)
    flip_a_bit(desk.home.release(desk.release) / name, 0)
    evidence = evaluate_release(desk.evaluation(), candidate, rival)
    measured = evidence.golden_sets["animals"]
    assert evidence.compared_with == desk.release
    assert measured.production == before.golden_sets["animals"].values
    assert measured.differences("nDCG@10")[0] < 0
    assert (measured.overlap_at_10, measured.examples) == (1.0, []), "its passages cannot be shown"


def test_remembered_lists_are_scored_by_metrics_asked_for_since_but_not_by_those_of_passages(desk: Desk) -> None:
    folder = desk.workspace.golden("animals", {"cats purr": ["handbook/cats.md"]})
    shutil.rmtree(folder / "qrels")
    references = [{"document": "handbook/cats.md", "quote": "cats purr"}]
    line = json.dumps({"_id": "q0", "text": "cats purr", "references": references})
    (folder / "queries.jsonl").write_text(line + "\n", encoding="utf-8")
    before, candidate = desk.evaluate(), desk.second()
    store_documents(desk.home, "handbook", PAGES)
    rival = ServingRelease(desk.release, before.release_fingerprint)
    flip_a_bit(desk.home.release(desk.release) / "chroma" / "sealed.sqlite3", 0)
    known = evaluate_release(desk.evaluation(metrics={"animals": ["hit@3"]}), candidate, rival)
    assert known.golden_sets["animals"].production_metrics is not None
    assert known.golden_sets["animals"].production_metrics["hit@3"] == 1.0
    unknown = evaluate_release(desk.evaluation(metrics={"animals": ["span_recall@3"]}), candidate, rival)
    assert (unknown.compared_with, unknown.golden_sets["animals"].production) == (None, None)
    assert "span_recall@3" in unknown.golden_sets["animals"].values
