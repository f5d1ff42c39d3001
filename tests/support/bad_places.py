"""Kinds of feeds that cannot be had: a bucket, a website, a database that is away, closed or empty."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import column, files_contract
from tests.support.bad_input import MARKER, Ground, Kind, Told, both, limits
from tests.support.object_store import Answer, Bucket, new_bucket, pass_on, set_credentials
from tests.support.postgres_server import ADMIN, PASSWORD, Database, Postgres
from tests.support.web_site import Reply, Site, html, moved, serve

SECRET = MARKER.encode()
NAMES = ("a", "b", "c", "d")


class Pail(Ground):
    """Four objects of a bucket."""

    keys = frozenset(f"{name}.md" for name in NAMES)

    def __init__(self, bucket: Bucket) -> None:
        self.bucket, self.door = bucket, bucket.door
        properties = [{"property": "retries", "value": 0}, {"property": "maxMegabytes", "value": 0.5}]
        server: dict[str, Any] = {
            "server": "store",
            "type": "s3",
            "location": f"s3://{bucket.name}/docs",
            "format": "documents",
        }
        server |= {"endpointUrl": bucket.door.url, "customProperties": properties}
        self.content = files_contract("", servers=[server], customProperties=limits())

    def good(self, night: int) -> None:
        self.door.script = pass_on
        self.bucket.delete("docs/../e.md")
        for name in NAMES:
            self.put(f"{name}.md", f"# {name}\n\nAs it is on night {night}.\n".encode())

    def put(self, name: str, content: bytes) -> None:
        self.bucket.put(**{f"docs/{name}": content})

    def fail(self, status: int, *, listing: bool = False, key: str = "") -> None:
        def script(method: str, path: str) -> Answer | None:
            hit = "list-type" in path if listing else path.split("?")[0].endswith(f"/{key}")
            return Answer(status, SECRET) if hit else None

        self.door.script = script


@contextmanager
def pail(root: Path) -> Iterator[Pail]:
    with pytest.MonkeyPatch.context() as patch, new_bucket() as bucket:
        set_credentials(patch)
        yield Pail(bucket)
        for key in [f"docs/{name}.md" for name in NAMES]:
            bucket.delete(key)


class Website(Ground):
    """Four pages of a sitemap."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.keys = frozenset(site(f"/{name}") for name in NAMES)
        settings = {"connector": "web", "requestsPerSecond": 1000, "timeoutSeconds": 1, "retries": 0, "maxMegabytes": 0.5}
        properties = [{"property": name, "value": value} for name, value in settings.items()]
        server = {"server": "site", "type": "custom", "location": site("/sitemap.xml"), "customProperties": properties}
        self.content = files_contract("", servers=[server], customProperties=limits())

    def good(self, night: int) -> None:
        self.site.pages.clear()
        for name in NAMES:
            self.site.pages[f"/{name}"] = html(f"page {name}, night {night}", ETag=f'"{night}"')
        self.site.sitemap(*(f"/{name}" for name in NAMES))


@contextmanager
def website(root: Path) -> Iterator[Website]:
    with serve() as site:
        yield Website(site)


def table_of(server: dict[str, Any]) -> dict[str, Any]:
    """The contract of a table `articles` of a database."""
    properties = {"table": "articles", "cursor": "changed_at", "retries": 0, **server.pop("more", {})}
    server["customProperties"] = [{"property": name, "value": value} for name, value in properties.items()]
    columns = [
        column("id", role="key", required=True, primaryKey=True),
        column("text", role="text", required=True),
        column("changed_at"),
    ]
    schema = [{"name": "articles", "properties": columns}]
    return files_contract("", servers=[{"server": "db", **server}], schema=schema, customProperties=limits())


class Sqlite(Ground):
    """Four rows of a database in a file."""

    keys = frozenset("1234")

    def __init__(self, root: Path) -> None:
        self.file = root / "suspect.db"
        self.content = table_of({"type": "custom", "location": f"sqlite:///{self.file}", "more": {"connector": "sql"}})

    def good(self, night: int) -> None:
        shutil.rmtree(self.file, ignore_errors=True)
        self.file.unlink(missing_ok=True)
        self.run("CREATE TABLE articles (id, text, changed_at)")
        for key in sorted(self.keys):
            self.run("INSERT INTO articles VALUES (?, ?, ?)", key, f"Row {key}.", f"2026-01-0{night}")

    def run(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)


@contextmanager
def sqlite(root: Path) -> Iterator[Sqlite]:
    yield Sqlite(root)


class Server(Ground):
    """Four rows of a database whose server can go away."""

    keys = frozenset("1234")

    def __init__(self, server: Postgres, database: Database) -> None:
        self.server, self.database = server, database
        fields = {"host": "127.0.0.1", "port": server.port, "database": database.name, "schema": "public"}
        self.content = table_of({"type": "postgres", **fields})

    def good(self, night: int) -> None:
        if not self.server.running():
            self.server.start()
        self.database.execute("DROP TABLE IF EXISTS articles", "CREATE TABLE articles (id text, text text, changed_at text)")
        self.database.insert("articles", [(key, f"Row {key}.", f"2026-01-0{night}") for key in sorted(self.keys)])


@contextmanager
def server(root: Path) -> Iterator[Server]:
    postgres = Postgres()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAG_SUSPECT_USER", ADMIN)
            patch.setenv("RAG_SUSPECT_PASSWORD", PASSWORD)
            yield Server(postgres, postgres.database())
    finally:
        postgres.remove()


def objects(bad: Callable[[Pail], object], *told: Told, held: str = "", stays: frozenset[str] | None = None) -> Kind:
    return Kind(pail, bad, told=told, held=held, stays=stays)


def unreadable(item: str, words: str) -> Told:
    return Told(words, item=item, kind="unreadable")


def pages(bad: Callable[[Website], object], words: str = "", *, held: str = "") -> Kind:
    return Kind(website, bad, told=(Told(words, kind="unreadable"),) if words else (), held=held)


def page(reply: Reply, words: str) -> Kind:
    return pages(lambda ground: ground.site.pages.update({"/b": reply}), words)


def sitemap(reply: Reply, words: str) -> Kind:
    return pages(lambda ground: ground.site.pages.update({"/sitemap.xml": reply}), held=words)


def rows(bad: Callable[[Sqlite], object], *told: Told, held: str = "", stays: frozenset[str] | None = None) -> Kind:
    return Kind(sqlite, bad, told=told, held=held, stays=stays)


EMPTY_SITEMAP = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"></urlset>'
BOMB = b'<!DOCTYPE x [<!ENTITY a "' + SECRET + b'">]><urlset>&a;</urlset>'


def forget(ground: Pail) -> None:
    for name in NAMES:
        ground.bucket.delete(f"docs/{name}.md")


def renew(ground: Pail) -> None:
    ground.put("a.md", b"New.\n")


KINDS = {
    "a bucket that is not there": objects(lambda pail: pail.fail(404, listing=True), held="could not be listed: s3://"),
    "a store that may not be listed": objects(lambda pail: pail.fail(403, listing=True), held="access denied (403)"),
    "a store that answers 503": objects(lambda pail: pail.fail(503, listing=True), held="the store answers 503"),
    "a store that breaks off": objects(both(renew, lambda pail: pail.fail(503, key="a.md")), held="the store answers 503"),
    "a store that answers nonsense": objects(lambda pail: pail.fail(200, listing=True), held="not of its kind"),
    "an object that is gone when it is read": objects(
        both(renew, lambda pail: pail.fail(404, key="a.md")),
        unreadable("a.md", "it is gone since it was listed"),
    ),
    "an object that is not UTF-8": objects(lambda pail: pail.put("a.md", b"\xff" + SECRET), unreadable("a.md", "not UTF-8")),
    "an object over the limit": objects(
        lambda pail: pail.put("a.md", SECRET * 50_000), unreadable("a.md", "larger than 0.5 MiB")
    ),
    "an object whose name leaves the prefix": objects(
        lambda pail: pail.put("../e.md", SECRET), held="has an empty part (//), a part . or .."
    ),
    "a bucket that is empty": objects(forget, held="the feed is empty"),
    "a new page that answers 500": pages(
        both(
            lambda ground: ground.site.pages.update({"/e": Reply(SECRET, 500)}),
            lambda ground: ground.site.sitemap("/a", "/b", "/c", "/d", "/e"),
        ),
        "answered 500",
    ),
    "a page that answers 500 for a night": pages(lambda ground: ground.site.pages.update({"/b": Reply(SECRET, 500)})),
    "a page that wants a login": page(Reply(SECRET, 401), "answered 401 (it wants a login)"),
    "a site that answers 500": pages(
        lambda ground: ground.site.pages.update({f"/{name}": Reply(SECRET, 500) for name in "abc"}), held="Is the site up"
    ),
    "a page that redirects in a circle": page(moved("/b"), "redirects in a circle"),
    "a page that redirects to a file": page(moved("file:///etc/passwd"), "not a plain http or https address"),
    "a page over the limit": page(html(MARKER * 50_000), "larger than 0.5 MiB"),
    "a page that is a picture": page(Reply(b"\x89PNG" + SECRET, headers={"Content-Type": "image/png"}), "image/png"),
    "a page of scripts only": page(
        Reply(b"<script>" + SECRET + b"</script>", headers={"Content-Type": "text/html"}), "no text found"
    ),
    "a sitemap that answers 500": sitemap(Reply(SECRET, 500), "answered 500"),
    "a sitemap of nothing": sitemap(Reply(EMPTY_SITEMAP), "the feed is empty"),
    "a sitemap that is no XML": sitemap(Reply(b"<urlset><" + SECRET), "is not well-formed XML"),
    "a sitemap with entities": sitemap(Reply(BOMB), "is refused"),
    "a database that is away": Kind(server, lambda ground: ground.server.stop(), held="could not be reached"),
    "a database file that is gone": rows(lambda ground: ground.file.unlink(), held="could not be listed"),
    "a database file that is none": rows(lambda ground: ground.file.write_bytes(SECRET * 500), held="could not be listed"),
    "a table that was dropped": rows(lambda ground: ground.run("DROP TABLE articles"), held="could not be listed"),
    "a table without rows": rows(lambda ground: ground.run("DELETE FROM articles"), held="the feed is empty"),
    "a table whose column was renamed": rows(
        both(
            lambda ground: ground.run("ALTER TABLE articles RENAME COLUMN text TO body"),
            lambda ground: ground.run("UPDATE articles SET changed_at = '2026-02-01'"),
        ),
        *[Told("is missing or blank", "required", "text")] * 4,
        held="column text is required but missing",
    ),
    "a row whose text is bytes": rows(
        lambda ground: ground.run("UPDATE articles SET text = x'ff00', changed_at = '2026-02-01' WHERE id = '4'"),
        Told("", item="4"),
        stays=frozenset("123"),
    ),
}
