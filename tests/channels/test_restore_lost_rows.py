"""The audit table lost its last row, and the channel's file tells a later move than it."""

import pytest

from rag_pipeline.channels.audit import audit_table, settle
from rag_pipeline.channels.health import damaged_channels
from tests.support.command_line import as_json, rag
from tests.support.moved_channels import channel, moved
from tests.support.office import Office

__all__ = ["moved"]


def test_a_rollback_whose_row_the_table_lost_is_not_undone_by_the_repair(
    moved: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row before it points at the release that was rolled back, and knows of no hold."""
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(moved.workspace.settings, name)))
    before, table = channel(moved), audit_table(moved.home)
    (table.path / "_delta_log" / f"{table.version():020d}.json").write_bytes(b"")
    code, out, _ = rag(monkeypatch, capsys, "status", "--json")
    told = as_json(out)
    assert (code, told["channels"].keys(), told["damaged_channels"].keys()) == (
        0,
        {"production", "staging"},
        {"production", "staging"},
    )
    assert "--repair" in told["damaged_channels"]["production"] and "audit" in told["lost_commits"]
    code, out, _ = rag(monkeypatch, capsys, "verify", "--json")
    assert (code, as_json(out)["tables"]["audit"]["intact"]) == (1, False)
    code, out, _ = rag(monkeypatch, capsys, "verify", "--repair", "--json")
    told = as_json(out)
    assert (code, told["taken_as_they_are"]) == (0, ["production"])
    taken = channel(moved)
    assert (taken.release, taken.hold, taken.withdrawn) == (before.release, before.hold, before.withdrawn)
    assert (taken.action, taken.sequence, taken.why) == ("restored", 4, "the audit table lost the row of this move")
    assert settle(moved.home, "production") == taken
    assert damaged_channels(moved.home) == {}
