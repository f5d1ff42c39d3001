"""What is told when: once a cause, again when it is another, and once when it is over. Nothing undelivered is forgotten."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from rag_pipeline.alerts.cause import Cause, Findings, Kind, marks_of
from rag_pipeline.alerts.deliver import receivers_of
from rag_pipeline.alerts.record import Record, read_record, write_record
from rag_pipeline.home import Home

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
HOME = Home(Path("/home/of/pipeline"))
ONE = receivers_of("json://one")
TWO = receivers_of("json://one json://two")


def cause(*reasons: str, kind: Kind = "refused", subject: str = "production") -> Cause:
    return Cause(kind, subject, f"{subject}: {kind}", reasons, "team:docs", ("rag status",), marks_of(reasons))


def wrong(*causes: Cause, possible: tuple[str, ...] = ()) -> Findings:
    return Findings(causes, possible=frozenset(possible))


def night(record: Record, found: Findings, receivers=ONE, refuse: tuple[int, ...] = (), now: datetime = NOW) -> list[str]:
    """One look, whose messages arrive except at `refuse`: what arrived, as `number title`."""
    record.learn(found, HOME, "r1", now)
    arrived = []
    for receiver, news in record.due(record.owed(receivers, HOME, "r1"), now).items():
        if receiver.number in refuse:
            record.failed(receiver, "not reached", now)
            continue
        for key, message in news:
            record.sent(key, receiver.number)
            arrived.append(f"{receiver.number} {message.title}")
        record.troubles.pop(receiver.number, None)
    record.tidy(receivers)
    return arrived


def test_one_message_a_cause_not_one_a_look() -> None:
    record = Record()
    assert night(record, wrong(cause("nDCG@10 is 0.31, below 0.5 (gate.yaml:6)"))) == ["1 [rag] production: refused"]
    assert night(record, wrong(cause("nDCG@10 is 0.31, below 0.5 (gate.yaml:6)"))) == []
    assert night(record, wrong(cause("nDCG@10 is 0.29, below 0.5 (gate.yaml:7)"))) == [], "other figures, the same reason"
    assert night(record, wrong(cause("recall@10 is 0.29, below 0.5 (gate.yaml:7)"))) == ["1 [rag] production: refused"]
    assert night(record, wrong(cause("nDCG@10 is 0.30, below 0.5 (gate.yaml:6)"))) == [], "that was told"
    assert night(record, wrong()) == ["1 [rag] resolved: production: refused"]
    assert night(record, wrong()) == []
    assert record.causes == {}
    assert night(record, wrong(cause("nDCG@10 is 0.31, below 0.5"))) == ["1 [rag] production: refused"], "it came back"


def test_what_cannot_be_looked_at_is_not_over() -> None:
    """Dagster's own state was wiped: nothing says that the step ended well since."""
    record, step = Record(), cause("it broke", kind="failed run", subject="corpus/chunks")
    assert len(night(record, wrong(step))) == 1
    assert night(record, wrong(possible=(step.key,))) == []
    blind = cause("SchemaError", kind="cannot be looked at", subject="handbook")
    assert night(record, wrong(blind)) == ["1 [rag] handbook: cannot be looked at"]
    assert night(record, wrong(blind)) == []
    assert night(record, Findings(well=frozenset({step.key, blind.key}))) == [
        "1 [rag] resolved: corpus/chunks: failed run",
        "1 [rag] resolved: handbook: cannot be looked at",
    ]


def test_a_receiver_that_is_down_gets_what_it_missed_and_the_other_nothing_twice() -> None:
    record, bad = Record(), wrong(cause("below"))
    assert night(record, bad, TWO, refuse=(2,)) == ["1 [rag] production: refused"]
    assert night(record, bad, TWO) == [], "too early to try again"
    assert night(record, bad, TWO, now=NOW + timedelta(minutes=2)) == ["2 [rag] production: refused"]
    assert record.troubles == {}


def test_what_is_over_before_it_was_heard_is_not_told_at_all() -> None:
    record = Record()
    night(record, wrong(cause("below")), TWO, refuse=(2,))
    assert night(record, wrong(), TWO, now=NOW + timedelta(days=1)) == ["1 [rag] resolved: production: refused"]
    assert record.causes == {}


def test_the_end_waits_for_a_receiver_too_and_a_relapse_meanwhile_is_no_news_to_it() -> None:
    record, bad, later = Record(), wrong(cause("below")), NOW + timedelta(hours=2)
    night(record, bad, TWO)
    assert night(record, wrong(), TWO, refuse=(2,)) == ["1 [rag] resolved: production: refused"]
    assert night(record, bad, TWO, now=later) == ["1 [rag] production: refused"], "the second never heard that it was over"
    assert night(record, wrong(), TWO, now=later) == [
        "1 [rag] resolved: production: refused",
        "2 [rag] resolved: production: refused",
    ]


def test_a_receiver_that_is_added_hears_what_is_wrong() -> None:
    record, bad = Record(), wrong(cause("below"))
    night(record, bad)
    assert night(record, bad, TWO) == ["2 [rag] production: refused"]


def test_a_dead_receiver_is_tried_less_and_less_often_but_never_given_up() -> None:
    record, bad = Record(), wrong(cause("below"))
    tried = []
    for minute in range(60 * 24):
        at = NOW + timedelta(minutes=minute)
        record.learn(bad, HOME, "r1", at)
        for receiver in record.due(record.owed(ONE, HOME, "r1"), at):
            record.failed(receiver, "not reached", at)
            tried.append(minute)
    assert tried[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert len(tried) < 35
    assert {later - earlier for earlier, later in pairwise(tried[7:])} == {60}
    assert night(record, bad, now=NOW + timedelta(days=2)) == ["1 [rag] production: refused"]


def test_a_clock_that_was_set_back_makes_nobody_wait_longer() -> None:
    record, bad = Record(), wrong(cause("below"))
    night(record, bad, refuse=(1,), now=NOW + timedelta(days=365))
    assert night(record, bad) == ["1 [rag] production: refused"]


def test_a_source_that_is_not_there_any_more_is_no_trouble() -> None:
    record = Record()
    night(record, wrong(cause("feed is gone", kind="held source", subject="handbook")))
    assert night(record, Findings()) == ["1 [rag] resolved: handbook: held source"]


def test_many_causes_are_told_over_several_looks() -> None:
    record, bad = Record(), wrong(*(cause("gone", kind="held source", subject=f"s{number}") for number in range(12)))
    assert [len(night(record, bad)) for _ in range(4)] == [5, 5, 2, 0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("source a is 50.1 h old", "source a is 74.1 h old", True),
        ("12 of 40 rows refused (30 %)", "13 of 41 rows refused (31.7 %)", True),
        ("column price2 is gone", "column price3 is gone", False),
        ("nDCG@10 is 0.1", "nDCG@5 is 0.1", False),
        ("did not compare with 20261122-004433-269dccb7", "did not compare with 20261123-004433-aaaaaaaa", True),
        ("a -0.0123 to +0.0456 change", "a -0.1 to 0.2 change", True),
    ],
)
def test_figures_make_no_news(one: str, other: str, same: bool) -> None:
    assert (marks_of([one]) == marks_of([other])) is same


def test_the_record_survives_its_process_and_a_torn_one_is_told_from_none(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = Record()
    night(record, wrong(cause("below")), TWO, refuse=(2,))
    write_record(home, record)
    again = read_record(home)
    assert again == record
    assert night(again, wrong(cause("below")), TWO, now=NOW + timedelta(hours=1)) == ["2 [rag] production: refused"]
    (tmp_path / "alerts.json").write_text('{"causes": {"refu', encoding="utf-8")
    assert read_record(home) == Record()
    assert "sent once more" in caplog.text
