"""RAG_HOME belongs to the pipeline or is refused: a mark says so, and who only looks makes nothing."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract
from tests.support.command_line import PAGES, rag
from tests.support.moving_channel import pointing
from tests.support.small_releases import NOW, release_of

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]

LOOKING = [
    ("status",),
    ("status", "--json"),
    ("releases",),
    ("query", "leave"),
    ("verify",),
    ("trace", "nope"),
    ("report",),
    ("quarantine", "list"),
    ("gc", "--dry-run"),
    ("gc",),
    ("promote", "20260101-000000-00000000", "--by", "you", "--reason", "good"),
    ("rollback", "--by", "you", "--reason", "wrong prices"),
    ("resume", "--by", "you", "--reason", "fixed"),
    ("evaluate",),
    ("erase", "handbook/leave.md"),
]


@pytest.fixture
def pipeline(workspace: Workspace, monkeypatch: Patch) -> Workspace:
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", {"how many days of vacation": ["handbook/leave.md"]})
    workspace.policy({"questions": {}})
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    return workspace


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_who_looks_into_a_home_that_is_not_there_is_told_so_and_makes_nothing(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, words: tuple[str, ...]
) -> None:
    code, _, err = rag(monkeypatch, capsys, *words)
    assert "Traceback" not in err
    assert not pipeline.home.root.exists()
    assert not (pipeline.root / "dagster").exists()
    assert (
        f"rag: there is no pipeline home at {pipeline.home}; `rag refresh` makes one, if RAG_HOME is what you meant" in err
    )
    assert code == (0 if words[0] in ("status", "releases", "quarantine") else 1)


def test_where_a_channels_file_is_lost_nobody_is_told_to_begin_anew(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture
) -> None:
    claim_home(pipeline.settings)
    first, moved = None, pointing("a")
    for name in ("a", "b"):
        pipeline.home.release(name).mkdir(parents=True)
        pipeline.home.manifest(name).write_text("{}", encoding="utf-8")
        move_and_record(pipeline.home, "production", moved, expected=first)
        first, moved = moved, pointing("b", moved)
    assert f" since {NOW + timedelta(days=1):%Y-%m-%d %H:%M} UTC (" in " ".join(
        rag(monkeypatch, capsys, "status")[1].split()
    )
    pipeline.home.channel("production").unlink()
    _, out, _ = rag(monkeypatch, capsys, "status")
    assert "`rag verify --repair` restores it" in out.replace("\n", " ")
    assert "nothing serves yet" not in out
    assert "if users were served before, `rag verify --repair`" in rag(monkeypatch, capsys, "query", "leave")[2]


def test_a_damaged_candidate_is_named_and_written_again(pipeline: Workspace, monkeypatch: Patch, capsys: Capture) -> None:
    claim_home(pipeline.settings)
    pipeline.home.candidate.write_text("{")
    code, _, err = rag(monkeypatch, capsys, "evaluate")
    assert (code, err.count("\n")) == (1, 1)
    assert "candidate.json is damaged: " in err and "`rag refresh` writes it again" in err
    assert rag(monkeypatch, capsys, "status")[0] == 0


@pytest.mark.parametrize("words", [*LOOKING, ("refresh",), ("embed", "bench")], ids=" ".join)
def test_a_folder_with_other_things_in_it_is_no_home(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, words: tuple[str, ...]
) -> None:
    for name in ("thesis.docx", "photos/holiday.jpg", "models/mine/config.json", "views/a.txt", "releases/x-y/a.txt"):
        (pipeline.home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (pipeline.home.root / name).write_text("mine")
    before = sorted(pipeline.home.root.rglob("*"))
    code, _, err = rag(monkeypatch, capsys, *words)
    assert code == 1
    assert err == (
        f"rag: RAG_HOME={pipeline.home} is not a pipeline's home: it holds models, photos, releases and 2 more and no "
        ".rag-home.json; name an empty folder, or a new one\n"
    )
    assert sorted(pipeline.home.root.rglob("*")) == before


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "what systems put there", "Dagster's own", "its contracts"])
def test_an_empty_folder_is_marked_before_anything_else_is_written(tmp_path: Path, monkeypatch: Patch, there: str) -> None:
    settings = Settings(home=tmp_path / "home", contracts=tmp_path / "home" / "contracts")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    if there != "nothing":
        settings.home.root.mkdir()
    if there == "what systems put there":
        (settings.home.root / "lost+found").mkdir()
        (settings.home.root / ".DS_Store").touch()
    if there == "Dagster's own":
        settings.home.dagster.mkdir()
        (settings.home.dagster / "dagster.yaml").touch()
    if there == "its contracts":
        settings.contracts.mkdir()
    assert prepare_dagster_home(settings) == settings.home.dagster
    assert json.loads(settings.home.mark.read_text())["format"] == 1
    claim_home(settings)


def test_dagsters_own_folder_may_have_another_name(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "state" / "of dagster"))
    (tmp_path / "home" / "state" / "of dagster").mkdir(parents=True)
    claim_home(Settings(home=tmp_path / "home"))
    assert Home(tmp_path / "home").mark.is_file()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home as the pipeline made it before there were marks."""
    home = Home(tmp_path_factory.mktemp("old") / "home")
    release_of(home, {"a.md": "# A\n\nnumber one"})
    home.dagster.mkdir()
    return home


@pytest.mark.parametrize("lost", ["nothing", "lake", "releases"])
def test_a_home_older_than_marks_is_known_by_what_is_in_it_and_marked(old: Home, tmp_path: Path, lost: str) -> None:
    shutil.copytree(old.root, tmp_path / "home")
    shutil.rmtree(tmp_path / "home" / lost, ignore_errors=True)
    (tmp_path / "home" / "notes.txt").write_text("a note of the person on call")
    claim_home(Settings(home=tmp_path / "home"))
    assert Home(tmp_path / "home").mark.is_file()


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ('{"format": 2}', "says format 2, this pipeline knows 1"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("", "is damaged"),
    ],
)
def test_a_mark_of_another_pipeline_or_none_at_all_is_said(tmp_path: Path, mark: str, says: str) -> None:
    Home(tmp_path).mark.write_text(mark)
    with pytest.raises(PipelineError, match=says):
        claim_home(Settings(home=tmp_path))


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(PipelineError, match="is a file; name a folder"):
        claim_home(Settings(home=tmp_path / "home"))
