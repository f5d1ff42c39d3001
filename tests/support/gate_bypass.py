"""What the tests of "no way around the gate" share: two pipelines to break, a knock at a door, and what it told."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs import run
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.keys import PRODUCTION
from rag_pipeline.host.names import LET_PASS
from rag_pipeline.host.ui_tables import said
from rag_pipeline.index.candidate import Candidate, read_candidate
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import LENIENT, PAGES, QUESTIONS
from tests.support.bucket_home import InBucket

ROOT = Path(__file__).parents[2]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
TRIED: list[str] = []

SIX = {"margin": 0.45, "guard_margin": None, "hit_to_miss_max_percent": None}
"""As much as six questions can show: with fewer than 150, unchanged answers alone would not pass a margin of 0.02."""

Door = Callable[[Workspace], object]
Patch = pytest.MonkeyPatch
Edit = Callable[[Workspace, Patch], object]


@cache
def pipelines(folder: Path) -> dict[str, Path]:
    """Production serves a good release, and the candidate is one that passed its evaluation, or one that failed it."""
    first = Workspace(folder / "first")
    first.root.mkdir(parents=True)
    names = list(PAGES)
    edited = {"travel.md": PAGES["travel.md"].replace("second class", "first class on Fridays")}
    mixed_up = {name: PAGES[other] for name, other in zip(names, names[1:] + names[:1], strict=True)}
    roots = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(first.root / "dagster"))
        first.contract("handbook", files_contract(first.pages(PAGES), **LENIENT))
        first.golden("questions", QUESTIONS)
        first.policy({"questions": {"floors": {"nDCG@10": 0.8}, "not_worse": SIX}})
        assert run.refresh(first.settings).success
        for name, pages in {"ready": edited, "refused": mixed_up}.items():
            other = Workspace(folder / name)
            shutil.copytree(first.root, other.root)
            patch.setenv("DAGSTER_HOME", str(other.root / "dagster"))
            other.contract("handbook", files_contract(other.pages(pages), **LENIENT))
            assert run.refresh(other.settings, promote=name == "refused").success is (name == "ready")
            assert read_candidate(other.home).release != serving(other.home)
            roots[name] = other.root
    return roots


def copy_of(name: str, factory: pytest.TempPathFactory, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy to break; its settings are in the environment too, for what starts from there."""
    shutil.copytree(pipelines(factory.getbasetemp() / "no-way-around")[name], workspace.root, dirs_exist_ok=True)
    for variable in ("RAG_HOME", "RAG_CONTRACTS", "RAG_EVALS"):
        monkeypatch.setenv(variable, workspace.environment[variable])
    return workspace


@dataclass(frozen=True)
class Told:
    """What the last run told."""

    checks: dict[str, bool]
    says: str


def told() -> Told:
    """From Dagster's own event log, as the UI reads it."""
    with dg.DagsterInstance.get() as instance:
        (last,) = instance.get_runs(limit=1)
        events = [entry.dagster_event for entry in instance.all_logs(last.run_id) if entry.dagster_event]
    evaluations = [one.asset_check_evaluation_data for one in events if one.event_type_value == "ASSET_CHECK_EVALUATION"]
    failures = [one.step_failure_data.error for one in events if one.is_step_failure]
    assert last.status == (dg.DagsterRunStatus.FAILURE if failures else dg.DagsterRunStatus.SUCCESS)
    says = [said(one.description or "") for one in evaluations if not one.passed] + [str(error) for error in failures]
    return Told({one.check_name: one.passed for one in evaluations}, "\n".join(says))


def channel_bytes(workspace: Workspace) -> bytes:
    return workspace.home.channel("production").read_bytes()


def audit(workspace: Workspace) -> list[dict[str, Any]]:
    return audit_table(workspace.home).scan().filter(channel="production").sort("at").collect().to_dicts()


def candidate(workspace: Workspace) -> Candidate:
    return read_candidate(workspace.home)


def closed(workspace: Workspace, way: str, door: Door, reason: str, *, at_the_gate: bool = True) -> Told:
    """The door was tried, the channel is as it was to the byte, and the run tells why; at the gate the audit does too."""
    before, entries = channel_bytes(workspace), audit(workspace)
    door(workspace)
    assert channel_bytes(workspace) == before, f"{way} moved production"
    said, since = told(), [entry for entry in audit(workspace) if entry not in entries]
    assert said.checks.get(LET_PASS) is (False if at_the_gate else None), said
    assert reason in said.says, said.says
    assert [(entry["action"], reason in entry["reasons"]) for entry in since] == [("refused", True)] * at_the_gate
    TRIED.append(way)
    return said


def opened(workspace: Workspace, door: Door) -> None:
    """The same door, when everything is right: without this a door that is never found would pass for a closed one."""
    door(workspace)
    assert serving(workspace.home) == candidate(workspace).release, told().says
    assert audit(workspace)[-1]["action"] == "promoted"


def launch(
    job: dg.JobDefinition, *keys: list[str], config: dict[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> None:
    """Run a job, or the assets of it that are named. `config`: of its steps."""
    chosen = [dg.AssetKey(key) for key in keys] or None
    with dg.DagsterInstance.get() as instance:
        job.execute_in_process(
            instance=instance,
            asset_selection=chosen,
            run_config={"ops": config or {}} | QUIET,
            raise_on_error=False,
            tags=tags,
        )


def ui(workspace: Workspace, *keys: list[str], **config: Any) -> None:
    """What the UI's Materialize button does: the job of all assets, reduced to what was clicked on.

    `config`: of `index/production`, as typed into the launchpad.
    """
    steps = {"index__production": {"config": config}} if config else {}
    launch(build(workspace.settings).resolve_implicit_global_asset_job_def(), *keys, config=steps)


def demand(workspace: Workspace, **changes: Any) -> None:
    """Change gate.yaml: demands of production by name, or other channels as `channels`."""
    path = workspace.root / "evals" / "gate.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["channels"] |= dict.fromkeys(changes.pop("channels", []), content["channels"]["production"])
    content["channels"]["production"] = content["channels"]["production"] | changes
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def promote(workspace: Workspace) -> None:
    ui(workspace, PRODUCTION)


def release(workspace: Workspace) -> Path:
    return workspace.home.release(candidate(workspace).release)


def evidence_of(workspace: Workspace, fingerprint: str) -> Path:
    """The newest evidence file on a release's content."""
    return max(workspace.home.evidence_on(fingerprint).glob("*.json"))


def evidence(workspace: Workspace) -> Path:
    return evidence_of(workspace, candidate(workspace).fingerprint)


@contextmanager
def without_evidence(workspace: Workspace) -> Iterator[None]:
    """The evidence on the candidate is not there until the block ends: on disk, or in the bucket that machines copy."""
    folder = workspace.home.evidence_on(candidate(workspace).fingerprint)
    if isinstance(workspace, InBucket):
        objects, prefix = workspace.bucket.objects, folder.relative_to(workspace.home.root).as_posix()
        taken = {one.key: found.data for one in objects.list(prefix) if (found := objects.read(one.key))}
        assert taken
        objects.remove(list(taken))
        yield
        for key, data in taken.items():
            objects.put(key, data)
        return
    folder.rename(workspace.root / "aside")
    yield
    (workspace.root / "aside").rename(folder)


def clock(hours: float, step: str = "channel") -> Edit:
    """The clock of the machine is moved before a step, the one that decides if none is named."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    return lambda _, patch: patch.setattr(f"rag_pipeline.defs.{step}.datetime", Moved)


def one_byte_changed(workspace: Workspace, _: Patch) -> None:
    path = release(workspace) / "chroma" / "sealed.sqlite3"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def tell_how_many(request: pytest.FixtureRequest) -> Iterator[None]:
    """At the end of a module: how many ways its tests tried and found shut."""
    before = len(TRIED)
    yield
    plugins = request.config.pluginmanager
    capture, terminal = plugins.get_plugin("capturemanager"), plugins.get_plugin("terminalreporter")
    assert capture is not None and terminal is not None
    with capture.global_and_fixture_disabled():
        tried = f"{len(TRIED) - before} ways around the gate were tried and found shut"
        terminal.write_line(f"\n{request.module.__name__}: {tried}")
