"""`rag erase`: a person asks that nothing of a document be left."""

from datetime import timedelta

import pytest

from rag_pipeline.index.base import ERASED
from tests.conftest import Workspace
from tests.support.command_line import as_json, pipeline, rag
from tests.support.residue import Needles, residue
from tests.support.small_releases import NOW, bag_of_words, release_of

__all__ = ["pipeline"]

SECRET = "Berta Qxvrkzw lives in the third house."
OTHERS = {f"page{number}.md": f"Page {number} speaks of subject {number}." for number in range(40)}
NEEDLES = Needles([SECRET], ["Qxvrkzw"], bag_of_words(SECRET)[None])


def test_what_left_its_source_is_gone_from_the_next_release_after_a_person_asked(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = pipeline.home
    first = release_of(home, OTHERS | {"berta.md": SECRET}).manifest
    second = release_of(home, OTHERS, now=NOW + timedelta(days=1)).manifest
    assert {one.how for one in residue(home.release(second.id), NEEDLES)} == {"vector", "term"}
    code, out, _ = rag(monkeypatch, capsys, "erase", "handbook/berta.md", "handbook/page0.md", "--json")
    told = as_json(out)
    assert code == 0
    assert told["noted"] == ["handbook/berta.md", "handbook/page0.md"]
    assert told["still_stored"] == ["handbook/page0.md"]
    assert told["may_hold_erased"] == [second.id, first.id]
    third = release_of(home, OTHERS, now=NOW + timedelta(days=2)).manifest
    assert third.origin.rebuilt_because == ERASED
    assert residue(home.release(third.id), NEEDLES) == []
    code, out, _ = rag(monkeypatch, capsys, "status", "--json")
    assert as_json(out)["may_hold_erased"] == [second.id, first.id]
    code, out, _ = rag(monkeypatch, capsys, "erase", "handbook/berta.md")
    assert code == 0 and third.id in out and "rag refresh" in out


@pytest.mark.parametrize("name", ["berta.md", "nobody/berta.md", "handbook/", ""])
def test_what_is_no_documents_id_is_refused_before_anything_is_noted(
    name: str, pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release_of(pipeline.home, {"page.md": "Some page."})
    code, out, err = rag(monkeypatch, capsys, "erase", "handbook/page.md", name)
    assert (code, out) == (1, "")
    assert "is not the id of a document" in err and "handbook" in err
    assert not pipeline.home.erased.exists()
