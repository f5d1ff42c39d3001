"""A decision of the gate to take apart: policy, evidence and facts that are good as they come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence, ProbesEvidence, SetEvidence
from rag_pipeline.evaluate.expected import PRIOR
from rag_pipeline.gate.decide import Facts, decide
from rag_pipeline.gate.policy import NotWorse, Policy, SetPolicy, read_policy
from rag_pipeline.gate.verdict import Verdict
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.ingest.state import SourceState
from tests.support.small_releases import NOW

QUERIES = 180

GATE = """\
channels:
  production:
    evidence_max_age_hours: 24
    sources_within_sla: true
    sources_keep_quality: true
    approximate_recall_min: 0.98
    overlap_at_10_min: 0.5
    latency:
      concurrency: 4
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
          guard_margin: 0.03
          hit_to_miss_max_percent: 5
          judged_drop_max: 0.1
        dead_judgments_max_percent: 2
        slices:
          kind:
            paraphrase:
              margin: 0.05
              floors:
                nDCG@10: 0.5
"""

INVALID, REGRESSED, OPEN = "could not be evaluated", "regressed", "inconclusive"

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


def latency(p50_ms: float = 20.0, p95_ms: float = 60.0, concurrency: int = 4) -> LatencyEvidence:
    return LatencyEvidence(queries=50, concurrency=concurrency, p50_ms=p50_ms, p95_ms=p95_ms)


def gone(count: int) -> list[Unresolved]:
    return [Unresolved(query=f"q{number:03}", document="handbook/gone.md", status="dead") for number in range(count)]


def measured(queries: int = QUERIES, **changes: Any) -> SetEvidence:
    """A set on which release and production give the same; every second query is a paraphrase."""
    values = {
        "nDCG@10": [0.8] * queries,
        "recall@10": [0.9] * queries,
        "hit@10": [1.0] * queries,
        "judged@10": [0.1] * queries,
    }
    fields = {
        "fingerprint": "docs-1",
        "owner": "docs@example.com",
        "primary": "nDCG@10",
        "query_ids": [f"q{number:03}" for number in range(queries)],
        "judgments": 200,
        "values": values,
        "production": values,
        "slices": {"kind": [("paraphrase", "literal")[number % 2] for number in range(queries)]},
        "overlap_at_10": 1.0,
    }
    return SetEvidence(**fields | changes)


@dataclass
class Case:
    """Everything a decision is taken on; good as it comes, and each test makes one part bad."""

    policy: Policy
    evidence: Evidence | None
    facts: Facts

    @property
    def docs(self) -> SetEvidence:
        assert self.evidence is not None
        return self.evidence.golden_sets["docs"]

    def facts_are(self, **changes: Any) -> None:
        self.facts = replace(self.facts, **changes)

    def evidence_is(self, **changes: Any) -> None:
        """As if the evaluation had come to this: sealed."""
        if self.evidence:
            self.evidence = self.evidence.model_copy(update=changes).sealed()

    def set_is(self, **changes: Any) -> None:
        if self.evidence and "docs" in self.evidence.golden_sets:
            sets = self.evidence.golden_sets | {"docs": self.docs.model_copy(update=changes)}
            self.evidence_is(golden_sets=sets)

    def values_are(self, **values: Sequence[float]) -> None:
        """What the release gives, a query each: `ndcg`, `recall`, `hit`, `judged`; what is not named stays."""
        if self.evidence and "docs" in self.evidence.golden_sets:
            self.set_is(values=self.docs.values | {NAMES[name]: list(given) for name, given in values.items()})

    def production_was(self, **values: Sequence[float]) -> None:
        if self.evidence and "docs" in self.evidence.golden_sets and self.docs.production:
            self.set_is(production=self.docs.production | {NAMES[name]: list(given) for name, given in values.items()})

    def decide(self) -> Verdict:
        return decide(self.evidence, self.policy, "production", self.facts, NOW)


NAMES = {"ndcg": "nDCG@10", "recall": "recall@10", "hit": "hit@10", "judged": "judged@10"}


def good(policy: Policy, docs: SetEvidence | None = None) -> Case:
    evidence = Evidence(
        release="new",
        release_fingerprint="new-1",
        manifest_sha256="bytes-1",
        model_fingerprint="model-1",
        policies=policy.fingerprints,
        created_at=NOW - timedelta(hours=1),
        run_id="run",
        compared_with="old",
        golden_sets={"docs": docs or measured()},
        latency=[latency(9_000, 9_000, concurrency=1), latency()],
        approximate_recall=0.999,
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


def demanding(policy: Policy, **demands: Any) -> Policy:
    """The policy, with these demands on the golden set instead of its own."""
    channel = policy.channels["production"]
    docs = SetPolicy(**{"floors": {}, "slices": {}, **demands})
    return replace(policy, channels={"production": channel.model_copy(update={"golden_sets": {"docs": docs}})})


def only(**not_worse: Any) -> NotWorse:
    """No demand of a comparison but those that are named."""
    return NotWorse(**{"margin": 1.0, "guard_margin": None, "hit_to_miss_max_percent": None, **not_worse})


def spread(usual: float, other: float, where: Sequence[int], queries: int = QUERIES) -> list[float]:
    """A value for each query, another one in some places."""
    return [other if place in where else usual for place in range(queries)]


EVEN, ODD = range(0, QUERIES, 2), range(1, QUERIES, 2)
"""Places of the paraphrases, and of the others."""


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_of(tmp_path_factory.mktemp("evals"))


@pytest.fixture
def case(policy: Policy) -> Case:
    return good(policy)


METRICS = ("nDCG@10", "recall@10", "hit@10")


def probes(count: int = 200, loss: float = 0.0, **changes: Any) -> ProbesEvidence:
    fields = {
        "ids": [f"p{number:03}" for number in range(count)],
        "chances": list(PRIOR),
        "losses": {metric: [loss] * count for metric in METRICS},
    }
    return ProbesEvidence(**fields | changes)
