"""`rag`, as people and scripts call it: real commands on a small pipeline."""

from pathlib import Path

import pytest

from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.command_line import PAGES, as_json, pipeline, rag, refreshed

__all__ = ["pipeline", "refreshed"]


def test_a_whole_day_on_the_command_line(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = rag(monkeypatch, capsys, "rollback")
    assert code == 1
    assert "there is no pipeline home" in err
    code, out, _ = rag(monkeypatch, capsys, "refresh", "--json")
    summary = as_json(out)
    assert code == 0
    assert summary["promoted"] is True
    assert summary["texts_embedded"] == len(PAGES)
    release = summary["release"]

    code, out, _ = rag(monkeypatch, capsys, "query", "my computer was stolen", "--k", "2", "--json")
    answer = as_json(out)
    assert code == 0
    assert set(answer) == {"release", "mode", "took_ms", "hits"}
    assert answer["release"] == release
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
    top = answer["hits"][0]
    shown = {"rank", "chunk_id", "document_id", "source", "score", "text", "title", "uri", "start", "end"}
    assert set(top) == shown | {"heading", "metadata"}
    assert top["document_id"] == "handbook/laptops.md"
    assert PAGES["laptops.md"][top["start"] : top["end"]] == top["text"]

    for mode in ("dense", "lexical", "hybrid"):
        code, out, _ = rag(monkeypatch, capsys, "query", "a stolen computer", "--mode", mode, "--json")
        answer = as_json(out)
        assert (code, answer["mode"], answer["release"]) == (0, mode, release)
        assert answer["hits"][0]["document_id"] == "handbook/laptops.md"

    code, out, _ = rag(monkeypatch, capsys, "status", "--json")
    status = as_json(out)
    assert status["channels"]["production"]["release"] == release
    assert status["sources"][0]["within_sla"] is True
    assert status["candidate"] == {"release": release, "verdict": "passed", "reasons": [], "notes": []}

    code, out, _ = rag(monkeypatch, capsys, "releases", "--json")
    (kept,) = as_json(out)["releases"]
    assert kept["release"] == release
    assert kept["channels"] == ["production"]
    assert kept["chunks"] == len(PAGES)

    code, out, _ = rag(monkeypatch, capsys, "evaluate", "--json")
    measured = as_json(out)
    assert code == 0
    assert measured["verdict"] == "passed"
    assert measured["golden_sets"]["questions"]["nDCG@10"] == 1.0
    assert measured["latency_ms"]["p95"] > 0

    for words in (("refresh",), ("query", "holidays"), ("status",), ("releases",), ("evaluate", "--release", release)):
        code, out, err = rag(monkeypatch, capsys, *words)
        assert code == 0, (words, out, err)
        assert out.strip()


def test_a_refresh_that_is_refused_exits_with_three_and_says_why(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.golden("questions", {"how many days of vacation": ["handbook/travel.md"]})
    pipeline.policy({"questions": {"floors": {"nDCG@10": 0.99}, "not_worse": None}})
    code, out, _ = rag(monkeypatch, capsys, "refresh", "--json")
    summary = as_json(out)
    assert code == 3, "the gate said no; nothing failed"
    assert (summary["success"], summary["refused"]) == (False, True)
    assert summary["says"] == (f"The gate refused {summary['release']} (regressed). Nothing failed: nothing serves yet.")
    assert summary["promoted"] is False
    assert any("below its floor of 0.99" in check["description"] for check in summary["failed_checks"])
    code, out, _ = rag(monkeypatch, capsys, "evaluate", "--json")
    assert code == 3
    assert as_json(out)["verdict"] == "regressed"
    pipeline.policy({"questions": {"floors": {"nDCG@10": "high"}}})
    code, out, err = rag(monkeypatch, capsys, "refresh", "--json")
    assert code == 1, "a policy nobody can read is a failure, and no refusal"
    assert "gate.yaml" in err + out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("query", "anything"), "no channel 'production'"),
        (("query", "anything", "--release", "nope"), "no release 'nope'"),
        (("query", "  "), "the query is blank"),
        (("evaluate",), "there is no candidate yet"),
        (("refresh", "--source", "handbok"), "no source 'handbok'; known: handbook"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_paragraph(
    pipeline: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    claim_home(pipeline.settings)
    code, out, err = rag(monkeypatch, capsys, *words)
    assert code == 1
    assert out == ""
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("RAG_TIMEZONE", "Mars/Olympus", "unknown time zone"),
        ("RAG_EMBED_BATCH", "many", "RAG_EMBED_BATCH='many'"),
        ("RAG_CONTRACTS", "/nowhere/at/all", "no such folder"),
        ("PANDERA_VALIDATION_ENABLED", "False", "switches data contracts off"),
        ("PANDERA_VALIDATION_ENABLED", "TRUE", "switches data contracts off"),
        ("PANDERA_VALIDATION_ENABLED", "", "switches data contracts off"),
        ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY", "switches data contracts off"),
        ("PANDERA_USE_NARWHALS_BACKEND", "1", "switches data contracts off"),
    ],
)
def test_a_bad_setting_is_named(
    pipeline: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: str,
    says: str,
) -> None:
    monkeypatch.setenv(setting, value)
    code, _, err = rag(monkeypatch, capsys, "status")
    assert code == 1
    assert says in err


def test_a_model_that_is_not_there_is_named_without_asking_the_network(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_MODEL", "nobody/no-such-model")
    code, out, err = rag(monkeypatch, capsys, "refresh", "--json")
    assert (code, out) == (1, ""), "it is refused before a run starts"
    assert "neither a folder nor a model in the local cache" in err


def test_a_contract_with_a_typo_stops_before_anything_is_touched(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path: Path = pipeline.root / "contracts" / "handbook.odcs.yaml"
    path.write_text(path.read_text().replace("logicalType:", "logicalTyp:", 1))
    code, _, err = rag(monkeypatch, capsys, "refresh")
    assert code == 1
    assert "did you mean 'logicalType'?" in err
    assert "handbook.odcs.yaml:" in err
    assert not pipeline.home.lake.exists()


def test_square_brackets_in_names_are_shown_as_they_are(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.pages({"[bold]gardens[nope].md": "# Gardens\n\nWater roses [daily] in the morning, says [/the] gardener.\n"})
    code, _, _ = rag(monkeypatch, capsys, "refresh")
    assert code == 0
    code, out, _ = rag(monkeypatch, capsys, "query", "roses", "--k", "1")
    assert code == 0
    assert "handbook/[bold]gardens[nope].md" in out
    assert "[daily]" in out


def test_a_release_comes_back_through_the_gate_or_by_an_audited_override(
    pipeline: Workspace, refreshed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rag_pipeline.channels.audit import audit_table
    from rag_pipeline.channels.pointer import serving

    first = refreshed
    pipeline.pages({"travel.md": PAGES["travel.md"] + "\nTaxis only at night.\n"})
    second = as_json(rag(monkeypatch, capsys, "refresh", "--json")[1])["production"]
    assert second != first

    code, out, _ = rag(monkeypatch, capsys, "rollback", "--by", "ana", "--reason", "taxis", "--json")
    assert code == 0
    assert as_json(out) | {"run_id": ""} == {
        "channel": "production",
        "release": first,
        "previous": second,
        "moved": True,
        "override": False,
        "answers": "whole sentences",
        "run_id": "",
    }
    assert serving(pipeline.home) == first
    code, out, _ = rag(monkeypatch, capsys, "refresh", "--json")
    assert code == 0, "a hold is a state a person chose, and no failure"
    [warned] = as_json(out)["failed_checks"]
    assert (warned["check"], warned["severity"]) == ("the_gate_let_it_pass", "WARN")
    assert "rolled back by ana" in warned["description"]
    assert "held since" in warned["description"]
    assert serving(pipeline.home) == first, "the next nightly must not undo a rollback"
    assert rag(monkeypatch, capsys, "promote", second)[0] == 0

    pipeline.golden("questions", {"how many days of vacation": ["handbook/travel.md"]})
    pipeline.policy({"questions": {"floors": {"nDCG@10": 0.99}, "not_worse": None}})
    code, _, err = rag(monkeypatch, capsys, "promote", first)
    assert code == 3, "the gate's no has a code of its own"
    assert "below its floor of 0.99" in err
    assert f"`rag promote {first} --override --by NAME --reason WHY`" in err
    assert rag(monkeypatch, capsys, "promote", first, "--override")[0] == 1
    assert serving(pipeline.home) == second
    assert rag(monkeypatch, capsys, "promote", first, "--override", "--by", "ana", "--reason", "known issue")[0] == 0
    assert serving(pipeline.home) == first

    chroma = next(pipeline.home.release(second).rglob("sealed.sqlite3"))
    chroma.chmod(0o644)
    chroma.write_bytes(chroma.read_bytes() + b"x")
    code, _, err = rag(monkeypatch, capsys, "promote", second, "--override", "--by", "ana", "--reason", "please")
    assert code == 3
    assert "differ from its manifest" in err
    assert serving(pipeline.home) == first

    audit = audit_table(pipeline.home).scan().sort("number").collect()
    assert audit["action"].to_list() == ["promoted"] * 3 + ["refused", "promoted", "refused", "overridden", "refused"]
    assert audit["by"].to_list()[2] == "ana"
    assert audit["why"].to_list()[6] == "known issue"


def test_the_list_of_releases_says_what_was_decided_how_good_each_is_and_who_let_it_serve(
    pipeline: Workspace, refreshed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.policy({"questions": {"floors": {"nDCG@10": 0.5, "precision@10": 1.0}, "not_worse": None}})
    pipeline.pages(
        {"leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year, and the first of May.\n"}
    )
    assert rag(monkeypatch, capsys, "refresh")[0] == 3
    newer, older = as_json(rag(monkeypatch, capsys, "releases", "--json")[1])["releases"]
    assert (newer["verdict"], newer["promoted_by"]) == ("regressed", "")
    assert (older["release"], older["verdict"], older["promoted_by"]) == (refreshed, "passed", "nightly: refresh")
    assert older["primary"] == {"questions": {"metric": "nDCG@10", "value": 1.0}} and older["figures"] == "nDCG@10 1.0000"
    shown = rag(monkeypatch, capsys, "releases")[1]
    assert "regressed" in shown and "nDCG@10 1.0000" in shown and "nightly: refresh" in shown
