"""`rag withdraw`, and keys that are granted labels, as people type them."""

import pytest

from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.command_line import as_json, pipeline, rag
from tests.support.small_releases import release_of

__all__ = ["pipeline"]

PAGES = {"leave.md": "# Leave\n\nThirty days.", "travel.md": "# Travel\n\nBook trains."}


def test_a_document_is_withdrawn_listed_and_restored(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release_of(pipeline.home, PAGES)

    def run(*words: str) -> tuple[int, str, str]:
        return rag(monkeypatch, capsys, "withdraw", *words)

    code, out, _ = run("handbook/leave.md", "--by", "ana", "--reason", "it is wrong", "--json")
    assert code == 0 and as_json(out)["action"] == "withdrawn"
    [one] = as_json(run("--json")[1])["withdrawn"]
    assert (one["document_id"], one["by"], one["why"]) == ("handbook/leave.md", "ana", "it is wrong")
    assert "handbook/leave.md" in run()[1]
    for words, says in (
        (("handbook/leaf.md", "--by", "ana", "--reason", "x"), "did you mean 'handbook/leave.md'"),
        (("handbook/travel.md",), "--by and --reason must say who does it and why"),
        (("--restore",), "name the document"),
    ):
        code, _, err = run(*words)
        assert code != 0 and says in " ".join(err.split())
    code, out, _ = run("handbook/leave.md", "--restore", "--by", "ben", "--reason", "it was right")
    assert code == 0 and "is shown to its readers again" in out
    assert as_json(run("--json")[1])["withdrawn"] == []


def test_a_key_reads_what_is_public_unless_it_is_granted_more(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_home(pipeline.settings)

    def made(*words: str) -> object:
        return as_json(rag(monkeypatch, capsys, "key", "new", "--name", "x", *words, "--json")[1])["reads"]

    assert made() == ["public"]
    assert made("--reads", "public, Human Resources ,HR") == ["hr", "human resources", "public"]
    code, _, err = rag(monkeypatch, capsys, "key", "new", "--name", "x", "--reads", "hr,*")
    assert code != 0 and "'*' is no label" in " ".join(err.split())
