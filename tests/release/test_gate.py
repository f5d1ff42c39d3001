import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.evaluate.evidence import Comparison, Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.ingest.state import SourceState
from rag_pipeline.release.gate import Facts, Verdict, decide
from rag_pipeline.release.policy import Policy, read_policy
from tests.corpus.small import NOW

GATE = """\
channels:
  production:
    evidence_max_age_hours: 24
    sources_within_sla: true
    latency:
      p50_ms: 100
      p95_ms: 500
    golden_sets:
      docs:
        floors:
          nDCG@10: 0.6
          recall@10: 0.7
        not_worse:
          metric: nDCG@10
          margin: 0.02
        dead_judgments_max_percent: 2
"""

SOURCE = SourceState(
    source="handbook",
    outcome="accepted",
    reason="",
    loaded_at=NOW,
    as_of=NOW,
    age_hours=1.0,
    max_age_hours=48.0,
    documents=3,
    refused=0,
    data_version="v",
    contract_id="handbook",
    contract_version="1.0.0",
)


def policy_of(folder: Path, text: str = GATE) -> Policy:
    (folder / "gate.yaml").write_text(text, encoding="utf-8")
    return read_policy(folder)


@dataclass
class Case:
    """Everything a decision is taken on; good as it comes, and each test makes one part bad."""

    policy: Policy
    evidence: Evidence | None
    facts: Facts

    def facts_are(self, **changes: Any) -> None:
        self.facts = replace(self.facts, **changes)

    def evidence_is(self, **changes: Any) -> None:
        """As if the evaluation had come to this: sealed."""
        assert self.evidence is not None
        self.evidence = self.evidence.model_copy(update=changes).sealed()

    def set_is(self, **changes: Any) -> None:
        if self.evidence and "docs" in self.evidence.golden_sets:
            self.evidence_is(golden_sets={"docs": self.evidence.golden_sets["docs"].model_copy(update=changes)})

    def comparison_is(self, **changes: Any) -> None:
        measured = self.evidence.golden_sets.get("docs") if self.evidence else None
        if measured and measured.comparison:
            self.set_is(comparison=measured.comparison.model_copy(update=changes))

    def decide(self) -> Verdict:
        return decide(self.evidence, self.policy, "production", self.facts, NOW)


def good(policy: Policy) -> Case:
    comparison = Comparison(
        metric="nDCG@10", queries=180, production=0.80, difference=0.01, lower=-0.005, upper=0.025, worst=[]
    )
    measured = SetEvidence(
        fingerprint="docs-1",
        queries=180,
        judgments=200,
        dead_judgments=[],
        unanswered=[],
        metrics={"nDCG@10": 0.81, "recall@10": 0.9},
        slices={},
        production_metrics={"nDCG@10": 0.80, "recall@10": 0.9},
        comparison=comparison,
    )
    evidence = Evidence(
        release="new",
        release_fingerprint="new-1",
        manifest_sha256="bytes-1",
        model_fingerprint="model-1",
        policies=policy.fingerprints,
        created_at=NOW - timedelta(hours=1),
        run_id="run",
        compared_with="old",
        golden_sets={"docs": measured},
        latency=LatencyEvidence(queries=50, p50_ms=20.0, p95_ms=60.0),
    ).sealed()
    facts = Facts(
        release="new",
        release_fingerprint="new-1",
        manifest_sha256="bytes-1",
        model_fingerprint="model-1",
        golden_fingerprints={"docs": "docs-1"},
        production="old",
        current="old",
        sources=(SOURCE,),
    )
    return Case(policy, evidence, facts)


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_of(tmp_path_factory.mktemp("evals"))


@pytest.fixture
def case(policy: Policy) -> Case:
    return good(policy)


def edited(case: Case) -> None:
    assert case.evidence is not None
    case.evidence = case.evidence.model_copy(update={"latency": LatencyEvidence(queries=49, p50_ms=1, p95_ms=1)})


def no_evidence(case: Case) -> None:
    case.evidence = None


INVALID, REFUSED, OPEN = "could not be evaluated", "refused", "inconclusive"

WRONG: dict[str, tuple[Callable[[Case], None], str, str, str]] = {
    "no evidence": (no_evidence, INVALID, "there is no evidence on this release; evaluate it first", ""),
    "edited evidence": (edited, INVALID, "the evidence was changed after it was written", ""),
    "evidence on another release": (
        lambda case: case.facts_are(release_fingerprint="new-2"),
        INVALID,
        "the evidence is about another release (new)",
        "",
    ),
    "evidence on the same content in another release": (
        lambda case: case.facts_are(release="newer"),
        INVALID,
        "the evidence is about another release (new)",
        "",
    ),
    "a manifest changed after the evaluation": (
        lambda case: case.facts_are(manifest_sha256="bytes-2"),
        INVALID,
        "the release's manifest was changed after it was evaluated",
        "",
    ),
    "another model": (
        lambda case: case.facts_are(model_fingerprint="model-2"),
        INVALID,
        "measured with another embedding model",
        "",
    ),
    "another policy": (lambda case: case.evidence_is(policies={"production": "p"}), INVALID, "the policy has changed", ""),
    "a changed golden set": (
        lambda case: case.facts_are(golden_fingerprints={"docs": "docs-2"}),
        INVALID,
        "golden set docs has changed since the evaluation",
        "",
    ),
    "an added golden set": (
        lambda case: case.facts_are(golden_fingerprints={"docs": "docs-1", "more": "more-1"}),
        INVALID,
        "golden set more has changed since the evaluation",
        "",
    ),
    "a removed golden set": (
        lambda case: case.facts_are(golden_fingerprints={}),
        INVALID,
        "golden set docs has changed since the evaluation",
        "",
    ),
    "a golden set demanded but absent": (
        lambda case: (case.evidence_is(golden_sets={}), case.facts_are(golden_fingerprints={}))[0],
        INVALID,
        "golden set docs is demanded, but there is no such folder",
        "gate.yaml:9",
    ),
    "old evidence": (
        lambda case: case.evidence_is(created_at=NOW - timedelta(hours=24, minutes=6)),
        INVALID,
        "the evidence is 24.1 h old, at most 24 h are allowed",
        "gate.yaml:3",
    ),
    "evidence from the future": (
        lambda case: case.evidence_is(created_at=NOW + timedelta(hours=2)),
        INVALID,
        "dated 2.0 h in the future; was the clock moved?",
        "",
    ),
    "compared with another production": (
        lambda case: case.facts_are(production="older"),
        INVALID,
        "did not compare with older, which is in production now",
        "",
    ),
    "compared with nothing": (
        lambda case: (case.evidence_is(compared_with=None), case.set_is(comparison=None))[0],
        INVALID,
        "did not compare with old, which is in production now",
        "",
    ),
    "a set left out of the comparison": (
        lambda case: case.set_is(comparison=None),
        INVALID,
        "docs was not compared with old",
        "gate.yaml:13",
    ),
    "a metric below its floor": (
        lambda case: case.set_is(metrics={"nDCG@10": 0.59994, "recall@10": 0.9}),
        REFUSED,
        "docs: nDCG@10 is 0.5999, below its floor of 0.6",
        "gate.yaml:11",
    ),
    "a metric that is not a number": (
        lambda case: case.set_is(metrics={"nDCG@10": 0.81, "recall@10": math.nan}),
        REFUSED,
        "docs: recall@10 is nan, below its floor of 0.7",
        "gate.yaml:12",
    ),
    "a floor for a metric nobody measured": (
        lambda case: case.set_is(metrics={"nDCG@10": 0.81}),
        INVALID,
        "docs: recall@10 has a floor but golden.yaml does not list it",
        "gate.yaml:12",
    ),
    "dead judgments": (
        lambda case: case.set_is(dead_judgments=[(f"q{number}", "handbook/gone.md") for number in range(5)]),
        INVALID,
        "docs: 5 of 200 judgments (2.5 %) name documents that do not exist (first: handbook/gone.md); at most 2 % may",
        "gate.yaml:16",
    ),
    "no living query": (lambda case: case.set_is(queries=0), INVALID, "docs: 0 of 200 judgments", "gate.yaml:16"),
    "no judgment": (
        lambda case: case.set_is(queries=0, judgments=0),
        INVALID,
        "docs: 0 of 0 judgments (100.0 %)",
        "gate.yaml:16",
    ),
    "worse than production": (
        lambda case: case.comparison_is(difference=-0.06, lower=-0.09, upper=-0.03),
        REFUSED,
        "worse than production: docs: nDCG@10 -0.0600 against production over 180 queries, "
        "95 % bounds -0.0900 to -0.0300, margin 0.02",
        "gate.yaml:13",
    ),
    "perhaps worse than production": (
        lambda case: case.comparison_is(difference=-0.01, lower=-0.04, upper=0.02),
        OPEN,
        "cannot be shown to be no worse than production: docs: nDCG@10 -0.0100",
        "gate.yaml:13",
    ),
    "bounds that are no numbers": (
        lambda case: case.comparison_is(difference=math.nan, lower=math.nan, upper=math.nan),
        OPEN,
        "cannot be shown to be no worse than production",
        "gate.yaml:13",
    ),
    "another metric compared": (
        lambda case: case.comparison_is(metric="MRR@10"),
        INVALID,
        "docs: not_worse asks for nDCG@10, but the set's primary metric is MRR@10",
        "gate.yaml:13",
    ),
    "slow queries": (
        lambda case: case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=20, p95_ms=500.5)),
        REFUSED,
        "query latency p95 is 500.5 ms, above 500 ms",
        "gate.yaml:7",
    ),
    "slow median": (
        lambda case: case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=101, p95_ms=200)),
        REFUSED,
        "query latency p50 is 101 ms, above 100 ms",
        "gate.yaml:6",
    ),
    "a latency that is not a number": (
        lambda case: case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=20, p95_ms=math.nan)),
        REFUSED,
        "query latency p95 is nan ms",
        "gate.yaml:7",
    ),
    "a source past its SLA": (
        lambda case: case.facts_are(sources=(SOURCE, replace(SOURCE, source="wiki", age_hours=50.04))),
        REFUSED,
        "source wiki is 50.0 h old, its contract allows 48 h",
        "gate.yaml:4",
    ),
    "a source whose data breaks a rule": (
        lambda case: case.facts_are(sources=(replace(SOURCE, broken=("enough: rowCount is 3 rows",)),)),
        REFUSED,
        "source handbook breaks its contract's quality rule enough: rowCount is 3 rows",
        "gate.yaml:2",
    ),
    "a source never loaded": (
        lambda case: case.facts_are(sources=(replace(SOURCE, age_hours=None),)),
        REFUSED,
        "source handbook was never loaded",
        "gate.yaml:4",
    ),
    "a damaged file": (
        lambda case: case.facts_are(damage=("chroma/chroma.sqlite3",)),
        INVALID,
        "files of the release differ from its manifest: chroma/chroma.sqlite3",
        "",
    ),
}


def test_a_release_that_meets_every_demand_passes(case: Case) -> None:
    verdict = case.decide()
    assert (verdict.release, verdict.outcome, verdict.reasons, verdict.passed) == ("new", "passed", (), True)


@pytest.mark.parametrize("what", WRONG)
def test_one_thing_wrong_is_the_verdict_with_its_figure_and_its_line(case: Case, what: str) -> None:
    spoil, outcome, message, line = WRONG[what]
    spoil(case)
    verdict = case.decide()
    assert not verdict.passed
    assert verdict.outcome == outcome
    [reason] = verdict.reasons
    assert message in reason.message
    assert reason.line == line
    assert str(reason) == (f"{reason.message} ({line})" if line else reason.message)


@given(st.sets(st.sampled_from(sorted(WRONG)), min_size=1))
def test_nothing_wrong_is_ever_outweighed_by_what_is_right_or_wrong_beside_it(policy: Policy, what: set[str]) -> None:
    case = good(policy)
    for name in sorted(what - {"no evidence", "edited evidence"}):
        WRONG[name][0](case)
    for name in sorted(what & {"edited evidence", "no evidence"}):  # last: sealing again would mend an edit
        if case.evidence:
            WRONG[name][0](case)
    verdict = case.decide()
    assert not verdict.passed
    assert verdict.reasons


@given(st.sampled_from(sorted(WRONG)), st.floats(0.6, 1), st.floats(0, 500))
def test_good_figures_elsewhere_never_make_up_for_one_that_is_wrong(
    policy: Policy, what: str, ndcg: float, latency_ms: float
) -> None:
    case = good(policy)
    case.set_is(metrics={"nDCG@10": ndcg, "recall@10": 1.0})
    case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=min(latency_ms, 100), p95_ms=latency_ms))
    assert case.decide().passed
    WRONG[what][0](case)
    assert not case.decide().passed


def test_every_reason_is_listed_and_not_only_the_first(case: Case) -> None:
    case.set_is(metrics={"nDCG@10": 0.5, "recall@10": 0.5})
    case.comparison_is(difference=-0.1, lower=-0.2, upper=-0.05)
    case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=200, p95_ms=900))
    case.facts_are(
        sources=(replace(SOURCE, age_hours=72), replace(SOURCE, source="wiki", age_hours=None)), damage=("a", "b")
    )
    verdict = case.decide()
    assert [reason.line for reason in verdict.reasons] == [
        *("gate.yaml:11", "gate.yaml:12", "gate.yaml:13"),
        *("gate.yaml:6", "gate.yaml:7"),
        "",
        *("gate.yaml:4", "gate.yaml:4"),
    ]
    assert verdict.outcome == INVALID, "the gravest outcome is the verdict's"


def test_everything_that_makes_evidence_invalid_is_listed(case: Case) -> None:
    case.evidence_is(policies={"production": "p"}, created_at=NOW - timedelta(days=3))
    case.facts_are(
        release_fingerprint="x", model_fingerprint="x", golden_fingerprints={"docs": "x", "more": "x"}, production="x"
    )
    edited(case)
    reasons = case.decide().reasons
    assert len(reasons) == 8
    assert {reason.outcome for reason in reasons} == {INVALID}


def test_refused_outweighs_inconclusive(case: Case) -> None:
    case.comparison_is(lower=-0.04)
    assert case.decide().outcome == OPEN
    case.facts_are(sources=(replace(SOURCE, age_hours=72),))
    assert case.decide().outcome == REFUSED


@pytest.mark.parametrize(
    ("lower", "upper", "outcome"),
    [
        (-0.02, 0.01, "passed"),
        (-0.0200001, -0.0199999, OPEN),
        (-0.03, -0.02, OPEN),
        (-0.03, -0.0200001, REFUSED),
        (-math.inf, math.inf, OPEN),
    ],
)
def test_the_margin_belongs_to_what_is_allowed(case: Case, lower: float, upper: float, outcome: str) -> None:
    case.comparison_is(lower=lower, upper=upper)
    assert case.decide().outcome == outcome


def test_limits_belong_to_what_is_allowed(case: Case) -> None:
    case.set_is(metrics={"nDCG@10": 0.6, "recall@10": 0.7}, dead_judgments=[("q", "gone")] * 4)
    case.evidence_is(created_at=NOW - timedelta(hours=24), latency=LatencyEvidence(queries=50, p50_ms=100, p95_ms=500))
    case.facts_are(sources=(replace(SOURCE, age_hours=48.0), replace(SOURCE, age_hours=None, max_age_hours=None)))
    assert case.decide().passed


def test_a_clock_that_is_a_little_ahead_is_forgiven(case: Case) -> None:
    case.evidence_is(created_at=NOW + timedelta(minutes=4))
    assert case.decide().passed


def test_the_first_release_needs_no_comparison(case: Case) -> None:
    case.evidence_is(compared_with=None)
    case.set_is(comparison=None, production_metrics=None)
    case.facts_are(production=None)
    assert case.decide().passed


def test_production_needs_no_comparison_with_itself(case: Case) -> None:
    case.evidence_is(compared_with=None)
    case.set_is(comparison=None, production_metrics=None)
    case.facts_are(production="new")
    assert case.decide().passed


def test_a_demand_that_is_switched_off_refuses_nothing(tmp_path: Path) -> None:
    text = GATE.replace("sources_within_sla: true", "sources_within_sla: false").replace("p95_ms: 500", "p95_ms:")
    text = text[: text.index("        not_worse")] + "        not_worse:\n"
    case = good(policy_of(tmp_path, text))
    case.comparison_is(lower=-0.9, upper=-0.8)
    case.evidence_is(latency=LatencyEvidence(queries=50, p50_ms=1, p95_ms=9_000))
    case.facts_are(sources=(replace(SOURCE, age_hours=None),))
    assert case.decide().passed


def test_a_golden_set_the_policy_does_not_name_must_be_alive_too(case: Case) -> None:
    assert case.evidence is not None
    bad = case.evidence.golden_sets["docs"].model_copy(update={"metrics": {}, "queries": 0, "fingerprint": "more-1"})
    case.evidence_is(golden_sets={**case.evidence.golden_sets, "more": bad})
    case.facts_are(golden_fingerprints={"docs": "docs-1", "more": "more-1"})
    assert case.decide().outcome == INVALID


def test_old_evidence_says_nothing_against_what_serves_already(case: Case) -> None:
    case.evidence_is(created_at=NOW - timedelta(days=3), compared_with=None)
    case.facts_are(production="new", current="new")
    case.evidence_is(golden_sets={"docs": case.evidence.golden_sets["docs"].model_copy(update={"comparison": None})})
    assert case.decide().passed


def test_a_golden_set_the_policy_does_not_name_must_not_get_worse_either(case: Case) -> None:
    docs = case.evidence.golden_sets["docs"]
    assert docs.comparison is not None
    worse = docs.comparison.model_copy(update={"metric": "MRR@10", "difference": -0.2, "lower": -0.3, "upper": -0.1})
    case.evidence_is(golden_sets={"docs": docs, "more": docs.model_copy(update={"comparison": worse})})
    case.facts_are(golden_fingerprints={"docs": "docs-1", "more": "docs-1"})
    verdict = case.decide()
    assert verdict.outcome == REFUSED
    (reason,) = verdict.reasons
    assert "more: MRR@10 -0.2000 against production" in reason.message


def test_content_that_was_rolled_back_is_refused_and_says_how_to_bring_it_back(case: Case) -> None:
    case.facts_are(withdrawn="ana at 2026-11-21 02:10 UTC (wrong prices)")
    verdict = case.decide()
    assert verdict.outcome == REFUSED
    (reason,) = verdict.reasons
    assert "rolled back by ana at 2026-11-21 02:10 UTC (wrong prices)" in str(reason)
    assert "rag promote new" in str(reason)
