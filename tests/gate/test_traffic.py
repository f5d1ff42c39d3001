"""What a release must have shown on another channel: measured out of rows that replicas wrote, and judged."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.gate.traffic import difference_of_shares, levels, says
from rag_pipeline.traffic.evidence import TrafficEvidence
from tests.support.forged_traffic import MINUTE, failing
from tests.support.office import Office, office
from tests.support.policy_pages import write
from tests.support.served_before import LATER, demanding, evidence, few, marks, promoted, put, row, rows, tried
from tests.support.small_releases import NOW

__all__ = ["few", "office", "tried"]

CHANNELS = """\
channels:
  canary:
    golden_sets: {{docs: {{}}}}
  production:
    {after}
    {serving}
    golden_sets: {{docs: {{}}}}
"""


def page(folder: Path, after: str = "after: {channel: canary}", serving: str = "serving: {p95_ms: 300}") -> Path:
    return write(folder, CHANNELS.format(after=after, serving=serving))


def speaks(office: Office, one: TrafficEvidence) -> list[tuple[str, str]]:
    """Outcome and line of each reason against a release."""
    policy = read_policy(office.workspace.settings.evals)
    lines = (office.workspace.root / "evals" / "gate.yaml").read_text(encoding="utf-8").splitlines()
    found = levels(one, policy, "production", alone=False)
    return [(reason.outcome, lines[int(reason.line.partition(":")[2]) - 1].strip()) for reason in found]


def test_a_release_that_was_asked_enough_on_the_channel_before_is_promoted(office: Office, tried: str) -> None:
    done = promoted(office, tried)
    assert (done.moved, done.channel.action, done.channel.outcome) == (True, "promoted", "passed")


def test_evidence_says_what_was_served(office: Office, tried: str) -> None:
    one = evidence(office, tried)
    assert (one.channel, one.served_on, one.releases) == ("production", "canary", [tried])
    assert says(one.served) == "618 questions that count, 618 answered, 0 failed, 0 empty, 0 degraded, p95 12.5 ms"
    assert (one.served.principals, one.hours_answered, one.edited, one.twice, one.lost) == (6, 5, 0, 0, 0)
    assert one.beside is not None
    assert one.beside.answered == 518, "the last minute of all is left out, here as there"
    assert sum(hour.rows for hour in one.hours) == 618


def test_what_replicas_lost_and_what_waits_is_told(office: Office, few: str) -> None:
    put(office.home, rows(office.home, few, first=1_000, lost_before=0), 2)
    lost = marks(office.home).marked("queries", row(5_000, NOW + MINUTE, release=few, channel="canary", lost_before=7))
    put(office.home, [lost], 3)
    assert evidence(office, few).lost == 7


def test_each_demand_names_its_line(office: Office, few: str) -> None:
    put(office.home, failing(office, few, 40, NOW, 3 * MINUTE), 5)
    put(office.home, rows(office.home, few, first=6_000, questions=40, total_ms=900.0), 6)
    one = evidence(office, few)
    assert speaks(office, one) == [
        ("inconclusive", "queries: 400"),
        ("regressed", "errors_max_percent: 2"),
        ("regressed", "p95_ms: 300"),
    ]
    demanding(office, {"hours": 6, "principals": 7}, degraded_max_percent=0.5)
    assert speaks(office, one) == [
        ("inconclusive", "queries: 400"),
        ("inconclusive", "hours: 6"),
        ("inconclusive", "principals: 7"),
        ("regressed", "errors_max_percent: 2"),
        ("inconclusive", "degraded_max_percent: 0.5"),
        ("regressed", "p95_ms: 300"),
    ]


@pytest.mark.parametrize(("empty", "outcomes"), [(0, []), (5, []), (60, ["regressed"]), (16, ["inconclusive"])])
def test_empty_answers_are_held_against_production_in_the_same_hours(
    office: Office, few: str, empty: int, outcomes: list[str]
) -> None:
    demanding(office, zero_hits_not_worse=0.02)
    put(office.home, rows(office.home, few, first=1_000), 2)
    if empty:
        put(office.home, rows(office.home, few, first=7_000, questions=empty, query_response_hit_ids=[]), 3)
    assert [outcome for outcome, _ in speaks(office, evidence(office, few))] == outcomes


def test_without_production_beside_it_empty_answers_cannot_be_compared(office: Office, tried: str) -> None:
    demanding(office, zero_hits_not_worse=0.02)
    alone = evidence(office, tried).model_copy(update={"beside": None})
    assert speaks(office, alone) == [("inconclusive", "zero_hits_not_worse: 0.02")]
    assert not list(levels(alone, read_policy(office.workspace.settings.evals), "production", alone=True))


def test_all_of_it_within_an_hour_is_one_hour(office: Office, few: str) -> None:
    put(office.home, rows(office.home, few, first=1_000, questions=3_000, hours=1), 2)
    one = evidence(office, few)
    assert one.hours_answered == 5, "of the few that were asked before"
    assert one.served.answered == 6 * 100 + 80, "of a principal a hundred count in an hour"


def test_it_is_shown_as_often_as_it_says_that_few_enough_fail() -> None:
    """A release that fails just as often as it may passes one time in twenty at most."""
    from rag_pipeline.evaluate.compare import share_bounds

    chance = random.Random(5)
    drawn = [sum(chance.random() < 0.005 for _ in range(2_000)) for _ in range(400)]
    assert sum(share_bounds(cases, 2_000)[1] <= 0.005 for cases in drawn) / 400 <= 0.07
    assert share_bounds(4, 2_000)[1] < 0.005 < share_bounds(5, 2_000)[1]


def test_a_difference_of_shares_holds_the_truth_nineteen_times_in_twenty() -> None:
    chance = random.Random(7)

    def drawn(share: float, of: int) -> tuple[int, int]:
        return sum(chance.random() < share for _ in range(of)), of

    for mine, theirs in ((0.05, 0.03), (0.02, 0.02), (0.01, 0.0)):
        bounds = [difference_of_shares(drawn(mine, 1_000), drawn(theirs, 1_000)) for _ in range(300)]
        assert sum(upper < mine - theirs for _, _, upper in bounds) / 300 <= 0.08
        assert sum(lower > mine - theirs for _, lower, _ in bounds) / 300 <= 0.08


def test_no_fingerprint_moves_where_nothing_is_demanded(tmp_path: Path) -> None:
    """Evidence of before this demand was known stays evidence: the hash of these demands is pinned."""
    with_levels = read_policy(page(tmp_path, after="promotion: null"))
    without = read_policy(page(tmp_path, after="promotion: null", serving="watch: {}"))
    assert with_levels.fingerprint("production") == without.fingerprint("production") == with_levels.fingerprint("canary")
    assert with_levels.fingerprint("production") == "f143d475acbd1e94fa587f16b2378740"


def test_what_is_demanded_of_traffic_is_in_the_fingerprint(tmp_path: Path) -> None:
    demanded = {
        read_policy(page(tmp_path, after, serving)).fingerprint("production")
        for after, serving in (
            ("promotion: null", "serving: {p95_ms: 300}"),
            ("after: {channel: canary}", "serving: {p95_ms: 300}"),
            ("after: {channel: canary, hours: 25}", "serving: {p95_ms: 300}"),
            ("after: {channel: canary}", "serving: {p95_ms: 301}"),
            ("after: {channel: canary}", "serving: {p95_ms: 300, shadow_pairs: {judged: 60}}"),
        )
    }
    assert len(demanded) == 5
    policy = read_policy(page(tmp_path))
    assert policy.traffic_fingerprint("production") != policy.traffic_fingerprint("canary")


@pytest.mark.parametrize(
    ("after", "serving", "says"),
    [
        ("after: {channel: canery}", "watch: {}", r"gate.yaml:5: .*unknown channel 'canery'; did you mean 'canary'\?"),
        ("after: {channel: production}", "watch: {}", r"gate.yaml:5: .*cannot come after itself"),
        ("after: {}", "watch: {}", r"gate.yaml:5: channels.production.after.channel: Field required"),
        ("after: {channel: canary, hour: 2}", "watch: {}", r"gate.yaml:5: .*did you mean 'hours'\?"),
        ("after: {channel: canary, hours: 0}", "watch: {}", r"gate.yaml:5: .*greater than or equal to 1"),
        ("after: {channel: canary, queries: 3}", "watch: {}", r"gate.yaml:5: .*principals: cannot be more than the 3"),
        ("after: {channel: canary}", "serving: {shadow_pair: {}}", r"gate.yaml:6: .*did you mean 'shadow_pairs'\?"),
        ("after: {channel: canary}", "serving: {zero_hits_not_worse: 0}", r"gate.yaml:6: .*greater than 0"),
        ("watch: {}", "serving: {zero_hits_not_worse: 0.02}", r"gate.yaml:6: .*needs `after`"),
        ("watch: {}", "serving: {shadow_pairs: {}}", r"gate.yaml:6: .*needs `after`"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path: Path, after: str, serving: str, says: str) -> None:
    with pytest.raises(GoldenSetError, match=says):
        read_policy(page(tmp_path, after, serving))


def test_channels_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    text = CHANNELS.format(after="after: {channel: canary}", serving="watch: {}").replace(
        "canary:\n", "canary:\n    after: {channel: production}\n"
    )
    with pytest.raises(GoldenSetError, match="itself comes after canary, so no release could reach either"):
        read_policy(write(tmp_path, text))


def test_evidence_may_be_a_day_old_and_no_more(office: Office, tried: str) -> None:
    now = LATER + timedelta(hours=23)
    office.evaluate(tried, now)
    assert promoted(office, tried, now).moved
