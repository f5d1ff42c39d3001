"""Silent loss: what production's release lost behind our back is named, never answered from, and fixed from the cache."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.defs.run import Ran
from rag_pipeline.home import CHUNKS_FILE, MANIFEST_FILE
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import Hit, encoder_for
from rag_pipeline.index.verify import verify_release
from rag_pipeline.release.serving import ChannelReader
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES, QUESTIONS
from tests.support.command_line import as_json, rag
from tests.support.release_damage import SQLITE, cut_in_half, delete_records, flip_a_bit, overwrite_a_vector, vectors_file

Run = Callable[..., Ran]
CHECK = "releases_in_use_are_intact"


@dataclass(frozen=True)
class Line:
    """The command line of one pipeline."""

    workspace: Workspace
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> tuple[int, str, str]:
        return rag(self.monkeypatch, self.capsys, *words)

    def verify(self, *words: str) -> tuple[int, dict[str, Any]]:
        code, out, err = self("verify", *words, "--json")
        assert out, err
        return code, as_json(out)

    def answers(self) -> dict[str, list[Hit]]:
        """Question -> what production answers, best first."""
        with ChannelReader(self.workspace.home) as reader:
            release = reader.current()
            encoder = encoder_for(self.workspace.home, release.manifest, model_of(self.workspace.settings))
            vectors = encoder.queries(list(QUESTIONS))
            return {question: release.search(vector, 3) for question, vector in zip(QUESTIONS, vectors, strict=True)}

    def production(self) -> Path:
        release = serving(self.workspace.home)
        assert release is not None
        return self.workspace.home.release(release)


@pytest.fixture
def line(handbook: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(handbook.settings, name)))
    return Line(handbook, monkeypatch, capsys)


@dataclass(frozen=True)
class Loss:
    """What happens to a release, what `rag verify` says of it, and which file a refresh names."""

    harm: Callable[[Path], object]
    says: str
    file: str
    answers: bool = False
    """Whether the release can still be answered from: what serves was not harmed."""


LOSSES = {
    "two records deleted": Loss(lambda release: delete_records(release, 2), "2 records are gone from the store", SQLITE),
    "a vector overwritten": Loss(overwrite_a_vector, SQLITE, SQLITE),
    "a truncated file": Loss(lambda release: cut_in_half(vectors_file(release)), "bytes instead of", "data_level0.bin"),
    "a deleted file": Loss(lambda release: (release / SQLITE).unlink(), f"{SQLITE} is missing", SQLITE),
    "chunks damaged": Loss(
        lambda release: flip_a_bit(release / CHUNKS_FILE, 500), f"{CHUNKS_FILE} has other bytes", CHUNKS_FILE, answers=True
    ),
    "manifest damaged": Loss(
        lambda release: (release / MANIFEST_FILE).write_bytes(b'{"id"'), f"{MANIFEST_FILE} is damaged", MANIFEST_FILE
    ),
}

OFTEN = [
    what if what in ("two records deleted", "a truncated file") else pytest.param(what, marks=pytest.mark.slow)
    for what in LOSSES
]
"""The rest run with the slow tests."""


def complaint(ran: Ran) -> str:
    """What the check on releases in use said; empty when it held."""
    return " ".join(check.description for check in ran.failed_checks if check.check == CHECK)


@pytest.mark.parametrize("what", OFTEN)
def test_a_loss_is_named_not_answered_from_and_mended_by_the_next_refresh_without_embedding(
    line: Line, begin: Run, run: Run, what: str
) -> None:
    loss = LOSSES[what]
    assert begin().success
    before, release = line.answers(), line.production()
    fingerprint = read_manifest(release).fingerprint
    code, told = line.verify()
    assert (code, told["releases"]) == (0, {release.name: {"intact": True, "problems": []}})

    loss.harm(release)
    code, told = line.verify()
    assert code == 1
    assert not told["releases"][release.name]["intact"]
    assert any(loss.says in one for one in told["releases"][release.name]["problems"]), told
    code, out, err = line("query", "where do I keep my passwords", "--json")
    if loss.answers:
        assert code == 0
        assert line.answers() == before, "what serves was not harmed"
    else:
        assert (code, out) == (1, ""), "an answer from a damaged release"
        assert "is damaged" in err
        assert "Traceback" not in err

    ran = run()
    says = complaint(ran)
    assert f"production points at {release.name}, which is damaged" in says
    assert loss.file in says
    assert ran.assets["corpus/embeddings"]["embedded"] == 0
    assert ran.assets["index/candidate"]["built"] is True
    twin = line.production()
    assert f"{twin.name} is an intact twin" in says
    assert twin != release
    assert read_manifest(twin).fingerprint == fingerprint
    assert verify_release(line.workspace.home, twin.name) == ()
    assert line.answers() == before
    assert line.verify(twin.name)[0] == 0
    if what == "two records deleted":
        again = run()
        assert complaint(again) == ""
        assert again.assets["index/candidate"]["built"] is False
        assert line.production() == twin


@pytest.mark.slow
def test_a_release_directory_that_vanished_is_named_and_built_again(line: Line, begin: Run, run: Run) -> None:
    begin()
    older = line.production()
    line.workspace.pages({"travel.md": PAGES["travel.md"] + "\nTaxis only at night.\n"})
    run()
    release, before = line.production(), line.answers()
    assert release != older
    shutil.rmtree(release)
    code, out, err = line("query", "where do I keep my passwords", "--json")
    assert (code, out) == (1, "")
    assert f"no release '{release.name}'" in err
    code, out, err = line("verify")
    assert code == 1, "production points at nothing, and all is said to be intact"
    assert release.name in out + err
    ran = run()
    assert f"production points at {release.name}, which is damaged" in complaint(ran)
    assert ran.assets["corpus/embeddings"]["embedded"] == 0
    assert line.answers() == before
    assert line.verify(line.production().name)[0] == 0


@pytest.mark.slow
def test_a_damaged_release_is_repaired_from_its_own_chunks_when_the_sources_have_changed(
    line: Line, begin: Run, run: Run
) -> None:
    begin()
    release, before = line.production(), line.answers()
    line.workspace.pages({"travel.md": PAGES["travel.md"] + "\nTaxis only at night.\n"})
    line.monkeypatch.setenv("RAG_PROMOTION", "manual")
    newer = run(promote=False).assets["index/candidate"]["release"]
    assert newer != release.name
    texts = vectors_table(line.workspace.home).scan().collect().height
    delete_records(release, 3)
    waiting = run(promote=False)
    assert f"`rag verify {release.name} --repair`" in complaint(waiting)
    assert SQLITE in complaint(waiting)
    assert line.production() == release, "a newer content is no twin"

    code, told = line.verify(release.name, "--repair")
    assert code == 0, told
    twin = line.production()
    assert told["repaired"] == {release.name: twin.name}
    assert any("3 records are gone from the store" in one for one in told["releases"][release.name]["problems"])
    assert twin.name not in (release.name, newer)
    assert verify_release(line.workspace.home, twin.name) == ()
    assert line.answers() == before
    assert vectors_table(line.workspace.home).scan().collect().height == texts, "a text was embedded"
    channel = read_channel(line.workspace.home, "production")
    assert channel is not None
    assert (channel.previous, channel.why) == (release.name, f"{release.name} was damaged")
    assert channel.withdrawn == {}
    after = run(promote=False)
    assert complaint(after) == ""
    assert after.assets["index/candidate"]["release"] == newer, "the next refresh is about what the sources say now"

    for path in (twin / SQLITE, twin / CHUNKS_FILE):
        flip_a_bit(path, 500)
    code, out, err = line("verify", twin.name, "--repair")
    assert (code, out) == (1, "")
    assert f"{twin.name} cannot be repaired: its {CHUNKS_FILE} is not the one it was built from" in err
    assert "Traceback" not in err
    assert line.production() == twin, "production stays as it was"


def test_repairing_what_is_intact_does_nothing(line: Line, begin: Run) -> None:
    begin()
    release = line.production()
    code, told = line.verify("--repair")
    assert (code, told["repaired"]) == (0, {})
    assert line.production() == release
    code, out, _ = line("verify")
    assert code == 0
    assert "intact" in out


def test_a_release_that_was_repaired_is_not_repaired_again_and_again(line: Line, begin: Run) -> None:
    begin()
    release = line.production()
    delete_records(release, 1)
    assert line.verify("--repair")[0] == 0
    twin = line.production()
    code, told = line.verify("--repair")
    assert line.production() == twin
    assert code == 0, told
    folders = [path.name for path in line.workspace.home.releases.iterdir() if (path / MANIFEST_FILE).is_file()]
    assert len(folders) <= 2, f"a twin was built for a release that has one: {folders}"
