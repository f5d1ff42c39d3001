"""What is true of a channel: its file held against its rows, case by case, and what a decision or a repair makes of it.

Rows and files are made by hand here, so that each case is one line. What a whole pipeline leaves is in test_restore.py and
test_older_homes.py.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline.channels.audit import Standing, channel_now, move_and_record, settle, standing
from rag_pipeline.channels.audit_rows import AUDIT, audit_table, channel_of, moves, record
from rag_pipeline.channels.pointer import Channel, read_channel, write_pointer
from rag_pipeline.channels.restore import as_restored, restore_channel
from rag_pipeline.errors import ChannelError, ReleaseError
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from tests.support.small_releases import NOW

NAME = "staging"
REPAIR = "`rag verify --repair` writes the file again as the newest row has it"


def move(release: str, sequence: int, previous: str | None = None, **changes: object) -> Channel:
    """A move that a person took upon them, so that no evidence has to bear it out."""
    fields = {"release": release, "fingerprint": f"of {release}", "previous": previous, "sequence": sequence}
    said = {"at": NOW + timedelta(hours=sequence), "by": "ana", "why": "because", "run_id": "run"}
    return Channel.model_validate(fields | said | {"action": "overridden", "withdrawn": {"w": "ben"}} | changes)


def passed(release: str, sequence: int, previous: str | None = None) -> Channel:
    """A move that the gate of an older pipeline let pass, with its evidence (see `evidence`)."""
    return move(release, sequence, previous, action="promoted", outcome="passed", evidence="seal")


A, B, C = move("a", 1), move("b", 2, "a"), move("c", 3, "b")
OLD_A, OLD_B = passed("a", 1), passed("b", 2, "a")


@dataclass(frozen=True)
class Of:
    """A row, or a file: of this pipeline, of an older one that said less, or edited by hand."""

    channel: Channel
    how: str = ""


def old(channel: Channel) -> Of:
    return Of(channel, "old")


def edited(channel: Channel) -> Of:
    return Of(channel, "edited")


def evidence(home: Home, channel: Channel) -> None:
    """What an older pipeline measured: its seal cannot be made again, and it is believed."""
    folder = home.evidence_on(channel.fingerprint)
    folder.mkdir(parents=True)
    about = {"release": channel.release, "release_fingerprint": channel.fingerprint, "seal": channel.evidence}
    (folder / "old.json").write_text(json.dumps(about | {"format": 1}), encoding="utf-8")


def told(home: Home, rows: list[Channel | Of]) -> None:
    for one in rows:
        row = one if isinstance(one, Of) else Of(one)
        if row.how != "old":
            record(home, NAME, row.channel)
        else:
            said = row.channel.model_dump(exclude={"fingerprint", "withdrawn", "hold", "anchor", "reasons"})
            of_then = said | {"channel": NAME, "reasons": "[]"}
            audit_table(home).append(pa.Table.from_pylist([of_then], AUDIT))
        if row.how == "edited":
            table, mine = audit_table(home), pl.col("sequence") == row.channel.sequence
            by = pl.when(mine).then(pl.lit("eve")).otherwise(pl.col("by"))
            table.overwrite(table.scan().with_columns(by=by).collect())


def filed(home: Home, file: Channel | Of | bytes | None) -> None:
    home.channels.mkdir()
    if isinstance(file, bytes):
        home.channel(NAME).write_bytes(file)
    elif isinstance(file, Of):
        write_json(home.channel(NAME), file.channel.model_dump(mode="json", exclude={"hold", "anchor"}))
    elif file:
        write_pointer(home, NAME, file)


@dataclass(frozen=True)
class Case:
    """What the table and the file say, and what is true then: a channel and what is to do, or the trouble."""

    rows: list[Channel | Of]
    file: Channel | Of | None
    true: Channel | None = None
    todo: str = ""
    trouble: str = ""


def older(sequence: int, release: str, newest: Channel) -> str:
    return f"FILE is an older copy (move {sequence}, to {release}): {newest_is(newest)}; {REPAIR}"


def foreign(sequence: int, release: str, newest: Channel) -> str:
    return f"FILE was not written by this pipeline (move {sequence}, to {release}): {newest_is(newest)}; {REPAIR}"


def gone(newest: Channel) -> str:
    return f"FILE is gone, but {newest_is(newest)}; `rag verify --repair` restores it"


def newest_is(newest: Channel) -> str:
    return f"the newest of staging in the audit table is move {newest.sequence}, to {newest.release}"


UNKNOWN = (
    "FILE points at {}, but the audit table knows no move of staging; `rag verify --repair` takes the file as it is, and "
    "writes that down"
)
CHANGED = (
    "move {} of staging in the audit table was changed after it was written: its seal does not match; "
    "`rag verify --repair` goes back to the last one that is whole"
)
UNPROVED = (
    "staging points at x, but the evidence it was promoted on (seal) is gone or was changed; `rag verify --repair` takes "
    "the channel as it is, and writes that down"
)

CASES = {
    "nothing": Case([], None),
    "the file is the newest row": Case([A, B], B, true=B),
    "the only row, and no file yet": Case([A], None, true=A, todo="write the pointer"),
    "the file is one move behind": Case([A, B, C], B, true=C, todo="write the pointer"),
    "the file is one move behind, of two": Case([A, B], A, true=B, todo="write the pointer"),
    "the file is two moves behind": Case([A, B, C], A, trouble=older(1, "a", C)),
    "the file is gone after two moves": Case([A, B], None, trouble=gone(B)),
    "the file is ahead": Case([A], B, trouble=foreign(2, "b", A)),
    "the file is ahead of two": Case([A, B], C, trouble=foreign(3, "c", B)),
    "the file tells the move otherwise": Case([A, B], move("x", 2, "a"), trouble=foreign(2, "x", B)),
    "the file tells the move before otherwise": Case([A, B], move("x", 1), trouble=older(1, "x", B)),
    "the newest row was edited": Case([A, edited(B)], B, trouble=CHANGED.format(2)),
    "the row before was edited": Case([edited(A), B], A, trouble=CHANGED.format(1)),
    "the evidence is gone": Case([passed("x", 1)], passed("x", 1), trouble=UNPROVED),
    "no row": Case([], A, trouble=UNKNOWN.format("a")),
    "no row, as if it had been promoted": Case([], passed("a", 1), trouble=UNKNOWN.format("a")),
    "old: a first move that was not told": Case([], old(OLD_A), true=OLD_A, todo="tell the move"),
    "old: a second move, and no row": Case([], old(passed("b", 2)), trouble=UNKNOWN.format("b")),
    "old: a first move by a person, and no row": Case([], old(A), trouble=UNKNOWN.format("a")),
    "old: the file is the newest row": Case([old(OLD_A), old(OLD_B)], old(OLD_B), true=OLD_B, todo="adopt"),
    "old: a person's move": Case([old(A)], old(A), true=A, todo="adopt"),
    "old: a move that was told twice": Case([old(A), old(A.model_copy(update={"by": "ben"}))], old(A), true=A, todo="adopt"),
    "old: a move that was told twice, the other way round": Case(
        [old(A.model_copy(update={"by": "ben"})), old(A)], old(A), true=A, todo="adopt"
    ),
    "old: a next move that was not told": Case([old(OLD_A)], old(OLD_B), true=OLD_B, todo="tell the move"),
    "old: a next move by a person that was not told": Case([old(A)], old(B), trouble=foreign(2, "b", A)),
    "old: a next move from elsewhere": Case([old(OLD_A)], old(passed("b", 2, "x")), trouble=foreign(2, "b", A)),
    "old: the move after the next": Case([old(OLD_A)], old(passed("b", 3, "a")), trouble=foreign(3, "b", A)),
    "old: an earlier move": Case([old(OLD_A), old(OLD_B)], old(OLD_A), trouble=older(1, "a", B)),
    "old: the same move by somebody else": Case(
        [old(A)], old(A.model_copy(update={"by": "ben"})), trouble=foreign(1, "a", A)
    ),
    "old: the file is gone": Case([old(A)], None, trouble=gone(A)),
    "old row, and a file of this pipeline": Case([old(A)], A, trouble=foreign(1, "a", A)),
    "old row, then one of this pipeline": Case([old(A), B], old(A), true=B, todo="write the pointer"),
    "old row, then one of this pipeline, and a file that is neither": Case(
        [old(A), B], old(A.model_copy(update={"by": "ben"})), trouble=older(1, "a", B)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_channel_stands_as_its_rows_and_its_file_say_and_a_decision_finishes_that(home: Home, case: Case) -> None:
    for channel in (OLD_A, OLD_B):
        evidence(home, channel)
    told(home, case.rows)
    filed(home, case.file)
    before, rows = _bytes(home.channel(NAME)), moves(home, NAME)
    trouble = case.trouble.replace("FILE", str(home.channel(NAME)))
    assert standing(home, NAME) == Standing(case.true, case.todo, trouble)  # type: ignore[arg-type]
    if trouble:
        for ask in (channel_now, settle):
            with pytest.raises(ChannelError) as refused:
                ask(home, NAME)
            assert str(refused.value) == trouble
        assert (_bytes(home.channel(NAME)), moves(home, NAME)) == (before, rows)
        return
    assert channel_now(home, NAME) == case.true
    assert (_bytes(home.channel(NAME)), moves(home, NAME)) == (before, rows), "looking changes nothing"
    done = case.true
    if case.true and case.todo == "adopt":
        done = case.true.model_copy(update={"sequence": case.true.sequence + 1, "action": "adopted"})
    assert settle(home, NAME) == read_channel(home, NAME) == done
    assert standing(home, NAME) == Standing(done)
    assert len(moves(home, NAME)) == len(rows) + (case.todo in ("adopt", "tell the move"))
    if done:
        assert channel_of(moves(home, NAME)[0], NAME) == done


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def test_where_nothing_is_to_be_finished_nobody_waits_for_the_audit_table(home: Home) -> None:
    told(home, [A])
    filed(home, A)
    with home.exclusive_table(home.audit, wait_s=1):
        assert settle(home, NAME) == A


def test_a_move_from_what_is_no_longer_there_says_where_the_channel_is(home: Home) -> None:
    with pytest.raises(ReleaseError) as refused:
        move_and_record(home, NAME, B, expected=A)
    assert str(refused.value) == "channel staging was moved to nothing by nobody in the meantime; decide again"
    with pytest.raises(ReleaseError) as refused:
        move_and_record(home, NAME, A, expected=None)
    assert str(refused.value) == "a was removed in the meantime; `rag releases` lists what is kept"


@dataclass(frozen=True)
class Repair:
    """What the table and the file say, and the channel after a repair: from a row, or taken as it is under a new number."""

    rows: list[Channel | Of]
    file: Channel | Of | bytes | None
    channel: Channel
    taken: int = 0
    why: str = ""
    rows_lost: bool = False


LOST = "the audit table lost the row of this move"
LATER = "later rows of the audit table were changed"
FORGED = move("x", 2, "a")

REPAIRS = {
    "one row": Repair([A], b"{", A),
    "the newest of three": Repair([A, B, C], b"{", C),
    "an older copy": Repair([A, B, C], A, C),
    "a move that a process left undone": Repair([A, B], A, B),
    "a forged file": Repair([A, B], FORGED, B),
    "a file ahead of a table that lost nothing": Repair([A], B, A),
    "the newest row is edited": Repair([A, edited(B)], B, A, 3, LATER),
    "the newest two are edited": Repair([A, edited(B), edited(C)], C, A, 4, LATER),
    "every row is edited": Repair([edited(A), edited(B), edited(C)], A, A, 4, CHANGED.format(3)),
    "every row is edited and the file is ahead": Repair([edited(A)], C, C, 4, CHANGED.format(1)),
    "no row": Repair([], A, A, 2, UNKNOWN.format("a")),
    "the evidence is gone": Repair([passed("x", 1)], passed("x", 1), passed("x", 1), 2, UNPROVED),
    "rows lost: the file is ahead": Repair([A], B, B, 3, LOST, rows_lost=True),
    "rows lost: the file is not ahead": Repair([A, B], FORGED, B, rows_lost=True),
    "rows lost: the file is damaged": Repair([A], b"{", A, rows_lost=True),
    "rows lost: none is left": Repair([], A, A, 2, UNKNOWN.format("a"), rows_lost=True),
    "rows lost, of another channel": Repair([A, B], B, B, rows_lost=True),
}


@pytest.mark.parametrize("case", REPAIRS.values(), ids=REPAIRS)
def test_a_repair_writes_the_newest_whole_row_again_or_takes_the_channel_as_it_is_and_says_so(
    home: Home, case: Repair
) -> None:
    told(home, case.rows)
    filed(home, case.file)
    rows, started = moves(home, NAME), datetime.now(UTC)
    lost = {"rows_lost": True} if case.rows_lost else {}
    restored = restore_channel(home, NAME, **lost)
    assert standing(home, NAME) == Standing(restored)
    if not case.taken:
        assert (restored, moves(home, NAME)) == (case.channel, rows)
        return
    assert started <= restored.at <= datetime.now(UTC)
    said = {"by": "rag verify --repair", "why": case.why.replace("FILE", str(home.channel(NAME))), "reasons": ()}
    now = {"sequence": case.taken, "at": restored.at, "action": "restored", "outcome": "not known"}
    assert restored == case.channel.model_copy(update=said | now)
    assert len(moves(home, NAME)) == len(rows) + 1


def test_a_channel_that_was_taken_as_it_is_is_told_loudly_and_one_that_was_restored_is_not() -> None:
    assert as_restored(C) == "c, as move 3 of the audit table has it"
    assert as_restored(C.model_copy(update={"action": "restored"})) == (
        "c, TAKEN AS IT IS and written down as move 3 (restored): nothing shows that the gate let it pass. "
        "If it should not serve: rag rollback"
    )
