"""No way around the gate by touching what it decides on: evidence, golden sets, policy, release, clock, channel."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.defs import run
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import heads_table
from rag_pipeline.evaluate.retrieved import Retrieved, checksum, packed, unpacked
from rag_pipeline.files import write_json
from rag_pipeline.home import MANIFEST_FILE
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import PAGES, QUESTIONS
from tests.support.bucket_home import PLACES, Place
from tests.support.gate_bypass import (
    Edit,
    Patch,
    clock,
    closed,
    demand,
    evidence,
    evidence_of,
    one_byte_changed,
    opened,
    promote,
    release,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tell_how_many")]


def resealed(**changes: Any) -> Edit:
    """Evidence that says something else and carries the seal that fits."""

    def edit(workspace: Workspace, _: Patch) -> None:
        path = evidence(workspace)
        earlier = Evidence.model_validate_json(path.read_bytes())
        write_json(path, earlier.model_copy(update=changes).sealed().model_dump(mode="json"))

    return edit


def now(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def better_figures(workspace: Workspace, _: Patch) -> None:
    path = evidence(workspace)
    content = json.loads(path.read_text(encoding="utf-8"))
    for one in content["latency"]:
        one["p95_ms"] = 0.5
    for one in content["golden_sets"].values():
        one["values"] = {name: [1.0] * len(values) for name, values in one["values"].items()}
        one["production"] = one["values"]
    write_json(path, content)


def newest_deleted(workspace: Workspace, _: Patch) -> None:
    evidence(workspace).unlink()


def copied_to_a_newer_name(workspace: Workspace, _: Patch) -> None:
    path = evidence(workspace)
    shutil.copy(path, path.with_name(f"{now(1):%Y%m%dT%H%M%S.%f}-{path.stem.partition('-')[2]}.json"))


def sealed_anew(*, lists: bool = False, table: bool = False) -> Edit:
    """Perfect figures under the seal that fits, made with the function everybody has, and what else somebody may change."""

    def edit(workspace: Workspace, _: Patch) -> None:
        path = evidence(workspace)
        said = Evidence.model_validate_json(path.read_bytes())
        data = path.with_suffix(".parquet").read_bytes()
        if lists:
            judged = {f"q{number}": documents for number, documents in enumerate(QUESTIONS.values())}
            data = packed({key: Retrieved(judged, {}, {}) for key in unpacked(data)})
        sets = {
            name: one.model_copy(update={"values": {metric: [1.0] * one.queries for metric in one.values}})
            for name, one in said.golden_sets.items()
        }
        forged = said.model_copy(update={"golden_sets": sets, "lists": checksum(data)}).sealed()
        path.unlink()
        new = path.with_name(f"{path.name.partition('-')[0]}-{forged.seal[:8]}.json")
        write_json(new, forged.model_dump(mode="json"))
        new.with_suffix(".parquet").write_bytes(data)
        if table:
            rows = heads_table(workspace.home).scan().collect().to_dicts()
            next(row for row in rows if row["file"] == path.name).update(seal=forged.seal, file=new.name)
            heads_table(workspace.home).overwrite(pa.Table.from_pylist(rows, heads_table(workspace.home).schema))

    return edit


def with_a_key(edit: Edit) -> Edit:
    """Done by somebody who does not hold the key that is set where the gate decides."""

    def edited(workspace: Workspace, patch: Patch) -> None:
        edit(workspace, patch)
        patch.setenv("RAG_SEAL_KEY", "a long and random key of the gate")

    return edited


def of_another_key(workspace: Workspace, patch: Patch) -> None:
    patch.setenv("RAG_SEAL_KEY", "a long and random key of somebody")
    resealed()(workspace, patch)
    patch.setenv("RAG_SEAL_KEY", "a long and random key of the gate")


def cut_short(workspace: Workspace, _: Patch) -> None:
    """With whole evidence from an hour before beside it."""
    path = evidence(workspace)
    shutil.copy(path, path.with_name("20200101T000000.000000-00000000.json"))
    path.write_bytes(path.read_bytes()[:-2])


def of_an_older_format(workspace: Workspace, _: Patch) -> None:
    path = evidence(workspace)
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"format": 2})


def of_the_other_release(workspace: Workspace, _: Patch) -> None:
    served = read_channel(workspace.home, "production")
    assert served
    shutil.copy(evidence_of(workspace, served.fingerprint), evidence(workspace))


def twin(workspace: Workspace) -> Manifest:
    """The candidate's content, built again: the same fingerprint under another id."""
    return built_again(workspace, read_manifest(release(workspace)))


def built_again(workspace: Workspace, manifest: Manifest) -> Manifest:
    """A twin is built of a damaged release only, so this one is for a moment."""
    stray = workspace.home.release(manifest.id) / "stray"
    stray.touch()
    built = rebuild_release(workspace.home, manifest, run_id="twin", now=datetime.now(UTC))
    stray.unlink()
    assert built.new
    return built.manifest


def pointed_at_a_twin(workspace: Workspace, _: Patch) -> None:
    name_candidate(workspace.home, twin(workspace), run_id="twin", now=datetime.now(UTC))


def replaced_by_a_twin(workspace: Workspace, _: Patch) -> None:
    """The twin's files take the place of the evaluated ones, under their id."""
    folder = release(workspace)
    other = workspace.home.release(twin(workspace).id)
    shutil.rmtree(folder)
    other.rename(folder)
    manifest = read_manifest(folder)
    write_json(folder / MANIFEST_FILE, manifest.model_copy(update={"id": folder.name}).model_dump(mode="json"))


def served_another(workspace: Workspace, _: Patch) -> None:
    """Between evaluation and promotion production moved to a twin of what it served."""
    served = read_manifest(workspace.home.release(str(serving(workspace.home))))
    other = built_again(workspace, served).id
    by_ada: dict[str, Any] = {"by": "ada", "why": "repair", "override": True, "withdraw": False}
    assert run.promote(workspace.settings, PromotionRequest(other, **by_ada)).success


EDITS: dict[str, tuple[Edit, str]] = {
    "no evidence": (lambda at, _: shutil.rmtree(evidence(at).parent), "there is no evidence on this release"),
    "evidence cut short, earlier evidence whole": (cut_short, "there is no evidence on this release"),
    "evidence of the release that serves": (of_the_other_release, "the evidence is about another release"),
    "evidence edited by hand": (better_figures, "the evidence was changed after it was written: its seal does not match"),
    "evidence of 25 hours ago": (resealed(created_at=now(-25)), "h old, at most 24 h are allowed (gate.yaml:"),
    "evidence of tomorrow": (resealed(created_at=now(24)), "h in the future; was the clock moved?"),
    "evidence of another model": (resealed(model_fingerprint="other"), "measured with another embedding model"),
    "evidence that compared with another": (resealed(compared_with="other"), "the evaluation did not compare with"),
    "evidence that compared with nothing": (resealed(compared_with=None), "the evaluation did not compare with"),
    "the newest evidence deleted": (newest_deleted, "is gone; evaluate it again"),
    "older evidence copied to a newer name": (copied_to_a_newer_name, "was put beside the evidence that was kept last"),
    "evidence sealed without the key": (with_a_key(lambda *_: None), "was sealed without RAG_SEAL_KEY, which is set here"),
    "evidence of another key": (of_another_key, "was sealed with another RAG_SEAL_KEY than the one set here"),
    "evidence of an older format": (of_an_older_format, "there is no evidence on this release"),
    "evidence on nothing": (resealed(golden_sets={}), "golden set questions has changed since the evaluation"),
    "the clock moved back": (clock(-2), "h in the future; was the clock moved?"),
    "the clock moved on": (clock(30), "h old, at most 24 h are allowed (gate.yaml:"),
    "a golden set changed": (
        lambda at, _: at.golden("questions", {**QUESTIONS, "holidays": ["handbook/leave.md"]}),
        "golden set questions has changed since the evaluation",
    ),
    "a golden set added": (lambda at, _: at.golden("more", QUESTIONS), "golden set more has changed since the evaluation"),
    "the golden set removed": (
        lambda at, _: shutil.rmtree(at.root / "evals" / "questions"),
        "golden set questions has changed since the evaluation",
    ),
    "the policy loosened": (
        lambda at, _: demand(at, golden_sets={"questions": {"not_worse": None}}),
        "the policy has changed since the evaluation",
    ),
    "a source that was never loaded": (
        lambda at, _: at.contract("garden", files_contract(at.pages(PAGES, "garden"), id="garden")),
        "source garden was never loaded (gate.yaml:",
    ),
    "the candidate pointed at a twin": (pointed_at_a_twin, "the evidence is about another release"),
    "the release replaced by a twin": (replaced_by_a_twin, "the release's manifest was changed after it was evaluated"),
    "one byte of the release changed": (one_byte_changed, "differ from its manifest: chroma/sealed.sqlite3"),
    "production moved in between": (served_another, "which is in production now"),
}


@pytest.mark.parametrize("where", PLACES)
def test_with_nothing_touched_the_same_door_opens(ready: Workspace, place: Place, where: str) -> None:
    opened(place(where, ready), promote)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("edit", EDITS)
def test_what_passed_is_refused_once_what_it_was_decided_on_was_touched(
    ready: Workspace, place: Place, monkeypatch: Patch, edit: str, where: str
) -> None:
    change, reason = EDITS[edit]
    change(ready, monkeypatch)
    closed(place(where, ready), f"{edit}, {where}", promote, reason)


def test_figures_raised_by_hand_do_not_help_a_candidate_that_failed(refused: Workspace, monkeypatch: Patch) -> None:
    better_figures(refused, monkeypatch)
    closed(refused, "failed evidence edited by hand", promote, EDITS["evidence edited by hand"][1])


FORGERIES: dict[str, tuple[Edit, str]] = {
    "figures sealed anew": (sealed_anew(), "is gone; evaluate it again"),
    "figures sealed anew, the table too": (sealed_anew(table=True), "by its list and the judgments, not 1; evaluate again"),
    "figures and lists sealed anew": (sealed_anew(lists=True), "is gone; evaluate it again"),
    "all of it, where a key is set": (with_a_key(sealed_anew(lists=True, table=True)), "was sealed without RAG_SEAL_KEY"),
}
"""By somebody who may write to RAG_HOME and read this code; without a key the last of them would pass."""


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_evidence_does_not_help_a_candidate_that_failed(
    refused: Workspace, place: Place, monkeypatch: Patch, forgery: str, where: str
) -> None:
    edit, reason = FORGERIES[forgery]
    edit(refused, monkeypatch)
    closed(place(where, refused), f"{forgery}, {where}", promote, reason)


def copied_elsewhere(workspace: Workspace, _: Patch) -> None:
    """A copy of the evaluated release under another name, whose files could then be others."""
    manifest = read_manifest(release(workspace))
    shutil.copytree(release(workspace), workspace.home.release("copy"))
    name_candidate(workspace.home, manifest.model_copy(update={"id": "copy"}), run_id="copy", now=datetime.now(UTC))


BREAKAGES: dict[str, tuple[Edit, str]] = {
    "the policy removed": (lambda at, _: (at.root / "evals" / "gate.yaml").unlink(), "without it nothing is promoted"),
    "the policy unreadable": (lambda at, _: demand(at, floors=1), "gate.yaml:"),
    "the golden set unreadable": (
        lambda at, _: (at.root / "evals" / "questions" / "queries.jsonl").write_text("{", encoding="utf-8"),
        "queries.jsonl:1",
    ),
    "the candidate forgotten": (lambda at, _: at.home.candidate.unlink(), "there is no candidate yet"),
    "the candidate's manifest removed": (lambda at, _: (release(at) / MANIFEST_FILE).unlink(), "it has no manifest.json"),
    "the candidate pointed at a copy": (copied_elsewhere, "copy holds the manifest of"),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_cannot_be_decided_on_at_all_fails_the_run_and_moves_nothing(
    ready: Workspace, place: Place, monkeypatch: Patch, breakage: str, where: str
) -> None:
    change, reason = BREAKAGES[breakage]
    change(ready, monkeypatch)
    closed(place(where, ready), f"{breakage}, {where}", promote, reason)
