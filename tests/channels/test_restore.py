"""A channel that cannot be believed: everybody but readers refuses, and `--repair` brings it back whole."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from rag_pipeline.channels import restore
from rag_pipeline.channels.audit import audit_table, channel_now, settle
from rag_pipeline.channels.health import damaged_channels
from rag_pipeline.channels.pointer import write_pointer
from rag_pipeline.channels.restore import restore_channel
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import write_json
from rag_pipeline.release.retention import collect
from rag_pipeline.release.rollback import release_before
from rag_pipeline.release.serving import ChannelReader
from tests.support.command_line import as_json, rag
from tests.support.locks import is_locked
from tests.support.lost_commits import empty_last_commit
from tests.support.moved_channels import channel, edited, file_of, moved, page
from tests.support.office import Office
from tests.support.small_releases import NOW, release_of

__all__ = ["moved"]


@pytest.mark.parametrize("name", ["production", "staging"])
def test_a_channel_whose_file_is_gone_comes_back_exactly_as_it_was(moved: Office, name: str) -> None:
    before = file_of(moved, name).read_bytes()
    other = file_of(moved, "staging" if name == "production" else "production").read_bytes()
    file_of(moved, name).unlink()
    assert "is gone, but the newest of" in damaged_channels(moved.home)[name]
    assert restore_channel(moved.home, name) == channel(moved, name)
    assert file_of(moved, name).read_bytes() == before
    assert file_of(moved, "staging" if name == "production" else "production").read_bytes() == other
    if name == "production":
        restored = channel(moved)
        assert (restored.sequence, len(restored.withdrawn)) == (3, 1), "what was rolled back is known as before"
        assert restored.hold and (restored.hold.by, restored.hold.why) == ("ana", "wrong prices")
    assert damaged_channels(moved.home) == {}


def test_each_channel_whose_file_is_gone_comes_back_by_the_command_exactly_as_it_was(
    moved: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("home", "evals", "contracts"):
        monkeypatch.setenv(f"RAG_{folder.upper()}", str(getattr(moved.workspace.settings, folder)))
    before = {name: (channel(moved, name), file_of(moved, name).read_bytes()) for name in ("production", "staging")}
    for name in before:
        file_of(moved, name).unlink()
    code, out, err = rag(monkeypatch, capsys, "verify", "--repair", "--json")
    assert code == 0, err
    assert as_json(out)["repaired"] == {name: was.release for name, (was, _) in before.items()}
    assert {name: file_of(moved, name).read_bytes() for name in before} == {name: is_ for name, (_, is_) in before.items()}


@pytest.mark.parametrize("how", ["from its row", "as it is"])
def test_a_channel_is_written_again_while_nobody_else_writes_to_the_audit_table_or_moves_one(
    moved: Office, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Else a promotion that runs beside it would be undone by the older move."""
    held: list[bool] = []

    def spy(*given: Any) -> None:
        held.append(all(is_locked(lock) for lock in (moved.home.lake / ".audit.lock", moved.home.channels / ".move.lock")))
        write_pointer(*given)

    monkeypatch.setattr(restore, "write_pointer", spy)
    if how == "from its row":
        file_of(moved).unlink()
    else:
        shutil.rmtree(moved.home.audit)
    restore_channel(moved.home, "production")
    assert held == [True]


def another_release(office: Office) -> None:
    staged = channel(office, "staging")
    edited(office, release=staged.release, fingerprint=staged.fingerprint)


FORGED: dict[str, tuple[Callable[[Office], object], str]] = {
    "edited to a release the gate refused": (another_release, "was not written by this pipeline"),
    "edited to a later move": (lambda at: edited(at, sequence=9), r"was not written by this pipeline \(move 9"),
    "edited to no hold": (lambda at: edited(at, hold=None), "was not written by this pipeline"),
    "edited to nothing withdrawn": (lambda at: edited(at, withdrawn={}), "was not written by this pipeline"),
    "damaged": (lambda at: file_of(at).write_bytes(b"{"), "is damaged"),
    "emptied": (lambda at: file_of(at).write_bytes(b""), "is damaged"),
    "gone": (lambda at: file_of(at).unlink(), "is gone"),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_file_that_is_not_the_newest_row_is_an_error_for_everybody_but_readers(moved: Office, how: str) -> None:
    true = file_of(moved).read_bytes()
    forge, says = FORGED[how]
    forge(moved)
    false = file_of(moved).read_bytes() if file_of(moved).exists() else b""
    entries = len(moved.audit())
    refuse: list[Callable[[], object]] = [
        lambda: moved.promote(moved.first),
        lambda: release_before(moved.home, "production"),
        lambda: collect(moved.home, keep=1, days=30, model="m"),
        lambda: channel_now(moved.home, "production"),
    ]
    for one in refuse:
        with pytest.raises(ReleaseError, match=rf"(?s){says}.*`rag verify --repair`"):
            one()
    assert (file_of(moved).read_bytes() if file_of(moved).exists() else b"") == false, "nobody fixes it in silence"
    assert len(moved.audit()) == entries, "and nothing of it is written into the audit table"
    if how.startswith("edited"):
        with ChannelReader(moved.home) as reader:
            assert reader.current().manifest.id == channel(moved).release, "readers answer on"
    restore_channel(moved.home, "production")
    assert file_of(moved).read_bytes() == true
    assert len(moved.audit()) == entries


def test_an_older_copy_of_the_file_gives_no_sequence_number_twice(office: Office) -> None:
    """The file of the move before is what a killed process leaves too: the next decision writes the newest move again."""
    office.serve(office.first)
    older = file_of(office).read_bytes()
    made = [release_of(office.home, page(n), now=NOW + timedelta(hours=n)).manifest.id for n in (1, 2, 3)]
    office.serve(made[0], NOW + timedelta(hours=1))
    office.serve(made[1], NOW + timedelta(hours=2))
    file_of(office).write_bytes(older)
    office.evaluate_beside(made[2], made[1], NOW + timedelta(hours=3))
    with pytest.raises(ReleaseError, match=r"is an older copy \(move 1, to .*`rag verify --repair`"):
        office.promote(made[2], NOW + timedelta(hours=3))
    restore_channel(office.home, "production")
    office.promote(made[2], NOW + timedelta(hours=3))
    assert [row["sequence"] for row in office.audit()] == [1, 2, 3, 4]


def test_a_move_whose_evidence_is_gone_is_not_believed_until_a_person_takes_it_as_it_is(moved: Office) -> None:
    before = channel(moved)
    shutil.rmtree(moved.home.evidence_on(before.fingerprint))
    with pytest.raises(ReleaseError, match=r"evidence it was promoted on .* is gone or was changed; `rag verify --repair`"):
        moved.promote(moved.first)
    taken = restore_channel(moved.home, "production")
    assert (taken.action, taken.release, taken.sequence, taken.hold) == ("restored", before.release, 4, before.hold)
    assert taken.by == "rag verify --repair"
    assert "is gone or was changed" in taken.why
    assert settle(moved.home, "production") == taken == channel(moved)


def test_evidence_of_another_release_under_that_seal_does_not_bear_a_move_out(moved: Office) -> None:
    folder = moved.home.evidence / channel(moved).fingerprint
    for path in folder.glob("*.json"):
        content = json.loads(path.read_bytes())
        write_json(path, content | {"latency": [], "seal": content["seal"]})
    with pytest.raises(ReleaseError, match="is gone or was changed"):
        channel_now(moved.home, "production")


def test_an_audit_table_removed_by_hand_is_refused_and_a_person_may_take_the_channel_as_it_is(moved: Office) -> None:
    before = channel(moved)
    shutil.rmtree(moved.home.audit)
    with pytest.raises(ReleaseError, match="the audit table knows no move of production; `rag verify --repair`"):
        moved.promote(moved.first)
    taken = restore_channel(moved.home, "production")
    assert (taken.action, taken.release, taken.sequence) == ("restored", before.release, before.sequence + 1)
    assert (taken.withdrawn, taken.hold) == (before.withdrawn, before.hold)
    assert settle(moved.home, "production") == taken
    [row] = moved.audit()
    assert (row["action"], row["sequence"]) == ("restored", 4)


def test_a_rollback_whose_row_is_lost_with_a_commit_of_the_audit_table_holds_on(
    moved: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("home", "evals", "contracts"):
        monkeypatch.setenv(f"RAG_{folder.upper()}", str(getattr(moved.workspace.settings, folder)))
    before, staged = channel(moved), channel(moved, "staging")
    empty_last_commit(moved.home.audit)
    code, out, err = rag(monkeypatch, capsys, "verify", "--repair", "--json")
    told = as_json(out)
    assert (code, told["taken_as_they_are"], told["repaired"]) == (0, ["production"], {"production": before.release}), err
    after = channel(moved)
    assert (after.release, after.withdrawn, after.hold) == (before.release, before.withdrawn, before.hold)
    assert (after.action, after.why) == ("restored", "the audit table lost the row of this move")
    assert settle(moved.home, "production") == after
    assert channel(moved, "staging") == staged


def test_an_edited_row_is_named_and_repair_goes_back_to_the_last_one_that_is_whole(moved: Office) -> None:
    second = next(row for row in moved.audit() if (row["channel"], row["sequence"]) == ("production", 2))
    rewrite(moved, pl.when((pl.col("channel") == "production") & (pl.col("sequence") == 3)), "release", "another")
    with pytest.raises(ReleaseError, match="move 3 of production in the audit table was changed after it was written"):
        moved.promote(moved.first)
    taken = restore_channel(moved.home, "production")
    assert (taken.action, taken.release, taken.sequence) == ("restored", second["release"], 4)
    assert (taken.why, taken.outcome, taken.reasons) == ("later rows of the audit table were changed", "not known", ())
    assert settle(moved.home, "production") == taken


def rewrite(office: Office, where: Any, column: str, value: object) -> None:
    table = audit_table(office.home)
    rows = table.scan().with_columns(where.then(pl.lit(value)).otherwise(pl.col(column)).alias(column)).collect()
    table.overwrite(rows)
