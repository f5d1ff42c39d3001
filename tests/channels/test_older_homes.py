"""A home of the pipeline before this one: its channels are opened, taken over, and restored as far as they can be."""

import json
import shutil
from datetime import timedelta

import deltalake
import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline.channels.audit import audit_table, channel_now, settle
from rag_pipeline.channels.audit_rows import AUDIT
from rag_pipeline.channels.health import damaged_channels
from rag_pipeline.channels.restore import restore_channel
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import write_json
from tests.support.built_once import BuiltOnce
from tests.support.moved_channels import channel, edited, file_of, page
from tests.support.office import Office
from tests.support.small_releases import NOW, release_of

NEW_COLUMNS = ("fingerprint", "withdrawn", "hold", "number", "seal")


def as_b246836(office: Office, *, lost_last: bool = False) -> None:
    """Make a home what the pipeline before this one left: rows that say less, files without `hold`."""
    old = pa.schema([field for field in AUDIT if field.name not in NEW_COLUMNS])
    rows = audit_table(office.home).scan().select(old.names).collect()
    if lost_last:
        rows = rows.filter(pl.col("sequence") < pl.col("sequence").max())
    shutil.rmtree(office.home.audit)
    if rows.height:
        deltalake.write_deltalake(str(office.home.audit), rows.to_arrow().cast(old))
    content = json.loads(file_of(office).read_bytes())
    del content["hold"]
    write_json(file_of(office), content)


@pytest.fixture
def before_this(office: Office, built_once: BuiltOnce) -> Office:
    """Production moved twice."""

    def serve() -> None:
        office.serve(office.first)
        office.serve(release_of(office.home, page(1), now=NOW + timedelta(hours=1)).manifest.id, NOW + timedelta(hours=1))

    built_once.state(office.workspace.root, "moved twice", serve)
    return office


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
    content, before = json.loads(file_of(before_this).read_bytes()), channel(before_this)
    withdrawn = {"bad": "ana at noon (bad)"}
    write_json(file_of(before_this), content | {"release": before_this.first, "withdrawn": withdrawn})
    with pytest.raises(ReleaseError, match="was not written by this pipeline"):
        before_this.promote(before_this.first)
    restored = restore_channel(before_this.home, "production")
    assert (restored.release, restored.action, restored.sequence) == (before.release, "adopted", 3)
    assert (restored.withdrawn, restored.hold) == (withdrawn, None), "what was rolled back stays known"


def test_of_a_home_of_the_pipeline_before_a_lost_file_is_restored_and_held_for_withdrawals_are_not_known(
    before_this: Office,
) -> None:
    before = channel(before_this)
    as_b246836(before_this)
    file_of(before_this).write_bytes(b"{")
    restored = restore_channel(before_this.home, "production")
    assert (restored.release, restored.fingerprint, restored.sequence) == (before.release, before.fingerprint, 3)
    assert restored.hold and restored.hold.at.tzinfo
    said = (restored.action, restored.withdrawn, restored.hold.by, restored.hold.why)
    assert said == ("adopted", {}, "rag verify --repair", "what had been rolled back before is not known any more")
    assert settle(before_this.home, "production") == restored


def test_nothing_is_restored_where_nothing_is_known(office: Office) -> None:
    with pytest.raises(PipelineError, match="never pointed anywhere"):
        restore_channel(office.home, "production")
    file_of(office).parent.mkdir(exist_ok=True)
    file_of(office).write_bytes(b"{")
    with pytest.raises(ReleaseError, match="cannot be restored: the audit table knows no move of it"):
        restore_channel(office.home, "production")
