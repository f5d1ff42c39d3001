"""Metadata that Dagster knows by its name: where an asset lies, what it is called there, its columns, and what made it.

Names and meaning: https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

URI, RELATION, COLUMNS, ROWS, CODE = (
    "dagster/uri",
    "dagster/relation_identifier",
    "dagster/column_schema",
    "dagster/row_count",
    "dagster/code_references",
)


def of_table(home: Home, table: Table, columns: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What says that an asset is a table of the lake. Its name is its path below RAG_HOME, with dots between the folders.

    `columns`: column -> what it holds; without them the columns are left to the caller.
    """
    named = {URI: table.path.as_uri(), RELATION: home.name_of(table.path).replace("/", ".")}
    return named if columns is None else named | {COLUMNS: _schema(table.schema, columns)}


def at(path: Path) -> dict[str, Any]:
    """What says that an asset is a file or a folder."""
    return {URI: path.as_uri()}


def written_in(*files: Path) -> dict[str, Any]:
    """The files people edit to change an asset: its contract, its golden set, the policy. The UI opens them in an editor."""
    with _without_warning():
        found = [dg.LocalFileCodeReference(file_path=str(file), label=file.name) for file in files]
        return {CODE: dg.CodeReferencesMetadataValue(code_references=[*found])}


def with_source(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each with a reference to the function that makes it after those it has."""
    with _without_warning():
        return [_with_source(asset) for asset in assets]


def _with_source(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    function = asset.op.compute_fn.decorated_fn  # type: ignore[union-attr]  # of an asset made by a decorator
    code = function.__code__
    file = Path(code.co_filename)
    made_by = dg.LocalFileCodeReference(file_path=str(file), line_number=code.co_firstlineno, label=file.name)

    def referring(spec: dg.AssetSpec) -> dg.AssetSpec:
        already = spec.metadata[CODE].code_references if CODE in spec.metadata else []
        references = dg.CodeReferencesMetadataValue(code_references=[*already, made_by])
        return spec.replace_attributes(metadata={**spec.metadata, CODE: references})

    return asset.map_asset_specs(referring)


def _without_warning() -> "warnings.catch_warnings[None]":
    """Code references are marked as beta, and would be warned of each time the definitions are loaded."""
    return warnings.catch_warnings(action="ignore", category=dg.BetaWarning)


def _schema(schema: pa.Schema, columns: Mapping[str, str]) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(field.name, _kind(field.type), description=columns[field.name]) for field in schema]
    )


def _kind(of: pa.DataType) -> str:
    """A type in a word or two: what is in a list of structs is told by the column's description, or by DuckDB."""
    return "list<struct>" if pa.types.is_list(of) and pa.types.is_struct(of.value_type) else str(of)
