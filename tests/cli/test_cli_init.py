"""`rag init`: a folder in which `rag refresh` and `dg dev` work, made from the package alone."""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.errors import PipelineError
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.project import env_file, project_folder
from rag_pipeline.scaffold import TEMPLATES
from rag_pipeline.settings import Settings, load_settings
from tests.support.command_line import rag

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]

TITLES = """Annual leave and holidays, Business trips abroad, Passwords and keys, Lost or stolen laptops, Canteen hours,
Parking below the building, Bicycles in the yard, Parental leave rules, Sick days and doctors, Pension and insurance,
Fire drills in spring, Visitors and badges"""
PAGES = [
    f"# {title}\n\n{title} is a page about {title.lower()}, and it says what everybody should know of it.\n"
    for title in TITLES.replace("\n", " ").split(", ")
]


@pytest.fixture(autouse=True)
def _nothing_of_another_project(tmp_path: Path, monkeypatch: Patch) -> None:
    for name in ("RAG_HOME", "RAG_CONTRACTS", "RAG_EVALS", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # so that what a command sets is undone
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_example_is_a_whole_project(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    code, out, _ = rag(monkeypatch, capsys, "init", "demo", "--json")
    assert code == 0
    made = json.loads(out)
    demo = tmp_path / "demo"
    assert made["project"] == str(demo) and made["kept"] == [] == made["notes"]
    assert all((demo / name).is_file() for name in made["written"])
    contracts = read_contracts(demo / "contracts")
    assert [one.source for one in contracts] == ["handbook"]
    [golden] = read_golden_sets(demo / "evals")
    pages = {f"handbook/{page.name}" for page in (demo / "pages").iterdir()}
    assert {document for judged in golden.qrels.values() for document in judged} <= pages
    assert list(read_policy(demo / "evals").channels["production"].golden_sets) == [golden.name]
    assert (demo / ".rag" / "dagster" / "dagster.yaml").is_file(), "dg dev needs it before the first refresh"
    assert f"DAGSTER_HOME='{demo}/.rag/dagster'" in (demo / ".env").read_text(encoding="utf-8")


def test_no_template_is_forgotten(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    rag(monkeypatch, capsys, "init", "demo")
    templates = [one for one in TEMPLATES.rglob("*") if one.is_file()]
    written = [one for one in (tmp_path / "demo").rglob("*") if one.is_file() and ".rag" not in one.parts]
    assert len(written) == len(templates)
    assert not [one for one in written if "$" in one.read_text(encoding="utf-8")]


def test_from_a_folder_it_drafts_a_contract_and_asks_its_titles(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    (tmp_path / "pages").mkdir()
    for number, page in enumerate(PAGES):
        (tmp_path / "pages" / f"{number}.md").write_text(page, encoding="utf-8")
    code, out, _ = rag(monkeypatch, capsys, "init", "own", "--from", "pages", "--owner", "ana@example.com")
    assert (code, "drafted from 12 documents" in out) == (0, True)
    own = tmp_path / "own"
    [contract] = read_contracts(own / "contracts")
    assert (contract.source, contract.owners) == ("pages", ("ana@example.com",))
    [golden] = read_golden_sets(own / "evals")
    assert golden.name == "first_questions" and len(golden.queries) >= 10
    assert list(read_policy(own / "evals").channels["production"].golden_sets) == ["first_questions"]
    assert not (own / ".rag" / "lake").exists(), "the first refresh loads, and says what"
    monkeypatch.chdir(own)
    assert env_file()["RAG_OWNER"] == "ana@example.com", "of releases and of the gate too"


def test_of_a_database_a_table_is_named(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    with sqlite3.connect(tmp_path / "desk.db") as database:
        database.execute("CREATE TABLE articles (id TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL)")
        rows = [(str(number), *page.removeprefix("# ").split("\n\n")) for number, page in enumerate(PAGES)]
        database.executemany("INSERT INTO articles VALUES (?, ?, ?)", rows)
    place = f"sqlite:///{tmp_path / 'desk.db'}"
    code, _, err = rag(monkeypatch, capsys, "init", "own", "--from", place)
    assert code == 1 and "--table" in err and not (tmp_path / "own").exists()
    code, _, err = rag(monkeypatch, capsys, "init", "own", "--from", place, "--table", "articles")
    assert code == 0, err
    [contract] = read_contracts(tmp_path / "own" / "contracts")
    assert contract.source == "articles"
    [golden] = read_golden_sets(tmp_path / "own" / "evals")
    assert len(golden.queries) >= 10


def write_by_hand(evals: Path, says: str) -> None:
    """A golden set, by what the message says and nothing else."""
    folder = Path(says.partition("Write it in ")[2].partition(": golden.yaml")[0])
    (folder / "qrels").mkdir(parents=True)
    (folder / "golden.yaml").write_text("description: mine\nowner: ana@example.com\n", encoding="utf-8")
    (folder / "queries.jsonl").write_text(
        says.partition("with a line ")[2].partition(" for each")[0] + "\n", encoding="utf-8"
    )
    head = says.partition("with the line `")[2].partition("`")[0]
    row = says.partition("between them (`")[2].partition("`")[0].replace("KEY", "one.md")
    lines = [line.replace(" ", "\t") + "\n" for line in (head, row)]
    (folder / "qrels" / "test.tsv").write_text("".join(lines), encoding="utf-8")
    gate, _, name = says.partition("Then rename ")[2].partition("\n")[0].rstrip(".").partition(" to ")
    Path(gate).rename(evals / name)


def test_too_few_titles_make_no_set_and_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one.md").write_text(PAGES[0], encoding="utf-8")
    code, out, _ = rag(monkeypatch, capsys, "init", "own", "--from", "pages")
    assert code == 0
    assert "No golden set was made: only" in out and not list((tmp_path / "own" / "evals").glob("*/golden.yaml"))
    write_by_hand(tmp_path / "own" / "evals", out)
    [golden] = read_golden_sets(tmp_path / "own" / "evals")
    assert golden.qrels == {"q1": {"pages/one.md": 1}}
    assert list(read_policy(tmp_path / "own" / "evals").channels["production"].golden_sets) == [golden.name]


def test_a_place_that_is_not_there_leaves_nothing_behind(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    code, _, err = rag(monkeypatch, capsys, "init", "own", "--from", "nowhere")
    assert code == 1 and "nowhere" in err
    assert not (tmp_path / "own").exists()


def test_a_second_project_in_the_same_place_is_refused(monkeypatch: Patch, capsys: Capture) -> None:
    rag(monkeypatch, capsys, "init", "demo")
    code, _, err = rag(monkeypatch, capsys, "init", "demo")
    assert code == 1 and "holds a project already" in err


def test_after_a_command_that_was_killed_it_may_be_called_again(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    for name in ("contracts", "evals"):
        (tmp_path / "demo" / name).mkdir(parents=True)
    assert rag(monkeypatch, capsys, "init", "demo")[0] == 0
    assert read_contracts(tmp_path / "demo" / "contracts")


@pytest.mark.parametrize("name", ["it's a $folder # of mine", "Ünï côde"])
def test_the_name_of_the_folder_may_hold_anything(tmp_path: Path, monkeypatch: Patch, capsys: Capture, name: str) -> None:
    code, out, err = rag(monkeypatch, capsys, "init", name, "--json")
    assert code == 0, err
    project = tmp_path / name
    monkeypatch.chdir(project)
    assert env_file()["DAGSTER_HOME"] == str(project / ".rag" / "dagster")
    assert shlex.split(json.loads(out)["next"][0]) == ["cd", str(project)]


def test_an_owner_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    code, _, err = rag(monkeypatch, capsys, "init", "demo", "--owner", "nobody")
    assert code == 1 and "--owner" in err and "Traceback" not in err
    assert not (tmp_path / "demo").exists()
    assert rag(monkeypatch, capsys, "init", "demo", "--owner", "team: a # b")[0] == 0
    [golden] = read_golden_sets(tmp_path / "demo" / "evals")
    assert golden.about.owner == "team: a # b"
    monkeypatch.chdir(tmp_path / "demo")
    assert env_file()["RAG_OWNER"] == "team: a # b"


def test_files_that_are_there_stay(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "README.md").write_text("mine", encoding="utf-8")
    _, out, _ = rag(monkeypatch, capsys, "init", "demo")
    assert (tmp_path / "demo" / "README.md").read_text(encoding="utf-8") == "mine"
    assert "README.md was there and stays as it is" in out


def test_the_project_is_the_nearest_folder_above(tmp_path: Path, monkeypatch: Patch) -> None:
    assert project_folder() == tmp_path, "without one it is the working directory"
    for name in ("contracts", "evals", "pages/deep"):
        (tmp_path / "demo" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "demo" / "pages" / "deep")
    assert project_folder() == tmp_path / "demo"
    settings = Settings()
    assert (settings.home.root, settings.contracts) == (tmp_path / "demo" / ".rag", tmp_path / "demo" / "contracts")


def test_env_file_is_read_and_the_shell_wins(tmp_path: Path, monkeypatch: Patch) -> None:
    for name in ("contracts", "evals"):
        (tmp_path / name).mkdir()
    (tmp_path / ".env").write_text("RAG_ACTOR=file\nRAG_OWNER=team:file\n", encoding="utf-8")
    monkeypatch.setenv("RAG_ACTOR", "shell")
    monkeypatch.setenv("RAG_OWNER", "")
    monkeypatch.delenv("RAG_OWNER")
    settings = load_settings()
    assert (settings.actor, settings.owner) == ("shell", "team:file")
    monkeypatch.delenv("RAG_OWNER")


@pytest.mark.parametrize(
    ("text", "says"), [(b"RAG_ACTOR\n", "RAG_ACTOR has no value"), (b"RAG_ACTOR=\xff\xfe\n", "cannot be read")]
)
def test_an_env_file_that_is_wrong_is_named(tmp_path: Path, text: bytes, says: str) -> None:
    for name in ("contracts", "evals"):
        (tmp_path / name).mkdir()
    (tmp_path / ".env").write_bytes(text)
    with pytest.raises(PipelineError, match=says) as found:
        env_file()
    assert str(tmp_path / ".env") in str(found.value)


def test_an_env_file_of_no_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAG_ACTOR\n", encoding="utf-8")
    assert env_file() == {}


@pytest.mark.slow
def test_the_example_is_promoted_and_dg_lists_it(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    rag(monkeypatch, capsys, "init", "demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "DAGSTER_HOME"))}
    bin_folder = Path(sys.executable).parent

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(bin_folder / words[0]), *words[1:]], cwd=tmp_path / "demo", env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        return done.stdout

    assert "serves now" in run("rag", "refresh")
    assert (
        json.loads(run("rag", "query", "my computer was stolen", "--json"))["hits"][0]["document_id"]
        == "handbook/laptops.md"
    )
    assert "index/production" in run("dg", "list", "defs", "--json")
