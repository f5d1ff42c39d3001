"""`rag_pipeline.RagPipeline` in a project of somebody else's: its YAML is the settings, and nothing of theirs is touched."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing.utils import DefsFolderSandbox, create_defs_folder_sandbox

from rag_pipeline import RagPipeline
from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.settings import Settings
from tests.support.feeds import server_of

THEIRS = """
import dagster as dg

@dg.asset(key=["warehouse", "articles"])
def articles() -> None: ...

@dg.asset(key=["corpus", "chunks"])
def their_chunks() -> None: ...

@dg.asset
def orders() -> None: ...

nightly_refresh = dg.define_asset_job("nightly_refresh", "orders")
"""
"""Assets and a job of other people's, two of which are called as ours are where there is no prefix."""


@pytest.fixture
def project() -> Iterator[DefsFolderSandbox]:
    """A project with a pipeline in `defs/search`, as `dg scaffold defs` leaves it."""
    with create_defs_folder_sandbox() as sandbox:
        sandbox.scaffold_component(RagPipeline, "search")
        yield sandbox


def write(project: DefsFolderSandbox, folder: str = "search", **attributes: Any) -> None:
    path = project.defs_folder_path / folder / "defs.yaml"
    path.write_text(yaml.safe_dump({"type": "rag_pipeline.RagPipeline", "attributes": attributes}), encoding="utf-8")


def loaded(project: DefsFolderSandbox, **attributes: Any) -> Settings:
    """The settings the YAML comes to."""
    write(project, **attributes)
    with project.build_component_tree() as tree:
        return tree.load_component(project.defs_folder_path / "search", RagPipeline).settings


def words(error: BaseException | None) -> str:
    """All that a chain of errors says, as `dg` prints it."""
    found = []
    while error is not None:
        found.append(str(error))
        error = error.__cause__
    return "\n".join(found)


def refused(project: DefsFolderSandbox, **attributes: Any) -> str:
    """Why Dagster cannot load it."""
    with pytest.raises(Exception) as raised:  # whatever the loader makes of our error
        loaded(project, **attributes)
    return words(raised.value)


def keys(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def test_what_is_scaffolded_is_a_pipeline_that_loads(project: DefsFolderSandbox) -> None:
    folder = project.defs_folder_path / "search"
    with project.load_component_and_build_defs(folder) as (component, definitions):
        assert isinstance(component, RagPipeline)
        assert component.settings.home == Home(project.project_root / ".rag")
        assert {"handbook/documents", "index/production", "evals/questions"} <= keys(definitions)
    source = read_contract(folder / "contracts" / "handbook.odcs.yaml")
    assert server_of(source, FilesServer).path == folder / "pages"


def test_attributes_are_the_settings_and_folders_are_relative_to_the_yaml(project: DefsFolderSandbox) -> None:
    settings = loaded(project, home="../../kept", keep_days=3, schedules=True, timezone="Europe/Berlin", key_prefix="a/b")
    assert settings.home == Home(project.defs_folder_path.parent / "kept")
    assert settings.contracts == project.defs_folder_path / "search" / "contracts"
    assert (settings.keep_days, settings.schedules, settings.key_prefix) == (3, "on", "a/b")
    assert set(RagPipeline.get_model_cls().model_fields) == set(Settings.model_fields)


def test_what_the_yaml_does_not_say_is_from_the_environment(
    project: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "told"))
    monkeypatch.setenv("RAG_KEEP_DAYS", "5")
    monkeypatch.setenv("DAYS", "6")
    assert (loaded(project).home, loaded(project).keep_days) == (Home(tmp_path / "told"), 5)
    assert loaded(project, keep_days="{{ env.DAYS | int }}").keep_days == 6
    assert loaded(project, home="{{ context.project_root }}/x").home == Home(project.project_root / "x")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"keep_days": 0}, "attributes.keep_days=0: Input should be greater than or equal to 1"),
    "an owner": ({"owner": "anna"}, "attributes.owner='anna': an owner is an e-mail address"),
    "a URL": ({"home": "ftp://x/home"}, "attributes.home='ftp://x/home': ftp://x/home is a URL"),
    "a bucket without locks": ({"home": "s3://bucket/home"}, "two machines could write at once: set RAG_LOCKS"),
    "a prefix": ({"key_prefix": "a b"}, "attributes.key_prefix='a b': use letters, digits and underscores"),
    "a group": ({"group_name": "a/b"}, "attributes.group_name='a/b': the name of a group has letters"),
    "a typing error": ({"promoton": "manual"}, "promoton"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_attribute_that_cannot_be_is_refused_by_its_name(project: DefsFolderSandbox, what: str) -> None:
    attributes, says = BAD[what]
    assert says in refused(project, **attributes)


def test_a_wrong_variable_is_called_as_it_is_set(project: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_KEEP_DAYS", "0")
    assert "RAG_KEEP_DAYS='0': Input should be greater" in refused(project)


def beside(project: DefsFolderSandbox, *folders: str) -> dg.Definitions:
    """All of the project: their assets, and a pipeline in each folder, with its name as prefix."""
    (project.defs_folder_path / "theirs.py").write_text(textwrap.dedent(THEIRS), encoding="utf-8")
    for folder in folders:
        if not (project.defs_folder_path / folder).exists():
            project.scaffold_component(RagPipeline, folder)
        write(project, folder, key_prefix=folder, home=f"../../homes/{folder}")
    with project.build_all_defs() as definitions:
        dg.Definitions.validate_loadable(definitions)
        return definitions


def test_two_pipelines_stand_beside_other_peoples_assets_of_the_same_names(project: DefsFolderSandbox) -> None:
    definitions = beside(project, "search", "support")
    assert {"corpus/chunks", "search/corpus/chunks", "support/corpus/chunks", "orders"} <= keys(definitions)
    repository = definitions.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs()}
    assert {"nightly_refresh", "search_nightly_refresh", "support_roll_back", "support_watch_production"} <= set(jobs)
    for name, job in jobs.items():
        selected = {key.path[0] for key in job.asset_layer.selected_asset_keys}
        if name != "__ASSET_JOB" and selected:
            assert selected == {name.split("_")[0].replace("nightly", "orders")}, f"{name} runs assets of its own only"
    sensors = {sensor.name for sensor in repository.sensor_defs}
    assert {"search_alerts", "search_end_dead_runs", "support_alerts", "support_end_dead_runs"} <= sensors
    assert "search_nightly_refresh_schedule" in {schedule.name for schedule in repository.schedule_defs}
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["search", "index", "candidate"])).group_name == "search_index"
    parents = graph.get(dg.AssetKey(["search", "corpus", "chunks"])).parent_keys
    assert parents == {dg.AssetKey(["search", "handbook", "documents"])}
    checks = {check.asset_key.path[0] for check in graph.asset_check_keys}
    assert checks == {"search", "support"}


def test_their_jobs_keep_their_executor_and_ours_have_our_own(project: DefsFolderSandbox) -> None:
    definitions = beside(project, "search")
    assert definitions.executor is None
    theirs, ours = (definitions.resolve_job_def(name) for name in ("nightly_refresh", "search_nightly_refresh"))
    assert theirs.executor_def is not ours.executor_def
    assert ours.run_tags["rag/home"].endswith("/homes/search")
    assert "rag/home" not in theirs.run_tags


def test_one_group_holds_all_of_it_where_one_is_named(project: DefsFolderSandbox) -> None:
    write(project, group_name="search")
    with project.build_all_defs() as definitions:
        graph = definitions.resolve_asset_graph()
        assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == {"search"}


def test_importing_the_package_imports_no_dagster() -> None:
    code = "import sys, rag_pipeline; assert 'RagPipeline' in dir(rag_pipeline); print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_looking_at_the_component_imports_neither_tables_nor_the_graph() -> None:
    heavy = ["deltalake", "polars", "rag_pipeline.defs.graph"]
    code = f"import sys, rag_pipeline; rag_pipeline.RagPipeline; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_source_that_would_be_made_by_itself_is_refused_with_its_contract(project: DefsFolderSandbox) -> None:
    contract = project.defs_folder_path / "search" / "contracts" / "handbook.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(f"{text}customProperties: [{{property: madeBy, value: [index/production]}}]\n", encoding="utf-8")
    write(project)
    with pytest.raises(Exception) as raised, project.build_all_defs():
        pass
    assert "handbook.odcs.yaml: customProperties: madeBy: 'index/production' is an asset of this" in words(raised.value)


def test_python_is_refused_where_yaml_is_meant(project: DefsFolderSandbox) -> None:
    with pytest.raises(PipelineError, match="leave --format python out"):
        project.scaffold_component(RagPipeline, "other", scaffold_format="python")
