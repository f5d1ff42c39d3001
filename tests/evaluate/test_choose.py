"""How releases retrieve where nobody said: the way that golden sets find best, chosen once."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.evaluate.choose import Chooser
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import RetrievalParameters
from rag_pipeline.index.verify import verify_release
from tests.support.chosen_ways import BY_WORDS, LATER, NAMES, PAGES, Knowing, Model, Nights, nights
from tests.support.small_releases import NOW, recipe

__all__ = ["nights"]


@dataclass(frozen=True)
class NoModel(Model):
    """Must not be loaded: there is nothing to measure."""

    def load(self) -> Knowing:
        raise AssertionError("a release was measured")


BY_MEANING = {f"beast{name}": [f"handbook/p{name}.md"] for name in NAMES}


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
    assert [path.name for path in nights.home.releases.iterdir() if path.is_dir()] == [built.manifest.id]
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
    shutil.rmtree(nights.home.query_vectors)  # or measuring again would not need the model
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
def test_the_choice_is_made_anew_for_another_way_to_cut_or_other_settings(nights: Nights, changes: dict[str, Any]) -> None:
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


def test_choosing_builds_no_release_and_writes_nothing_until_it_is_kept(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    dense = build_release(nights.home, nights.recipe(), run_id="before", now=NOW)
    golden_sets = read_golden_sets(nights.workspace.settings.evals)
    chooser = Chooser(nights.home, nights.recipe(), golden_sets, Model())  # type: ignore[arg-type]
    assert chooser.standing() is None
    best = chooser.best_retrieval(dense.manifest)
    assert best and best.retrieval.mode == "lexical"
    assert nights.releases == [dense.manifest.id]
    assert not nights.home.chosen_retrieval.exists() and chooser.standing() is None
    chooser.keep(best, dense.manifest, LATER)
    assert chooser.standing() == best.retrieval and nights.choice.release == dense.manifest.id


def test_fewer_than_fifty_living_queries_leave_it_dense(nights: Nights) -> None:
    nights.workspace.golden("questions", some(BY_WORDS, 30))
    nights.workspace.golden("more", some(BY_WORDS, 19))
    built = nights.build(NoModel())
    assert built.manifest.retrieval.mode == "dense" and not nights.home.chosen_retrieval.exists()
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
