"""How releases retrieve where nobody said: the way that golden sets find best, chosen once."""

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Vectors
from rag_pipeline.evaluate.choose import FILE, Choice, best_way, build_as_golden_sets_say, ways
from rag_pipeline.evaluate.golden import read_golden_sets
from rag_pipeline.index.build import Built, Recipe, build_release
from rag_pipeline.index.manifest import RetrievalParameters, all_manifests
from rag_pipeline.index.verify import verify_release
from tests.conftest import Workspace
from tests.corpus.small import NOW, CountingEncoder, SmallModel, bag_of_words, chunker, recipe, store_documents

LATER = NOW + timedelta(days=1)
COUNT = 60


def places(text: str) -> set[int]:
    """Where a bag of words keeps its words."""
    return set(np.flatnonzero(bag_of_words(text) > 0.1).tolist())


def page(name: str) -> str:
    return f"# Part\n\nThe animal{name} has the number qx{name}."


def apart() -> list[str]:
    """Names of pages that no bag of words mixes up: with chance, ties would be broken one way by meaning, another fused."""
    names: list[str] = []
    taken = places("# Part The has the number some beast")
    for number in range(2_000):
        mine = places(f"animal{number:04}") | places(f"qx{number:04}")
        if len(mine) == 2 and not mine & taken and len(names) < COUNT:
            names.append(f"{number:04}")
            taken |= mine
    return names


NAMES = apart()
PAGES = {f"p{name}.md": page(name) for name in NAMES}


class Knowing(CountingEncoder):
    """Knows that a beast is an animal, and of a number only that it is one."""

    def queries(self, texts: list[str]) -> Vectors:
        return np.stack([bag_of_words(text.replace("beast", "animal").replace("qx", "some number ")) for text in texts])


@dataclass(frozen=True)
class Model(SmallModel):
    fingerprint: str = "knowing"

    def load(self) -> Knowing:
        return Knowing()


@dataclass(frozen=True)
class NoModel(Model):
    """Must not be loaded: there is nothing to measure."""

    def load(self) -> Knowing:
        raise AssertionError("a release was measured")


@dataclass(frozen=True)
class Dying(Model):
    """Between the release that is built to be measured and the one that is served."""

    def load(self) -> Knowing:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


BY_WORDS = {f"qx{name}": [f"handbook/p{name}.md"] for name in NAMES}
BY_MEANING = {f"beast{name}": [f"handbook/p{name}.md"] for name in NAMES}


@dataclass
class Nights:
    """A home whose lake holds PAGES, and the way its releases are built every night."""

    workspace: Workspace

    @property
    def home(self) -> Path:
        return self.workspace.home

    @property
    def releases(self) -> list[str]:
        return [manifest.id for manifest in all_manifests(self.home / "releases")]

    @property
    def choice(self) -> Choice:
        return Choice.model_validate_json((self.home / FILE).read_bytes())

    def hold(self, texts: dict[str, str]) -> None:
        store_documents(self.home, "handbook", texts)
        update_chunks(self.home, ["handbook"], chunker())
        update_embeddings(self.home, Model(), Model().load)  # type: ignore[arg-type]

    def recipe(self, **changes: object) -> Recipe:
        return replace(recipe(Model()), **changes)  # type: ignore[arg-type]

    def build(self, by: Model | None = None, night: int = 0, **changes: object) -> Built:
        return build_as_golden_sets_say(
            self.home,
            self.recipe(**changes),
            read_golden_sets(self.workspace.settings.evals),
            by or Model(),  # type: ignore[arg-type]
            run_id="run",
            now=NOW + timedelta(days=night),
        )


@pytest.fixture
def nights(workspace: Workspace) -> Nights:
    made = Nights(workspace)
    made.hold(PAGES)
    return made


def some(judged: dict[str, list[str]], count: int) -> dict[str, list[str]]:
    return dict(list(judged.items())[:count])


CASES = {
    "rare exact words": (BY_WORDS, "lexical", 0.5),
    "other words for the same": (BY_MEANING, "dense", 0.5),
    "both kinds": (BY_WORDS | BY_MEANING, "hybrid", 0.5),
}


@pytest.mark.parametrize("what", CASES)
def test_a_release_retrieves_the_way_its_golden_sets_find_best(nights: Nights, what: str) -> None:
    judged, mode, weight = CASES[what]
    nights.workspace.golden("questions", judged)
    built = nights.build()
    said = built.manifest.retrieval
    assert (said.mode, said.dense_weight, built.new) == (mode, weight, True)
    choice = nights.choice
    assert choice.figures.keys() == {"dense", "lexical", "hybrid 0.5", "hybrid 0.3", "hybrid 0.7"}
    best = max(choice.figures.values())
    assert choice.figures[f"hybrid {weight:g}" if mode == "hybrid" else mode] == pytest.approx(best, abs=1e-6)
    assert best > 0.95 and min(choice.figures.values()) < 0.6
    assert (choice.retrieval, choice.release, choice.at) == (said, built.manifest.id, NOW)


@pytest.mark.parametrize("what", CASES)
def test_the_release_built_only_to_be_measured_is_gone_afterwards(nights: Nights, what: str) -> None:
    nights.workspace.golden("questions", CASES[what][0])
    built = nights.build()
    assert nights.releases == [built.manifest.id]
    assert [path.name for path in (nights.home / "releases").iterdir() if path.is_dir()] == [built.manifest.id]
    assert verify_release(nights.home, built.manifest.id) == ()


def test_a_release_that_was_there_before_is_measured_and_stays(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    dense = build_release(nights.home, nights.recipe(), run_id="before", now=NOW - timedelta(days=1))
    built = nights.build()
    assert sorted(nights.releases) == sorted([dense.manifest.id, built.manifest.id])
    assert built.manifest.origin.base == dense.manifest.id
    assert verify_release(nights.home, dense.manifest.id) == verify_release(nights.home, built.manifest.id) == ()


def test_the_choice_stands_for_other_documents_and_is_not_measured_again(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    first, choice = nights.build(), nights.choice
    shutil.rmtree(nights.home / "lake" / "query_vectors")  # or measuring again would not need the model
    assert nights.build(NoModel(), night=1) == replace(first, new=False)
    nights.hold({**PAGES, "new.md": "# New\n\nSomething else."})
    second = nights.build(NoModel(), night=2)
    assert second.new and second.manifest.retrieval == first.manifest.retrieval
    assert nights.choice == choice
    assert sorted(nights.releases) == sorted([first.manifest.id, second.manifest.id])


def test_the_choice_is_made_anew_when_a_golden_set_changes(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    assert nights.build().manifest.retrieval.mode == "lexical"
    nights.workspace.golden("questions", BY_MEANING)
    assert nights.build(night=1).manifest.retrieval.mode == "dense"
    assert nights.choice.at == LATER
    nights.workspace.golden("more", BY_WORDS)
    assert nights.build(night=2).manifest.retrieval.mode == "hybrid"
    assert nights.choice.at == LATER + timedelta(days=1)


@pytest.mark.parametrize(
    "changes", [{"chunker": "other"}, {"retrieval": RetrievalParameters(language="none")}], ids=["chunker", "language"]
)
def test_the_choice_is_made_anew_for_another_way_to_cut_or_other_settings(
    nights: Nights, changes: dict[str, object]
) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    nights.build()
    before = nights.choice
    nights.build(night=1, **changes)
    assert nights.choice.made_for != before.made_for and nights.choice.at == LATER


def test_the_choice_is_made_anew_for_another_model(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    nights.build()
    other = Model(fingerprint="other")
    update_embeddings(nights.home, other, other.load)  # type: ignore[arg-type]
    built = nights.build(other, night=1, model=recipe(other).model)
    assert built.manifest.model.fingerprint == "other"
    assert nights.choice.at == LATER


def test_fewer_than_fifty_living_queries_leave_it_dense(nights: Nights) -> None:
    nights.workspace.golden("questions", some(BY_WORDS, 30))
    nights.workspace.golden("more", some(BY_WORDS, 19))
    built = nights.build(NoModel())
    assert built.manifest.retrieval.mode == "dense" and not (nights.home / FILE).exists()
    nights.workspace.golden("more", some(BY_WORDS, 20))
    assert nights.build(night=1).manifest.retrieval.mode == "lexical"


def test_queries_whose_documents_are_gone_do_not_count(nights: Nights) -> None:
    nights.workspace.golden("questions", some(BY_WORDS, 49) | {"gone": ["handbook/gone.md"]})
    assert nights.build(NoModel()).manifest.retrieval.mode == "dense"


def test_sets_made_by_a_machine_are_not_asked(nights: Nights) -> None:
    nights.workspace.golden("machine", BY_WORDS, made_by="machine")
    assert nights.build(NoModel()).manifest.retrieval.mode == "dense"
    nights.workspace.golden("people", BY_MEANING)
    assert nights.build(night=1).manifest.retrieval.mode == "dense"
    assert nights.choice.figures["lexical"] == 0.0, "of people's questions alone"


def test_without_golden_sets_it_is_dense(nights: Nights) -> None:
    nights.workspace.settings.evals.mkdir()
    assert nights.build(NoModel()).manifest.retrieval.mode == "dense"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"made_for": "x"}', "\udcff"])
def test_a_damaged_choice_is_made_again(nights: Nights, damage: str) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    first, choice = nights.build(), nights.choice
    (nights.home / FILE).write_bytes(damage.encode("utf-8", "surrogateescape"))
    again = nights.build(night=1)
    assert (again.manifest, again.new) == (first.manifest, False)
    assert nights.choice == choice.model_copy(update={"at": LATER})
    assert nights.releases == [first.manifest.id]


def test_a_choice_of_another_format_is_made_again(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    nights.build()
    said = json.loads((nights.home / FILE).read_text(encoding="utf-8"))
    (nights.home / FILE).write_text(json.dumps(said | {"of a later pipeline": 1}), encoding="utf-8")
    nights.build(night=1)
    assert nights.choice.at == LATER


def test_killed_between_the_two_builds_the_home_is_as_good_as_before(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    child = multiprocessing.get_context("spawn").Process(target=nights.build, args=(Dying(),))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    [left] = nights.releases
    assert verify_release(nights.home, left) == () and not (nights.home / FILE).exists()
    built = nights.build(night=1)
    assert built.manifest.retrieval.mode == "lexical" and nights.choice.release == built.manifest.id
    assert verify_release(nights.home, built.manifest.id) == ()
    assert not [path for path in (nights.home / "views").iterdir() if path.is_dir()]


def test_a_golden_set_whose_primary_metric_looks_at_passages_is_asked_too(nights: Nights) -> None:
    folder = nights.workspace.golden("questions", BY_WORDS, metrics=["span_recall@1"], primary="span_recall@1")
    shutil.rmtree(folder / "qrels")
    queries = [
        {"_id": query, "text": query, "references": [{"document": document, "quote": f"number {query}"}]}
        for query, [document] in BY_WORDS.items()
    ]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    assert nights.build().manifest.retrieval.mode == "lexical"
    assert nights.choice.figures["lexical"] == 1.0


def test_of_equal_ways_the_simplest_is_taken() -> None:
    names = list(ways(RetrievalParameters()))
    assert names == ["dense", "lexical", "hybrid 0.5", "hybrid 0.3", "hybrid 0.7"]
    assert chosen({name: [0.7, 0.5] for name in names}) == "dense"
    assert chosen({"dense": [0.7], "lexical": [0.7 + 1e-9], "hybrid 0.5": [0.6]}) == "dense", "that is noise of floats"
    assert chosen({"dense": [0.6], "lexical": [0.7], "hybrid 0.5": [0.7]}) == "lexical"


def chosen(scores: dict[str, list[float]], more: dict[str, list[float]] | None = None) -> str:
    """The way that one golden set's scores choose, or two sets'."""
    sets = {name: [one, more[name]] if more else [one] for name, one in scores.items()}
    return best_way(sets, ways(RetrievalParameters()))


NOISE = [0.0, 0.2, -0.1, 0.05, -0.15] * 20
LEVEL = [0.5 + 0.3 * (place % 2) for place in range(100)]


def near(below: float) -> list[float]:
    """A hundred scores that are `below` the level on average, here more and there less."""
    return [level + noise - below for level, noise in zip(LEVEL, NOISE, strict=True)]


def test_of_weights_that_cannot_be_told_apart_the_one_that_gives_meaning_most_is_taken() -> None:
    """One standard error of NOISE's mean is .0123."""
    best = {"dense": near(0.2), "lexical": near(0.1), "hybrid 0.3": LEVEL}
    assert chosen({**best, "hybrid 0.5": near(0.005), "hybrid 0.7": near(0.012)}) == "hybrid 0.7"
    assert chosen({**best, "hybrid 0.5": near(0.012), "hybrid 0.7": near(0.013)}) == "hybrid 0.5"
    assert chosen({**best, "hybrid 0.5": near(0.013), "hybrid 0.7": near(0.02)}) == "hybrid 0.3"


def test_dense_and_lexical_are_not_preferred_within_the_noise() -> None:
    """Tried on the handbook: a preference for the simpler mode within a standard error loses three points."""
    scores = {"dense": near(0.001), "lexical": near(0.0), "hybrid 0.5": [value + 0.001 for value in LEVEL]}
    assert chosen({**scores, "hybrid 0.3": near(0.1), "hybrid 0.7": near(0.1)}) == "hybrid 0.5"
    assert chosen({**scores, "dense": [1.0] * 100, "hybrid 0.3": LEVEL, "hybrid 0.7": [0.999] * 100}) == "dense"


def test_sets_count_alike_whatever_their_size() -> None:
    """The second set, of two queries, weighs as much as the hundred of the first, in the means and in their error."""
    first = {"dense": near(0.2), "lexical": near(0.2), "hybrid 0.3": LEVEL, "hybrid 0.5": near(0.0), "hybrid 0.7": near(0.3)}
    second = {name: [1.0, 1.0] if name == "dense" else [0.5, 0.5] for name in first}
    assert chosen(first) == "hybrid 0.5"
    assert chosen(first, second) == "dense"
