"""The report of a release: what it says, that it is safe to open, and that it is always written."""

import dataclasses
import json
import math
import re
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rag_pipeline.cli import app
from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.evidence import Example, LatencyEvidence, Passage, Unresolved
from rag_pipeline.files import write_json
from rag_pipeline.home import claim_home
from rag_pipeline.release.policy import Policy, read_policy
from rag_pipeline.release.report import ReportFacts, not_evaluated, render, write_report
from rag_pipeline.release.report.charts import Point
from rag_pipeline.release.report.gather import OpenRefusals, Trend
from rag_pipeline.release.verdict import Outcome, Reason, Verdict, invalid
from tests.conftest import Workspace, files_contract
from tests.corpus.small import NOW
from tests.release.report_pages import PARTS, SOURCE, Page, evidence, golden, manifest

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


def test_the_page_has_all_ten_parts_in_order_and_every_tag_is_closed(facts: ReportFacts) -> None:
    assert page_of(facts).ids == list(PARTS)


def test_the_page_loads_nothing_and_runs_nothing(facts: ReportFacts) -> None:
    text, page = render(facts), page_of(facts)
    assert {one[0] for one in page.addresses} == {"#"}
    assert page.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "img", "base", "form"})
    assert not page.handlers
    assert not re.search(r"@import|url\(|https?://|//[a-z]", text)
    assert "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"" in text


@pytest.mark.parametrize(
    ("outcome", "word", "symbol", "tone"),
    [
        ("passed", "Passed", "✓", "fine"),
        ("regressed", "Regressed", "✕", "worse"),
        ("inconclusive", "Inconclusive", "?", "unsure"),
        ("could not be evaluated", "Could not be evaluated", "!", "even"),
    ],
)
def test_a_verdict_is_told_by_word_symbol_and_colour(
    facts: ReportFacts, outcome: Outcome, word: str, symbol: str, tone: str
) -> None:
    reasons = () if outcome == "passed" else (Reason(outcome, "gate.yaml:7", "nDCG@10 fell"),)
    warnings = (Reason("regressed", "", "the howto slice got worse"),)
    told = render(dataclasses.replace(facts, verdict=Verdict("new", outcome, reasons, warnings)))
    assert f"<h1>{word}</h1>" in told and f'<div class="verdict {tone}">' in told and f">{symbol}</div>" in told
    says = Page(told).says
    assert ("nDCG@10 fell gate.yaml:7" in says) == bool(reasons)
    assert says.index("the howto slice got worse") < says.index("How good are the answers?")


def test_a_release_that_passed_by_its_probes_says_so_and_how_many_judged_queries_would_do(facts: ReportFacts) -> None:
    note = Reason("passed", "gate.yaml:9", "docs: passed without judgments: expected loss of nDCG@10 0.0010")
    says = page_of(dataclasses.replace(facts, verdict=Verdict("new", "passed", (), (), (note,)))).says
    assert says.index("On what it passed") < says.index("docs: passed without judgments: expected loss of nDCG@10 0.0010")
    assert "gate.yaml:9" in says and "On what it passed" not in page_of(facts).says
    assert "judged queries can" in says, "how many could pass a release stands with the set"


def test_what_got_worse_is_said_in_a_sentence_with_its_bound(facts: ReportFacts) -> None:
    worse = dataclasses.replace(facts, evidence=evidence(golden(loss=0.5)))
    says = page_of(worse).says
    assert "Queries answered before and not now: 12 of 180 queries" in says
    assert "at most 10.6 % are lost; the policy allows 5 %" in says
    assert re.search(r"The smallest loss of nDCG@10 that these queries can show is 0\.0\d\d", says)
    assert "75 % are among this release's first ten" in says
    assert "1 of 200 judgments (0.5 %) can no longer be met" in says
    assert "handbook/old.md stale a week of leave" in says
    assert "12 queries lost against production, but what production retrieved could not be shown" in says


@pytest.mark.parametrize(("losers", "word"), [(0, "not worse"), (8, "inconclusive"), (40, "worse")])
def test_a_difference_reads_as_the_gate_reads_it(facts: ReportFacts, losers: int, word: str) -> None:
    told = render(dataclasses.replace(facts, evidence=evidence(golden(loss=0.5, losers=losers))))
    row = re.search(r"<tr><td class=\"wide\">nDCG@10.*?</tr>", told, flags=re.DOTALL)
    assert row and row[0].endswith(f">{word}</span></td></tr>")


def test_slices_say_how_little_few_queries_tell(facts: ReportFacts) -> None:
    says = page_of(dataclasses.replace(facts, evidence=evidence(golden(loss=0.5)))).says
    assert re.search(r"people 12 0\.000 0\.500 −0\.500 .{10,40} worse few queries, tells little it 168", says)


def test_the_way_that_serves_and_the_best_one_are_marked(facts: ReportFacts) -> None:
    says = page_of(facts).says
    assert "hybrid by meaning and words 0.600 served best nDCG@10" in says
    assert "lexical by words 0.420" in says
    assert "99.9 % of the ten truly nearest" in says


def test_a_query_that_lost_is_shown_with_three_columns_of_passages(facts: ReportFacts) -> None:
    examples = [
        Example(
            query=f"q{place}",
            text=f"question {place}",
            difference=-0.5,
            expected=[Passage(document="handbook/leave.md", text="thirty days", relevant=True)],
            production=[Passage(document="handbook/leave.md", text="thirty days a year", relevant=True, score=0.81)],
            candidate=[Passage(document="handbook/pets.md", text="dogs bark", score=0.0328)],
        )
        for place in range(5)
    ]
    told = render(dataclasses.replace(facts, evidence=evidence(golden(loss=0.5, examples=examples))))
    assert told.count('<details class="example" open>') == 3 and told.count('<details class="example">') == 2
    says = Page(told).says
    assert (
        "question 0 −0.50 q0 Expected handbook/leave.md ✓ relevant thirty days "
        "Production retrieved handbook/leave.md score 0.810 ✓ relevant thirty days a year "
        "This release retrieves handbook/pets.md score 0.0328 dogs bark" in says
    )


def test_what_changed_in_the_data_is_told_by_source(facts: ReportFacts) -> None:
    held = dataclasses.replace(SOURCE, outcome="held", reason="the feed is empty", age_hours=60.0, broken=("rows: 0",))
    says = page_of(dataclasses.replace(facts, sources=(held,))).says
    assert "Built from old by difference: 7 records came, 4 records left." in says
    assert "handbook : Held at its last good version: the feed is empty." in says
    assert "its data is 2.5 days old, its contract allows 2.0 days" in says
    assert "A quality rule does not hold: rows: 0." in says
    assert "handbook 12 +2 40 no change 1.0.0 → 1.1.0 2 2.5 days held" in says
    assert "2 rows: text must not be empty" in says


def test_latency_names_its_users_and_only_the_limit_for_as_many(facts: ReportFacts) -> None:
    says = page_of(facts).says
    assert (
        "3 queries, 4 users at a time, embedding included: half took at most 20 ms (p50), 95 % at most 83 ms (p95)" in says
    )
    assert "The policy sets no limit" in says  # gate.yaml limits one user at a time
    alone = LatencyEvidence(queries=3, times_ms=[10, 20, 200], p50_ms=20, p95_ms=182)
    says = page_of(dataclasses.replace(facts, evidence=evidence(latency=[alone]))).says
    assert "one user at a time" in says and "The policy allows 150 ms at p95, which is exceeded" in says


def test_judgments_wanted_come_with_their_command(facts: ReportFacts) -> None:
    assert "rag golden judge docs Query Document to judge who approves it q3 handbook/new.md" in page_of(facts).says


def test_evidence_that_was_edited_is_said_to_be(facts: ReportFacts) -> None:
    assert "intact" in page_of(facts).says
    edited = evidence().model_copy(update={"run_id": "another"})
    assert "does not match: changed after it was written" in page_of(dataclasses.replace(facts, evidence=edited)).says


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


def released(home: Path, name: str = "new") -> None:
    write_json(home / "releases" / name / "manifest.json", manifest(name).model_dump(mode="json"))


def test_a_report_is_written_whole_and_in_place_of_the_one_before(tmp_path: Path, policy: Policy) -> None:
    released(tmp_path)
    path = write_report(tmp_path, evidence(), PASSED, now=NOW, policy=policy)
    assert path == tmp_path / "reports" / "new.html" and "Passed" in Page(path.read_text(encoding="utf-8")).says
    again = write_report(tmp_path, None, not_evaluated("new", "the model went away"), now=NOW, problem="the model went away")
    assert again == path and "the model went away" in Page(path.read_text(encoding="utf-8")).says
    assert [one.name for one in path.parent.iterdir()] == ["new.html"]


def test_a_report_is_written_where_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "production.json").write_text("{", encoding="utf-8")
    path = write_report(tmp_path, None, not_evaluated("gone", "the release is damaged"), now=NOW)
    says = Page(path.read_text(encoding="utf-8")).says
    assert "the channel: " in says and "the release's manifest: " in says and "the release is damaged" in says


@pytest.mark.parametrize("name", ["", "..", "../new", "a/b", ".hidden"])
def test_a_report_is_never_written_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReleaseError):
        write_report(tmp_path, None, not_evaluated(name, "no"), now=NOW)


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
