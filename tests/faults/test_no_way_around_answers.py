"""No way around the gate for a prompt, a model or a setting of answers: each is refused, or is not served."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.audit_rows import seal
from rag_pipeline.errors import ChannelError, PromotionRefused
from rag_pipeline.files import write_json
from rag_pipeline.release.going_back import roll_back
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.serve.writers import ServedVersions
from rag_pipeline.settings import Settings
from rag_pipeline.versions.evidence import AnswerEvidence
from rag_pipeline.versions.evidence_store import EVIDENCE
from rag_pipeline.versions.kept import VERSIONS
from tests.support.answer_versions import VersionDesk, desk, model
from tests.support.office import PAGES, Office, office
from tests.support.small_releases import NOW

__all__ = ["desk", "model", "office"]

GOOD, BAD = "The prompt that was measured.", "Make something up."


@pytest.fixture
def measured(desk: VersionDesk) -> tuple[VersionDesk, str]:
    """A version that was measured a moment ago, so that the gate would let it pass."""
    version = desk.kept(GOOD)
    desk.measure(version)
    return desk, version


@pytest.fixture
def named(measured: tuple[VersionDesk, str]) -> tuple[VersionDesk, str]:
    """The channel names it."""
    desk, version = measured
    assert desk.move(version).moved
    return desk, version


def folder(desk: VersionDesk, version: str) -> Path:
    return desk.office.home.answers / EVIDENCE / desk.channel.fingerprint / version


def newest(desk: VersionDesk, version: str) -> Path:
    return max(folder(desk, version).glob("*.json"))


def rewritten(desk: VersionDesk, version: str, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """The newest evidence, changed, sealed anew with the function that everybody has, under the name that fits."""
    path = newest(desk, version)
    content = json.loads(path.read_bytes())
    change(content)
    found = AnswerEvidence.model_validate(content)
    found = found.sealed() if sealed else found
    path.unlink()
    write_json(path.with_name(f"{path.name.partition('-')[0]}-{found.seal[:8]}.json"), found.model_dump(mode="json"))


def without_a_question(content: dict[str, Any]) -> None:
    [one] = content["golden_sets"].values()
    one["questions"] = one["questions"][:1]


def perfect(content: dict[str, Any]) -> None:
    for one in content["golden_sets"].values():
        for each in one["questions"]:
            each.update(by_model=True, left_out=0, right=True)


def of_another_version(desk: VersionDesk, version: str, _: pytest.MonkeyPatch) -> None:
    other = desk.plain()
    desk.measure(other)
    shutil.rmtree(folder(desk, version))
    shutil.copytree(folder(desk, other), folder(desk, version))


def of_another_release(desk: VersionDesk, version: str, _: pytest.MonkeyPatch) -> None:
    second = desk.office.second(PAGES)
    found = desk.measure(version, second)
    shutil.rmtree(folder(desk, version))
    shutil.copytree(desk.office.home.answers / EVIDENCE / found.release_fingerprint / version, folder(desk, version))


def another_policy(desk: VersionDesk, _version: str, _: pytest.MonkeyPatch) -> None:
    gate = {"animals": {"floors": {"nDCG@10": 0.9}, "not_worse": None}}
    desk.office.workspace.policy(gate, answers={"fell_back_max": 1.0})


def copied_to_a_newer_name(desk: VersionDesk, version: str, _: pytest.MonkeyPatch) -> None:
    path = newest(desk, version)
    shutil.copy(path, path.with_name(f"20991231T000000.000000-{path.stem.partition('-')[2]}.json"))


def stored_content(desk: VersionDesk, version: str, _: pytest.MonkeyPatch | None = None) -> None:
    path = desk.office.home.answers / VERSIONS / f"{version}.json"
    content = json.loads(path.read_bytes())
    content["version"]["prompt"] = BAD
    write_json(path, content)


def set_removed(desk: VersionDesk, version: str, _: pytest.MonkeyPatch) -> None:
    desk.quoted()
    desk.measure(version)
    shutil.rmtree(desk.office.workspace.settings.evals / "pets")


def unanswerable_removed(desk: VersionDesk, version: str, _: pytest.MonkeyPatch) -> None:
    sets = desk.quoted(unanswerable=True)
    desk.measure(version)
    (sets / "unanswerable.jsonl").unlink()


def another_key(desk: VersionDesk, version: str, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("RAG_SEAL_KEY", "a long and random key of somebody")
    desk.measure(version)
    patch.setenv("RAG_SEAL_KEY", "a long and random key of the gate")


EDITS: dict[str, tuple[Callable[[VersionDesk, str, pytest.MonkeyPatch], object], str]] = {
    "the kept version edited": (stored_content, "was changed after it was kept"),
    "the evidence deleted": (lambda at, version, _: newest(at, version).unlink(), "is gone"),
    "all evidence deleted": (lambda at, version, _: shutil.rmtree(at.office.home.answers / EVIDENCE), "is gone"),
    "evidence edited": (lambda at, version, _: rewritten(at, version, perfect, sealed=False), "its seal does not match"),
    "evidence of fewer questions, sealed anew": (
        lambda at, version, _: rewritten(at, version, without_a_question),
        "the newest evidence of answers",
    ),
    "evidence of another version": (of_another_version, "the newest evidence of answers"),
    "evidence of another release": (of_another_release, "the newest evidence of answers"),
    "evidence copied to a newer name": (copied_to_a_newer_name, "was put beside the evidence that was kept last"),
    "the policy edited": (another_policy, "the demands on answers have changed"),
    "a golden set removed": (set_removed, "golden set pets has changed since answers were measured"),
    "unanswerable questions removed": (unanswerable_removed, "golden set pets has changed since answers were measured"),
    "sealed without the key": (
        lambda at, version, patch: patch.setenv("RAG_SEAL_KEY", "a long and random key"),
        "RAG_SEAL_KEY",
    ),
    "sealed with another key": (another_key, "RAG_SEAL_KEY"),
}


@pytest.mark.parametrize("way", EDITS)
def test_what_was_touched_after_it_was_measured_is_refused(
    measured: tuple[VersionDesk, str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (desk, version), (edit, says) = measured, EDITS[way]
    edit(desk, version, monkeypatch)
    before, rows = desk.office.channel_bytes(), len(desk.office.audit())
    with pytest.raises((PromotionRefused, ChannelError)) as caught:
        desk.move(version)
    assert says in str(caught.value)
    assert desk.office.channel_bytes() == before
    told = desk.office.audit_in_order()[rows:]
    if isinstance(caught.value, PromotionRefused):
        assert [(row["action"], says in str(row["reasons"])) for row in told] == [("refused", True)]


@pytest.mark.parametrize(("hours", "says"), [(25, "h old, at most 24 h are allowed"), (-2, "h in the future")])
def test_old_evidence_and_another_clock_are_refused(measured: tuple[VersionDesk, str], hours: float, says: str) -> None:
    desk, version = measured
    with pytest.raises(PromotionRefused, match=says):
        desk.move(version, now=NOW + timedelta(hours=hours))


CHANGES: dict[str, dict[str, Any]] = {
    "the prompt": {"prompt": BAD},
    "the address of a model": {"url": "http://127.0.0.1:1/v1"},
    "the name of a model": {"model": "cheap-0"},
    "the rows that it sees": {"reads": ["all"]},
    "what it may write": {"tokens_out": 8_000},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_moved_on_is_another_version_which_is_refused_and_not_served(
    named: tuple[VersionDesk, str], what: str
) -> None:
    desk, version = named
    said: dict[str, Any] = {"prompt": GOOD} | CHANGES[what]
    other = desk.kept(said.pop("prompt"), **said)
    assert other != version
    with pytest.raises(PromotionRefused, match="nobody measured the answers of version"):
        desk.move(other)
    served(desk, desk.settings, version)


def served(desk: VersionDesk, settings: Settings, version: str | None) -> None:
    """What a replica that starts now answers by: the version that the gate let pass, to the letter; or whole sentences."""
    found = ServedVersions(settings).of("production", desk.channel.release)
    if version is None:
        assert found.writer is None and found.version is None
        return
    assert found.version is not None and found.version.id == version and found.writer is not None
    config = found.writer.config
    assert (config.prompt, config.models[0].model, config.models[0].url) == (GOOD, "liar-1", desk.model.url)
    assert (config.models[0].reads, config.models[0].tokens_out) == (("public",), 600)


def test_a_replica_that_is_given_another_file_serves_what_the_channel_names(named: tuple[VersionDesk, str]) -> None:
    desk, version = named
    folder = desk.office.workspace.root / "elsewhere"
    folder.mkdir()
    other = VersionDesk(Office(type(desk.office.workspace)(folder), ""), desk.model)
    other.write(BAD, url="http://127.0.0.1:1/v1")
    settings = desk.settings.model_copy(update={"serve_answers": str(other.file)})
    served(desk, settings, version)
    alone = ServedVersions(settings.model_copy(update={"serve_answers": ""})).of("production", desk.channel.release)
    assert alone.writer is None and "RAG_SERVE_ANSWERS is not set on this replica" in alone.why_not


def test_a_version_that_nobody_named_is_not_served(measured: tuple[VersionDesk, str]) -> None:
    desk, _ = measured
    served(desk, desk.settings, None)
    found = ServedVersions(desk.settings).of("production", desk.channel.release)
    assert "names no answer version" in found.why_not and "rag promote --answers" in found.why_not


def test_a_channel_file_that_names_another_version_is_not_served_and_nobody_decides_on_it(
    named: tuple[VersionDesk, str],
) -> None:
    desk, _ = named
    bad = desk.kept(BAD)
    path = desk.office.home.channel("production")
    content = json.loads(path.read_bytes())
    content["answers"]["version"] = bad
    write_json(path, content)
    served(desk, desk.settings, None)
    with pytest.raises(ChannelError, match="was not written by this pipeline"):
        desk.move(bad)


@pytest.mark.parametrize("resealed", [False, True])
def test_an_audit_row_that_names_another_version_is_not_served(named: tuple[VersionDesk, str], resealed: bool) -> None:
    desk, version = named
    bad = desk.kept(BAD)
    table = audit_table(desk.office.home)
    rows = table.scan().collect().to_dicts()
    row = max(rows, key=lambda one: one["sequence"])
    row["answers"] = row["answers"].replace(version, bad)
    if resealed:
        row["seal"] = seal(row)
    table.overwrite(pa.Table.from_pylist(rows, table.schema))
    path = desk.office.home.channel("production")
    content = json.loads(path.read_bytes())
    content["answers"]["version"] = bad
    write_json(path, content)
    served(desk, desk.settings, None)
    with pytest.raises(ChannelError, match="evidence of answers" if resealed else "its seal does not match"):
        desk.move(bad)


def test_what_is_kept_of_the_named_version_was_edited_and_is_not_served(named: tuple[VersionDesk, str]) -> None:
    desk, version = named
    stored_content(desk, version)
    served(desk, desk.settings, None)


def test_the_evidence_of_the_named_version_is_gone_and_it_is_not_served(named: tuple[VersionDesk, str]) -> None:
    desk, version = named
    newest(desk, version).unlink()
    served(desk, desk.settings, None)


def test_a_rollback_to_a_version_that_no_gate_let_pass_is_refused(named: tuple[VersionDesk, str]) -> None:
    desk, version = named
    bad = desk.kept(BAD)
    for once in ("never named", "named by override"):
        request = PromotionRequest(desk.channel.release, by="ana", why="back", answers=bad)
        with pytest.raises(PromotionRefused, match="nobody measured the answers of version"):
            roll_back(desk.office.inputs(), desk.office.evaluation(), request, rival=None)
        if once == "never named":
            desk.move(bad, override=True)
            back = PromotionRequest(desk.channel.release, by="ana", why="back")
            roll_back(desk.office.inputs(), desk.office.evaluation(), back, rival=None)
    assert desk.channel.version == version
