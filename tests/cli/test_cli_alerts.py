"""`rag alerts`, as a person sets it up: does a message get there, what is told, and what `rag status` says of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from tests.conftest import Workspace
from tests.support.alert_receivers import SECRET, Inbox, dead_address, web_receiver
from tests.support.command_line import PAGES, as_json, pipeline, rag

__all__ = ["pipeline"]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with web_receiver() as inbox:
        yield inbox


def hold(pipeline: Workspace) -> None:
    """The source was read, and then its folder was gone."""
    contract = read_contract(pipeline.settings.contracts / "handbook.odcs.yaml")
    load_source(contract, pipeline.home, run_id="r", now=datetime.now(UTC))
    (pipeline.root / "pages").rename(pipeline.root / "gone")
    load_source(contract, pipeline.home, run_id="r", now=datetime.now(UTC))


def test_where_nobody_is_named_every_command_says_so(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("alerts", "test"), ("alerts", "send")):
        code, _, err = rag(monkeypatch, capsys, *words)
        assert code == 1 and "RAG_ALERTS is not set, so no message is sent" in err
    code, out, _ = rag(monkeypatch, capsys, "alerts", "show")
    assert code == 0 and "alerts are off" in out
    code, out, _ = rag(monkeypatch, capsys, "status", "--json")
    assert as_json(out)["alerts"] == {"on": False, "receivers": [], "looked_at": None, "causes": [], "troubles": []}
    assert not pipeline.home.alerts.exists()


def test_a_trial_names_who_took_it_and_fails_unless_all_did(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inbox: Inbox
) -> None:
    monkeypatch.setenv("RAG_ALERTS", inbox.url)
    code, out, err = rag(monkeypatch, capsys, "alerts", "test")
    assert code == 0 and "receiver 1 (json)" in out and "sent" in out
    assert inbox.titles == ["[rag] a test of the alerts"]
    monkeypatch.setenv("RAG_ALERTS", f"{inbox.url} {dead_address()}")
    code, told, also = rag(monkeypatch, capsys, "alerts", "test", "--json")
    assert code == 1
    assert as_json(told) == {"receivers": {"receiver 1 (json)": "sent", "receiver 2 (json)": "not reached"}}
    assert SECRET not in out + err + told + also


def test_looking_by_hand_tells_what_is_new_and_status_shows_it_without_an_address(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inbox: Inbox, tmp_path: Path
) -> None:
    hold(pipeline)
    monkeypatch.setenv("RAG_ALERTS", f"{inbox.url} {dead_address()}")
    what = f"source handbook is held at its last good version ({len(PAGES)} documents serve on)"
    code, out, err = rag(monkeypatch, capsys, "alerts", "send", "--json")
    sent = as_json(out)
    assert (code, sent["sent"], sent["waiting"]) == (1, [what], 1)
    assert inbox.titles == [f"[rag] {what}"]
    assert inbox.messages[0]["message"].splitlines()[-2] == "More: docs/runbook.md, An alert came: held source"
    shown = [out, err]
    for words in (("status",), ("status", "--json"), ("alerts", "show"), ("alerts", "show", "--json"), ("alerts", "send")):
        _, out, err = rag(monkeypatch, capsys, *words)
        shown += [out, err]
        assert "source handbook is held" in out or "1 thing is wrong" in out, words
        assert "receiver 2 (json)" in out and "not reached" in out, words
    assert len(inbox.messages) == 1
    files = [path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (*shown, *files) if SECRET in text]
    told = json.loads(pipeline.home.alerts.read_text(encoding="utf-8"))
    assert told["causes"]["held source: handbook"]["told"] == [1]
