"""`rag golden …` as people use it: in a terminal and on a pipe, on a release that was really built."""

import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from rag_pipeline import cli
from rag_pipeline.golden.read import read_golden_set
from tests.conftest import Workspace, files_contract

TOPICS = {
    "leave": "Every employee has thirty days of paid holiday each year.",
    "travel": "Book trains in second class. Flights need approval.",
    "laptops": "Encrypt the disk of every laptop. Report a stolen laptop at once.",
    "visitors": "Visitors sign the book at the door and wear a badge.",
    "parking": "The yard behind the house has nine places for cars.",
    "lunch": "Lunch is paid for when a guest is at the table.",
}
PAGES = {
    f"{name}.md": f"# All about {name} here\n\n{text} {text}\n\n## Who answers for {name}\n\nPeople of {name} do: {text}\n"
    for name, text in TOPICS.items()
}
PROMPT = "2 / 1 / 0 / s / f / u / q > "


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A promoted release of six pages, built once for all tests here; nobody writes to its home but for query vectors."""
    workspace = Workspace(tmp_path_factory.mktemp("golden"))
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", {"how many days may I be away": ["handbook/leave.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.1}}})
    command = [sys.executable, "-c", "from rag_pipeline.cli import main; main()", "refresh", "--json"]
    done = subprocess.run(command, env=environment(workspace, workspace.root / "evals"), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["promoted"] is True
    return workspace


@pytest.fixture
def evals(built: Workspace, tmp_path: Path) -> Path:
    """Golden sets of the test's own."""
    return shutil.copytree(built.root / "evals", tmp_path / "evals")


def environment(built: Workspace, evals: Path) -> dict[str, str]:
    return {**built.environment, "DAGSTER_HOME": str(built.root / "dagster"), "RAG_EVALS": str(evals), "TERM": "dumb"}


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Rag(Protocol):
    def __call__(self, *words: str, keys: str = "") -> Done: ...


@pytest.fixture
def rag(built: Workspace, evals: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rag:
    """Run `rag WORDS` in this process, with `keys` on a pipe."""
    for name, value in {**environment(built, evals), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, keys: str = "") -> Done:
        monkeypatch.setattr("sys.argv", ["rag", *words])
        monkeypatch.setattr("sys.stdin", io.StringIO(keys))
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Done(code, *capsys.readouterr())

    return run


class Terminal:
    """`rag WORDS` in a pseudo-terminal."""

    def __init__(self, built: Workspace, evals: Path, *words: str) -> None:
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what it runs in the background
            code = "from rag_pipeline.cli import main; main()"
            os.execve(sys.executable, [sys.executable, "-c", code, *words], environment(built, evals))

    def until(self, sign: str, within_s: float = 120) -> str:
        seen, deadline = b"", time.monotonic() + within_s
        while time.monotonic() < deadline:
            if select.select([self.descriptor], [], [], 0.5)[0]:
                try:
                    part = os.read(self.descriptor, 65_536)
                except OSError:  # the other end is closed
                    part = b""
                seen += part
                if sign and seen.decode("utf-8", "replace").endswith(sign):
                    break
                if not part:
                    break
        return seen.decode("utf-8", "replace")

    def press(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(status)


def judgments(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "judgments.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_set_is_proposed_checked_and_judged_in_one_go(rag: Rag, evals: Path) -> None:
    done = rag("golden", "new", "first", "--queries", "10", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["queries"], told["sources"], len(told["examples"])) == (10, {"handbook": 10}, 3)
    assert told["next"][0] == "rag golden check first"
    assert read_golden_set(evals / "first").about.made_by == "machine"

    again = rag("golden", "new", "first")
    assert again.returncode == 1
    assert "already exists" in again.stderr

    done = rag("golden", "check", "first", "--json")
    assert done.returncode == 0, done.stderr
    checked = json.loads(done.stdout)["golden_sets"]["first"]
    assert (checked["queries"], checked["judgments"]) == (10, 10)
    assert [set(one) for one in checked["findings"]] == [{"level", "kind", "where", "query", "says"}]

    done = rag("golden", "judge", "first", "--by", "anna", "--limit", "2", "--json", keys="0\n0\n0\n")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["judged"], told["judge"], told["queries"]) == (2, "anna", 10)
    assert len(judgments(evals / "first")) == 2
    assert sum(map(len, read_golden_set(evals / "first").qrels.values())) == 12


def test_a_person_judges_in_a_terminal_thinks_again_and_stops_with_control_c(built: Workspace, evals: Path) -> None:
    folder = evals / "questions"
    before = (folder / "qrels/test.tsv").read_text()
    terminal = Terminal(built, evals, "golden", "judge", "questions", "--by", "ben", "--k", "3")
    shown = terminal.until(PROMPT)
    assert "how many days may I be away" in shown
    assert "handbook/leave.md" not in shown, "it was judged before"
    terminal.press("2\n")
    terminal.until(PROMPT)
    terminal.press("u\n")
    assert terminal.until(PROMPT).count("query 1 of 1") == 1
    assert (folder / "qrels/test.tsv").read_text() == before
    terminal.press("nonsense\n")
    assert "1 helps" in terminal.until(PROMPT)
    terminal.press("1\n")
    terminal.until(PROMPT)
    time.sleep(0.3)  # the prompt is there a moment before it is read
    terminal.press("\x03")
    assert "1 judged" in terminal.until("")
    assert terminal.end() == 0
    assert [one["grade"] for one in judgments(folder)] == [2, None, 1]
    kept = judgments(folder)[-1]
    assert (kept["query"], kept["judge"], kept["at"][-6:]) == ("q0", "ben", "+00:00")
    assert kept["passage"] in PAGES[kept["document"].removeprefix("handbook/")]
    assert read_golden_set(folder).qrels["q0"] == {"handbook/leave.md": 1, kept["document"]: 1}


def test_a_killed_session_loses_nothing_and_what_was_judged_is_not_asked_again(
    built: Workspace, rag: Rag, evals: Path
) -> None:
    folder = evals / "questions"
    terminal = Terminal(built, evals, "golden", "judge", "questions", "--by", "ben")
    for _ in range(2):
        terminal.until(PROMPT)
        terminal.press("0\n")
    terminal.until(PROMPT)
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.end() == -signal.SIGKILL
    first = {one["document"] for one in judgments(folder)}
    assert len(first) == 2

    done = rag("golden", "judge", "questions", "--by", "ben", keys="0\n" * 20)
    assert done.returncode == 0, done.stderr
    assert " left of the 1 queries looked at" in done.stdout
    asked = [one["document"] for one in judgments(folder)]
    assert len(asked) == len(set(asked))
    assert set(asked) | {"handbook/leave.md"} == set(read_golden_set(folder).qrels["q0"])

    done = rag("golden", "judge", "questions", "--by", "ben", keys="2\n")
    assert "0 judged, 0 left" in done.stdout


def test_passages_are_judged_where_a_set_quotes(rag: Rag, evals: Path) -> None:
    folder = evals / "questions"
    (folder / "qrels/test.tsv").unlink()
    quoted = {"document": "handbook/leave.md", "quote": TOPICS["leave"]}
    (folder / "queries.jsonl").write_text(
        json.dumps({"_id": "q0", "text": "who pays for lunch", "references": [quoted]}) + "\n"
    )
    done = rag("golden", "judge", "questions", "--by", "ben", "--k", "1", keys="2\nq\n")
    assert done.returncode == 0, done.stderr
    assert "passages among the first 1" in done.stdout
    one, added = read_golden_set(folder).references["q0"]
    assert one.quote == TOPICS["leave"]
    assert added.quote in PAGES["lunch.md"]
    assert added.grade == 2
    checked = rag("golden", "check", "questions", "--json")
    assert checked.returncode == 0
    assert "stale" not in checked.stdout


def test_errors_of_all_sets_are_told_with_their_places_and_fail(rag: Rag, evals: Path) -> None:
    folder = evals / "questions"
    rows = [{"_id": name, "text": "What is [b]lunch[/b]?"} for name in "ab"]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels/test.tsv").write_text("a\thandbook/lunch.md\t1\nb\thandbook/lunch.md\t1\n")
    done = rag("golden", "check")
    assert done.returncode == 1
    assert "questions: 2 queries, 2 judgments, 0 probes: 1 errors, 0 warnings" in done.stdout
    assert "2 judged queries can refuse a release; on their own they cannot pass one (" in done.stdout
    assert f"{folder / 'queries.jsonl'}:2: b: asks the same as a" in done.stdout


def test_probes_are_made_once_and_checked_with_the_set(rag: Rag, evals: Path) -> None:
    done = rag("golden", "probes", "questions", "--number", "8", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    file = evals / "questions" / "probes.jsonl"
    assert (told["file"], told["probes"], told["sources"]) == (str(file), 8, {"handbook": 8})
    assert sum(told["made_from"].values()) == 8 and set(told["examples"][0]) == {"text", "document"}
    before = file.read_bytes()
    again = rag("golden", "probes", "questions")
    assert again.returncode == 1 and "--force replaces it" in again.stderr and file.read_bytes() == before
    anew = rag("golden", "probes", "questions", "--number", "9", "--force")
    assert anew.returncode == 0 and f"{file} has 9 probes: 9 of handbook" in anew.stdout.replace("\n", "")
    [checked] = json.loads(rag("golden", "check", "questions", "--json").stdout)["golden_sets"].values()
    assert (checked["queries"], checked["probes"]) == (1, 9)
    assert checked["to_pass_a_release"]["needed"] == 150, "one answered question scores 1.0"
    assert "it has 9 of the 200 probes" in checked["to_pass_a_release"]["says"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("probes", "other"), "known: questions"),
        (("judge", "other"), "known: questions"),
        (("judge", "questions", "--query", "q7"), "'q7' is not in"),
        (("judge", "questions", "--by", " "), "--by NAME"),
        (("judge", "questions", "--channel", "none"), "no channel 'none'"),
        (("check", "other"), "known: questions"),
        (("new", "x", "--source", "other"), "no source 'other'; known: handbook"),
        (("new", "../x"), "cannot be a golden set's name"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_paragraph(rag: Rag, words: tuple[str, ...], says: str) -> None:
    done = rag("golden", *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(autouse=True)
def _home_is_only_read(built: Workspace) -> Iterator[None]:
    channel = built.home.channel("production")
    before = channel.read_bytes()
    yield
    assert channel.read_bytes() == before
