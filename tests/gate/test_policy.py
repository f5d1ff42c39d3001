from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.gate.policy import NotWorse, SlicePolicy, read_policy
from rag_pipeline.golden.read import read_golden_sets
from tests.support.policy_pages import HEAD, write

REAL = Path(__file__).parents[2] / "evals"


def test_without_a_policy_nothing_is_promoted(tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match="without it nothing is promoted"):
        read_policy(tmp_path)


def test_what_a_policy_does_not_say_is_strict(tmp_path: Path) -> None:
    demands = read_policy(write(tmp_path, f"{HEAD}        floors: {{}}\n")).channel("production")
    assert (demands.evidence_max_age_hours, demands.sources_within_sla) == (24, True)
    one = demands.golden_sets["docs"]
    assert one.not_worse is not None
    assert (one.critical, one.dead_judgments_max_percent, one.slices) == (True, 2, {})
    assert one.not_worse == NotWorse(
        metric="nDCG@10",
        margin=0.02,
        confidence=0.95,
        guard_k=10,
        guard_margin=0.03,
        hit_to_miss_max_percent=5,
        judged_drop_max=0.1,
    )
    assert (demands.latency.concurrency, demands.watch.rollback, demands.watch.vanished_max_percent) == (1, False, 0)
    assert SlicePolicy() == SlicePolicy(critical=True, margin=0.05, floors={})


def test_a_channel_without_demands_is_refused(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, f"{HEAD}        floors: {{}}\n"))
    with pytest.raises(GoldenSetError, match=r"gate\.yaml: channel 'staging' has no policy; known: production"):
        policy.fingerprint("staging")


def test_every_demand_knows_its_line_and_one_left_out_the_line_above_it(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, f"# why\n{HEAD}        floors:\n          MRR@10: 0.5\n"))
    assert policy.line("production", "golden_sets", "docs", "floors", "MRR@10") == "gate.yaml:7"
    assert policy.line("production", "golden_sets", "docs", "not_worse") == "gate.yaml:5"
    assert policy.line("production", "latency", "p95_ms") == "gate.yaml:3"


def test_evidence_stays_valid_when_a_comment_or_another_channel_changes(tmp_path: Path) -> None:
    text = f"{HEAD}        floors: {{nDCG@10: 0.6}}\n"
    before = read_policy(write(tmp_path, text)).fingerprint("production")
    commented = "# a note\n" + text.replace("docs:", "docs:   # ours")
    other = text + "  staging:\n    golden_sets: {docs: {}}\n"
    spelt = text.replace("0.6", "0.60") + "        dead_judgments_max_percent: 2\n"
    watched = text.replace(
        "production:",
        "production:\n    watch: {rollback: true, slower_factor: 9, vanished_max_percent: 9}\n    promotion: manual",
    )
    assert watched != text
    for same in (commented, other, other.replace("docs: {}", "more: {}"), spelt, watched):
        assert read_policy(write(tmp_path, same)).fingerprint("production") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.6", "0.61"),
        ("nDCG@10", "MRR@10"),
        ("docs", "more"),
        ("{nDCG@10: 0.6}", "{}"),
        ("production:", "production:\n    sources_within_sla: false"),
        ("production:", "production:\n    approximate_recall_min: 0.9"),
        ("production:", "production:\n    overlap_at_10_min: 0.9"),
        ("production:", "production:\n    latency: {concurrency: 2}"),
        ("floors", "critical: false\n        floors"),
        ("floors", "not_worse: {confidence: 0.9}\n        floors"),
        ("floors", "not_worse: {guard_k: 3}\n        floors"),
        ("floors", "not_worse: {guard_margin: null}\n        floors"),
        ("floors", "not_worse: {hit_to_miss_max_percent: 6}\n        floors"),
        ("floors", "not_worse: {judged_drop_max: 0.2}\n        floors"),
        ("floors", "slices: {kind: {paraphrase: {}}}\n        floors"),
    ],
)
def test_evidence_is_stale_when_a_demand_changes(tmp_path: Path, old: str, new: str) -> None:
    text = f"{HEAD}        floors: {{nDCG@10: 0.6}}\n"
    before = read_policy(write(tmp_path, text)).fingerprint("production")
    assert read_policy(write(tmp_path, text.replace(old, new))).fingerprint("production") != before


TWO_CHANNELS = """\
channels:
  staging:
    latency: {concurrency: 8}
    golden_sets:
      docs:
        floors: {MRR@10: 0.1}
        not_worse:
  production:
    latency: {concurrency: 2}
    golden_sets:
      docs:
        floors: {nDCG@10: 0.5}
        not_worse: {metric: recall@20, guard_k: 5}
        slices: {kind: {paraphrase: {floors: {precision@3: 0.1}}}}
  canary:
    latency: {concurrency: 8}
    golden_sets:
      docs: {not_worse: null}
"""


def test_what_is_measured_is_what_some_channel_demands(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, TWO_CHANNELS))
    assert policy.metrics("docs") == ["MRR@10", "nDCG@10", "precision@3", "recall@20", "recall@5", "hit@5"]
    assert policy.concurrencies == (2, 8)


def test_a_set_that_no_channel_names_is_measured_for_the_defaults(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, TWO_CHANNELS))
    assert policy.metrics("more") == NotWorse().metrics == ["nDCG@10", "recall@10", "hit@10"]


def test_the_line_of_a_slice_is_its_own(tmp_path: Path) -> None:
    text = f"{HEAD}        slices:\n          kind:\n            paraphrase:\n              margin: 0.1\n"
    policy = read_policy(write(tmp_path, text))
    steps = ("production", "golden_sets", "docs", "slices", "kind", "paraphrase")
    assert [policy.line(*steps, "margin"), policy.line(*steps, "floors"), policy.line(*steps[:5], "other")] == [
        *("gate.yaml:8", "gate.yaml:7", "gate.yaml:6"),
    ]


def test_the_bundled_policy_is_valid_and_demands_only_what_is_measured() -> None:
    policy = read_policy(REAL)
    sets = {golden.name: golden.about for golden in read_golden_sets(REAL)}
    demands = policy.channel("production")
    assert demands.golden_sets.keys() == sets.keys()
    for name, one in demands.golden_sets.items():
        assert one.floors.keys() <= set(sets[name].metrics)
        assert one.slices.keys() <= set(sets[name].slices)
        assert one.not_worse is not None
        assert one.not_worse.metric == sets[name].primary
    assert demands.latency.p95_ms
    assert demands.sources_within_sla
