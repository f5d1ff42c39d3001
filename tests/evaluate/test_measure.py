from pathlib import Path

import pytest

from rag_pipeline.evaluate.golden import About, GoldenSet
from rag_pipeline.evaluate.measure import alive, by_slice, latency, measure
from rag_pipeline.index.retrieve import open_release
from tests.corpus.small import CountingEncoder, release_of

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly", "fish.md": "# Fish\n\nfish swim"}


def golden(qrels: dict[str, dict[str, int]], slices: dict[str, dict[str, str]] | None = None) -> GoldenSet:
    """A set whose query ids are the queries."""
    about = About(description="test", owner="docs@example.com", slices=["kind"], metrics=["nDCG@10", "hit@1"])
    return GoldenSet("small", about, {query: query for query in qrels}, qrels, slices or {}, "f")


def doc(name: str) -> str:
    return f"handbook/{name}.md"


def test_judgments_of_documents_that_are_gone_are_taken_out_and_listed() -> None:
    living = alive(golden({"a": {"x": 1, "gone": 2}, "b": {"y": 1, "gone": 0}}), {"x", "y", "other"})
    assert living.dead == (("a", "gone"), ("b", "gone"))
    assert living.qrels == {"a": {"x": 1}, "b": {"y": 1}}
    assert (living.judgments, living.dead_percent) == (4, 50.0)


def test_a_query_left_without_a_relevant_document_is_taken_out() -> None:
    living = alive(golden({"a": {"gone": 1}, "b": {"gone": 1, "x": 0}, "c": {"x": 1}}), {"x"})
    assert living.qrels == {"c": {"x": 1}}
    assert len(living.dead) == 2


def test_a_set_whose_documents_all_exist_is_measured_as_it_is() -> None:
    one = golden({"a": {"x": 1, "y": 0}})
    living = alive(one, {"x", "y"})
    assert (living.qrels, living.dead, living.dead_percent) == (one.qrels, (), 0.0)
    assert alive(golden({}), set()).dead_percent == 0.0


def test_a_release_is_asked_every_living_query_and_scored(tmp_path: Path) -> None:
    manifest = release_of(tmp_path, PAGES).manifest
    one = golden({"cats purr": {doc("cats"): 1}, "dogs bark": {doc("fish"): 1}, "birds": {doc("birds"): 1}})
    with open_release(tmp_path, manifest.id) as release:
        measured = measure(release, CountingEncoder(), alive(one, {doc("cats"), doc("fish")}))
    assert measured.retrieved.keys() == {"cats purr", "dogs bark"}
    assert measured.retrieved["cats purr"][0] == doc("cats")
    assert measured.per_query["hit@1"] == {"cats purr": 1.0, "dogs bark": 0.0}
    assert measured.means["hit@1"] == 0.5
    assert 0.5 < measured.means["nDCG@10"] < 1.0
    assert measured.unanswered == []


def test_more_queries_than_are_asked_at_once_are_each_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = release_of(tmp_path, PAGES).manifest
    living = alive(golden({word: {doc("cats"): 1} for word in ("cats", "dogs", "fish", "purr", "bark")}), {doc("cats")})
    with open_release(tmp_path, manifest.id) as release:
        whole = measure(release, CountingEncoder(), living)
        monkeypatch.setattr("rag_pipeline.evaluate.measure._QUERIES_AT_ONCE", 2)
        assert measure(release, CountingEncoder(), living) == whole
    assert len(whole.retrieved) == 5


def test_a_set_without_a_living_query_measures_nothing(tmp_path: Path) -> None:
    manifest = release_of(tmp_path, PAGES).manifest
    with open_release(tmp_path, manifest.id) as release:
        measured = measure(release, CountingEncoder(), alive(golden({"a": {"gone": 1}}), {doc("cats")}))
    assert measured.retrieved == {}
    assert measured.means == {"nDCG@10": 0.0, "hit@1": 0.0}


def test_slices_count_every_query_once_and_name_those_without_a_value(tmp_path: Path) -> None:
    manifest = release_of(tmp_path, PAGES).manifest
    qrels = {"cats purr": {doc("cats"): 1}, "dogs bark": {doc("fish"): 1}, "fish swim": {doc("fish"): 1}}
    living = alive(
        golden(qrels, {"cats purr": {"kind": "plain"}, "dogs bark": {"kind": "plain"}}), {doc("cats"), doc("fish")}
    )
    with open_release(tmp_path, manifest.id) as release:
        measured = measure(release, CountingEncoder(), living)
    table = by_slice(living, measured)["kind"]
    assert {value: (row["queries"], row["hit@1"]) for value, row in table.items()} == {"plain": (2, 0.5), "(none)": (1, 1.0)}
    weighted = sum(row["queries"] * row["nDCG@10"] for row in table.values()) / 3
    assert weighted == pytest.approx(measured.means["nDCG@10"])


def test_latency_is_measured_one_query_at_a_time_on_a_sample(tmp_path: Path) -> None:
    manifest = release_of(tmp_path, PAGES).manifest
    asked: list[int] = []

    class Watching(CountingEncoder):
        def queries(self, texts: list[str]):  # type: ignore[no-untyped-def]
            asked.append(len(texts))
            return super().queries(texts)

    with open_release(tmp_path, manifest.id) as release:
        timing = latency(release, Watching(), [f"query {number}" for number in range(175)])
        nothing = latency(release, Watching(), [])
    assert set(asked) == {1}
    assert timing.queries == 50
    assert 0 < timing.p50_ms <= timing.p95_ms
    assert nothing.queries == 0
