from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.golden import read_golden_sets
from rag_pipeline.release.policy import read_policy

REAL = Path(__file__).parents[2] / "evals"

HEAD = "channels:\n  production:\n    golden_sets:\n      docs:\n"
"""The four lines above the demands on one golden set."""


def write(folder: Path, text: str) -> Path:
    (folder / "gate.yaml").write_text(text, encoding="utf-8")
    return folder


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
    "a floor that is not a number": (f"{HEAD}        floors: {{nDCG@10: .nan}}\n", ["gate.yaml:5: ", "a share from 0 to 1"]),
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


def test_without_a_policy_nothing_is_promoted(tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match="without it nothing is promoted"):
        read_policy(tmp_path)


def test_what_a_policy_does_not_say_is_strict(tmp_path: Path) -> None:
    demands = read_policy(write(tmp_path, f"{HEAD}        floors: {{}}\n")).channel("production")
    assert (demands.evidence_max_age_hours, demands.sources_within_sla) == (24, True)
    one = demands.golden_sets["docs"]
    assert one.not_worse is not None
    assert (one.not_worse.metric, one.not_worse.margin, one.dead_judgments_max_percent) == ("nDCG@10", 0.02, 2)


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
    for same in (commented, other, other.replace("docs: {}", "more: {}"), spelt):
        assert read_policy(write(tmp_path, same)).fingerprint("production") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.6", "0.61"),
        ("nDCG@10", "MRR@10"),
        ("docs", "more"),
        ("{nDCG@10: 0.6}", "{}"),
        ("production:", "production:\n    sources_within_sla: false"),
    ],
)
def test_evidence_is_stale_when_a_demand_changes(tmp_path: Path, old: str, new: str) -> None:
    text = f"{HEAD}        floors: {{nDCG@10: 0.6}}\n"
    before = read_policy(write(tmp_path, text)).fingerprint("production")
    assert read_policy(write(tmp_path, text.replace(old, new))).fingerprint("production") != before


def test_the_bundled_policy_is_valid_and_demands_only_what_is_measured() -> None:
    policy = read_policy(REAL)
    sets = {golden.name: golden.about for golden in read_golden_sets(REAL)}
    demands = policy.channel("production")
    assert demands.golden_sets.keys() == sets.keys()
    for name, one in demands.golden_sets.items():
        assert one.floors.keys() <= set(sets[name].metrics)
        assert one.not_worse is not None
        assert one.not_worse.metric == sets[name].primary
    assert demands.latency.p95_ms
    assert demands.sources_within_sla
