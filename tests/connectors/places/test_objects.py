"""Documents and tables in a bucket: the same as in a folder, each object fetched once, and only when it changed."""

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_pipeline.connectors import BrokenRow, Named, Row
from rag_pipeline.connectors.files import FilesServer
from rag_pipeline.connectors.files.connector import Files
from rag_pipeline.connectors.table import TableServer
from rag_pipeline.connectors.table.connector import Table
from rag_pipeline.contracts.rules import FORMATS
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.limits import Limits
from tests.support.object_store import QUICK, Answer, Bucket, listed, new_bucket, open_door, set_credentials


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with new_bucket() as bucket:
        yield bucket


def keys(bucket: Bucket, place: str = "", pattern: str | None = None) -> list[str]:
    return [item.key for item in listed(Files(bucket.server(place, pattern=pattern)))]


def read_all(files: Files) -> dict[str, Row]:
    items = listed(files)
    files.expect(items)
    return {item.key: row for item in items for row in files.read(item)}


def table_rows(server: TableServer) -> list[Row | BrokenRow]:
    table = Table(server)
    items = listed(table)
    table.expect(items)
    return [row for item in items for row in table.read(item)]


PAGES = {"a.md": b"# A\n", "b c.txt": b"plain\r\n", "sub/deep/d.HTML": b"<h1>D</h1><p>text</p>", "sub/e.rst": b"E\n"}
OTHERS = {".hidden.md": b"h", ".git/x.md": b"h", "sub/.x/y.md": b"h", "photo.png": b"p", "Makefile": b"m"}


def test_documents_of_a_bucket_are_read_as_those_of_a_folder_are(bucket: Bucket, tmp_path: Path) -> None:
    for name, content in (PAGES | OTHERS).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    bucket.put(**{f"docs/{name}": content for name, content in (PAGES | OTHERS).items()})
    begun = datetime.now(UTC)
    local, remote = read_all(Files(FilesServer(tmp_path))), read_all(Files(bucket.server("docs")))
    assert local.keys() == remote.keys() == PAGES.keys()
    for name in PAGES:
        assert remote[name]["uri"] == f"s3://{bucket.name}/docs/{name.replace(' ', '%20')}"
        assert abs((remote[name]["modified_at"] - begun).total_seconds()) < 60
        same = ("path", "text", "title", "media_type")
        assert [remote[name][field] for field in same] == [local[name][field] for field in same]


def test_a_prefix_ends_where_its_folder_ends(bucket: Bucket) -> None:
    bucket.put(**{"docs": b"x", "docs.md": b"x", "docs/a.md": b"x", "docs2/b.md": b"x", "docs/docs/c.md": b"x"})
    assert keys(bucket, "docs") == keys(bucket, "docs/") == ["a.md", "docs/c.md"]
    assert keys(bucket, "docs/docs") == ["c.md"]
    assert keys(bucket, "doc") == []
    assert keys(bucket) == ["docs.md", "docs/a.md", "docs/docs/c.md", "docs2/b.md"]


def test_a_pattern_chooses_among_the_objects_and_does_not_list_more_folders_than_it_must(bucket: Bucket) -> None:
    bucket.put(**{f"d/{name}": b"x" for name in ("a.md", "b.txt", "sub/c.md", "sub/deep/d.md")})
    assert keys(bucket, "d", "**/*.md") == ["a.md", "sub/c.md", "sub/deep/d.md"]
    assert keys(bucket, "d", "sub/*") == ["sub/c.md"]
    assert "delimiter" not in bucket.door.listed[-1]
    assert keys(bucket, "d", "*.md") == ["a.md"]
    assert "delimiter" in bucket.door.listed[-1]


def test_the_marks_of_folders_are_no_documents(bucket: Bucket) -> None:
    marks = ("docs/", "docs/sub/", "docs/looks-like.md/", "docs/a.md/")
    bucket.put(**dict.fromkeys(marks, b""), **{"docs/looks-like.md/b.md": b"b", "docs/a.md": b"a"})
    files = Files(bucket.server("docs"))
    versions = dict.fromkeys(item.key for item in listed(files))
    assert list(versions) == ["a.md", "looks-like.md/b.md"]
    (last,) = {item.version for item in listed(files) if item.key == "a.md"}
    bucket.put(**{"docs/a.md": b"A"})
    assert last not in {item.version for item in listed(files) if item.key == "a.md"}


def test_an_object_whose_name_ends_in_a_slash_does_not_stand_for_the_one_without(bucket: Bucket) -> None:
    """To the library both have one name."""
    bucket.put(**{"a.md": b"one", "a.md/": b"another"})
    before = {item.key: item.version for item in listed(Files(bucket.server()))}
    bucket.put(**{"a.md": b"two"})
    assert before != {item.key: item.version for item in listed(Files(bucket.server()))}


def test_an_empty_object_is_listed_and_said_to_be_empty(bucket: Bucket) -> None:
    bucket.put(**{"empty.md": b""})
    files = Files(bucket.server())
    (item,) = listed(files)
    with pytest.raises(Unreadable, match="the file is empty"):
        list(files.read(item))


def test_an_empty_bucket_lists_nothing(bucket: Bucket) -> None:
    assert keys(bucket) == keys(bucket, "docs") == []


ODD = ["with space.md", "ünï/cödé 🦉.md", "100%.md", "a%20b.md", "q?x=1&y.md", "#1.md", "[x] {y} ~*.md", "+.md", "a:b.md"]


@pytest.mark.parametrize("name", ODD)
def test_an_object_of_an_odd_name_is_read_and_its_address_is_a_valid_one(bucket: Bucket, name: str) -> None:
    bucket.put(**{f"docs/{name}": f"text of {name}".encode()})
    ((key, row),) = read_all(Files(bucket.server("docs"))).items()
    assert (key, row["text"]) == (name, f"text of {name}")
    assert re.fullmatch(FORMATS["uri"], row["uri"])
    assert unquote(row["uri"]) == f"s3://{bucket.name}/docs/{name}"


@pytest.mark.parametrize("name", ["docs//a.md", "docs/../a.md", "docs/./a.md", "docs/a\tb.md"])
def test_an_object_whose_name_is_no_path_holds_the_source_and_is_named(bucket: Bucket, name: str) -> None:
    """The library cannot list it, nor what lies beside it; better held than a part of the documents gone."""
    bucket.put(**{name: b"x", "docs/b.md": b"x"})
    with pytest.raises(
        Named, match=rf"s3://{bucket.name}/docs: the name … has an empty part .* rename the object"
    ) as raised:
        keys(bucket, "docs")
    assert f"the name '{name.encode('unicode_escape').decode()}' has" in raised.value.told(str)


def test_listing_what_did_not_change_fetches_nothing(bucket: Bucket) -> None:
    bucket.put(**{f"{n}.md": f"text {n}".encode() for n in range(20)})
    files = Files(bucket.server())
    first = listed(files)
    assert [item.version for item in listed(Files(bucket.server()))] == [item.version for item in first]
    assert bucket.door.fetched == []


def test_a_changed_object_a_new_one_and_a_deleted_one_are_seen(bucket: Bucket) -> None:
    bucket.put(**{"kept.md": b"one", "changed.md": b"one", "deleted.md": b"one"})
    before = {item.key: item.version for item in listed(Files(bucket.server()))}
    bucket.put(**{"changed.md": b"two", "new.md": b"one"})  # of the same size, in the same second
    bucket.delete("deleted.md")
    after = {item.key: item.version for item in listed(Files(bucket.server()))}
    assert before.keys() - after.keys() == {"deleted.md"}
    assert {key for key in after if after[key] != before.get(key)} == {"changed.md", "new.md"}


def test_a_bucket_of_thousands_of_objects_is_listed_page_by_page(bucket: Bucket) -> None:
    bucket.put(**{f"docs/{n:05}.md": b"x" for n in range(4_001)})
    assert keys(bucket, "docs") == [f"{n:05}.md" for n in range(4_001)]
    assert len(bucket.door.listed) == 5


def test_an_object_over_the_limit_is_never_fetched(bucket: Bucket) -> None:
    bucket.put(**{"at.md": b"x" * 1024, "over.md": b"x" * 1025})
    files = Files(bucket.server(limits=Limits(max_mb=1 / 1024)))
    at, over = listed(files)
    files.expect([at, over])
    assert len(next(iter(files.read(at)))["text"]) == 1024
    with pytest.raises(Unreadable, match=r"larger than .* \(1,025 bytes\); split it"):
        list(files.read(over))
    assert bucket.door.fetched == [f"/{bucket.name}/at.md"]


def test_an_object_that_outgrew_the_limit_since_it_was_listed_is_unreadable(bucket: Bucket) -> None:
    bucket.put(**{"a.md": b"x" * 10})
    files = Files(bucket.server(limits=Limits(max_mb=1 / 1024)))
    (item,) = listed(files)
    bucket.put(**{"a.md": b"x" * 5000})
    with pytest.raises(Unreadable, match=r"\(5,000 bytes\)"):
        list(files.read(item))


def test_many_documents_are_fetched_ahead_each_once_and_come_in_order(bucket: Bucket) -> None:
    bucket.put(**{f"{n:03}.md": f"text {n}".encode() for n in range(60)})
    files = Files(bucket.server())
    items = listed(files)
    files.expect(items)
    assert [next(iter(files.read(item)))["text"] for item in items] == [f"text {n}" for n in range(60)]
    assert sorted(bucket.door.fetched) == [f"/{bucket.name}/{n:03}.md" for n in range(60)]


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


ROWS: list[Row | BrokenRow] = [{"id": "a", "text": "one"}, {"id": "b", "text": "zwei ü"}]
TABLES = {
    "jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
    "csv": "id,text\na,one\nb,zwei ü\n".encode(),
    "parquet": parquet(pa.Table.from_pylist(ROWS)),
}


@pytest.mark.parametrize("form", TABLES)
def test_a_table_in_a_bucket_is_read(bucket: Bucket, form: str) -> None:
    bucket.put(**{f"data/rows.{form}": TABLES[form], f"data/rows.{form}.old": b"x"})
    server = bucket.table(f"data/rows.{form}", form)
    assert [item.key for item in listed(Table(server))] == [f"rows.{form}"]
    assert table_rows(server) == ROWS


def test_a_pattern_lists_every_table_it_matches_in_its_folder_alone(bucket: Bucket) -> None:
    bucket.put(**{"data/b.csv": b"id\n2\n", "data/a.csv": b"id\n1\n", "data/c.json": b"{}", "data/sub/d.csv": b"id\n4\n"})
    bucket.put(**{"data/": b"", "data/mark.csv/": b""})
    assert table_rows(bucket.table("data", "csv", pattern="*.csv")) == [{"id": "1"}, {"id": "2"}]


def test_a_table_may_be_larger_than_a_document(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = b"".join(b'{"id": %d, "text": "%s"}\n' % (n, b"word " * 200) for n in range(5_000))
    bucket.put(**{"rows.jsonl": content})
    table = Table(bucket.table("rows.jsonl", limits=Limits(max_mb=1)))
    (item,) = listed(table)
    rows = table.read(item)
    assert isinstance(next(rows), dict)
    assert len(list(tmp_path.iterdir())) == 1, "read by way of a temporary copy"
    assert sum(1 for _ in rows) == 4_999
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_copy_goes_also_when_its_reader_gives_up(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bucket.put(**{"rows.jsonl": b'{"id": 1}\n{"id": 2}\n'})
    table = Table(bucket.table("rows.jsonl"))
    rows = table.read(*listed(table))
    next(rows)
    assert list(tmp_path.iterdir())
    del rows
    assert list(tmp_path.iterdir()) == []


def test_a_missing_table_makes_the_source_unavailable(bucket: Bucket) -> None:
    with pytest.raises(SourceUnavailable, match=rf"{bucket.name}/rows.csv: .*no such bucket or object"):
        listed(Table(bucket.table("rows.csv", "csv")))


def test_the_address_of_a_store_may_come_from_the_environment(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put(**{"a.md": b"text"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.door.url)
    assert [item.key for item in listed(Files(bucket.server(endpoint="")))] == ["a.md"]


def test_the_address_in_the_contract_comes_before_that_of_the_environment(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put(**{"a.md": b"text"})
    with open_door() as other:
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.setenv(name, other.url)
        assert keys(bucket) == ["a.md"]
        assert other.requests == []


def test_a_google_bucket_is_listed_and_read(bucket: Bucket) -> None:
    """Google's store speaks the language of S3 where it lists, so that the same server can stand for it."""
    bucket.put(**{"docs/a b.md": b"text", "docs2/c.md": b"text"})
    server = FilesServer(location=f"gs://{bucket.name}/docs", endpoint=bucket.door.url, limits=QUICK)
    ((key, row),) = read_all(Files(server)).items()
    assert (key, row["text"], row["uri"]) == ("a b.md", "text", f"gs://{bucket.name}/docs/a%20b.md")


AZURE = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{}</Blobs><NextMarker/></EnumerationResults>"""
BLOB = """<Blob><Name>{}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 19:03:14 GMT</Last-Modified><Etag>0x1</Etag>
<Content-Length>{}</Content-Length><Content-Type>text/plain</Content-Type><BlobType>BlockBlob</BlobType>
</Properties></Blob>"""


def test_an_azure_container_is_listed_and_read() -> None:
    def blobs(method: str, path: str) -> Answer:
        if "comp=list" in path:
            assert path.startswith("/pages?") and "prefix=docs%2F" in path
            return Answer(body=AZURE.format(BLOB.format("docs/a b.md", 4)).encode())
        assert path == "/pages/docs/a%20b.md"
        return Answer(body=b"text", headers={"ETag": "0x1", "Last-Modified": "Sat, 21 Nov 2026 19:03:14 GMT"})

    with open_door(script=blobs) as door:
        server = FilesServer(location="az://pages/docs", endpoint=door.url, limits=QUICK)
        assert [item.version for item in listed(Files(server))] == ["0x1"]
        ((key, row),) = read_all(Files(server)).items()
    assert (key, row["text"], row["uri"]) == ("a b.md", "text", "az://pages/docs/a%20b.md")
    assert row["modified_at"] == datetime(2026, 11, 21, 19, 3, 14, tzinfo=UTC)
