"""The audit table: every move exactly once, whoever died when, and every refusal."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels import audit
from rag_pipeline.channels.audit import AUDIT, all_rows, audit_table, in_order, moves, record, settle
from rag_pipeline.channels.audit_rows import channel_of
from rag_pipeline.channels.health import damaged_channels, unfinished_channels
from rag_pipeline.channels.pointer import Channel, Hold, read_channel
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.retention import collect
from rag_pipeline.release.rollback import release_before
from tests.support.locks import is_locked
from tests.support.office import PAGES, Office
from tests.support.small_releases import NOW, release_of

ROOT = Path(__file__).parents[2]


def move(release: str, sequence: int = 1, **changes: object) -> Channel:
    fields = {
        "release": release,
        "fingerprint": f"fingerprint of {release}",
        "previous": None,
        "sequence": sequence,
        "at": NOW + timedelta(hours=sequence),
        "by": "ana",
        "why": "because",
        "run_id": "run",
        "outcome": "passed",
        "evidence": "seal",
    }
    return Channel.model_validate(fields | changes)


def told(home: Home) -> list[tuple[object, ...]]:
    rows = audit_table(home).scan().select("channel", "action", "release", "sequence").collect()
    return sorted(rows.rows(), key=str)


class Died(Exception):
    """A process ended here."""


def die_between_row_and_file(office: Office, release: str, now: datetime = NOW) -> None:
    """What a process leaves that dies after the row of a move and before the channel's file."""

    def dies(*_: object) -> None:
        raise Died

    office.evaluate(release, now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag_pipeline.channels.audit.write_pointer", dies)
        with pytest.raises(Died):
            office.promote(release, now)


def test_a_move_is_written_down_with_the_whole_channel_and_comes_back_as_it_was(home: Home) -> None:
    hold = Hold(at=NOW, by="ana", why="bad")
    done = move("a", 3, previous="b", reasons=("one", "two"), action="overridden", outcome="refused", hold=hold)
    done = done.model_copy(update={"withdrawn": {"f": "ana at noon (bad)"}})
    record(home, "production", done)
    [row] = audit_table(home).scan().collect().to_dicts()
    assert channel_of(row, "production") == done
    assert row | {"seal": ""} == {
        "at": done.at,
        "channel": "production",
        "action": "overridden",
        "release": "a",
        "previous": "b",
        "by": "ana",
        "why": "because",
        "run_id": "run",
        "outcome": "refused",
        "reasons": json.dumps(["one", "two"]),
        "evidence": "seal",
        "sequence": 3,
        "fingerprint": "fingerprint of a",
        "withdrawn": json.dumps({"f": "ana at noon (bad)"}),
        "hold": hold.model_dump_json(),
        "anchor": None,
        "answers": None,
        "number": 1,
        "seal": "",
    }


@pytest.mark.parametrize("field", [name for name in AUDIT.names if name not in ("seal", "channel", "fingerprint")])
def test_a_row_that_was_edited_does_not_carry_its_seal(home: Home, field: str) -> None:
    record(home, "production", move("a", hold=Hold(at=NOW, by="ana", why="bad")))
    [row] = audit_table(home).scan().collect().to_dicts()
    other = {"at": NOW, "sequence": 9, "number": 9, "hold": None}.get(field, "other")
    with pytest.raises(ReleaseError, match=r"was changed after it was written.*`rag verify --repair`"):
        channel_of(row | {field: other}, "production")


def test_a_refusal_has_no_sequence_and_is_no_move(home: Home) -> None:
    record(home, "production", move("bad", 1, action="refused", outcome="refused"))
    assert told(home) == [("production", "refused", "bad", None)]
    assert moves(home, "production") == []
    assert settle(home, "production") is None


def test_rows_are_in_the_order_in_which_they_were_written_whatever_the_clock_said(home: Home) -> None:
    for number, (release, action) in enumerate((("a", "overridden"), ("b", "refused"), ("c", "overridden")), start=1):
        record(home, "production", move(release, number, action=action, at=NOW - timedelta(days=number)))
    rows = in_order(all_rows(home), newest_first=True).select("release", "number").collect().rows()
    assert rows == [("c", 3), ("b", 2), ("a", 1)]
    assert [row["release"] for row in moves(home, "production")] == ["c", "a"]


SETTLER = """
import sys
from pathlib import Path
from rag_pipeline.channels.audit import settle
from rag_pipeline.home import Home
print("ready", flush=True)
sys.stdin.readline()
print(settle(Home(Path(sys.argv[1])), "production").release)
"""


def test_of_several_processes_that_finish_the_same_move_all_come_to_it_and_none_tells_it_again(office: Office) -> None:
    die_between_row_and_file(office, office.first)
    settlers = [
        subprocess.Popen(
            [sys.executable, "-c", SETTLER, str(office.home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for settler in settlers:
        assert settler.stdout is not None
        assert settler.stdout.readline() == "ready\n"
    for settler in settlers:
        assert settler.stdin is not None
        settler.stdin.write("go\n")
        settler.stdin.flush()
    said = [settler.communicate(timeout=120)[0].strip() for settler in settlers]
    assert said == [office.first] * 3
    assert told(office.home) == [("production", "promoted", office.first, 1)]
    assert pointer(office) == office.first


def pointer(office: Office) -> str | None:
    channel = read_channel(office.home, "production")
    return channel.release if channel else None


@pytest.mark.parametrize("decision", ["a promotion", "a refusal", "what serves already", "a rollback", "a collection"])
def test_a_move_whose_process_died_before_the_file_was_written_is_finished_by_the_next_decision(
    office: Office, decision: str
) -> None:
    office.serve(office.first)
    second, third = office.second(PAGES), another(office)
    die_between_row_and_file(office, second, NOW + timedelta(hours=1))
    assert pointer(office) == office.first, "readers go on with what the file says"
    assert "is not finished" in unfinished_channels(office.home)["production"]
    assert damaged_channels(office.home) == {}
    later = NOW + timedelta(hours=2)
    if decision == "a promotion":
        office.evaluate(third, later)
        office.promote(third, later)
    elif decision == "a refusal":
        with pytest.raises(PromotionRefused):
            office.promote(third, later)
    elif decision == "what serves already":
        assert not office.promote(second, later).moved
    elif decision == "a rollback":
        assert release_before(office.home, "production") == office.first
    else:
        collect(office.home, keep=7, days=30, model="none")
    assert pointer(office) == (third if decision == "a promotion" else second)
    assert unfinished_channels(office.home) == {}
    made = [(row["sequence"], row["release"]) for row in office.audit() if row["sequence"] is not None]
    assert made[:2] == [(1, office.first), (2, second)]
    assert len(made) == (3 if decision == "a promotion" else 2)


def another(office: Office) -> str:
    return release_of(office.home, {**PAGES, "third.md": "# Third\n\npage"}, now=NOW + timedelta(hours=2)).manifest.id


def test_a_row_that_cannot_be_written_leaves_the_channel_where_it_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.evaluate(office.first)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("rag_pipeline.channels.audit.record", full)
    with pytest.raises(OSError, match="no space left"):
        office.promote(office.first)
    assert pointer(office) is None
    assert not audit_table(office.home).exists


def test_a_promotion_does_not_go_on_when_what_was_left_undone_cannot_be_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.serve(office.first)
    second = office.second(PAGES)
    office.evaluate(second)

    def broken(*_: object) -> None:
        raise ReleaseError("the audit table cannot be read")

    monkeypatch.setattr("rag_pipeline.release.promote.settle", broken)
    with pytest.raises(ReleaseError, match="the audit table cannot be read"):
        office.promote(second)
    assert pointer(office) == office.first


def test_the_row_and_the_file_are_written_under_both_locks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second decision could finish the move while the first writes it, or a collection see half of it."""
    office.evaluate(office.first)
    seen: list[tuple[str, bool]] = []

    def spy(name: str) -> None:
        original = getattr(audit, name)

        def wrapped(*given: object) -> None:
            locks = (office.home.lake / ".audit.lock", office.home.channels / ".move.lock")
            seen.append((name, all(is_locked(lock) for lock in locks)))
            original(*given)

        monkeypatch.setattr(audit, name, wrapped)

    spy("record")
    spy("write_pointer")
    office.promote(office.first)
    assert seen == [("record", True), ("write_pointer", True)]


def test_sequences_of_moves_have_no_gap_and_refusals_none(office: Office) -> None:
    second = office.second(PAGES)
    office.serve(office.first)
    with pytest.raises(PromotionRefused):
        office.promote(second, NOW + timedelta(hours=1))
    office.serve(second, NOW + timedelta(hours=2))
    done = promote(
        office.inputs(NOW + timedelta(hours=3)),
        PromotionRequest(office.first, by="ana", why="now", override=True, named=True),
        run_id="r",
    )
    assert done.channel.action == "overridden"
    rows = [(row["action"], row["sequence"], row["by"]) for row in office.audit()]
    assert rows == [("promoted", 1, "tests"), ("refused", None, "tests"), ("promoted", 2, "tests"), ("overridden", 3, "ana")]
