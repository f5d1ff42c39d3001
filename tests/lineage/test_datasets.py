"""What the pipeline's datasets are called, and which columns theirs are made from."""

from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.lineage.datasets import Datasets, feed_of
from rag_pipeline.lineage.facts import Name, Origin
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace, column, files_contract, table_contract


def server(workspace: Workspace, **fields: Any) -> Contract:
    content = table_contract("rows.csv", "csv") | {"servers": [{"server": "here", **fields}]}
    return read_contract(workspace.contract("prices", content))


def prop(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (
            {"type": "postgresql", "host": "db.example.com", "port": 5432, "database": "shop", "schema": "public"}
            | {"customProperties": [prop("table", "prices")]},
            Name("postgres://db.example.com:5432", "shop.public.prices"),
        ),
        (
            {"type": "s3", "location": "s3://bucket/exports/prices.csv", "format": "csv"},
            Name("s3://bucket", "exports/prices.csv"),
        ),
    ],
)
def test_a_feed_is_called_as_openlineage_names_what_it_lies_in(
    workspace: Workspace, fields: dict[str, Any], name: Name
) -> None:
    assert feed_of(server(workspace, **fields)) == name


def test_a_folder_is_called_by_its_path_and_a_bundled_source_by_its_name(workspace: Workspace) -> None:
    folder = workspace.pages({"one.md": "# One\n"})
    assert feed_of(read_contract(workspace.contract("pages", files_contract(folder)))) == Name("file", str(folder))
    bundled = read_contract(PROJECT / "contracts" / "python_library.odcs.yaml")
    assert feed_of(bundled) == Name("bundled", "python_library")


@pytest.fixture
def datasets(workspace: Workspace) -> Datasets:
    """One table with a column of every privacy policy that stores something, and one that does not."""
    policies = ("scan-and-mask", "hash", "drop", "refuse")
    extra = [column(policy.replace("-", "_"), policy=policy) for policy in policies]
    contract = table_contract("rows.jsonl", "jsonl", column("name", role="title", physicalName="Name"), *extra)
    read = read_contract(workspace.contract("people", contract))
    return Datasets("pipeline", ("search",), (read,))


def test_an_asset_is_called_by_its_key_below_the_prefix(datasets: Datasets) -> None:
    assert datasets.known(("corpus", "chunks")).at == Name("pipeline", "search/corpus/chunks")
    assert datasets.named(("warehouse", "people")) == Name("pipeline", "warehouse/people")


def test_a_masked_column_says_so_and_one_that_is_dropped_is_not_there(datasets: Datasets, workspace: Workspace) -> None:
    documents = datasets.known(("people", "documents"))
    assert [one.name for one in documents.fields] == ["id", "text", "name", "scan_and_mask", "hash", "refuse"]
    feed = Name("file", str(workspace.root / "contracts" / "rows.jsonl"))
    assert {name: origins[0] for name, origins in documents.origins.items()} == {
        "id": Origin(feed, "id"),
        "text": Origin(feed, "text"),
        "name": Origin(feed, "Name"),
        "scan_and_mask": Origin(feed, "scan_and_mask", same=False, masked=True),
        "hash": Origin(feed, "hash", same=False, masked=True),
        "refuse": Origin(feed, "refuse"),
    }


def test_columns_lead_from_the_release_back_to_the_feed(datasets: Datasets) -> None:
    def back(key: tuple[str, str], field: str) -> set[tuple[str, str]]:
        return {(one.dataset.name, one.field) for one in datasets.known(key).origins[field]}

    assert back(("index", "production"), "vector") == {("search/index/candidate", "vector")}
    assert back(("index", "candidate"), "vector") == {("search/corpus/embeddings", "vector")}
    assert back(("corpus", "embeddings"), "vector") == {("search/corpus/chunks", "text")}
    assert back(("corpus", "chunks"), "text") == {("search/people/documents", "text")}
    assert back(("corpus", "chunks"), "title") == {("search/people/documents", "name")}
    assert back(("corpus", "chunks"), "metadata") == {
        ("search/people/documents", name) for name in ("scan_and_mask", "hash", "refuse")
    }


def test_every_field_an_origin_speaks_of_is_one_of_its_dataset(datasets: Datasets) -> None:
    for key in (("corpus", "chunks"), ("corpus", "embeddings"), ("index", "candidate"), ("index", "production")):
        for field, origins in datasets.known(key).origins.items():
            assert field in {one.name for one in datasets.known(key).fields}
            for origin in origins:
                _, group, name = Path(origin.dataset.name).parts
                assert origin.field in {one.name for one in datasets.known((group, name)).fields}
