"""`rag canary` as people type it."""

import pytest

from rag_pipeline.channels.pointer import write_pointer
from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.command_line import as_json, rag
from tests.support.moving_channel import pointing


def test_a_split_is_started_shown_and_stopped(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_home(workspace.settings)
    monkeypatch.setenv("RAG_HOME", str(workspace.home))
    said = ("--by", "ana", "--reason", "a new chunker")
    assert "no traffic was ever split" in rag(monkeypatch, capsys, "canary", "show")[1]
    code, _, wrong = rag(monkeypatch, capsys, "canary", "start", *said)
    assert code == 1 and "no channel 'production'" in wrong
    for name in ("production", "canary"):
        write_pointer(workspace.home, name, pointing(f"release of {name}"))
    code, _, wrong = rag(monkeypatch, capsys, "canary", "start")
    assert code == 1 and "say who starts the split and why" in wrong
    code, out, _ = rag(monkeypatch, capsys, "canary", "start", "--percent", "5", *said)
    assert code == 0 and "5 % of production is answered from canary" in out and "stable" in out
    told = as_json(rag(monkeypatch, capsys, "canary", "show", "--json")[1])
    assert (told["on"], told["split"]["percent"], told["split"]["by"]) == (True, 5.0, "ana")
    assert "salt" not in told["split"], "who is in the part is nobody's business"
    assert [arm["queries"] for arm in told["arms"]] == [0, 0]
    told = as_json(rag(monkeypatch, capsys, "canary", "stop", *said, "--json")[1])
    assert (told["on"], told["split"]["percent"], told["split"]["by_replica"]) == (False, 0.0, False)
    assert "gets no more of production" in rag(monkeypatch, capsys, "canary", "show")[1]
