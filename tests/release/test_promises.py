"""A promise that was loosened since the promoted release was built is found, unless the contract announces it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rag_pipeline.cli import app
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.index.build import build_release, rebuild_release
from rag_pipeline.index.kept_contracts import kept_contracts
from rag_pipeline.index.manifest import Manifest, damaged_files, read_manifest
from rag_pipeline.release.promises import Promises, compare_with_promoted
from tests.support.built_once import BuiltOnce
from tests.support.office import Office
from tests.support.small_releases import DIMENSIONS, NOW, SmallModel, recipe


@pytest.fixture
def promoted(office: Office, built_once: BuiltOnce) -> Office:
    """The office, with a release in production that keeps its contracts."""
    built_once.state(office.workspace.root, "promoted with its contracts", lambda: promote_with_contracts(office))
    return office


def promote_with_contracts(office: Office) -> None:
    contracts = read_contracts(office.workspace.settings.contracts)
    texts = {contract.file.name: contract.text for contract in contracts}
    with_contracts = replace(recipe(replace(SmallModel(), dimensions=DIMENSIONS)), contracts=texts)
    for folder in office.home.releases.iterdir():
        if folder.is_dir():  # one without contracts lies there already, and has the same fingerprint
            folder.rename(office.home.root / f"old-{folder.name}")
    assert vectors_table(office.home).exists
    release = build_release(office.home, with_contracts, run_id="run", now=NOW).manifest.id
    office.serve(release)


def edit(office: Office, **changes: Any) -> Path:
    file = office.workspace.root / "contracts" / "handbook.odcs.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text("utf-8")), **changes}, sort_keys=False), "utf-8")
    return file


def compared(office: Office) -> Promises:
    return compare_with_promoted(office.home, read_contracts(office.workspace.settings.contracts), "production")


def serving(office: Office) -> Manifest:
    return read_manifest(office.home.release(str(compared(office).release)))


def test_before_anything_is_promoted_there_is_nothing_to_compare_with(office: Office) -> None:
    assert compared(office) == Promises(None, {})


def test_a_release_without_an_intact_contract_cannot_be_compared_and_says_so(office: Office) -> None:
    office.serve(office.first)
    found = compared(office)
    assert (found.release, found.comparable, found.announced) == (office.first, False, True)


def test_nothing_changed_where_nothing_changed(promoted: Office) -> None:
    found = compared(promoted)
    assert found.release and found.comparable
    assert (found.changed, found.added, found.removed) == ({}, (), ())


def test_a_stretched_sla_has_to_be_announced(promoted: Office) -> None:
    sla = [{"property": "latency", "value": 96, "unit": "h"}]
    edit(promoted, slaProperties=sla)
    found = compared(promoted)
    assert not found.announced
    assert [(one.kind, one.field) for one in found.changed["handbook"].changes] == [("loosened", "slaProperties.latency")]
    changelog = {"property": "changelog", "value": ["1.1.0: the feed comes every fourth day"]}
    custom = [{"property": "quarantineMaxPercent", "value": 50}, changelog]
    edit(promoted, slaProperties=sla, customProperties=custom)
    assert not compared(promoted).announced, "a line without its version"
    edit(promoted, slaProperties=sla, customProperties=custom, version="1.1.0")
    assert compared(promoted).announced


def test_a_source_that_came_or_left_is_named(promoted: Office) -> None:
    file = promoted.workspace.root / "contracts" / "handbook.odcs.yaml"
    file.rename(file.with_name("wiki.odcs.yaml"))
    found = compared(promoted)
    assert (found.added, found.removed) == (("wiki.odcs.yaml",), ("handbook.odcs.yaml",))


def test_an_edited_contract_inside_a_release_is_damage_and_is_not_compared_with(promoted: Office) -> None:
    manifest = serving(promoted)
    release = promoted.home.release(manifest.id)
    kept = release / "contracts" / "handbook.odcs.yaml"
    kept.chmod(0o644)
    kept.write_text(kept.read_text("utf-8").replace("value: 48", "value: 480"), "utf-8")
    assert damaged_files(release, manifest) == ("contracts/handbook.odcs.yaml",)
    assert kept_contracts(release, manifest) == {}


def test_a_twin_keeps_the_contracts_of_the_release_it_repairs(promoted: Office) -> None:
    manifest = serving(promoted)
    before = kept_contracts(promoted.home.release(manifest.id), manifest)
    store = promoted.home.release(manifest.id) / "chroma" / "sealed.sqlite3"
    store.chmod(0o644)
    store.write_bytes(store.read_bytes()[:-1])
    twin = rebuild_release(promoted.home, manifest, run_id="run", now=NOW).manifest
    assert twin.id != manifest.id
    assert before and kept_contracts(promoted.home.release(twin.id), twin) == before


def test_the_command_exits_with_1_until_the_change_is_announced(promoted: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in promoted.workspace.environment.items():
        if name.startswith("RAG_"):
            monkeypatch.setenv(name, value)
    assert CliRunner().invoke(app, ["contract", "diff"]).exit_code == 0
    edit(promoted, slaProperties=[])
    done = CliRunner().invoke(app, ["contract", "diff", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert told["announced"] is False
    assert told["changed"]["handbook"]["needs"] == "minor"
    assert "a new minor version" in " ".join(CliRunner().invoke(app, ["contract", "diff"]).stdout.split())
