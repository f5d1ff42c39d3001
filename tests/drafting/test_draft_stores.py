"""Drafting a contract from a bucket, a database or a website."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_pipeline.connectors import Address, DatabaseWish
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.connectors.web import sample as web_sampling
from rag_pipeline.connectors.web.server import WebServer
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting.where import feed_at
from rag_pipeline.feeds import sample as sampling
from rag_pipeline.limits import Limits
from tests.support.drafts import DOCUMENT_ROLES, Desk, articles, roles_of
from tests.support.feeds import server_of
from tests.support.object_store import Bucket, new_bucket, set_credentials
from tests.support.sqlite_files import write
from tests.support.web_site import LONG_AGO, Reply, html, serve


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft says nothing of limits, so that its own loads are gentle too: five requests a second, three more tries."""
    limits = Limits(retries=0, per_second=1_000)
    monkeypatch.setattr(Limits.__init__, "__defaults__", tuple(getattr(limits, name) for name in Limits.__match_args__))


# Buckets


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    set_credentials(monkeypatch)
    with new_bucket() as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.door.url)
        yield bucket


def test_documents_in_a_bucket(desk: Desk, bucket: Bucket) -> None:
    bucket.put(**{f"docs/{name}.md": f"# {name}\n\nOwls named {name} hunt.\n".encode() for name in ("a", "b", "sub/c")})
    draft = desk.draft(f"s3://{bucket.name}/docs/")
    assert (draft.source, draft.looked_at) == ("docs", "3 documents (all that are there)")
    assert roles_of(draft) == DOCUMENT_ROLES
    assert "credentials" not in draft.text and bucket.door.url not in draft.text
    assert desk.load(draft).good == 3
    assert desk.load(desk.draft(f"s3://{bucket.name}/docs/*.md", source="top")).good == 2


def test_a_table_in_a_bucket_is_looked_at_without_its_large_objects(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "CHARACTERS", 20_000)
    for name, count in (("one", 30), ("two", 20), ("large", 1_000)):
        rows = [row | {"id": f"{name}-{row['id']}"} for row in articles(count)]
        bucket.put(**{f"feed/{name}.jsonl": desk.jsonl(rows).read_bytes()})
    draft = desk.draft(f"s3://{bucket.name}/feed/*.jsonl")
    assert draft.source == "feed"
    assert draft.looked_at == "50 rows in 3 of 3 files (there are more), without 1 files too large for a look"
    assert {str(row["id"]).split("-")[0] for row in draft.sample.rows} == {"one", "two"}
    assert desk.load(draft).good == 1_050
    single = desk.draft(f"s3://{bucket.name}/feed/two.jsonl")
    assert (single.source, single.looked_at, desk.load(single).good) == ("two", "20 rows (all there are)", 20)
    said = desk.refusal(f"s3://{bucket.name}/feed/large.jsonl")
    assert "larger than" in said and "draft from a part of it" in said


def test_a_bucket_that_is_not_there_is_named(desk: Desk, bucket: Bucket) -> None:
    assert "s3://nowhere-at-all" in desk.refusal("s3://nowhere-at-all/docs")
    assert "no document (Markdown" in desk.refusal(f"s3://{bucket.name}/docs")
    bucket.put(**{"docs/rows.csv": b"id,text\n1,x\n"})
    assert f"for those: rag contract new 's3://{bucket.name}/docs/*.csv'" in desk.refusal(f"s3://{bucket.name}/docs")


@pytest.mark.parametrize(
    ("where", "entry"),
    [
        ("gs://b/docs", {"type": "custom", "format": "documents", "connector": "files"}),
        ("gs://b/docs/x.csv", {"type": "custom", "format": "csv", "connector": "table"}),
        ("az://b/docs/*.parquet", {"type": "azure", "format": "parquet"}),
        ("s3://b", {"type": "s3", "format": "documents"}),
        ("S3://b/c/", {"type": "s3", "format": "documents"}),
    ],
)
def test_every_store_has_its_own_entry(tmp_path: Path, where: str, entry: dict[str, str]) -> None:
    found = feed_at(Address((where,), tmp_path)).entry
    own = {one["property"]: one["value"] for one in found.pop("customProperties", [])}
    assert {"type": found["type"], "format": found["format"], **own} == entry


# Databases


@pytest.fixture
def database(tmp_path: Path) -> Path:
    rows = [(n, f"Article {n} is about owls.", f"2026-02-{n % 28 + 1:02} 10:00:00", 1.5 * n) for n in range(1, 61)]
    return write(tmp_path / "wiki.db", "CREATE TABLE articles (id INTEGER, text, updated_at, score)", rows=rows)


def test_a_table_of_a_database(desk: Desk, database: Path) -> None:
    draft = desk.draft(f"sqlite:///{database}", database=DatabaseWish(table="articles"))
    assert (draft.source, draft.looked_at) == ("articles", "60 rows (all there are)")
    assert "location: sqlite:///../wiki.db" in draft.text
    assert roles_of(draft) == {"key": ["id"], "text": ["text"], "modified_at": ["updated_at"]}
    assert any("whether updated_at changes with every change of a row" in one for one in draft.decide)
    assert desk.load(draft).good == 60
    draft.file.write_text(
        draft.text.replace("#   - {property: cursor", "  - {property: cursor"), encoding="utf-8"
    )  # as its owner would
    assert server_of(read_contract(draft.file), SqlServer).cursor == "updated_at"
    assert desk.load(draft).items_listed == 60


def test_a_query_with_a_cursor(desk: Desk, database: Path) -> None:
    query = "SELECT id, text, updated_at FROM articles WHERE id <= 10"
    wish = DatabaseWish(query=query, cursor="updated_at")
    draft = desk.draft(f"sqlite:///{database}", database=wish)
    assert draft.source == "wiki"
    contract = read_contract(draft.file)
    server = server_of(contract, SqlServer)
    assert (server.query, server.cursor) == (query, "updated_at")
    assert not any("whether" in one for one in draft.decide)
    assert desk.load(draft).items_listed == 10


def test_only_the_beginning_of_a_large_table_is_read(desk: Desk, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ROWS", 25)
    draft = desk.draft(f"sqlite:///{database}", database=DatabaseWish(table="articles"))
    assert (len(draft.sample.rows), draft.sample.whole) == (25, False)


@pytest.mark.usefixtures("quick")
def test_databases_that_cannot_be_read_are_told_why(desk: Desk, database: Path) -> None:
    def refusal(where: str, **wish: str) -> str:
        return desk.refusal(where, database=DatabaseWish(**wish))

    url = f"sqlite:///{database}"
    assert "did you mean 'articles'?" in refusal(url, table="article")
    assert "no column 'updated' to be the cursor; did you mean 'updated_at'?" in refusal(
        url, table="articles", cursor="updated"
    )
    assert "say what to read from the database: --table" in refusal(url)
    assert "say what to read from the database: --table" in refusal(url, table="articles", query="SELECT 1")
    assert "a query begins with SELECT or WITH" in refusal(url, query="DELETE FROM articles")
    assert "no such file" in refusal(f"{url}x", table="articles")
    assert "in memory" in refusal("sqlite://", table="articles")
    away = refusal("postgresql://127.0.0.1:9/wiki", table="articles")
    assert "postgresql+psycopg://127.0.0.1:9/wiki" in away and "could not be reached" in away
    for secret in ("postgresql://ada:s3cret@h/db", "postgresql://h/db?password=s3cret", "nonsense://ada:s3cret@"):
        assert "s3cret" not in refusal(secret, table="articles")
    write(database, "CREATE TABLE empty (id, text)")
    assert "holds no row" in refusal(url, table="empty")


@pytest.mark.parametrize(
    ("url", "table", "entry"),
    [
        ("postgresql://db.example:5433/wiki", "articles", "postgres db.example 5433 wiki public articles"),
        ("postgresql+psycopg://db.example/wiki", "docs.articles", "postgres db.example 5432 wiki docs articles"),
        ("mysql://db.example/wiki", "articles", "mysql db.example 3306 wiki articles"),
        ("postgresql://h/wiki?sslmode=require", "a", "custom postgresql+psycopg://h/wiki?sslmode=require sql a"),
        ("mssql+pyodbc://h/wiki?driver=x", "dbo.a", "custom mssql+pyodbc://h/wiki?driver=x sql dbo.a"),
    ],
)
def test_a_database_has_the_entry_of_its_kind(tmp_path: Path, url: str, table: str, entry: str) -> None:
    found = feed_at(Address((url,), tmp_path, DatabaseWish(table=table))).entry
    own = [one["value"] for one in found.pop("customProperties")]
    assert " ".join(map(str, [*list(found.values())[1:], *own])) == entry


# Websites


@pytest.mark.usefixtures("quick")
def test_a_website(desk: Desk) -> None:
    with serve() as site:
        for name in ("a", "b", "c"):
            site.pages[f"/{name}"] = html(f"Owls named {name} hunt at night.", ETag=f'"{name}"', Last_Modified=LONG_AGO)
        site.sitemap("/a", "/b", "/c")
        draft = desk.draft(site("/sitemap.xml"), source="owls")
        assert draft.looked_at == "3 pages (all that are there)"
        assert roles_of(draft) == DOCUMENT_ROLES
        assert desk.load(draft).good == 3
        pages = desk.draft(site("/a"), site("/b"))
        assert pages.source == "source_127_0_0_1"
        assert server_of(read_contract(pages.file), WebServer).pages == (site("/a"), site("/b"))
        assert desk.load(pages).good == 2
        assert "If it is a page and not a sitemap, give two pages or more" in desk.refusal(site("/a"), source="one")
        site.pages["/gone.xml"] = Reply(status=404)
        assert "answered 404" in desk.refusal(site("/gone.xml"), source="gone")


@pytest.mark.usefixtures("quick")
def test_of_a_large_website_the_first_pages_are_asked_for_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_sampling, "PAGES", 2)
    with serve() as site:
        for number in range(6):
            site.pages[f"/{number}"] = html(f"Owls number {number} hunt at night.")
        site.sitemap(*(f"/{number}" for number in range(6)))
        draft = desk.draft(site("/sitemap.xml"), source="owls")
        assert draft.looked_at == "2 pages (there are more)"
        assert site.paths() == ["/0", "/1", "/2"], "one more, to know that there are more"
