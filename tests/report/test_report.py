"""The report of a release: what it says, that it is safe to open, and that it is always written."""

import dataclasses
import re

import pytest

from rag_pipeline.evaluate.evidence import Example, LatencyEvidence, Passage
from rag_pipeline.gate.verdict import Outcome, Reason, Verdict
from rag_pipeline.report import ReportFacts, render
from tests.support.report_facts import facts, page_of, policy
from tests.support.report_pages import PARTS, SOURCE, Page, evidence, golden

__all__ = ["facts", "policy"]


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
    assert says.index("Why it passed") < says.index("docs: passed without judgments: expected loss of nDCG@10 0.0010")
    assert "gate.yaml:9" in says and "Why it passed" not in page_of(facts).says
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
    assert re.search(r"people 12 0\.000 0\.500 −0\.500 .{10,40} worse few queries, so it shows little it 168", says)


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
