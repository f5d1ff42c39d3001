"""A file that is dropped or scaffolded into `defs/` is part of the pipeline, or is named because it cannot be."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from rag_pipeline import defs
from rag_pipeline.defs.dropped import live, with_dropped
from rag_pipeline.defs.graph import build
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import PROJECT, Settings
from tests.conftest import Workspace
from tests.pipeline.conftest import handbook

__all__ = ["handbook"]

FEED = """\
import dagster as dg


@dg.asset
def my_feed(context: dg.AssetExecutionContext) -> dg.MaterializeResult: ...
"""
"""What `dg scaffold defs dagster.asset my_feed.py` writes."""

Drop = Callable[..., dg.Definitions]


@pytest.fixture
def own() -> dg.Definitions:
    """A pipeline of one asset, one job, one sensor, one resource and an executor."""

    @dg.asset(key=["corpus", "chunks"])
    def chunks() -> None: ...

    @dg.sensor(name="alerts", job_name="nightly")
    def alerts() -> dg.SkipReason:
        return dg.SkipReason("nothing")

    job = dg.define_asset_job("nightly", dg.AssetSelection.assets(chunks))
    return dg.Definitions(
        assets=[chunks], jobs=[job], sensors=[alerts], resources={"rag_settings": 1}, executor=dg.in_process_executor
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A folder to drop files into; a module lies there already that holds no definitions."""
    folder = tmp_path / "dropped_here"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "graph.py").write_text("def build() -> int:\n    return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("dropped_here")
    for name in [name for name in sys.modules if name.split(".")[0] == "dropped_here"]:
        del sys.modules[name]


@pytest.fixture
def drop(own: dg.Definitions, package: ModuleType) -> Drop:
    def write(**files: str) -> dg.Definitions:
        for name, text in files.items():
            path = Path(str(package.__file__)).parent / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return with_dropped(own, package)

    return write


def names(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def test_an_empty_folder_changes_nothing(own: dg.Definitions, drop: Drop) -> None:
    assert drop() is own
    assert drop(notes_dot_py="WORDS = ('no', 'definitions')\n") is own


def test_what_is_dropped_stands_beside_what_is_there(drop: Drop) -> None:
    check = """\
import dagster as dg

@dg.asset_check(asset=["corpus", "chunks"], blocking=True)
def chunks_are_short() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)

@dg.schedule(cron_schedule="0 3 * * *", target=["my_feed"])
def mine() -> dg.RunRequest:
    return dg.RunRequest()
"""
    found = drop(my_feed_dot_py=FEED, more__checks_dot_py=check)
    assert names(found) == {"corpus/chunks", "my_feed"}
    assert [key.name for key in found.resolve_asset_graph().asset_check_keys] == ["chunks_are_short"]
    repository = found.get_repository_def()
    assert [one.name for one in repository.schedule_defs] == ["mine"]
    assert repository.get_job("nightly").asset_layer.selected_asset_keys == {dg.AssetKey(["corpus", "chunks"])}


def test_a_component_that_is_scaffolded_is_loaded(drop: Drop) -> None:
    component = """\
import dagster as dg

class Letters(dg.Component, dg.Model, dg.Resolvable):
    letters: list[str]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return dg.Definitions(assets=[dg.AssetSpec(letter) for letter in self.letters])
"""
    yaml = "type: dropped_here.letters.Letters\nattributes:\n  letters: [a, b]\n"
    assert names(drop(letters_dot_py=component, mine__defs_dot_yaml=yaml)) == {"corpus/chunks", "a", "b"}


WRONG = {
    "a library not installed": (
        "import os\nimport nosuch\n",
        "ModuleNotFoundError: No module named 'nosuch' (line 2)",
    ),
    "a typing error": ("def f(:\n", "SyntaxError: invalid syntax"),
    "an error on import": (
        "def f():\n    raise ValueError('no feed')\n\n\nf()\n",
        "ValueError: no feed (line 2)",
    ),
    "an asset that is there already": (
        "import dagster as dg\n\n@dg.asset(key=['corpus', 'chunks'])\ndef chunks() -> None: ...\n",
        "Duplicate asset key: AssetKey(['corpus', 'chunks'])",
    ),
    "a job that is there already": (
        "import dagster as dg\n\n@dg.job\ndef nightly() -> None: ...\n",
        "Duplicate job definition found for job 'nightly'",
    ),
    "a sensor that is there already": (
        "import dagster as dg\n\n@dg.sensor(job_name='nightly')\ndef alerts() -> None: ...\n",
        "Duplicate definition found for alerts",
    ),
    "a resource that is there already": (
        "import dagster as dg\n\ndefs = dg.Definitions(resources={'rag_settings': 2})\n",
        "different resources with same key 'rag_settings'",
    ),
    "an executor of its own": (
        "import dagster as dg\n\ndefs = dg.Definitions(executor=dg.multiprocess_executor)\n",
        "both have an executor",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_cannot_be_loaded_is_named_with_its_reason(drop: Drop, what: str) -> None:
    text, reason = WRONG[what]
    with pytest.raises(PipelineError) as told:
        drop(a_dot_py=FEED.replace("my_feed", "good"), my_feed_dot_py=text)
    assert "dropped_here/my_feed.py cannot be loaded: " in str(told.value)
    assert reason in str(told.value)
    assert "Correct it, or move it out of " in str(told.value)


def test_a_component_that_cannot_be_loaded_is_named(drop: Drop) -> None:
    with pytest.raises(PipelineError, match=r"dropped_here/mine cannot be loaded: .*has no attribute `NoSuch`"):
        drop(my_feed_dot_py=FEED, mine__defs_dot_yaml="type: dagster.NoSuch\n")


def test_a_component_that_cannot_be_loaded_is_named_and_not_a_folder_that_stands_before_it(drop: Drop) -> None:
    """A folder of modules stands before it in the alphabet."""
    missing = "type: nosuch.letters.Letters\nattributes:\n  letters: [a]\n"
    with pytest.raises(PipelineError, match=r"dropped_here/mine cannot be loaded: .*No module named 'nosuch'"):
        drop(host__names_dot_py="NAME = 'a'\n", mine__defs_dot_yaml=missing, zoo__feed_dot_py=FEED)


def test_each_of_two_entries_that_cannot_be_loaded_has_its_own_reason(drop: Drop) -> None:
    with pytest.raises(PipelineError, match=r"dropped_here/a.py cannot be loaded: ValueError: no feed"):
        drop(a_dot_py=WRONG["an error on import"][0], mine__defs_dot_yaml="type: dagster.NoSuch\n")


def test_the_modules_of_the_pipeline_hold_no_definitions_so_nothing_is_loaded_twice() -> None:
    settings = Settings()
    ours = build(settings)
    assert with_dropped(ours, defs) is ours
    assert names(live(settings)) == names(ours)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, as somebody has it who scaffolds into it."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "pyproject.toml", root)
    for folder in ("rag_pipeline", "contracts", "evals"):
        shutil.copytree(PROJECT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def in_project(project: Path, workspace: Workspace, program: str, *arguments: str) -> str:
    """What a command of the copied project prints."""
    command = [sys.executable, "-c", f"from {program} import main; main()", *arguments]
    environment = {**workspace.environment, "PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_dg_scaffolds_is_what_dg_lists(project: Path, handbook: Workspace) -> None:
    in_project(project, handbook, "dagster_dg_cli.cli", "scaffold", "defs", "dagster.asset", "my_feed.py")
    assert (project / "rag_pipeline/defs/my_feed.py").read_text(encoding="utf-8") == FEED
    found = json.loads(in_project(project, handbook, "dagster_dg_cli.cli", "list", "defs", "--json"))
    keys = [one["asset_key"] for one in found["assets"]]
    assert sorted(keys) == sorted(names(build(handbook.settings)) | {"my_feed"})
    assert "rag_settings" in [one["name"] for one in found["resources"]]


@pytest.mark.slow
def test_a_refresh_runs_the_checks_that_are_dropped_on_its_assets_and_no_asset_of_somebody_else(
    project: Path, handbook: Workspace
) -> None:
    mine = project / "rag_pipeline/defs/mine.py"
    mine.write_text(MINE, encoding="utf-8")
    done = json.loads(in_project(project, handbook, "rag_pipeline.cli", "refresh", "--json"))
    mine.unlink()
    assert done["promoted"]
    told = {one["check"]: one["description"] for one in done["failed_checks"]}
    assert told["chunks_have_a_blessing"] == f"nobody blessed {handbook.home}"
    assert not (handbook.home.root / "mine.txt").exists()


MINE = """\
import dagster as dg

from rag_pipeline.defs.settings_resource import PipelineSettings


@dg.asset_check(asset=["corpus", "chunks"])
def chunks_have_a_blessing(rag_settings: PipelineSettings) -> dg.AssetCheckResult:
    home = rag_settings.read().home
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=f"nobody blessed {home}")


@dg.asset(deps=[["corpus", "chunks"]])
def mine(rag_settings: PipelineSettings) -> None:
    (rag_settings.read().home.root / "mine.txt").touch()
"""
