"""Probes answer what a golden set has too few judged queries to tell, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.evaluate.evidence import ProbesEvidence
from rag_pipeline.gate.policy import NotWorse, Policy, ProbesPolicy
from tests.support.gate_cases import (
    GATE,
    INVALID,
    METRICS,
    OPEN,
    REGRESSED,
    Case,
    demanding,
    good,
    measured,
    policy_of,
    probes,
)


def few(policy: Policy, found: ProbesEvidence | None, queries: int = 10, **demands: Any) -> Case:
    """Ten judged queries that nothing happened to, and probes."""
    docs = measured(queries, probes=found)
    docs = docs.model_copy(update={"condensed": {name: docs.values[name] for name in METRICS}})
    return good(demanding(policy, **{"not_worse": NotWorse(), **demands}), docs)


def test_ten_queries_are_open_alone_and_say_what_would_help(policy: Policy) -> None:
    verdict = few(policy, None).decide()
    assert (verdict.outcome, verdict.notes) == (OPEN, ())
    hint = "with 200 probes in evals/docs/probes.jsonl this could be told without judgments: `rag golden probes docs`"
    assert [hint in reason.message for reason in verdict.reasons][-1]
    assert hint.replace("probes in", "probes instead of 199 in") in few(policy, probes(199)).decide().reasons[-1].message
    off = few(policy, probes(), probes=None).decide()
    assert off.outcome == OPEN and "probes" not in off.reasons[-1].message


@pytest.mark.parametrize("queries", [10, 60, 100])
def test_with_probes_that_lost_nothing_they_pass_and_it_is_told(policy: Policy, queries: int) -> None:
    verdict = few(policy, probes(), queries).decide()
    assert (verdict.outcome, verdict.reasons) == ("passed", ())
    [note] = verdict.notes
    assert "docs: passed without judgments: expected loss of nDCG@10 0.0000, bound 0.01" in note.message
    assert "margin 0.02, over 200 probes; no judged answer was lost" in note.message


def test_what_the_judged_queries_show_alone_needs_no_note(case: Case) -> None:
    case.set_is(probes=probes())
    verdict = case.decide()
    assert (verdict.outcome, verdict.notes) == ("passed", ())


REFUSED: dict[str, tuple[Callable[[Case], object], str, str]] = {
    "the probes lost too much": (
        lambda case: case.set_is(probes=probes(loss=0.03)),
        OPEN,
        "its probes do not show it either: expected loss of nDCG@10 0.0300",
    ),
    "many probes lost nothing and a tenth much": (
        lambda case: case.set_is(probes=probes(losses={metric: [0.0] * 180 + [0.5] * 20 for metric in METRICS})),
        OPEN,
        "its probes do not show it either: expected loss of nDCG@10 0.0500",
    ),
    "they moved out of sight": (
        lambda case: case.set_is(probes=probes(losses={"nDCG@10": [0.0] * 200, "recall@10": [0.1] * 200})),
        OPEN,
        "its probes do not show it either: expected loss of recall@10 0.1000",
    ),
    "a judged answer is lost": (
        lambda case: (
            case.set_is(condensed=case.docs.condensed | {"hit@10": [1.0] * 9 + [0.0]}),
            case.values_are(hit=[1.0] * 9 + [0.0]),
        ),
        OPEN,
        "its probes are not asked, since 1 judged queries lost their answer (q009)",
    ),
    "two judged queries slipped": (
        lambda case: (
            case.values_are(ndcg=[0.65] * 2 + [0.8] * 8),
            case.set_is(condensed=case.docs.condensed | {"nDCG@10": [0.65] * 2 + [0.8] * 8}),
        ),
        OPEN,
        "2 judged queries score less by nDCG@10, and the bound of what they lost lies beyond the margin",
    ),
    "two judged queries lost one of their answers": (
        lambda case: (
            case.values_are(recall=[0.5] * 2 + [0.9] * 8),
            case.set_is(condensed=case.docs.condensed | {"recall@10": [0.5] * 2 + [0.9] * 8}),
        ),
        OPEN,
        "2 judged queries score less by recall@10, and the bound of what they lost lies beyond the margin",
    ),
    "a metric is below its floor": (
        lambda case: (case.values_are(ndcg=[0.5] * 10), case.production_was(ndcg=[0.5] * 10)),
        REGRESSED,
        "below its floor",
    ),
    "it is shown to be worse": (
        lambda case: case.values_are(ndcg=[0.0] * 10),
        REGRESSED,
        "worse than production",
    ),
    "production's documents are not known": (
        lambda case: case.set_is(condensed={}, probes=probes(losses={}, chances=[], problem="production is damaged: x")),
        OPEN,
        "its 200 probes cannot tell either: production is damaged: x",
    ),
    "they cannot be checked any more": (
        lambda case: case.facts_are(production_unknown="its chunks are damaged"),
        OPEN,
        "its 200 probes cannot tell either: its chunks are damaged",
    ),
    "a slice of them lost much": (
        lambda case: case.set_is(
            slices={"kind": ["paraphrase", "literal"] * 5},
            probes=probes(
                losses={metric: [0.3] * 4 + [0.0] * 196 for metric in METRICS},
                slices={"kind": ["paraphrase"] * 20 + ["literal"] * 180},
            ),
        ),
        OPEN,
        "those with kind = paraphrase are expected to lose 0.0600 of nDCG@10, margin 0.05",
    ),
    "a loss is not a number": (
        lambda case: case.set_is(probes=probes(loss=float("nan"))),
        INVALID,
        "what was measured is damaged",
    ),
    "a loss is below zero": (lambda case: case.set_is(probes=probes(loss=-1.0)), INVALID, "what was measured is damaged"),
    "a loss is missing": (
        lambda case: case.set_is(probes=probes(losses={"nDCG@10": [0.0] * 199})),
        INVALID,
        "what was measured is damaged",
    ),
    "a judgment of all is missing": (
        lambda case: case.set_is(condensed={"hit@10": [1.0] * 9}),
        INVALID,
        "what was measured is damaged",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_probes_turn_nothing_into_a_pass_that_is_not_merely_open(policy: Policy, what: str) -> None:
    spoil, outcome, message = REFUSED[what]
    slices = {"kind": {"paraphrase": {"margin": 0.05}}} if "slice" in what else {}
    case = few(policy, probes(), floors={"nDCG@10": 0.6} if "floor" in what else {}, slices=slices)
    assert case.decide().passed
    spoil(case)
    verdict = case.decide()
    assert (verdict.outcome, verdict.notes) == (outcome, ())
    assert any(message in reason.message for reason in verdict.reasons), verdict.reasons


def test_one_judged_answer_a_place_down_is_chance(policy: Policy) -> None:
    case, slipped = few(policy, probes()), [0.5] + [0.8] * 9
    case.values_are(ndcg=slipped)
    case.set_is(condensed=case.docs.condensed | {"nDCG@10": slipped})
    assert case.decide().passed


def test_an_answer_that_slipped_over_the_edge_of_the_first_ten_is_not_lost_but_told(policy: Policy) -> None:
    case, gone = few(policy, probes()), [1.0] * 9 + [0.0]
    case.values_are(hit=gone)
    case.set_is(condensed=case.docs.condensed | {"hit@10": gone}, slipped=["q000", "q009"])
    verdict = case.decide()
    assert verdict.outcome == "passed"
    [note] = verdict.notes
    assert note.message.endswith("no judged answer was lost; 1 slipped out of the first 10 by a place or two: q009")
    case.set_is(slipped=["q000"])
    assert case.decide().outcome == OPEN


def test_a_reason_outside_of_the_set_stands(policy: Policy) -> None:
    case = few(policy, probes())
    case.facts_are(damage=("chroma/x",))
    verdict = case.decide()
    assert (verdict.outcome, verdict.notes) == (INVALID, ())
    case = few(policy, probes())
    case.facts_are(hold="held by anna")
    assert (case.decide().outcome, case.decide().notes) == ("held", ())


def test_a_list_of_another_metric_is_held_by_that_metric(policy: Policy) -> None:
    docs = measured(10, probes=probes(losses={"MRR@10": [0.0] * 200}))
    values = docs.values | {"MRR@10": [0.7] * 10, "span_recall@5": [0.7] * 10}
    docs = docs.model_copy(
        update={"values": values, "production": values, "condensed": {"hit@10": [1.0] * 10, "MRR@10": [0.7] * 10}}
    )
    assert good(demanding(policy, not_worse=NotWorse(metric="MRR@10")), docs).decide().passed
    passages = good(demanding(policy, not_worse=NotWorse(metric="span_recall@5")), docs).decide()
    assert passages.outcome == OPEN
    assert "they compare documents, and span_recall@5 is not of documents" in passages.reasons[-1].message


def test_an_advisory_set_does_not_warn_of_what_its_probes_show(policy: Policy) -> None:
    assert few(policy, None, critical=False).decide().warnings
    verdict = few(policy, probes(), critical=False).decide()
    assert (verdict.outcome, verdict.warnings, len(verdict.notes)) == ("passed", (), 1)


def test_what_probes_may_show_needs_no_new_measurement(policy: Policy) -> None:
    changed = demanding(policy, probes=ProbesPolicy(least=300, margin=0.01))
    assert changed.fingerprint("production") == demanding(policy).fingerprint("production")
    assert few(policy, probes(300), probes=ProbesPolicy(least=300, margin=0.001)).decide().outcome == OPEN
    assert replace(policy).fingerprint("production") == policy.fingerprint("production")


def test_the_note_names_the_line_of_the_policy_that_says_what_probes_may_show(tmp_path: Path) -> None:
    text = GATE.replace("      docs:\n", "      docs:\n        probes:\n          least: 200\n").split("        slices:")[0]
    own = policy_of(tmp_path, text.replace("          nDCG@10: 0.6\n", ""))
    docs = measured(10, probes=probes(), slices={})
    docs = docs.model_copy(update={"condensed": {name: docs.values[name] for name in METRICS}})
    [note] = good(own, docs).decide().notes
    assert own.document.path.read_text(encoding="utf-8").splitlines()[int(note.line.removeprefix("gate.yaml:")) - 1] == (
        "        probes:"
    )
