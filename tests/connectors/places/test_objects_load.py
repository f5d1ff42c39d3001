"""A bucket through the loader: its contract as people write it, and what the tables hold night after night."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.contracts.connect import connect
from rag_pipeline.contracts.read import read_contract
from tests.conftest import Workspace, files_contract, table_contract
from tests.support.feeds import Feed, server_of
from tests.support.object_store import SECRET, Answer, Bucket, listed, new_bucket, pass_on, set_credentials


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    set_credentials(monkeypatch)
    with new_bucket() as bucket:
        bucket.put(**{f"docs/{name}.md": f"# {name}\n\nText of {name}.\n".encode() for name in ("a", "b", "sub/c")})
        bucket.put(**{"docs/photo.png": b"x", "docs/d.txt": b"Not Markdown.", "docs2/e.md": b"Elsewhere."})
        yield bucket


def s3(bucket: Bucket, place: str, form: str = "documents", **properties: Any) -> list[dict[str, Any]]:
    custom = [{"property": name, "value": value} for name, value in {"retries": 1, **properties}.items()]
    return [
        {
            "server": "store",
            "type": "s3",
            "location": f"s3://{bucket.name}/{place}",
            "endpointUrl": bucket.door.url,
            "format": form,
            "customProperties": custom,
        }
    ]


@pytest.fixture
def feed(workspace: Workspace, bucket: Bucket) -> Feed:
    return Feed(workspace, "handbook", files_contract("", servers=s3(bucket, "docs/**/*.md")))


def test_a_bucket_is_loaded_and_costs_one_listing_the_next_night(feed: Feed, bucket: Bucket) -> None:
    report = feed.load()
    assert (report.outcome, report.items_read) == ("accepted", 3)
    assert feed.texts() == {f"{name}.md": f"# {name}\n\nText of {name}.\n" for name in ("a", "b", "sub/c")}
    assert feed.documents()["sub/c.md"]["uri"] == f"s3://{bucket.name}/docs/sub/c.md"
    assert feed.documents()["sub/c.md"]["title"] == "sub/c"
    bucket.door.requests.clear()
    report = feed.load()
    assert (report.outcome, report.items_listed, report.items_read) == ("unchanged", 3, 0)
    assert (len(bucket.door.requests), len(bucket.door.listed)) == (1, 1)


def test_edits_and_deletes_in_a_bucket_reach_the_documents(feed: Feed, bucket: Bucket) -> None:
    feed.load()
    bucket.put(**{"docs/a.md": b"# a\n\nText of A.\n"})
    bucket.delete("docs/b.md")
    bucket.door.requests.clear()
    report = feed.load()
    assert (report.changed, report.removed) == (("handbook/a.md",), ("handbook/b.md",))
    assert feed.texts().keys() == {"a.md", "sub/c.md"}
    assert bucket.door.fetched == [f"/{bucket.name}/docs/a.md"]


def test_a_store_that_is_away_holds_the_source_and_the_next_night_makes_up_for_it(feed: Feed, bucket: Bucket) -> None:
    feed.load()
    bucket.put(**{"docs/a.md": b"# a\n\nText of A.\n"})
    before = feed.texts()
    for script, words in (
        (lambda method, path: Answer(403, SECRET.encode()), "access denied"),
        (lambda method, path: None if "list-type" in path else Answer(503), "the store answers 503"),
    ):
        bucket.door.script = script
        report = feed.load()
        assert (report.outcome, feed.texts()) == ("held", before)
        assert words in report.reason and f"s3://{bucket.name}/docs" in report.reason
        assert SECRET not in report.reason and bucket.door.url not in report.reason
    bucket.door.script = pass_on
    assert feed.load().changed == ("handbook/a.md",)


def test_one_object_that_is_closed_goes_to_quarantine_and_keeps_its_last_copy(feed: Feed, bucket: Bucket) -> None:
    feed.load()
    bucket.put(**{"docs/a.md": b"# a\n\nText of A.\n", "docs/b.md": b"# b\n\nText of B.\n"})
    bucket.door.script = lambda method, path: Answer(403) if path.endswith("/a.md") else None
    report = feed.load()
    assert (report.outcome, report.unreadable, report.changed) == ("accepted", 1, ("handbook/b.md",))
    assert feed.texts()["a.md"] == "# a\n\nText of a.\n"
    assert "access to this object is denied" in feed.quarantine("open")[0]["reasons"]
    bucket.door.script = pass_on
    assert feed.load().changed == ("handbook/a.md",)
    assert feed.quarantine("open") == []


def test_an_object_over_the_contracts_limit_goes_to_quarantine(feed: Feed, bucket: Bucket) -> None:
    feed.content["servers"] = s3(bucket, "docs/**/*.md", maxMegabytes=0.001)
    bucket.put(**{"docs/a.md": b"x" * 2_000})
    report = feed.load()
    assert (report.unreadable, report.documents) == (1, 2)
    assert "split it, or raise maxMegabytes" in feed.quarantine("open")[0]["reasons"]


def test_a_table_in_a_bucket_is_loaded(workspace: Workspace, bucket: Bucket) -> None:
    rows = [{"id": f"r{n}", "text": f"Row {n}."} for n in range(20)]
    bucket.put(**{"data/rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()})
    feed = Feed(workspace, "rows", table_contract("", "jsonl"))
    feed.content["servers"] = s3(bucket, "data/*.jsonl", "jsonl")
    assert feed.load().documents == 20
    assert feed.texts()["r7"] == "Row 7."
    assert feed.load().outcome == "unchanged"


@pytest.mark.parametrize(
    "server",
    [
        {"type": "azure", "location": "az://pages/docs/**/*.md"},
        {
            "type": "custom",
            "location": "gs://pages/docs/**/*.md",
            "customProperties": [{"property": "connector", "value": "files"}],
        },
    ],
)
def test_contracts_name_buckets_of_google_and_azure(
    workspace: Workspace, server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    content = files_contract("", servers=[{"server": "store", "format": "documents", **server}])
    contract = read_contract(workspace.contract("handbook", content))
    assert server_of(contract, FilesServer).pattern == "**/*.md"
    connect(contract)


def test_a_google_bucket_named_in_a_contract_is_read(
    workspace: Workspace, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BASE_URL", bucket.door.url)
    server = {
        "server": "store",
        "type": "custom",
        "location": f"gs://{bucket.name}/docs",
        "format": "documents",
        "customProperties": [{"property": "connector", "value": "files"}],
    }
    contract = read_contract(workspace.contract("handbook", files_contract("", servers=[server])))
    assert [item.key for item in listed(connect(contract))] == ["a.md", "b.md", "d.txt", "sub/c.md"]
