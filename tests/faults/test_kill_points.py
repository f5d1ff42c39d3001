"""kill -9 at every file operation that makes a release, and at many points of every other stage of a refresh.

One refresh that nothing disturbs tells its points (see killer.py); then each is disturbed at one of them, in a process
of its own, on a copy of the same pipeline. Right after the kill production must answer as before, or, if its channel
had moved already, as the undisturbed release does; and the next refresh must need no help.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import PRODUCTION, read_channel, serving
from rag_pipeline.corpus.model import Vectors, model_of
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.defs.run import refresh
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests, damaged_files, read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.killed_refresh import LOG, Job, Point

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]

TEAMS = {
    f"teams/{number}.md": f"# Team {number}\n\nTeam {number} meets in room {number}00 each week.\n" for number in range(8)
}
"""Enough pages that the next release is built by difference."""

CHANGED = {
    "teams/1.md": "# Team 1\n\nTeam number one meets in the garden, if the weather allows.\n",
    "bicycles.md": "# Bicycles\n\nBicycles stand behind the house. The code of the lock is at the reception.\n",
    "broken.md": "# Mended\n\nThis page was empty, and was refused.\n",
}
GONE = "teams/2.md"

STAGES = {
    "before the first step": "start",
    "while the source is read": "handbook__load",
    "while chunks are cut": "corpus__chunks",
    "while the golden set is looked at": "evals__questions",
    "while texts are embedded": "corpus__embeddings",
    "while the release is built": "index__candidate",
    "while the release is evaluated": "index__evaluation",
    "while the release is promoted": "index__production",
}

FEWEST = 60

_FILE_AFTER_FILE = ("before os.fsync", "before os.copy_file_range", "chmod")

Hits = list[tuple[str, str, float, str]]


@dataclass(frozen=True)
class Kill:
    """One place to die at: a point, or the middle of the call that follows it."""

    number: int
    point: Point
    delay: float = 0.0

    @property
    def name(self) -> str:
        return self.point.name.replace("before", "during", 1) if self.delay else self.point.name


@dataclass(frozen=True)
class State:
    """What users and the next run can see of a pipeline."""

    fingerprint: str
    answers: list[Hits]
    documents: list[tuple[str, str]]
    refused: list[tuple[str, str]]
    chunks: list[tuple[str, str]]
    texts: set[str]
    """Hashes of the texts that have a vector."""


@dataclass
class Scene:
    """The pipeline between its first refresh and its second, and what both come to when nobody disturbs them."""

    workspace: Workspace
    questions: Vectors
    channel: bytes
    before: State
    after: State
    points: list[Point]
    server: subprocess.Popen[str]

    def settings(self, root: Path) -> Settings:
        return self.workspace.settings.model_copy(update={"home": Home(root / "home")})

    def answers(self, home: Home) -> list[Hits]:
        release = serving(home)
        assert release is not None
        with open_release(home, release) as opened:
            return [
                [(hit.chunk_id, hit.document_id, round(hit.score, 4), hit.text) for hit in opened.search(question, 10)]
                for question in self.questions
            ]

    def kills(self, step: str) -> list[Kill]:
        """Every point of a step, but one in five of the copies that readers make, and one in three of what is done to file
        after file (synced, copied, closed to others); and the middle of every long call."""
        mine = [(number, point) for number, point in enumerate(self.points, start=1) if point.step == step]
        views = [number for number, point in mine if "views/" in point.name]
        alike = [number for number, point in mine if point.name.startswith(_FILE_AFTER_FILE) and number not in views]
        left_out = {*views, *alike} - {*views[::5], *alike[::3]}
        chosen = [Kill(number, point) for number, point in mine if number not in left_out]
        native = ("before Table", "before Collection", "before LazyFrame", "before Client")
        return chosen + [
            Kill(number, point, max(point.seconds / 2, 0.001))
            for number, point in mine
            if point.name.startswith(native) and "views/" not in point.name
        ]


def state_of(scene: Scene, home: Home) -> State:
    channel = read_channel(home, PRODUCTION)
    assert channel is not None
    tables = source_tables(home, "handbook")
    refused = tables.quarantine.scan().select("item", "status")
    return State(
        fingerprint=channel.fingerprint,
        answers=scene.answers(home),
        documents=sorted(tables.documents.scan().select("document_id", "content_hash").collect().rows()),
        refused=sorted(refused.collect().rows()),
        chunks=sorted(chunks_table(home).scan().select("chunk_id", "payload_hash").collect().rows()),
        texts=set(vectors_table(home).scan().select("text_hash").collect()["text_hash"]),
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch:
        workspace = Workspace(tmp_path_factory.mktemp("killed"))
        patch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))
        pages = workspace.pages({**PAGES, **TEAMS, "broken.md": ""})
        workspace.contract("handbook", files_contract(pages, **LENIENT))
        workspace.golden("questions", dict(list(QUESTIONS.items())[:3]))
        workspace.policy({"questions": FLOORS})
        assert refresh(workspace.settings).success
        workspace.pages(CHANGED)
        (pages / GONE).unlink()
        encoder = model_of(workspace.settings).load()
        questions = encoder.queries([*QUESTIONS, "when does team two meet", "where can I leave my bicycle"])
        channel = workspace.home.channel("production").read_bytes()
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_refresh", "-"],
            cwd=ROOT,
            env=workspace.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            scene = Scene(workspace, questions, channel, None, None, [], server)  # type: ignore[arg-type]
            scene.before = state_of(scene, workspace.home)
            undisturbed = workspace.root / "undisturbed"
            for folder in ("home", "dagster"):
                shutil.copytree(workspace.root / folder, undisturbed / folder)
            told = workspace.root / "points.json"
            subprocess.run(
                [sys.executable, "-m", "tests.support.killed_refresh", str(told)],
                cwd=ROOT,
                env=workspace.environment
                | {"RAG_HOME": str(undisturbed / "home"), "DAGSTER_HOME": str(undisturbed / "dagster")},
                check=True,
                timeout=600,
            )
            scene.points = [Point(**point) for point in json.loads(told.read_text(encoding="utf-8"))]
            scene.after = state_of(scene, Home(undisturbed / "home"))
            yield scene
            server.kill()


def test_the_undisturbed_refresh_builds_by_difference_and_passes_enough_points(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {step: len(scene.kills(step)) for step in STAGES.values()}
    with capsys.disabled():
        sys.stdout.write(f"\nkill points: {sum(steps.values())} of {len(scene.points)} points; {steps}\n")
    assert {point.step for point in scene.points} == set(STAGES.values()), "a step is new, or was renamed"
    assert sum(steps.values()) >= FEWEST
    assert all(steps.values())
    home = Home(scene.workspace.root / "undisturbed" / "home")
    release = serving(home)
    assert release and read_manifest(home.release(release)).origin.base
    assert scene.after.answers != scene.before.answers
    assert scene.after.fingerprint != scene.before.fingerprint


@pytest.mark.parametrize("stage", STAGES)
def test_a_refresh_killed_at_any_point_loses_nothing_and_the_next_one_needs_no_help(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    assert scene.server.stdin and scene.server.stdout
    kills = scene.kills(STAGES[stage])
    roots = [scene.workspace.root / f"{kill.number}{'-during' * bool(kill.delay)}" for kill in kills]
    for kill, root in zip(kills, roots, strict=True):
        job = Job(str(scene.workspace.root), str(root), kill.number, kill.delay)
        scene.server.stdin.write(json.dumps(asdict(job)) + "\n")
    scene.server.stdin.flush()
    wrong: dict[str, str] = {}
    for kill, root in zip(kills, roots, strict=True):
        ended = scene.server.stdout.readline().strip()
        monkeypatch.setenv("DAGSTER_HOME", str(root / "dagster"))
        where = f"{kill.number} {kill.name}"
        try:
            assert ended == str(-signal.SIGKILL), f"ended with {ended or 'nothing'}: {(root / LOG).read_text()[-500:]}"
            assert re.search(rf"killed at point {kill.number}: .*{kill.point.step}", (root / LOG).read_text())
            production_answers(scene, root)
            the_next_refresh_needs_no_help(scene, root)
        except Exception as error:
            wrong[where] = f"{type(error).__name__}: {error}"
        else:
            shutil.rmtree(root)
    told = "\n".join(f"- killed at {where}: {what}" for where, what in wrong.items())
    assert not wrong, f"{len(wrong)} of {len(kills)} kills {stage} did harm:\n{told}"


def production_answers(scene: Scene, root: Path) -> None:
    """As before, or as the undisturbed release if the channel had moved."""
    home = Home(root / "home")
    channel = read_channel(home, PRODUCTION)
    assert channel is not None, "nothing serves"
    if channel.sequence == 1:
        assert home.channel("production").read_bytes() == scene.channel
        assert scene.answers(home) == scene.before.answers, "production answers otherwise than before"
    else:
        assert (channel.sequence, channel.fingerprint) == (2, scene.after.fingerprint)
        assert scene.answers(home) == scene.after.answers, "the new release answers otherwise than the undisturbed one"


def the_next_refresh_needs_no_help(scene: Scene, root: Path) -> None:
    """It comes to what the undisturbed one came to, embeds only what was not stored, and leaves nothing lying about."""
    home = Home(root / "home")
    stored = vectors_table(home).scan().select("model", "text_hash").collect()
    ran = refresh(scene.settings(root))
    assert ran.success, f"{ran.errors} {ran.failed_checks}"
    now = state_of(scene, home)
    differs = [name for name in State.__dataclass_fields__ if getattr(now, name) != getattr(scene.after, name)]
    assert not differs, f"other than undisturbed: {', '.join(differs)}"
    embedded = ran.assets["corpus/embeddings"]["embedded"]
    assert embedded == len(scene.after.texts - set(stored["text_hash"])), f"{embedded} texts were embedded"
    vectors = vectors_table(home).scan().select("model", "text_hash").collect()
    assert vectors.height == vectors.n_unique() == len(scene.after.texts), "a text was embedded twice"
    for manifest in all_manifests(home.releases):
        assert not damaged_files(home.release(manifest.id), manifest), f"{manifest.id} is damaged"
    left = [
        path.relative_to(home.root)
        for path in (*home.root.glob("releases/.*-*"), *home.root.glob("views/*"), *home.root.glob("scratch/*"))
    ]
    assert not left, f"left lying about: {left}"
    channel = read_channel(home, PRODUCTION)
    moves = audit_table(home).scan().filter(pl.col("channel") == PRODUCTION).sort("sequence").collect()
    assert channel is not None
    assert moves["sequence"].to_list() == [1, 2], f"the audit table tells {moves['sequence'].to_list()}"
    assert moves["action"].to_list() == ["promoted", "promoted"]
    assert moves["release"].to_list() == [channel.previous, channel.release]
    assert channel.sequence == 2
