"""What a person on call types: `rollback`, `resume`, `status`, and `verify --repair` of a channel nobody may believe."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.files import write_json
from tests.conftest import Workspace
from tests.support.command_line import PAGES, as_json, pipeline, rag, refreshed

__all__ = ["pipeline", "refreshed"]

Say = Callable[..., tuple[int, str, str]]


def says(text: str, *told: str) -> None:
    """Whatever lines were folded to fit the terminal, paths in the middle of a word."""
    flat = "".join(text.split())
    for one in told:
        assert "".join(one.split()) in flat, (one, text)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    return lambda *words: rag(monkeypatch, capsys, *words)


def file_of(pipeline: Workspace) -> Path:
    return pipeline.home.channel("production")


@pytest.mark.slow
def test_a_hold_is_told_everywhere_and_lifted_by_a_person(pipeline: Workspace, refreshed: str, say: Say) -> None:
    first = refreshed
    pipeline.pages({"travel.md": PAGES["travel.md"] + "\nTaxis are free.\n"})
    assert say("refresh")[0] == 0
    code, _, err = say("rollback", "--override")
    assert code == 1
    assert f"`rag rollback --to {first} --override --by NAME --reason WHY`" in err
    assert say("rollback", "--by", "ana", "--reason", "wrong prices")[0] == 0

    pipeline.pages({"leave.md": PAGES["leave.md"] + "\nAsk early.\n"})
    code, out, err = say("refresh")
    assert code == 0, "the night goes on; a person chose that it does not promote"
    says(out, "by ana (wrong prices): nothing automatic moves production", f"{first} serves on")
    says(out, "was built and evaluated, and not promoted: production is held since")

    code, out, _ = say("status")
    says(out, "held since", "`rag resume --by NAME --reason WHY` lifts the hold")
    told = as_json(say("status", "--json")[1])
    assert told["channels"]["production"]["hold"] | {"at": ""} == {"at": "", "by": "ana", "why": "wrong prices"}
    assert (told["candidate"]["verdict"], told["damaged_channels"]) == ("held", {})

    says(say("anchor")[1], f"production is held against {first}, accepted", "(the first release that was promoted)")
    assert "say who accepts it and why" in say("anchor", first, "--by", "ben")[2]
    assert "is the anchor of production already" in say("anchor", first, "--by", "ben", "--reason", "good")[2]
    assert as_json(say("releases", "--json")[1])["releases"][-1]["anchor_of"] == ["production"]
    assert told["anchors"]["production"]["release"] == first and told["frozen"] == {}

    assert "say who lifts the hold and why" in say("resume", "--by", "ben")[2]
    assert as_json(say("resume", "--by", "ben", "--reason", "fixed", "--json")[1])["release"] == first
    assert "is not held" in say("resume", "--by", "ben", "--reason", "fixed")[2]
    assert as_json(say("refresh", "--json")[1])["promoted"] is True


def test_a_channel_edited_by_hand_is_refused_shown_and_repaired(pipeline: Workspace, refreshed: str, say: Say) -> None:
    good = refreshed
    pipeline.golden("questions", {"how many days of vacation": ["handbook/leave.md"], "taxis": ["handbook/leave.md"]})
    pipeline.policy({"questions": {"floors": {"nDCG@10": 0.99}, "not_worse": None}})
    pipeline.pages({"travel.md": PAGES["travel.md"] + "\nTaxis are free.\n"})
    refused = as_json(say("refresh", "--json")[1])["release"]
    assert refused != good
    true = file_of(pipeline).read_bytes()
    write_json(file_of(pipeline), json.loads(true) | {"release": refused, "fingerprint": refused.rpartition("-")[2]})
    assert as_json(say("query", "taxis", "--json")[1])["release"] == refused, "readers read"
    for words in (("refresh",), ("promote", good), ("rollback",), ("gc",)):
        code, out, err = say(*words)
        assert code == 1, words
        says(out + err, "production.json was not written by this pipeline")
        says(out + err, "`rag verify --repair` writes the file again")
    assert "was not written by this pipeline" in as_json(say("status", "--json")[1])["damaged_channels"]["production"]
    says(say("status")[1], "was not written by this pipeline")
    code, out, _ = say("verify", "--json")
    assert code == 1
    assert set(as_json(out)["damaged_channels"]) == {"production"}
    code, out, _ = say("verify", "--repair", "--json")
    assert (code, as_json(out)["repaired"], as_json(out)["taken_as_they_are"]) == (0, {"production": good}, [])
    assert file_of(pipeline).read_bytes() == true
    assert say("verify")[0] == 0


@pytest.mark.slow
def test_repair_keeps_a_hold_and_takes_a_channel_without_an_audit_table_loudly(
    pipeline: Workspace, refreshed: str, say: Say
) -> None:
    first = refreshed
    pipeline.pages({"travel.md": PAGES["travel.md"] + "\nTaxis are free.\n"})
    say("refresh")
    say("rollback", "--by", "ana", "--reason", "wrong prices")
    true = file_of(pipeline).read_bytes()
    file_of(pipeline).write_bytes(b"{")
    code, out, _ = say("verify", "--repair")
    assert code == 0
    says(out, f"{first}, as move 3 of the audit table has it")
    assert file_of(pipeline).read_bytes() == true
    shutil.rmtree(pipeline.home.audit)
    code, out, err = say("refresh")
    assert code == 1
    says(out + err, "the audit table knows no move of production")
    code, out, _ = say("verify", "--repair")
    assert code == 0
    says(out, "TAKEN AS IT IS and written down as move 4 (restored)")
    now = read_channel(pipeline.home, "production")
    assert now and now.hold and (now.release, now.action, len(now.withdrawn)) == (first, "restored", 1)
    says(say("refresh")[1], "held since")
