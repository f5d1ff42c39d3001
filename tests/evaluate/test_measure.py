import threading

import pytest

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.evaluate.measure import Rankings, evaluate_way, latency
from rag_pipeline.home import Home
from rag_pipeline.index.fusion import fuse
from rag_pipeline.index.manifest import MODES, Manifest
from rag_pipeline.index.retrieve import Query, open_release
from tests.support.golden_sets import doc, golden, living, on_bench, quote, quoting
from tests.support.small_releases import CountingEncoder, bag_of_words, release_of
from tests.support.trec_eval import CUT, THEIRS, assert_agrees
from tests.support.zoo import served_as

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly", "fish.md": "# Fish\n\nfish swim"}
METRICS = ["nDCG@10", "hit@1"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release nobody may change."""
    home = Home(tmp_path_factory.mktemp("zoo"))
    return home, release_of(home, PAGES).manifest


Zoo = tuple[Home, Manifest]


def test_a_release_is_asked_every_living_query_and_scored(zoo: Zoo) -> None:
    home, manifest = zoo
    one = golden({"cats purr": {doc("cats"): 1}, "dogs bark": {doc("fish"): 1}, "birds": {doc("birds"): 1}})
    with on_bench(home, manifest.id) as bench:
        measured = bench.measure(living(home, one), METRICS)
    assert measured.retrieved.keys() == measured.chunks.keys() == {"cats purr", "dogs bark"}
    assert measured.retrieved["cats purr"][0] == doc("cats")
    assert measured.per_query["hit@1"] == {"cats purr": 1.0, "dogs bark": 0.0}
    assert measured.means["hit@1"] == 0.5
    assert 0.5 < measured.means["nDCG@10"] < 1.0
    assert measured.unanswered == []


def test_more_queries_than_are_asked_at_once_are_each_asked(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    home, manifest = zoo
    alive = living(home, golden({word: {doc("cats"): 1} for word in ("cats", "dogs", "fish", "purr", "bark")}))
    with on_bench(home, manifest.id) as bench:
        whole = bench.measure_modes(alive, METRICS)
        monkeypatch.setattr("rag_pipeline.evaluate.measure._QUERIES_AT_ONCE", 2)
        assert bench.measure_modes(alive, METRICS) == whole
    assert len(whole[0].retrieved) == 5


def test_a_set_without_a_living_query_measures_nothing(zoo: Zoo) -> None:
    home, manifest = zoo
    with on_bench(home, manifest.id) as bench:
        measured, modes = bench.measure_modes(living(home, golden({"a": {"gone": 1}})), METRICS)
    assert measured.retrieved == {}
    assert measured.means == modes["hybrid"].means == {"nDCG@10": 0.0, "hit@1": 0.0}


def test_every_way_to_retrieve_is_measured_and_gives_what_a_user_would_get(zoo: Zoo) -> None:
    home, manifest = zoo
    queries = ["cats", "softly purr", "dogs bark at fish", "!!!", "zebra"]
    alive = living(home, golden({query: {doc("cats"): 1} for query in queries}))
    with on_bench(home, manifest.id) as bench:
        mine, modes = bench.measure_modes(alive, METRICS)
        assert tuple(modes) == MODES and mine == modes["dense"]
        for mode, measured in modes.items():
            for query in queries:
                hits = bench.release.search(Query(query, bag_of_words(query)), 10, mode)  # type: ignore[arg-type]
                assert measured.chunks[query] == [(hit.chunk_id, hit.score) for hit in hits], (mode, query)
                assert measured.retrieved[query] == list(dict.fromkeys(hit.document_id for hit in hits))
    assert modes["lexical"].unanswered == ["!!!", "zebra"]
    assert modes["lexical"].per_query["nDCG@10"]["zebra"] == 0.0
    assert modes["dense"].unanswered == modes["hybrid"].unanswered == []


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_release_is_measured_as_it_serves(zoo: Zoo, mode: str) -> None:
    home, manifest = zoo
    other = served_as(home, manifest, mode=mode, dense_weight=0.3)
    alive = living(home, golden({query: {doc("cats"): 1} for query in ("cats", "dogs bark loudly")}))
    with on_bench(home, other.id) as every, on_bench(home, other.id, all_modes=False) as alone:
        mine, modes = every.measure_modes(alive, METRICS)
        assert mine == modes[mode] == alone.measure(alive, METRICS)
        assert alone.modes == (mode,)
        rankings = every.rankings(alive, METRICS)
    if mode == "hybrid":
        for query, found in mine.chunks.items():
            assert found == fuse(rankings.dense[query], rankings.lexical[query], other.retrieval, 10)


def test_a_release_that_retrieves_by_words_needs_no_model(zoo: Zoo) -> None:
    home, manifest = zoo
    other = served_as(home, manifest, mode="lexical")
    alive = living(home, golden({"cats never asked before": {doc("cats"): 1}}))

    def load() -> CountingEncoder:
        raise AssertionError("the model was loaded")

    with on_bench(home, other.id, all_modes=False) as bench:
        bench.load = load
        assert bench.measure(alive, METRICS).means["hit@1"] == 1.0


def test_figures_of_real_lists_agree_with_trec_eval_ties_and_silent_queries_included(home: Home) -> None:
    words = ["cats", "dogs", "fish", "birds", "bark"]
    twins = {f"p{number:02}.md": f"# Page\n\n{' '.join(words[number % 5 : number % 5 + 2])}" for number in range(30)}
    manifest = release_of(home, twins).manifest
    qrels = {
        query: {f"handbook/p{number:02}.md": number % 3 for number in range(place, 30, 4)}
        for place, query in enumerate(["cats", "dogs fish", "birds bark", "zebra", "page"])
    }
    names = [*THEIRS, f"judged@{CUT}"]
    with on_bench(home, manifest.id) as bench:
        _, modes = bench.measure_modes(living(home, golden(qrels)), names)
    assert modes["lexical"].unanswered == ["zebra"]
    for measured in modes.values():
        assert_agrees(measured.per_query, qrels, measured.retrieved)
    tied = [score for _, score in modes["dense"].chunks["cats"]]
    assert len(set(tied)) < len(tied)


def test_metrics_of_spans_look_at_chunks_as_deep_as_they_say(home: Home) -> None:
    """One passage a page, and every page has the word asked for."""
    pages = {f"p{number:03}.md": f"# {words_of(number)}\n\nThe word is {words_of(3 * number)}." for number in range(120)}
    manifest = served_as(home, release_of(home, pages).manifest, mode="lexical")
    metrics = ["span_recall@100", "span_recall@120"]
    quotes = [quote(f"handbook/{name}", "The word is") for name in pages]
    one = quoting({"word": quotes}, metrics=metrics, primary=metrics[0])
    with on_bench(home, manifest.id) as bench:
        found = bench.measure(living(home, one), metrics).means
    assert found == {"span_recall@100": pytest.approx(100 / 120), "span_recall@120": 1.0}


def words_of(number: int) -> str:
    """Words that set pages apart: of a hundred that differ in one word alone, the graph of vectors may lose some."""
    return " ".join(f"w{number % divisor}d{divisor}" for divisor in (2, 3, 5, 7, 11))


def test_metrics_of_spans_of_the_chunks_that_come_first(home: Home) -> None:
    text = "# Cats\n\ncats purr softly at night when nobody is there to hear them"
    manifest = release_of(home, {**PAGES, "cats.md": text}).manifest
    relevant, other = quote(doc("cats"), "purr softly"), quote(doc("dogs"), "bark loudly", grade=0)
    metrics = ["span_recall@1", "span_precision@1", "span_iou@1", "nDCG@10"]
    one = quoting({"cats purr": [relevant, other]}, metrics=metrics)
    with on_bench(home, manifest.id) as bench:
        measured = bench.measure(living(home, one), metrics)
        [chunk_id, *_] = [name for name, _ in measured.chunks["cats purr"]]
        alive = living(home, one)
        _, start, end = bench.places(alive, bench.rankings(alive, metrics)).span(chunk_id)
    assert measured.means["span_recall@1"] == 1.0, "what is judged not relevant is not wanted"
    assert measured.means["span_precision@1"] == pytest.approx(len("purr softly") / (end - start))
    assert measured.means["span_iou@1"] == measured.means["span_precision@1"]


def test_a_set_may_ask_for_metrics_of_spans_alone(zoo: Zoo) -> None:
    home, manifest = zoo
    one = quoting({"cats purr": [quote(doc("cats"), "purr softly")]}, metrics=["span_recall@3"], primary="span_recall@3")
    with on_bench(home, manifest.id) as bench:
        assert bench.measure(living(home, one), ["span_recall@3"]).means == {"span_recall@3": 1.0}


def test_rankings_are_fused_again_without_asking_again(zoo: Zoo) -> None:
    home, manifest = zoo
    alive = living(home, golden({"cats purr": {doc("cats"): 1}}))
    with on_bench(home, manifest.id) as bench:
        rankings = bench.rankings(alive, METRICS)
        places = bench.places(alive, rankings)
        backwards = Rankings({query: found[::-1] for query, found in rankings.dense.items()}, rankings.lexical)
        hybrid = manifest.retrieval.model_copy(update={"mode": "hybrid", "dense_weight": 1.0})
        first = evaluate_way(bench.release, places, alive, rankings, hybrid, METRICS)
        last = evaluate_way(bench.release, places, alive, backwards, hybrid, METRICS)
    assert first.retrieved["cats purr"] == last.retrieved["cats purr"][::-1]
    assert (first.means["hit@1"], last.means["hit@1"]) == (1.0, 0.0)


class Watching(CountingEncoder):
    """Remembers how many queries came together, and how many threads asked at a time; more than one waits for the others."""

    def __init__(self, users: int = 1) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.together = threading.Barrier(users, timeout=20)

    def queries(self, texts: list[str]) -> Vectors:
        self.together.wait()
        self.sizes.append(len(texts))
        return super().queries(texts)


def test_latency_is_measured_one_query_at_a_time_on_a_sample(zoo: Zoo) -> None:
    home, manifest = zoo
    encoder = Watching()
    with open_release(home, manifest.id) as release:
        timing = latency(release, lambda: encoder, [f"query {number}" for number in range(275)], 1)
        nothing = latency(release, Watching, [], 1)
    assert set(encoder.sizes) == {1}
    assert len(encoder.sizes) == 103, "three to warm up"
    assert (timing.queries, timing.concurrency, len(timing.times_ms)) == (100, 1, 100)
    assert timing.times_ms == sorted(timing.times_ms)
    assert 0 < timing.times_ms[0] <= timing.p50_ms <= timing.p95_ms <= timing.times_ms[-1]
    assert (nothing.queries, nothing.times_ms, nothing.p95_ms) == (0, [], 0.0)


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_latency_is_measured_with_several_users_at_a_time(zoo: Zoo, mode: str) -> None:
    home, manifest = zoo
    encoder = Watching(users=4)
    with open_release(home, served_as(home, manifest, mode=mode).id) as release:
        timing = latency(release, lambda: encoder, [f"cats {number}" for number in range(40)], 4)
    assert (timing.queries, timing.concurrency, len(timing.times_ms)) == (40, 4, 40)
    assert len(encoder.sizes) == 12 + 40


def test_latency_of_a_release_that_retrieves_by_words_embeds_nothing(zoo: Zoo) -> None:
    """As `rag query` does not; the model is not even loaded, which takes longer than all the rest."""
    home, manifest = zoo

    def load() -> Watching:
        raise AssertionError("the model was loaded")

    with open_release(home, served_as(home, manifest, mode="lexical").id) as release:
        timing = latency(release, load, ["cats", "dogs", "zebra"], 2)
    assert timing.queries == 3
