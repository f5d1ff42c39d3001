"""The facts of one report, and its page."""

from datetime import timedelta

import pytest

from rag_pipeline.gate.policy import Policy, read_policy
from rag_pipeline.gate.verdict import Verdict
from rag_pipeline.report import ReportFacts, render
from rag_pipeline.report.charts import Point
from rag_pipeline.report.gather import OpenRefusals, Trend
from tests.support.report_pages import SOURCE, Page, evidence, manifest
from tests.support.small_releases import NOW

GATE = """\
channels:
  production:
    latency: {p95_ms: 150}
    golden_sets:
      docs:
        floors: {nDCG@10: 0.3}
        slices: {kind: {howto: {margin: 0.05}}}
"""


PASSED = Verdict("new", "passed", ())


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("evals")
    (folder / "gate.yaml").write_text(GATE, encoding="utf-8")
    return read_policy(folder)


def page_of(facts: ReportFacts) -> Page:
    return Page(render(facts))


@pytest.fixture
def facts(policy: Policy) -> ReportFacts:
    points = tuple(
        Point(f"r{day}", NOW - timedelta(days=9 - day), 0.4 + day / 100, "docs-1", day % 2 == 0) for day in range(9)
    )
    return ReportFacts(
        verdict=PASSED,
        written_at=NOW,
        evidence=evidence(),
        serving="old",
        demands=policy.channel("production"),
        manifest=manifest(),
        production=manifest("old", "1.0.0", documents=10),
        sources=(SOURCE,),
        refused=(OpenRefusals("handbook", 2, (("text must not be empty", 2),)),),
        trends=(Trend("docs", "nDCG@10", (*points, Point("new", NOW, 0.5, "docs-1", current=True))),),
        questions={"docs": {"q2": "how do I get leave", "q3": "who approves it"}},
    )
