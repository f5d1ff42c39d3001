"""A policy that cannot be meant is refused, with file, line and field."""

from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.gate.policy import read_policy
from tests.support.policy_pages import HEAD, write

BROKEN = {
    "empty": ("", ["gate.yaml: the file is empty"]),
    "broken YAML": ("channels: [", ["gate.yaml:", "not valid YAML"]),
    "no channels": ("channels: {}\n", ["gate.yaml:1: channels: ", "at least 1"]),
    "another top field": (
        "channel:\n  production: {}\n",
        ["gate.yaml:1: channels: Field required", "gate.yaml:1: channel: "],
    ),
    "a list": ("- production\n", ["gate.yaml:1: "]),
    "no golden set": (
        "channels:\n  production:\n    golden_sets: {}\n",
        [":3: channels.production.golden_sets: ", "at least 1"],
    ),
    "golden sets left out": (
        "channels:\n  production:\n    sources_within_sla: true\n",
        ["gate.yaml:2: channels.production.golden_sets: Field required"],
    ),
    "an unknown demand": (
        f"{HEAD}        floor: {{nDCG@10: 0.6}}\n",
        ["gate.yaml:5: channels.production.golden_sets.docs.floor: ", "not permitted"],
    ),
    "an unknown metric with a floor": (
        f"{HEAD}        floors:\n          nDCG@10: 0.6\n          ndcg@10: 0.6\n",
        ["gate.yaml:7: channels.production.golden_sets.docs.floors.ndcg@10: unknown metric", "write one of nDCG, recall"],
    ),
    "a floor in percent": (
        f"{HEAD}        floors:\n          nDCG@10: 60\n",
        ["gate.yaml:6: ", "a floor is a share from 0 to 1"],
    ),
    "a floor below zero": (
        f"{HEAD}        floors: {{nDCG@10: -0.1}}\n",
        ["gate.yaml:5: ", "a floor is a share from 0 to 1"],
    ),
    "a floor that is not a number": (f"{HEAD}        floors: {{nDCG@10: .nan}}\n", ["gate.yaml:5: ", "valid number"]),
    "a floor in words": (
        f"{HEAD}        floors: {{nDCG@10: high}}\n",
        ["gate.yaml:5: ", "floors.nDCG@10: ", "valid number"],
    ),
    "a negative margin": (
        f"{HEAD}        not_worse:\n          metric: nDCG@10\n          margin: -0.02\n",
        ["gate.yaml:7: channels.production.golden_sets.docs.not_worse.margin: ", "greater than or equal to 0"],
    ),
    "a margin in percent": (f"{HEAD}        not_worse: {{margin: 2}}\n", ["not_worse.margin: ", "less than or equal to 1"]),
    "a margin that is not a number": (
        f"{HEAD}        not_worse: {{margin: .nan}}\n",
        ["gate.yaml:5: ", "not_worse.margin: "],
    ),
    "an unknown metric to compare": (
        f"{HEAD}        not_worse: {{metric: accuracy}}\n",
        ["gate.yaml:5: channels.production.golden_sets.docs.not_worse.metric: unknown metric 'accuracy'"],
    ),
    "more than all judgments": (
        f"{HEAD}        dead_judgments_max_percent: 101\n",
        ["gate.yaml:5: ", "dead_judgments_max_percent: ", "less than or equal to 100"],
    ),
    "a field given twice": (
        f"{HEAD}        dead_judgments_max_percent: 1\n        dead_judgments_max_percent: 99\n",
        ["gate.yaml:6: ", "'dead_judgments_max_percent' is given twice; keep one"],
    ),
    "no time at all": (
        "channels:\n  production:\n    evidence_max_age_hours: 0\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.evidence_max_age_hours: ", "greater than 0"],
    ),
    "an age that is not a number": (
        "channels:\n  production:\n    evidence_max_age_hours: .nan\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.evidence_max_age_hours: "],
    ),
    "a latency of zero": (
        "channels:\n  production:\n    latency: {p95_ms: 0}\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.latency.p95_ms: ", "greater than 0"],
    ),
    "an unknown percentile": (
        "channels:\n  production:\n    latency: {p99_ms: 9}\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.latency.p99_ms: "],
    ),
    "a bound that is a guess": (
        f"{HEAD}        not_worse: {{confidence: 0.5}}\n",
        ["gate.yaml:5: channels.production.golden_sets.docs.not_worse.confidence: ", "greater than 0.5"],
    ),
    "a bound beyond doubt": (
        f"{HEAD}        not_worse: {{confidence: 1.0}}\n",
        ["not_worse.confidence: ", "less than 1"],
    ),
    "readers who read nothing": (
        f"{HEAD}        not_worse: {{guard_k: 0}}\n",
        ["not_worse.guard_k: ", "greater than or equal to 1"],
    ),
    "half a document": (
        f"{HEAD}        not_worse: {{guard_k: 2.5}}\n",
        ["not_worse.guard_k: ", "valid integer"],
    ),
    "a guard in percent": (
        f"{HEAD}        not_worse: {{guard_margin: 3}}\n",
        ["not_worse.guard_margin: ", "less than or equal to 1"],
    ),
    "more than all answers": (
        f"{HEAD}        not_worse: {{hit_to_miss_max_percent: 101}}\n",
        ["not_worse.hit_to_miss_max_percent: ", "less than or equal to 100"],
    ),
    "a drop in percent": (
        f"{HEAD}        not_worse: {{judged_drop_max: 10}}\n",
        ["not_worse.judged_drop_max: ", "less than or equal to 1"],
    ),
    "an unknown guard": (
        f"{HEAD}        not_worse: {{guard: 10}}\n",
        ["not_worse.guard: ", "not permitted"],
    ),
    "a set critical perhaps": (
        f"{HEAD}        critical: 1\n",
        ["gate.yaml:5: channels.production.golden_sets.docs.critical: ", "valid boolean"],
    ),
    "a slice without its field": (
        f"{HEAD}        slices:\n          paraphrase:\n            margin: 0.05\n",
        ["gate.yaml:7: channels.production.golden_sets.docs.slices.paraphrase.margin: "],
    ),
    "a slice with an unknown demand": (
        f"{HEAD}        slices:\n          kind:\n            paraphrase: {{margins: 0.05}}\n",
        ["gate.yaml:7: channels.production.golden_sets.docs.slices.kind.paraphrase.margins: ", "not permitted"],
    ),
    "a slice whose floor nobody knows": (
        f"{HEAD}        slices: {{kind: {{paraphrase: {{floors: {{accuracy: 0.5}}}}}}}}\n",
        ["gate.yaml:5: channels.production.golden_sets.docs.slices.kind.paraphrase.floors.accuracy: unknown metric"],
    ),
    "a slice whose floor is in percent": (
        f"{HEAD}        slices: {{kind: {{paraphrase: {{floors: {{nDCG@10: 50}}}}}}}}\n",
        [
            "gate.yaml:5: channels.production.golden_sets.docs.slices.kind.paraphrase.floors.nDCG@10: ",
            "a floor is a share from 0 to 1",
        ],
    ),
    "no user at all": (
        "channels:\n  production:\n    latency: {concurrency: 0}\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.latency.concurrency: ", "greater than or equal to 1"],
    ),
    "a crowd": (
        "channels:\n  production:\n    latency: {concurrency: 65}\n    golden_sets: {docs: {}}\n",
        ["latency.concurrency: ", "less than or equal to 64"],
    ),
    "recall in percent": (
        "channels:\n  production:\n    approximate_recall_min: 98\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.approximate_recall_min: ", "less than or equal to 1"],
    ),
    "overlap below zero": (
        "channels:\n  production:\n    overlap_at_10_min: -0.1\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.overlap_at_10_min: ", "greater than or equal to 0"],
    ),
    "a rollback in words": (
        "channels:\n  production:\n    watch: {rollback: sometimes}\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.watch.rollback: ", "valid boolean"],
    ),
    "slower than itself": (
        "channels:\n  production:\n    watch: {slower_factor: 1}\n    golden_sets: {docs: {}}\n",
        ["gate.yaml:3: channels.production.watch.slower_factor: ", "greater than 1"],
    ),
    "more than all vanished": (
        "channels:\n  production:\n    watch: {vanished_max_percent: 101}\n    golden_sets: {docs: {}}\n",
        ["watch.vanished_max_percent: ", "less than or equal to 100"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_policy_is_refused_with_file_line_and_field(tmp_path: Path, what: str) -> None:
    text, says = BROKEN[what]
    with pytest.raises(GoldenSetError) as caught:
        read_policy(write(tmp_path, text))
    for part in says:
        assert part in str(caught.value)


def test_every_problem_of_a_policy_is_listed_at_once(tmp_path: Path) -> None:
    text = f"{HEAD}        floor: {{}}\n        not_worse: {{margin: 5}}\n    sources_within_sla: perhaps\n"
    with pytest.raises(GoldenSetError) as caught:
        read_policy(write(tmp_path, text))
    assert [line.split(": ")[0].rpartition(":")[2] for line in str(caught.value).split("\n")] == ["7", "6", "5"]
