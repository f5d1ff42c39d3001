"""The lists that import-linter is given by hand name every package they are meant for."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.settings import PROJECT as ROOT

PACKAGE = ROOT / "rag_pipeline"
KINDS = PACKAGE / "connectors"
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def contract(beginning: str) -> dict[str, Any]:
    return next(one for one in LINTER["contracts"] if one["name"].startswith(beginning))


def modules(folder: Path) -> set[str]:
    """Packages and modules of a folder, by their full names."""
    found = {path for path in folder.iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"}
    return {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found if path.stem != "__init__"}


def kinds() -> set[str]:
    return {name for name in modules(KINDS) if (ROOT / Path(*name.split("."))).is_dir()}


def above_connectors() -> set[str]:
    layers: list[str] = contract("Stages import to the left")["layers"]
    above = layers[: layers.index("rag_pipeline.connectors")]
    return {name for layer in above for name in layer.split(" | ")}


def test_every_package_has_a_layer() -> None:
    layers = {name for layer in contract("Stages import to the left")["layers"] for name in layer.split(" | ")}
    assert layers == modules(PACKAGE)


@pytest.mark.parametrize("missing", sorted(above_connectors() - {"rag_pipeline.definitions"}))
def test_whoever_may_import_connectors_is_kept_from_the_kinds(missing: str) -> None:
    assert missing in contract("Only the registry")["source_modules"]


def test_every_kind_of_source_is_kept_apart_from_the_others_and_from_the_library() -> None:
    assert set(contract("No kind of source")["modules"]) == kinds()
    assert set(contract("Only the registry")["forbidden_modules"]) == modules(KINDS) - {"rag_pipeline.connectors.registry"}


def test_only_the_layer_of_dagster_may_import_it() -> None:
    known = {"rag_pipeline.defs", "rag_pipeline.definitions", "rag_pipeline.host"}
    assert set(contract("Only defs, definitions")["source_modules"]) == modules(PACKAGE) - known
