"""A full disk, and one mounted read-only: a clear message, production answers on, and the next refresh needs no help.

RAG_HOME lies on a real tmpfs of its own here (see small_disk.py), which is filled before or in the middle of a refresh.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.home import Home
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.small_disk import BALLAST

ROOT = Path(__file__).resolve().parents[2]
RAG = Path(sys.executable).with_name("rag")
QUESTION = "where do I keep my passwords"
MEGABYTES = 80


def _why_not() -> str:
    """Why no disk can be mounted here, empty where one can."""
    if not (shutil.which("unshare") and shutil.which("mount")):
        return "unshare and mount (util-linux) are not here"
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"mounting in a namespace is not permitted here: {tried.stderr.strip()}" if tried.returncode else ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(WHY_NOT := _why_not()), reason=WHY_NOT or "a disk can be mounted"),
]

DAGSTER = {"Dagster's state on the same disk, as is the default": True, "Dagster's state on another disk": False}

MOMENTS = {
    "before the run starts": "handbook__load before STEP_START",
    "before the source is staged": "handbook__load mkdir scratch",
    "before the documents are committed": "handbook__load before Table.merge lake/documents",
    "before the load is written down": "handbook__load before Table._write lake/loads",
    "before the chunks are committed": "corpus__chunks before Table._write",
    "before the vectors are committed": "corpus__embeddings before Table._write",
    "before the release's chunks are written": "index__candidate before LazyFrame.sink_parquet",
    "before the index is filled": "index__candidate before Collection.add",
    "before the index is closed": "index__candidate before Client.close",
    "before the manifest is written": "index__candidate open releases/.staging-<release>/.manifest.json",
    "before the candidate is named": "index__candidate open .candidate.json",
    "before the release is opened for evaluation": "index__evaluation open views",
    "before the evidence is written": "index__evaluation open evidence",
    "before the move is written down": "index__production before Table._write lake/audit",
    "before the channel is written": "index__production open channels",
}


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """What `--json` told; empty when it told nothing."""
        return dict(json.loads(self.out)) if self.out.strip() else {}

    @property
    def says(self) -> str:
        """What a person reads: stderr, and the errors of the summary."""
        return "\n".join([self.err, *self.summary.get("errors", [])])


class Disk:
    """A pipeline whose RAG_HOME lies on a small disk that only it can see."""

    def __init__(self, workspace: Workspace, driver: "subprocess.Popen[str]") -> None:
        self.workspace, self._driver = workspace, driver
        self.folder = workspace.root / "disk"
        self.dagster_on_it, self.settled = True, False
        self.home = Home(self.folder / "home")
        self._edits = count(1)

    def ask(self, what: str, **told: Any) -> Any:
        assert self._driver.stdin and self._driver.stdout
        self._driver.stdin.write(json.dumps({"do": what, **told}) + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())

    @property
    def environment(self) -> dict[str, str]:
        settings = self.workspace.settings
        own = {"RAG_HOME": str(self.home), "RAG_CONTRACTS": str(settings.contracts), "RAG_EVALS": str(settings.evals)}
        return own if self.dagster_on_it else own | {"DAGSTER_HOME": str(self.workspace.root / "dagster")}

    def rag(self, *words: str, fill_at: str = "") -> Ended:
        return Ended(**self.ask("rag", words=words, environment=self.environment, fill_at=fill_at))

    def execute(self, *words: str | Path) -> Ended:
        return Ended(**self.ask("execute", words=[str(word) for word in words], environment=self.environment))

    def mount(self, how: str) -> None:
        assert self.execute("mount", "-o", f"remount,{how}", self.folder).code == 0

    def fix(self) -> None:
        self.mount("rw")
        self.ask("free")

    def channel(self) -> str | None:
        return self.ask("read", path="home/channels/production.json")

    def edit(self) -> None:
        number = next(self._edits)
        self.workspace.pages({"notice.md": f"# Notice\n\nNotice number {number}: the meeting is on floor {number}.\n"})

    def answers(self) -> list[tuple[str, float]]:
        """What production answers, through the command line; fails when it does not."""
        asked = self.rag("query", QUESTION, "--json")
        assert asked.code == 0, asked.err
        return [(hit["chunk_id"], round(hit["score"], 4)) for hit in asked.summary["hits"]]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A pipeline that has not run yet."""
    workspace = Workspace(tmp_path_factory.mktemp("disk"))
    workspace.contract("handbook", files_contract(workspace.pages(PAGES), **LENIENT))
    workspace.golden("questions", dict(list(QUESTIONS.items())[:3]))
    workspace.policy({"questions": FLOORS})
    (workspace.root / "disk").mkdir()
    with subprocess.Popen(
        ["unshare", "-rm", sys.executable, "-m", "tests.support.small_disk", str(workspace.root / "disk"), str(MEGABYTES)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout and json.loads(driver.stdout.readline()) == "mounted"
        yield Disk(workspace, driver)
        driver.kill()


@pytest.fixture
def disk(pipeline: Disk) -> Iterator[Disk]:
    """The same after a refresh that succeeded, with a page edited since."""
    pipeline.dagster_on_it = True
    pipeline.fix()
    if not pipeline.settled:  # the first test here, or the one before failed
        first = pipeline.rag("refresh", "--json")
        assert first.code == 0, first.says
    pipeline.settled = False
    pipeline.edit()
    yield pipeline
    pipeline.fix()


def refused_clearly(ended: Ended, *signs: str) -> None:
    """Exit code 1, and one of the signs in what a person reads; no traceback."""
    assert ended.code == 1, f"exit code {ended.code}: {ended.out} {ended.err}"
    assert any(sign in ended.says.lower() for sign in signs), ended.says
    assert "Traceback" not in ended.says, ended.says


def the_next_refresh_promotes(disk: Disk) -> None:
    before = disk.channel()
    again = disk.rag("refresh", "--json")
    assert again.code == 0, again.says
    assert disk.channel() != before
    assert disk.answers()
    disk.settled = True


FULL = ("no space left", "disk is full")
READ_ONLY = ("read-only", "cannot be written")


def test_the_very_first_refresh_on_a_full_disk_says_so_and_succeeds_when_there_is_room(pipeline: Disk) -> None:
    assert pipeline.channel() is None, "run this test first, or alone"
    pipeline.ask("fill", leave=0)
    refused_clearly(pipeline.rag("refresh", "--json"), *FULL)
    assert "nothing" in pipeline.rag("status").out
    pipeline.ask("free")
    the_next_refresh_promotes(pipeline)


@pytest.mark.parametrize("leave", [0, 65_536, 1_000_000])
def test_a_refresh_on_a_full_disk_says_so_and_production_answers_on(disk: Disk, leave: int) -> None:
    channel, answers = disk.channel(), disk.answers()
    disk.ask("fill", leave=leave)
    refused = disk.execute(RAG, "refresh", "--json")
    refused_clearly(refused, *FULL)
    assert str(disk.folder) in refused.says, "the message does not say which disk"
    assert disk.channel() == channel
    assert disk.answers() == answers
    assert disk.rag("status", "--json").code == 0
    disk.ask("free")
    the_next_refresh_promotes(disk)


def test_a_collection_on_a_disk_without_a_byte_removes_what_it_can_and_leaves_the_tables_to_the_next(disk: Disk) -> None:
    """To remove rows of a table something has to be written: that must not keep whole files from going."""
    assert disk.rag("refresh", "--json").code == 0
    disk.edit()
    assert disk.rag("refresh", "--json").code == 0
    answers = disk.answers()
    few = {**disk.environment, "RAG_KEEP_RELEASES": "1"}
    for first in (True, False):  # the second finds nothing that would make room
        disk.ask("fill", leave=0)
        done = Ended(**disk.ask("rag", words=["gc", "--json"], environment=few, fill_at=""))
        assert done.code == 0, done.says
        assert bool(done.summary["removed"]) is first
    assert "for lack of space; the next collection tries again" in done.err
    assert disk.answers() == answers
    disk.ask("free")
    assert disk.rag("gc", "--json").code == 0
    disk.settled = False


@pytest.mark.parametrize("same", DAGSTER.values(), ids=DAGSTER.keys())
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_disk_that_gets_full_in_the_middle_of_a_refresh_costs_that_refresh_and_no_more(
    disk: Disk, moment: str, same: bool
) -> None:
    disk.dagster_on_it = same
    channel, answers = disk.channel(), disk.answers()
    broken = disk.rag("refresh", "--json", fill_at=MOMENTS[moment])
    assert disk.execute("test", "-e", disk.folder / BALLAST).code == 0, f"the moment never came: {broken}"
    refused_clearly(broken, *FULL)
    assert disk.channel() == channel
    assert disk.answers() == answers
    disk.ask("free")
    again = disk.rag("refresh", "--json")
    assert again.code == 0, again.says
    assert again.summary["production"] == again.summary["release"]
    finished = moment == "before the channel is written"  # for the one that died: the audit table had its move already
    assert again.summary["promoted"] != finished
    assert disk.execute("sh", "-c", f"ls -d {disk.home}/releases/.staging-*").code != 0, "a staging directory is left"
    disk.settled = True


@pytest.mark.parametrize("same", DAGSTER.values(), ids=DAGSTER.keys())
def test_a_refresh_on_read_only_storage_says_so_and_production_answers_on(disk: Disk, same: bool) -> None:
    disk.dagster_on_it = same
    channel, answers = disk.channel(), disk.answers()
    disk.mount("ro")
    refused = disk.execute(RAG, "refresh", "--json")
    refused_clearly(refused, *READ_ONLY)
    assert str(disk.folder) in refused.says, "the message does not say which folder"
    assert disk.channel() == channel
    assert disk.answers() == answers
    assert disk.rag("status", "--json").code == 0
    disk.mount("rw")
    the_next_refresh_promotes(disk)


@pytest.mark.parametrize(("how", "signs"), [("full", FULL), ("ro", READ_ONLY)], ids=["full", "read-only"])
def test_where_only_dagster_has_no_room_the_refresh_says_so_and_production_answers_on(
    disk: Disk, how: str, signs: tuple[str, ...]
) -> None:
    """RAG_HOME on a disk with room, DAGSTER_HOME on one without."""
    own = {"DAGSTER_HOME": str(disk.home.dagster), "RAG_HOME": str(disk.workspace.root / "home")}
    told = {"words": ["refresh", "--json"], "environment": disk.environment | own, "fill_at": ""}
    if (
        disk.ask("read", path="home/dagster/dagster.yaml") is None
        or not (disk.workspace.root / "home" / "channels").exists()
    ):
        first = Ended(**disk.ask("rag", **told))
        assert first.code == 0, first.says
    disk.edit()
    channel = (disk.workspace.root / "home" / "channels" / "production.json").read_bytes()
    if how == "full":
        disk.ask("fill", leave=0)
    else:
        disk.mount(how)
    refused_clearly(Ended(**disk.ask("rag", **told)), *signs)
    assert (disk.workspace.root / "home" / "channels" / "production.json").read_bytes() == channel
    asked = Ended(**disk.ask("rag", **{**told, "words": ["query", QUESTION, "--json"]}))
    assert asked.code == 0 and asked.summary["hits"]
    disk.fix()
    again = Ended(**disk.ask("rag", **told))
    assert again.code == 0, again.says
    assert (disk.workspace.root / "home" / "channels" / "production.json").read_bytes() != channel
