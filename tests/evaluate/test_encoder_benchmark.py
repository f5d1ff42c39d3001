"""Measuring ways to run a model: what is really embedded is compared, with ways as good, worse and broken."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from rag_pipeline.corpus.encoders import KINDS, Kind
from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.encoder_benchmark import Sample, advice, embed_bench, sample_of, undecided
from rag_pipeline.home import Home
from tests.support.golden_sets import golden, living
from tests.support.small_releases import bag_of_words, release_of

FIRST, FAST, BAD, BROKEN = (Kind("torch", name, ("cpu",)) for name in ("first", "fast", "bad", "broken"))
TOPICS = [f"topic{number}" for number in range(40)]
PAGES = {f"{topic}.md": f"# {topic}\n\n{topic} is what this page is about, and nothing else." for topic in TOPICS}


@dataclass
class Timed:
    """Takes its time for every call, and may lose every third word."""

    seconds: float
    forgets: bool = False
    asked: list[str] = field(default_factory=list)

    def documents(self, texts: list[str]) -> Vectors:
        time.sleep(self.seconds)
        self.asked += texts
        kept = [text[::-1].replace("topic", "t") if self.forgets else text for text in texts]
        return np.stack([bag_of_words(text) for text in kept])

    def queries(self, texts: list[str]) -> Vectors:
        return np.stack([bag_of_words(text) for text in texts])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("bench"))
    release_of(home, PAGES)
    return home


def judged(count: int = len(TOPICS)) -> dict[str, dict[str, int]]:
    return {f"what is {topic} about": {f"handbook/{topic}.md": 1} for topic in TOPICS[:count]}


def sample(home: Home, size: int = 1_000, count: int = len(TOPICS)) -> Sample:
    return sample_of(home, [living(home, golden(judged(count)))], size)


def test_a_sample_holds_whole_documents_those_of_judged_queries_first(home: Home) -> None:
    small = sample(home, size=10, count=5)
    assert {f"handbook/{topic}.md" for topic in TOPICS[:5]} <= set(small.documents)
    assert 10 <= len(small.texts) < 20
    assert set(small.queries.values()) == set(judged(5))
    everything = sample(home)
    assert len(set(everything.documents)) == len(TOPICS)


def test_queries_nothing_in_the_sample_answers_are_left_out(home: Home) -> None:
    few = sample(home, size=10)
    answered = set(few.documents)
    assert 0 < len(few.queries) < len(TOPICS)
    assert all(set(grades) <= answered for grades in few.qrels.values())


def test_nothing_stored_yet_is_told_with_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="rag refresh --no-promote"):
        sample_of(Home(tmp_path), [], 100)


def test_each_way_is_compared_with_the_first_in_speed_and_in_what_it_finds(home: Home) -> None:
    encoders = {FIRST: Timed(0.2), FAST: Timed(0.02), BAD: Timed(0.001, forgets=True)}
    first, fast, bad = embed_bench(sample(home), [FIRST, FAST, BAD], lambda way: encoders[way])
    assert (first.speed, first.cosine_least, first.overlap_at_10) == (1.0, 1.0, 1.0)
    assert first.ndcg > 0.95 and first.change and first.change.mean == 0
    assert fast.speed > 4 and fast.texts_per_second > 4 * first.texts_per_second
    assert (round(fast.cosine_mean, 5), fast.overlap_at_10, fast.ndcg) == (1.0, 1.0, first.ndcg)
    assert bad.ndcg < 0.5 and bad.change and bad.change.upper < -0.02
    assert bad.cosine_least < 0.9 and bad.overlap_at_10 < 1
    assert advice([first, fast, bad], margin=0.1) == fast, "the fastest of all gives other answers"
    assert advice([first, bad], margin=0.1) == first
    assert all(sorted(one.asked[1:]) == sorted(encoders[FIRST].asked[1:]) for one in encoders.values())


def test_a_way_that_does_not_run_is_told_and_the_others_are_measured(home: Home) -> None:
    def load(way: Kind) -> Encoder:
        if way == BROKEN:
            raise PipelineError("it needs openvino")
        return Timed(0.0)

    first, broken = embed_bench(sample(home), [FIRST, BROKEN], load)
    assert broken.problem == "it needs openvino" and not first.problem
    assert advice([first, broken], margin=1) == first
    with pytest.raises(PipelineError, match="it needs openvino"):
        embed_bench(sample(home), [BROKEN, FIRST], load)


def test_without_judged_queries_nothing_is_advised_but_the_first(home: Home) -> None:
    first, fast = embed_bench(sample_of(home, [], 1_000), [FIRST, FAST], {FIRST: Timed(0.05), FAST: Timed(0.0)}.__getitem__)
    assert first.change is None and fast.speed > 1
    assert advice([first, fast], margin=1) == first


def test_with_few_queries_a_faster_way_is_not_advised_though_it_lost_nothing(home: Home) -> None:
    """Three queries cannot show that a loss is below two points; the interval says so."""
    found = embed_bench(sample(home, count=3), [FIRST, FAST], {FIRST: Timed(0.05), FAST: Timed(0.0)}.__getitem__)
    assert found[1].ndcg == found[0].ndcg
    assert advice(found, margin=0.02) == found[0]
    assert undecided(found, margin=0.02) == [found[1]]
    assert undecided(found, margin=1) == []


def test_every_way_there_is_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
