"""Where a report is written, when, and what other people wrote in it."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rag_pipeline.cli import app
from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.evidence import Example, Passage
from rag_pipeline.files import write_json
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.verdict import Reason, Verdict, invalid
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.report import ReportFacts, ReportRequest, not_evaluated, render, write_report
from rag_pipeline.report.charts import Point
from rag_pipeline.report.gather import OpenRefusals, Trend
from tests.conftest import Workspace, files_contract
from tests.support.report_facts import PASSED, facts, page_of, policy
from tests.support.report_pages import PARTS, SOURCE, Page, evidence, golden, manifest
from tests.support.small_releases import NOW

__all__ = ["facts", "policy"]


NASTY = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></title><h1>",
    "{{ 7 * 7 }}{% raw %}",
    "right\u202eto left\u2066\x00\x1b[31m\x7f\x85",
    "half \ud83d a pair",
    "👩‍🔬 naïve 日本語",
    "x" * 100_000,
]


@pytest.mark.parametrize("nasty", NASTY)
def test_other_peoples_text_stays_text(facts: ReportFacts, nasty: str) -> None:
    passage = Passage(document=nasty, text=nasty, relevant=True, score=1.0)
    example = Example(query=nasty, text=nasty, difference=-1, expected=[passage], production=[passage], candidate=[passage])
    measured = golden(
        loss=0.5,
        owner=nasty,
        examples=[example],
        unjudged=[("q3", nasty)],
        unresolved=[Unresolved(query=nasty, document=nasty, status="dead", quote=nasty)],
        slices={nasty: [nasty] * 180},
    )
    verdict = Verdict("new", "regressed", (Reason("regressed", nasty, nasty),), (invalid(nasty),))
    state = dataclasses.replace(SOURCE, source=nasty, outcome="held", reason=nasty, broken=(nasty,))
    told = render(
        dataclasses.replace(
            facts,
            evidence=evidence().model_copy(update={"golden_sets": {nasty: measured}}),
            verdict=verdict,
            sources=(state,),
            refused=(OpenRefusals(nasty, 1, ((nasty, 1),)),),
            trends=(Trend(nasty, nasty, (Point(nasty, NOW, 0.5), Point(nasty, NOW, 0.6))),),
            questions={nasty: {"q2": nasty}},
            problem=nasty,
            unread=(nasty,),
        )
    )
    page = Page(told)
    assert page.ids == list(PARTS) and page.tags.isdisjoint({"script", "img"}) and not page.handlers
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", told)
    told.encode("utf-8")
    if len(nasty) > 2_000:
        assert "… (98,000 more characters)" in page.says
    elif nasty in NASTY[:4] or "👩" in nasty:
        assert " ".join(nasty.split()) in page.says


def test_a_release_that_could_not_be_evaluated_gets_a_page_that_says_why() -> None:
    page = page_of(ReportFacts(verdict=not_evaluated("new", "gate.yaml:3: no such metric"), written_at=NOW))
    assert page.ids == list(PARTS)
    assert "Could not be evaluated" in page.says and page.says.count("gate.yaml:3: no such metric") == 1


def test_a_problem_beside_other_reasons_is_told_too(facts: ReportFacts) -> None:
    verdict = Verdict("new", "could not be evaluated", (invalid("there is no evidence on this release"),))
    says = page_of(dataclasses.replace(facts, evidence=None, verdict=verdict, problem="out of memory")).says
    assert "out of memory" in says and "there is no evidence on this release" in says


def test_a_first_release_has_nothing_to_compare_with(facts: ReportFacts) -> None:
    alone = evidence(golden(production=None, overlap_at_10=None), compared_with=None)
    first = dataclasses.replace(facts, evidence=alone, serving=None, production=None)
    says = page_of(first).says
    assert "nothing is in production yet: this is the first release" in says
    assert "There is no production to compare with." in says and "not compared" in says


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_shown_as_such_and_not_drawn(facts: ReportFacts, value: float) -> None:
    values = {"nDCG@10": [value, *[0.5] * 179], "recall@10": [0.5] * 180}
    broken = evidence().model_copy(update={"golden_sets": {"docs": golden(values=values)}})
    assert "not a number" in page_of(dataclasses.replace(facts, evidence=broken)).says


def test_a_golden_set_without_a_living_query_does_not_break_the_page(facts: ReportFacts) -> None:
    empty = golden(query_ids=[], values={"nDCG@10": []}, production={"nDCG@10": []}, slices={"kind": []}, modes={})
    assert page_of(dataclasses.replace(facts, evidence=evidence(empty))).ids == list(PARTS)


def released(home: Home, name: str = "new") -> None:
    write_json(home.manifest(name), manifest(name).model_dump(mode="json"))


def test_a_report_is_written_whole_and_in_place_of_the_one_before(home: Home, tmp_path: Path, policy: Policy) -> None:
    released(home)
    path = write_report(home, ReportRequest(PASSED, now=NOW, evidence=evidence(), policy=policy))
    assert path == tmp_path / "reports" / "new.html" and "Passed" in Page(path.read_text(encoding="utf-8")).says
    gone = "the model went away"
    again = write_report(home, ReportRequest(not_evaluated("new", gone), now=NOW, problem=gone))
    assert again == path and "the model went away" in Page(path.read_text(encoding="utf-8")).says
    assert [one.name for one in path.parent.iterdir()] == ["new.html"]


def test_a_report_is_written_where_nothing_can_be_read(home: Home, tmp_path: Path) -> None:
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "production.json").write_text("{", encoding="utf-8")
    path = write_report(home, ReportRequest(not_evaluated("gone", "the release is damaged"), now=NOW))
    says = Page(path.read_text(encoding="utf-8")).says
    assert "the channel: " in says and "the release's manifest: " in says and "the release is damaged" in says


@pytest.mark.parametrize("name", ["", "..", "../new", "a/b", ".hidden"])
def test_a_report_is_never_written_elsewhere(home: Home, name: str) -> None:
    with pytest.raises(ReleaseError):
        write_report(home, ReportRequest(not_evaluated(name, "no"), now=NOW))


def test_rag_report_writes_the_page_and_says_where(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    workspace.contract("handbook", files_contract(workspace.pages({"a.md": "# A\n\ncats"})))
    workspace.golden("docs", {"cats": ["handbook/a.md"]})
    workspace.policy({"docs": {"floors": {"nDCG@10": 0.1}}})
    claim_home(workspace.settings)
    released(workspace.home)
    told = CliRunner().invoke(app, ["report", "--release", "new", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found | {"path": ""} == {
        "release": "new",
        "channel": "production",
        "verdict": "could not be evaluated",
        "path": "",
    }
    assert "there is no evidence on this release" in Page(Path(found["path"]).read_text(encoding="utf-8")).says
    (workspace.root / "evals" / "gate.yaml").write_text("channels: {}", encoding="utf-8")
    told = CliRunner().invoke(app, ["report", "--release", "new"])
    assert told.exit_code == 0 and "gate.yaml" in Page(Path(found["path"]).read_text(encoding="utf-8")).says
    assert isinstance(CliRunner().invoke(app, ["report", "--release", "other"]).exception, ReleaseError)
