"""`rag key`, and what `rag serve` says before it serves."""

import socket

import pytest

from rag_pipeline.door.keys import KeyRing
from rag_pipeline.door.problems import Problem
from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.command_line import as_json, pipeline, rag
from tests.support.small_releases import NOW

__all__ = ["pipeline"]


@pytest.fixture
def empty(pipeline: Workspace) -> Workspace:
    """A home without a release; nothing here opens one."""
    claim_home(pipeline.settings)
    return pipeline


def test_a_key_is_made_listed_and_taken_back(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = rag(monkeypatch, capsys, "key", "new", "--name", "intranet", "--may", "search, mode", "--json")
    made = as_json(out)
    assert (code, made["may"], made["reads"]) == (0, ["mode", "search"], ["public"])
    assert KeyRing(empty.home).principal(made["key"], NOW).id == made["id"]

    _, out, _ = rag(monkeypatch, capsys, "key", "list")
    assert "intranet" in out
    assert "valid" in out
    assert made["key"] not in out
    listed = as_json(rag(monkeypatch, capsys, "key", "list", "--json")[1])["keys"]
    assert [(one["id"], one["state"]) for one in listed] == [(made["id"], "valid")]
    assert "sha256" not in listed[0]

    assert as_json(rag(monkeypatch, capsys, "key", "revoke", made["id"], "--json")[1])["state"] == "revoked"
    with pytest.raises(Problem):
        KeyRing(empty.home).principal(made["key"], NOW)


def test_a_key_for_people_is_shown_once_with_what_takes_it_back(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = rag(monkeypatch, capsys, "key", "new", "--name", "intranet")
    assert out.startswith("rag_")
    assert "`rag key revoke k_" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["key", "new", "--name", "x", "--may", "serach"], "did you mean 'search'"),
        (["key", "new", "--name", " \x1b[2J"], "--name"),
        (["key", "revoke", "k_nothing"], "no key 'k_nothing'"),
        (["serve"], "Make one with `rag key new --name NAME`"),
        (["serve", "--no-auth", "--host", "0.0.0.0"], "--no-auth lets in whoever reaches 0.0.0.0"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_fix(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    code, _, err = rag(monkeypatch, capsys, *words)
    assert (code, says in err) == (1, True), err


def test_an_expired_key_is_nobody_who_could_ask(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = as_json(rag(monkeypatch, capsys, "key", "new", "--name", "x", "--json")[1])
    rag(monkeypatch, capsys, "key", "revoke", made["id"])
    code, _, err = rag(monkeypatch, capsys, "serve")
    assert (code, "holds no valid key" in err) == (1, True)


def test_a_port_that_is_taken_is_named(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = rag(monkeypatch, capsys, "serve", "--no-auth", "--port", port)
    assert (code, f"--port {port}: it cannot be listened on" in err) == (1, True)
