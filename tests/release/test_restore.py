"""A channel that cannot be believed: everybody but readers refuses, and `--repair` brings it back whole."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import write_json
from rag_pipeline.release.audit import audit_table, channel_now, settle
from rag_pipeline.release.audit_rows import AUDIT
from rag_pipeline.release.channels import Channel, read_channel
from rag_pipeline.release.health import damaged_channels
from rag_pipeline.release.promote import promote
from rag_pipeline.release.restore import restore_channel
from rag_pipeline.release.retention import collect
from rag_pipeline.release.rollback import release_before
from rag_pipeline.release.serving import ChannelReader
from tests.cli.test_cli import as_json, rag
from tests.conftest import Workspace
from tests.corpus.small import NOW, release_of
from tests.faults.lost import empty_last_commit
from tests.release.test_promote import FLOOR, PAGES, Office, office_in


def file_of(office: Office, name: str = "production") -> Path:
    return office.home / "channels" / f"{name}.json"


def channel(office: Office, name: str = "production") -> Channel:
    found = read_channel(office.home, name)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def moved_once(tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = office_in(Workspace(tmp_path_factory.mktemp("moved")))
    content = {"golden_sets": {"animals": FLOOR}}
    (office.workspace.root / "evals" / "gate.yaml").write_text(
        json.dumps({"channels": {"production": content, "staging": content}}), encoding="utf-8"
    )
    made = [office.first, *(release_of(office.home, page(n), now=NOW + timedelta(hours=n)).manifest.id for n in (1, 2, 3))]
    for hour, (name, release) in enumerate(
        [("production", 0), ("production", 1), ("staging", 0), ("staging", 1), ("staging", 2), ("staging", 3)]
    ):
        now = NOW + timedelta(hours=hour)
        office.evaluate(made[release], now)
        promote(office.desk(now), made[release], by="tests", why="nightly", run_id="run", channel=name)
        if hour == 2:
            office.refused(made[3], now)
    now = NOW + timedelta(hours=7)
    office.evaluate(made[0], now)
    promote(office.desk(now), made[0], by="ana", why="wrong prices", run_id="r", named=True, withdraw=True)
    return office


@pytest.fixture
def moved(moved_once: Office, tmp_path: Path) -> Office:
    """Production moved twice and was rolled back, `staging` moved later and further; a refusal lies in between."""
    return copied(moved_once, tmp_path)


def copied(office: Office, tmp_path: Path) -> Office:
    shutil.copytree(office.workspace.root, tmp_path / "copy")
    return Office(Workspace(tmp_path / "copy"), office.first)


def page(number: int) -> dict[str, str]:
    return {**PAGES, "more.md": f"# More\n\npage number {number}"}


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


def edited(office: Office, **changes: Any) -> None:
    write_json(file_of(office), json.loads(file_of(office).read_bytes()) | changes)


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
    assert (file_of(moved).read_bytes() if file_of(moved).exists() else b"") == false, "nobody mends it in silence"
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
    shutil.rmtree(moved.home / "evidence" / before.fingerprint)
    with pytest.raises(ReleaseError, match=r"evidence it was promoted on .* is gone or was changed; `rag verify --repair`"):
        moved.promote(moved.first)
    taken = restore_channel(moved.home, "production")
    assert (taken.action, taken.release, taken.sequence, taken.hold) == ("restored", before.release, 4, before.hold)
    assert taken.by == "rag verify --repair"
    assert "is gone or was changed" in taken.why
    assert settle(moved.home, "production") == taken == channel(moved)


def test_evidence_of_another_release_under_that_seal_does_not_bear_a_move_out(moved: Office) -> None:
    folder = moved.home / "evidence" / channel(moved).fingerprint
    for path in folder.glob("*.json"):
        content = json.loads(path.read_bytes())
        write_json(path, content | {"latency": [], "seal": content["seal"]})
    with pytest.raises(ReleaseError, match="is gone or was changed"):
        channel_now(moved.home, "production")


def test_an_audit_table_removed_by_hand_is_refused_and_a_person_may_take_the_channel_as_it_is(moved: Office) -> None:
    before = channel(moved)
    shutil.rmtree(moved.home / "lake" / "audit")
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
    empty_last_commit(moved.home / "lake" / "audit")
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
    assert settle(moved.home, "production") == taken


def rewrite(office: Office, where: Any, column: str, value: object) -> None:
    table = audit_table(office.home)
    rows = table.scan().with_columns(where.then(pl.lit(value)).otherwise(pl.col(column)).alias(column)).collect()
    table.overwrite(rows)


NEW_COLUMNS = ("fingerprint", "withdrawn", "hold", "number", "seal")


def as_b246836(office: Office, *, lost_last: bool = False) -> None:
    """Make a home what the pipeline before this one left: rows that say less, files without `hold`."""
    old = pa.schema([field for field in AUDIT if field.name not in NEW_COLUMNS])
    rows = audit_table(office.home).scan().select(old.names).collect()
    if lost_last:
        rows = rows.filter(pl.col("sequence") < pl.col("sequence").max())
    shutil.rmtree(office.home / "lake" / "audit")
    if rows.height:
        deltalake.write_deltalake(str(office.home / "lake" / "audit"), rows.to_arrow().cast(old))
    content = json.loads(file_of(office).read_bytes())
    del content["hold"]
    write_json(file_of(office), content)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = office_in(Workspace(tmp_path_factory.mktemp("twice")))
    office.serve(office.first)
    office.serve(release_of(office.home, page(1), now=NOW + timedelta(hours=1)).manifest.id, NOW + timedelta(hours=1))
    return office


@pytest.fixture
def before_this(twice: Office, tmp_path: Path) -> Office:
    """Production moved twice."""
    return copied(twice, tmp_path)


@pytest.mark.parametrize("lost_last", [False, True])
def test_a_home_of_the_pipeline_before_is_opened_and_taken_over_by_the_first_decision(
    before_this: Office, lost_last: bool
) -> None:
    office = before_this
    edited(office, withdrawn={"bad": "ana at noon (bad)"})
    as_b246836(office, lost_last=lost_last)
    before = channel(office)
    assert damaged_channels(office.home) == {}
    assert channel_now(office.home, "production") == before
    third = release_of(office.home, page(3), now=NOW + timedelta(hours=2)).manifest.id
    office.serve(third, NOW + timedelta(hours=2))
    after = channel(office)
    assert (after.release, after.previous, after.withdrawn) == (third, before.release, before.withdrawn)
    moves = [(row["sequence"], row["action"], row["release"]) for row in office.audit_in_order()]
    last = [] if lost_last else [(3, "adopted", before.release)]
    assert moves == [
        (1, "promoted", office.first),
        (2, "promoted", before.release),
        *last,
        (after.sequence, "promoted", third),
    ]
    file_of(office).unlink()
    assert restore_channel(office.home, "production") == after


def test_a_first_move_that_the_pipeline_before_did_not_write_down_is_written_down(office: Office) -> None:
    office.serve(office.first)
    as_b246836(office, lost_last=True)
    assert not office.promote(office.first).moved
    assert [(row["sequence"], row["action"]) for row in office.audit()] == [(1, "promoted")]


def test_a_file_of_the_pipeline_before_that_was_edited_is_not_taken_over(before_this: Office) -> None:
    as_b246836(before_this)
    content = json.loads(file_of(before_this).read_bytes())
    write_json(file_of(before_this), content | {"release": before_this.first})
    with pytest.raises(ReleaseError, match="was not written by this pipeline"):
        before_this.promote(before_this.first)


def test_of_a_home_of_the_pipeline_before_a_lost_file_is_restored_and_held_for_withdrawals_are_not_known(
    before_this: Office,
) -> None:
    before = channel(before_this)
    as_b246836(before_this)
    file_of(before_this).write_bytes(b"{")
    restored = restore_channel(before_this.home, "production")
    assert (restored.release, restored.fingerprint, restored.sequence) == (before.release, before.fingerprint, 3)
    assert restored.hold and "what had been rolled back before is not known any more" in restored.hold.why
    assert settle(before_this.home, "production") == restored


def test_nothing_is_restored_where_nothing_is_known(office: Office) -> None:
    with pytest.raises(PipelineError, match="never pointed anywhere"):
        restore_channel(office.home, "production")
    file_of(office).parent.mkdir(exist_ok=True)
    file_of(office).write_bytes(b"{")
    with pytest.raises(ReleaseError, match="cannot be restored: the audit table knows no move of it"):
        restore_channel(office.home, "production")
