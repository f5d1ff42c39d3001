import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from rag_pipeline.errors import GoldenSetError, ReleaseError
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release, evaluations_table
from rag_pipeline.evaluate.evidence import Evidence, keep, newest
from rag_pipeline.evaluate.golden import read_golden_sets
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.corpus.small import NOW, CountingEncoder, SmallModel, release_of, store_documents

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly", "fish.md": "# Fish\n\nfish swim"}
WORSE = {**PAGES, "cats.md": "# Felines\n\nnothing else is said here", "noise.md": "# Noise\n\ncats purr softly"}
LATER = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class NoModel(SmallModel):
    """Must not be loaded: what is asked for is known already."""

    def load(self) -> CountingEncoder:
        raise AssertionError("the release was measured again")


@dataclass
class Bench:
    """A home with a release of PAGES and a golden set on it."""

    workspace: Workspace
    release: str

    @property
    def home(self) -> Path:
        return self.workspace.home

    def evaluation(self, **changes: object) -> Evaluation:
        sets = read_golden_sets(self.workspace.settings.evals)
        fields = {"model": SmallModel(), "policies": {"production": "policy"}, "run_id": "run", "now": NOW, **changes}
        return Evaluation(self.home, sets, **fields)  # type: ignore[arg-type]

    def evaluate(self, release: str | None = None, production: str | None = None, **changes: object) -> Evidence:
        rival = Rival(production, read_manifest(self.home / "releases" / production).fingerprint) if production else None
        return evaluate_release(self.evaluation(**changes), release or self.release, rival)

    def second(self) -> str:
        """Another release, which finds less; the judged documents all exist."""
        return release_of(self.home, WORSE, now=LATER).manifest.id


@pytest.fixture
def bench(workspace: Workspace) -> Bench:
    manifest = release_of(workspace.home, PAGES).manifest
    judged = {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"], "fish": ["handbook/fish.md"]}
    workspace.golden("animals", judged, slices=["kind"])
    return Bench(workspace, manifest.id)


def test_evidence_names_everything_it_was_measured_with(bench: Bench) -> None:
    evidence = bench.evaluate()
    manifest = release_of(bench.home, PAGES).manifest
    [golden] = read_golden_sets(bench.workspace.settings.evals)
    assert (evidence.release, evidence.release_fingerprint) == (manifest.id, manifest.fingerprint)
    assert (evidence.model_fingerprint, evidence.policies, evidence.created_at) == ("small", {"production": "policy"}, NOW)
    assert evidence.compared_with is None
    measured = evidence.golden_sets["animals"]
    assert measured.fingerprint == golden.fingerprint
    assert (measured.queries, measured.judgments, measured.dead_judgments, measured.unanswered) == (3, 3, [], [])
    assert measured.metrics == {"nDCG@10": 1.0, "recall@10": 1.0, "MRR@10": 1.0}
    assert (measured.production_metrics, measured.comparison) == (None, None)
    assert measured.slices["kind"]["(none)"]["queries"] == 3
    assert evidence.latency.queries == 3


def test_evidence_is_written_sealed_and_read_back_as_it_was(bench: Bench) -> None:
    evidence = bench.evaluate()
    assert evidence.intact
    assert newest(bench.home, evidence.release_fingerprint) == evidence


def test_an_edited_evidence_file_is_not_intact(bench: Bench) -> None:
    evidence = bench.evaluate()
    [file] = (bench.home / "evidence" / evidence.release_fingerprint).glob("*.json")
    original = json.loads(file.read_text(encoding="utf-8"))
    for edit in (
        {"release": "other"},
        {"created_at": LATER.isoformat()},
        {"golden_sets": {}},
        {"latency": {"queries": 3, "p50_ms": 0.0, "p95_ms": 0.0}},
        {"seal": "0" * 32},
        {"seal": ""},
    ):
        file.write_text(json.dumps({**original, **edit}), encoding="utf-8")
        found = newest(bench.home, evidence.release_fingerprint)
        assert found is not None
        assert not found.intact, edit
    file.write_text(json.dumps(original, indent=7), encoding="utf-8")
    assert newest(bench.home, evidence.release_fingerprint) == evidence, "the layout of the file says nothing"


def test_the_newest_evidence_on_a_release_is_found_and_earlier_files_are_kept(bench: Bench) -> None:
    first = bench.evaluate()
    bench.evaluate(now=LATER)
    last = bench.evaluate(now=NOW + timedelta(minutes=5))  # the clock was set back: written last all the same
    folder = bench.home / "evidence" / first.release_fingerprint
    assert newest(bench.home, first.release_fingerprint) == last
    assert len(list(folder.glob("*.json"))) == 3
    assert newest(bench.home, "another release") is None
    (folder / f"{LATER + timedelta(hours=1):%Y%m%dT%H%M%S.%f}-damaged.json").write_text('{"format": 1', encoding="utf-8")
    assert newest(bench.home, first.release_fingerprint) is None, "older evidence must not stand in for a damaged file"


def test_every_query_and_metric_is_a_row_of_the_table(bench: Bench) -> None:
    evidence = bench.evaluate()
    rows = evaluations_table(bench.home).scan().collect()
    assert rows.height == 9
    assert set(rows["release_fingerprint"]) == {evidence.release_fingerprint}
    means = dict(rows.group_by("metric").agg(pl.col("value").mean()).iter_rows())
    assert means == evidence.golden_sets["animals"].metrics
    retrieved = rows.filter(pl.col("query_id") == "q0")["retrieved"][0].to_list()
    assert retrieved[0] == "handbook/cats.md"
    assert set(retrieved) == {f"handbook/{name}" for name in PAGES}
    bench.evaluate(now=LATER)
    assert evaluations_table(bench.home).scan().collect().height == 18


def test_dead_judgments_are_taken_out_and_listed(bench: Bench) -> None:
    store_documents(bench.home, "handbook", {name: text for name, text in PAGES.items() if name != "fish.md"})
    measured = bench.evaluate().golden_sets["animals"]
    assert measured.dead_judgments == [("q2", "handbook/fish.md")]
    assert (measured.queries, measured.judgments) == (2, 3)
    assert measured.metrics["nDCG@10"] == 1.0


def test_production_is_measured_side_by_side_on_the_same_queries(bench: Bench) -> None:
    candidate = bench.second()
    evidence = bench.evaluate(candidate, bench.release)
    assert (evidence.release, evidence.compared_with) == (candidate, bench.release)
    measured = evidence.golden_sets["animals"]
    assert measured.comparison is not None
    assert measured.production_metrics is not None
    assert measured.production_metrics["nDCG@10"] == measured.comparison.production == 1.0
    assert measured.comparison.difference == pytest.approx(measured.metrics["nDCG@10"] - 1.0)
    assert measured.comparison.difference < 0
    assert measured.comparison.lower <= measured.comparison.difference <= measured.comparison.upper
    assert [query for query, _ in measured.comparison.worst] == ["q0"]
    assert newest(bench.home, evidence.release_fingerprint) == evidence


def test_production_itself_is_compared_with_nothing(bench: Bench) -> None:
    evidence = bench.evaluate(bench.release, bench.release)
    assert evidence.compared_with is None
    assert evidence.golden_sets["animals"].comparison is None


def test_evidence_without_a_living_query_can_be_kept_and_read_and_stays_intact(bench: Bench) -> None:
    """Nothing to compare gives infinite bounds, which JSON does not know."""
    candidate = bench.second()
    store_documents(bench.home, "handbook", {"new.md": "# New"})
    evidence = bench.evaluate(candidate, bench.release)
    comparison = evidence.golden_sets["animals"].comparison
    assert comparison is not None
    assert (comparison.queries, comparison.lower, comparison.upper) == (0, -math.inf, math.inf)
    found = newest(bench.home, evidence.release_fingerprint)
    assert found is not None
    assert found.intact
    assert found == evidence


def test_young_evidence_on_the_same_inputs_stands(bench: Bench) -> None:
    first = bench.evaluate()
    again = bench.evaluate(now=LATER, reuse_hours=2, model=NoModel())
    assert again == first
    assert evaluations_table(bench.home).scan().collect().height == 9


def test_evidence_on_other_inputs_is_measured_again(bench: Bench) -> None:
    second = bench.second()
    store_documents(bench.home, "handbook", PAGES)
    folder = bench.workspace.settings.evals / "animals"
    first = bench.evaluate()
    for changes in (
        {"reuse_hours": 0},
        {"reuse_hours": 1},
        {"reuse_hours": 2, "policies": {"production": "other"}},
        {"reuse_hours": 2, "now": NOW - timedelta(hours=1)},
        {"reuse_hours": 2, "production": second},
    ):
        assert bench.evaluate(**{"now": LATER, **changes}) != first, changes  # type: ignore[arg-type]
    for file in (bench.home / "evidence" / first.release_fingerprint).glob("*.json"):
        file.unlink()
    first = bench.evaluate()
    assert bench.evaluate(now=LATER, reuse_hours=2) == first
    (folder / "golden.yaml").write_text((folder / "golden.yaml").read_text(encoding="utf-8") + "# note\n", encoding="utf-8")
    changed = bench.evaluate(now=LATER, reuse_hours=2)
    assert changed != first
    store_documents(bench.home, "handbook", {"cats.md": PAGES["cats.md"]})
    died = bench.evaluate(now=LATER + timedelta(minutes=1), reuse_hours=2)
    assert len(died.golden_sets["animals"].dead_judgments) == 2


def test_edited_evidence_is_not_reused(bench: Bench) -> None:
    first = bench.evaluate()
    forged = first.model_copy(update={"latency": first.latency.model_copy(update={"p95_ms": 0.0})})
    for file in (bench.home / "evidence" / first.release_fingerprint).glob("*.json"):
        file.unlink()
    keep(bench.home, forged)
    assert bench.evaluate(now=LATER, reuse_hours=2).intact


def test_a_release_of_another_model_is_not_measured(bench: Bench) -> None:
    with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
        bench.evaluate(model=SmallModel(fingerprint="other"))
    assert not (bench.home / "evidence").exists()


def test_production_of_another_model_is_compared_by_what_it_retrieved_when_it_was_measured(bench: Bench) -> None:
    before = bench.evaluate()
    other = SmallModel(fingerprint="other")
    candidate = release_of(bench.home, PAGES, now=LATER, model=other).manifest.id
    evidence = bench.evaluate(candidate, bench.release, model=other)
    measured = evidence.golden_sets["animals"]
    assert evidence.compared_with == bench.release
    assert measured.production_metrics == before.golden_sets["animals"].metrics
    assert measured.comparison is not None
    assert measured.comparison.difference == 0.0


def test_production_of_another_model_that_was_never_measured_is_compared_with_nothing(bench: Bench) -> None:
    other = SmallModel(fingerprint="other")
    candidate = release_of(bench.home, PAGES, now=LATER, model=other).manifest.id
    evidence = bench.evaluate(candidate, bench.release, model=other)
    assert evidence.compared_with is None
    assert evidence.golden_sets["animals"].comparison is None


def test_there_is_nothing_to_measure_with_when_there_is_no_golden_set(bench: Bench) -> None:
    with pytest.raises(GoldenSetError, match="no golden set, so nothing can be measured"):
        evaluate_release(replace(bench.evaluation(), golden_sets=()), bench.release, None)


def test_an_unknown_release_is_named(bench: Bench) -> None:
    with pytest.raises(ReleaseError, match="20200101-000000-deadbeef is not a release"):
        bench.evaluate("20200101-000000-deadbeef")
