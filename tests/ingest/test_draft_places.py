"""Drafting a contract from wherever a feed may be: folders, files, buckets, databases, websites, and what is none."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_pipeline.contracts.contract import Limits
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.connectors.kinds import NAMED
from rag_pipeline.ingest.draft import sample as sampling
from rag_pipeline.ingest.draft.where import DatabaseWish, feed_at, path_for_contract, source_name
from tests.conftest import SHARED
from tests.ingest.drafting import Desk, articles, column_of, roles_of
from tests.ingest.sql.test_sql_sqlite import write
from tests.ingest.store import Bucket, new_bucket, set_credentials
from tests.ingest.test_files import pdf
from tests.ingest.web_site import LONG_AGO, Reply, html, serve

DOCUMENT_ROLES = {"key": ["path"], "text": ["text"], "title": ["title"], "uri": ["uri"], "modified_at": ["modified_at"]}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft says nothing of limits, so that its own loads are gentle too: five requests a second, three more tries."""
    limits = Limits(retries=0, per_second=1_000)
    monkeypatch.setattr(Limits.__init__, "__defaults__", tuple(getattr(limits, name) for name in Limits.__match_args__))


# Folders


def test_a_folder_of_documents_of_all_kinds(desk: Desk) -> None:
    desk.write("our pages/a.md", "# Owls\n\nOwls hunt at night. Ask ada@gmail.com for more of them.\n")
    desk.write("our pages/sub/b.html", "<html><body><h1>Mice</h1><p>Mice fear the owls of the night.</p></body></html>")
    desk.write("our pages/c.pdf", pdf("Foxes walk alone through the wood at night."))
    desk.write("our pages/broken.pdf", b"%PDF-1.4 broken")
    desk.write("our pages/photo.png", b"x")
    draft = desk.draft(desk.root / "our pages")
    says = "4 documents (all that are there), of which 1 cannot be read; files of kinds that are not read: 1 with .png"
    assert (draft.source, draft.looked_at) == ("our_pages", says)
    assert roles_of(draft) == DOCUMENT_ROLES
    contract = read_contract(draft.file)
    assert "path: ../our pages\n" in draft.text
    assert (
        contract.server.path == (desk.root / "our pages").resolve()
        or contract.server.path == desk.contracts / "../our pages"
    )
    assert contract.column("uri").options == {"format": "uri"}
    assert contract.column("text").privacy.entities == ("EMAIL_ADDRESS",)
    assert (contract.quarantine_max_percent, contract.age_column) == (50, None), "files' times are those of a copy"
    assert contract.quality[0].bound == 2
    report = desk.load(draft)
    assert (report.good, report.refused, report.pii_found) == (3, 1, {"EMAIL_ADDRESS": 1})
    assert "gmail" not in draft.text


def test_a_large_folder_is_looked_at_from_first_to_last(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "DOCUMENTS", 10)
    for number in range(40):
        desk.write(f"pages/{number:02}.md", f"# Page {number}\n\nOwls number {number} hunt at night.\n")
    draft = desk.draft(desk.root / "pages")
    assert draft.looked_at == "10 documents (of 40 or more)"
    assert [row["path"] for row in draft.sample.rows] == [f"{number:02}.md" for number in range(0, 40, 4)]
    assert read_contract(draft.file).quality[0].bound == 28, "seven tenths of those that are listed"
    assert desk.load(draft).good == 40


def test_a_pattern_of_documents_and_a_folder_whose_name_looks_like_one(desk: Desk) -> None:
    for name in ("pages/a.md", "pages/deep/b.md", "pages/c.txt", "odd [1]/d.md"):
        desk.write(name, f"# {name}\n\nOwls hunt at night.\n")
    draft = desk.draft(desk.root / "pages/**/*.md")
    assert (draft.source, desk.load(draft).added) == ("pages", ("pages/a.md", "pages/deep/b.md"))
    assert desk.load(desk.draft(desk.root / "odd [1]")).good == 1


def test_a_path_is_relative_where_both_belong_together(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "data/pages").mkdir(parents=True)
    (project / "conf/contracts").mkdir(parents=True)
    assert path_for_contract(project / "data/pages", project / "contracts") == "../data/pages"
    assert path_for_contract(project / "data/pages", project / "conf/contracts") == "../../data/pages"
    assert path_for_contract(project / "data/pages", project / "a/b/c") == str(project / "data/pages")
    assert path_for_contract(project / "contracts/data", project / "contracts") == "data"
    shared = Path(tempfile.gettempdir())
    assert path_for_contract(shared / "pages", shared / "contracts") == str(shared / "pages"), "nothing but a roof in common"
    assert path_for_contract(Path("/usr/share"), project / "contracts") == "/usr/share"
    (project / "elsewhere").symlink_to("/usr", target_is_directory=True)
    far = project / "elsewhere/share"
    assert path_for_contract(project / "data/pages", far) == str(project / "data/pages"), "`..` of a link leads elsewhere"


# Tables


@pytest.mark.parametrize("suffix", ["csv", "parquet", "pq", "ndjson"])
def test_a_table_of_any_format(desk: Desk, suffix: str) -> None:
    rows = articles(30)
    path = desk.root / f"My Articles.{suffix}"
    if suffix == "csv":
        path.write_text("id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows), encoding="utf-8")
    elif suffix == "ndjson":
        desk.jsonl(rows, path.name)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    draft = desk.draft(path)
    assert (draft.source, roles_of(draft)) == ("my_articles", {"key": ["id"], "text": ["text"]})
    assert column_of(draft, "id").logical_type == "integer"
    assert desk.load(draft).good == 30


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
    found = feed_at([where], DatabaseWish(), tmp_path).entry
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
    assert read_contract(draft.file).server.cursor == "updated_at"
    assert desk.load(draft).items_listed == 60


def test_a_query_with_a_cursor(desk: Desk, database: Path) -> None:
    query = "SELECT id, text, updated_at FROM articles WHERE id <= 10"
    wish = DatabaseWish(query=query, cursor="updated_at")
    draft = desk.draft(f"sqlite:///{database}", database=wish)
    assert draft.source == "wiki"
    contract = read_contract(draft.file)
    assert (contract.server.query, contract.server.cursor) == (query, "updated_at")
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
    assert "say what of the database is meant: --table" in refusal(url)
    assert "say what of the database is meant: --table" in refusal(url, table="articles", query="SELECT 1")
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
    found = feed_at([url], DatabaseWish(table=table), tmp_path).entry
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
        assert read_contract(pages.file).server.pages == (site("/a"), site("/b"))
        assert desk.load(pages).good == 2
        assert "If it is no sitemap but a page, name two pages or more" in desk.refusal(site("/a"), source="one")
        site.pages["/gone.xml"] = Reply(status=404)
        assert "answered 404" in desk.refusal(site("/gone.xml"), source="gone")


@pytest.mark.usefixtures("quick")
def test_of_a_large_website_the_first_pages_are_asked_for_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PAGES", 2)
    with serve() as site:
        for number in range(6):
            site.pages[f"/{number}"] = html(f"Owls number {number} hunt at night.")
        site.sitemap(*(f"/{number}" for number in range(6)))
        draft = desk.draft(site("/sitemap.xml"), source="owls")
        assert draft.looked_at == "2 pages (there are more)"
        assert site.paths() == ["/0", "/1", "/2"], "one more, to know that there are more"


# What is none


def test_places_nothing_can_be_read_from_are_told_with_what_to_do(desk: Desk) -> None:
    assert "no such file or folder" in desk.refusal(desk.root / "nowhere")
    desk.write("tables/a.csv", "id,text\n1,x\n")
    assert f"for those: rag contract new '{desk.root}/tables/*.csv'" in desk.refusal(desk.root / "tables")
    (desk.root / "empty").mkdir()
    assert f"no document ({NAMED}) is there" in desk.refusal(desk.root / "empty")
    assert "is one document; name the folder it lies in" in desk.refusal(desk.write("a.md", "# A\n"))
    assert "is packed; unpack it first" in desk.refusal(desk.write("a.jsonl.gz", b"x"))
    assert "files of this kind are not read" in desk.refusal(desk.write("a.doc", b"x"))
    assert "put it in quotes" in desk.refusal(desk.root / "a.csv", desk.root / "b.csv").lower()
    assert "wildcards of a table stand in the file's name only" in desk.refusal(desk.root / "**/*.csv")
    assert "no file is there" in desk.refusal(desk.root / "tables/*.jsonl")
    assert "holds no row" in desk.refusal(desk.write("none.csv", "id,text\n"))
    assert "none of the 1 looked at can be read; the first: the file is empty" in desk.refusal(desk.write("void.csv", ""))
    assert "none of the 2 looked at can be read; the first: line 1 is not JSON" in desk.refusal(
        desk.write("x.jsonl", "a\nb\n")
    )
    assert "--table, --query and --cursor are for databases" in desk.refusal(
        desk.root / "tables/a.csv", database=DatabaseWish(table="x")
    )
    assert "--key is for tables" in desk.refusal(desk.root, keys=("path",))
    assert "write it as a path, without file://" in desk.refusal("file:///tmp")
    assert "write it az://container/" in desk.refusal("abfss://c@account/x")
    assert "holds no credentials" in desk.refusal("https://ada:s3cret@example.com/sitemap.xml")


def test_a_name_no_source_can_have_and_a_file_that_is_there_are_refused_before_anything_is_read(desk: Desk) -> None:
    path = desk.jsonl(articles(3))
    assert "use 3 to 63 lower-case letters" in desk.refusal(path, source="Feed One")
    assert "the name of another group of the graph" in desk.refusal(path, source="corpus")
    assert "a contract's file is named <source>.odcs.yaml" in desk.refusal(path, output=desk.root / "feed.yaml")
    assert "differ: the file's name is the source's name" in desk.refusal(
        path, output=desk.root / "feed.odcs.yaml", source="other"
    )
    assert "neither an e-mail address nor the name of a team" in desk.refusal(path, owner="ada@")
    draft = desk.draft(path)
    draft.file.write_text("mine", encoding="utf-8")
    path.unlink()
    path.touch()
    assert "is there already; give the source another name with --source, or replace it with --force" in desk.refusal(path)
    assert draft.file.read_text(encoding="utf-8") == "mine"
    desk.jsonl(articles(3))
    desk.draft(path, again=True)
    assert desk.load(draft).good == 3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Our Pages (new)", "our_pages_new"),
        ("corpus", "corpus_source"),
        ("2024", "source_2024"),
        ("Überblick", "uberblick"),
        ("日本", "source"),
        ("qa", "qa_source"),
        ("", "source"),
        ("a" * 80, "a" * 63),
        ("docs.example.com", "docs_example_com"),
    ],
)
def test_a_source_is_called_after_what_it_reads(text: str, name: str) -> None:
    assert source_name(text) == name


def test_a_folder_that_cannot_be_written_to_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("contracts", "a file where the folder should be")
    with pytest.raises(Exception, match="cannot be written"):
        desk.draft(desk.jsonl(articles(3)))


# Real data


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}")
@pytest.mark.parametrize(
    ("place", "rows", "wishes"),
    [
        ("gitlab-handbook/content", 50, {}),
        pytest.param("squad-dev/corpus.jsonl", 2_067, {}, marks=pytest.mark.slow),
        pytest.param("chunking-evaluation/corpora", 5, {}, marks=pytest.mark.slow),
        ("chunking-evaluation/questions_df.csv", 472, {"keys": ("question",)}),
        ("gitlab-handbook/datasets/*.jsonl", 249, {"keys": ("type", "id")}),
    ],
)
def test_real_data_is_taken_by_the_contract_drafted_from_it(
    desk: Desk, place: str, rows: int, wishes: dict[str, Any]
) -> None:
    draft = desk.draft(SHARED / place, source="real", **wishes)
    report = desk.load(draft)
    assert (report.good, report.refused) == (rows, 0)
