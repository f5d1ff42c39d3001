"""What Dagster knows by name of every asset, and the settings as a resource that shows no secret."""

import json
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.settings_resource import KEY, PipelineSettings, settings_resource
from rag_pipeline.host.standard import CODE, COLUMNS, RELATION, URI
from rag_pipeline.settings import PROJECT, Settings, load_settings
from tests.conftest import Workspace
from tests.pipeline.conftest import handbook

__all__ = ["handbook"]

SECRET = "json://a-secret-that-nobody-may-see"


@pytest.fixture
def specs(handbook: Workspace) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in build(handbook.settings).resolve_all_asset_specs()}


def test_every_asset_says_where_it_lies(specs: dict[str, dg.AssetSpec], handbook: Workspace) -> None:
    home, evals = handbook.home.root.as_uri(), handbook.settings.evals.as_uri()
    assert {name: spec.metadata[URI] for name, spec in specs.items()} == {
        "handbook/documents": f"{home}/lake/documents/handbook",
        "handbook/quarantine": f"{home}/lake/quarantine/handbook",
        "corpus/chunks": f"{home}/lake/chunks",
        "corpus/embeddings": f"{home}/lake/vectors",
        "evals/questions": f"{evals}/questions",
        "index/candidate": f"{home}/releases",
        "index/evaluation": f"{home}/lake/evaluations",
        "index/production": f"{home}/channels/production.json",
        "index/production_evaluation": f"{home}/lake/evaluations",
        "index/kept_releases": f"{home}/releases",
        "serving/answers": f"{home}/answers.json",
        "serving/replicas": f"{home}/replicas",
    }


def test_a_table_has_the_name_of_its_folder_and_every_column_is_described(specs: dict[str, dg.AssetSpec]) -> None:
    tables = {name: spec for name, spec in specs.items() if RELATION in spec.metadata}
    assert {name: spec.metadata[RELATION] for name, spec in tables.items()} == {
        "handbook/documents": "lake.documents.handbook",
        "handbook/quarantine": "lake.quarantine.handbook",
        "corpus/chunks": "lake.chunks",
        "corpus/embeddings": "lake.vectors",
        "index/evaluation": "lake.evaluations",
        "index/production_evaluation": "lake.evaluations",
    }
    for name, spec in tables.items():
        columns = spec.metadata[COLUMNS].columns
        assert columns, name
        if name != "handbook/documents":  # those of the feed, which its contract describes or not
            assert all(column.description for column in columns), name


def test_every_asset_refers_to_the_files_people_edit_and_to_the_function_that_makes_it(
    specs: dict[str, dg.AssetSpec],
) -> None:
    for name, spec in specs.items():
        *edited, made_by = spec.metadata[CODE].code_references
        line = Path(made_by.file_path).read_text(encoding="utf-8").splitlines()[made_by.line_number - 1]
        assert line.strip().startswith(("@dg.asset(", "@dg.multi_asset(")), f"{name}: {made_by.source}"
        assert all(Path(one.file_path).exists() for one in edited), name
    edited = {name: [one.label for one in spec.metadata[CODE].code_references][:-1] for name, spec in specs.items()}
    assert edited["handbook/documents"] == edited["handbook/quarantine"] == ["handbook.odcs.yaml"]
    assert edited["evals/questions"] == ["golden.yaml", "queries.jsonl"]
    assert edited["index/production"] == edited["index/evaluation"] == ["gate.yaml"]


def test_the_settings_are_shown_with_their_variables_and_no_secret_is(
    handbook: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_HOME", str(handbook.home))
    monkeypatch.setenv("RAG_KEEP_DAYS", "3")
    for secret in ("RAG_SEAL_KEY", "RAG_PII_SALT", "RAG_ALERTS", "RAG_HANDBOOK_PASSWORD"):
        monkeypatch.setenv(secret, SECRET)
    settings = load_settings()
    snap = RepositorySnap.from_def(build(settings).get_repository_def())
    [shown] = [one for one in snap.resources or () if one.name == KEY]
    assert {field.name for field in shown.config_field_snaps} == set(Settings.model_fields)
    described = {field.name: field.description or "" for field in shown.config_field_snaps}
    assert described["keep_days"].startswith("RAG_KEEP_DAYS. Days for which old versions")
    values = {name: json.loads(str(value)) for name, value in shown.configured_values.items()}
    assert {name: str(value) for name, value in values.items()} == {name: str(value) for name, value in settings}
    assert (values["home"], values["keep_days"]) == (str(handbook.home), 3)
    assert settings_resource(settings).read() == settings
    assert SECRET not in serialize_value(snap)


def test_an_asset_that_asks_for_the_settings_gets_them(handbook: Workspace) -> None:
    found: list[Settings] = []

    @dg.asset
    def mine(rag_settings: PipelineSettings) -> None:
        found.append(rag_settings.read())

    resources = {KEY: settings_resource(handbook.settings)}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([mine], instance=instance, resources=resources).success
    assert found == [handbook.settings]


def test_the_default_contracts_are_referred_to() -> None:
    specs = build(Settings()).resolve_all_asset_specs()
    referred = {one.file_path for spec in specs for one in spec.metadata[CODE].code_references}
    assert {str(path) for path in (PROJECT / "contracts").glob("*.odcs.yaml")} <= referred
