"""Private data in names of objects and addresses of pages, of failing ones too: in the quarantine and nowhere else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.privacy.normal_form import normal_form
from rag_pipeline.settings import Secrets
from tests.conftest import Workspace, files_contract
from tests.support.object_store import Answer, Bucket, new_bucket, set_credentials
from tests.support.planted_values import PLANTED, SENTENCE, texts_of
from tests.support.web_site import Reply, Site, html, moved, serve, sitemap_index, urlset

(JANE, JOE), (HOME, WORK) = PLANTED["EMAIL_ADDRESS"], PLANTED["PHONE_NUMBER"]
VALUES = [JANE, JOE, HOME, WORK]
SALT = "a long and random text"
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
MAP, ROBOTS_AND_MAP = f"/maps/{JANE}.xml", ("/robots.txt", "/sitemap.xml")
TEXT = "\n\n".join(SENTENCE.format(value) for value in VALUES)


def leaks(text: str) -> set[str]:
    """Planted values in a text, in any way that paths and addresses write them."""
    ways = {
        value: {value, quote(value), quote(value, safe=""), quote(value, safe="@+"), quote_plus(value)} for value in VALUES
    }
    texts = [text, *([seen.text] if (seen := normal_form(text)) else [])]
    return {value for value in VALUES if any(way in one for way in ways[value] for one in texts)}


class Feed:
    """A source with private names: its loads, and where else than in the quarantine something private was found."""

    def __init__(
        self, workspace: Workspace, server: dict[str, Any], key: str, salt: str, seen: pytest.LogCaptureFixture
    ) -> None:
        self.home, self.salt, self.seen, self.nights = workspace.home, salt, seen, 0
        custom = [
            {"property": "piiPolicy", "value": "scan-and-mask"},
            {"property": "piiEntities", "value": ["EMAIL_ADDRESS", "PHONE_NUMBER"]},
            {"property": "quarantineMaxPercent", "value": 90},
            {"property": "volumeMaxDropPercent", "value": 90},
        ]
        content = files_contract("", servers=[server], customProperties=custom)
        columns = {one["name"]: one for one in content["schema"][0]["properties"]}
        columns["path"]["customProperties"].append({"property": "piiPolicy", "value": key})
        columns["text"]["logicalTypeOptions"] = {"minLength": 40}
        self.contract = read_contract(workspace.contract("place", content))

    def load(self) -> LoadReport:
        self.nights += 1
        night = {"run_id": f"night-{self.nights}", "now": START + timedelta(days=self.nights)}
        report = load_source(self.contract, self.home, **night, secrets=Secrets(self.salt))  # type: ignore[arg-type]
        assert not leaks(str(report)), report
        assert not leaks(self.seen.text), self.seen.text
        return report

    def kept(self) -> set[str]:
        """What the quarantine holds; nothing else does."""
        quarantine, inside = self.home.quarantine, set[str]()
        for path in self.home.root.rglob("*"):
            if path.is_file():
                held = set().union(*(leaks(text) for text in texts_of(path)))
                if path.is_relative_to(quarantine):
                    inside |= held
                else:
                    assert not held, path
        return inside


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    set_credentials(monkeypatch)
    with new_bucket() as bucket:
        bucket.put(**{
            f"docs/letter to {JANE}.md": TEXT.encode(),
            f"docs/{HOME}/of {JOE}.html": html(TEXT, head=f"<title>{WORK}</title>").body,
            f"docs/{WORK}.txt": b"\xff" + JOE.encode(),  # is not UTF-8
            f"docs/short/{JOE}.md": HOME.encode(),  # refused, for its length
            f"docs/closed to {JANE}.md": TEXT.encode(),
            f"docs/gone/{HOME}.md": TEXT.encode(),
            f"docs/large/{JOE}.md": b"x" * 60_000,
        })  # fmt: skip
        yield bucket


def failing(method: str, path: str) -> Answer | None:
    return Answer(403) if "/closed" in path else Answer(404) if "/gone" in path else None


def at_store(bucket: Bucket) -> dict[str, Any]:
    custom = [{"property": "retries", "value": 0}, {"property": "maxMegabytes", "value": 0.05}]
    server = {"server": "store", "type": "s3", "location": f"s3://{bucket.name}/docs", "format": "documents"}
    return server | {"endpointUrl": bucket.door.url, "customProperties": custom}


@pytest.mark.parametrize("key", ["scan-and-mask", pytest.param("hash", marks=pytest.mark.slow)])
def test_private_names_of_objects_are_found_in_the_quarantine_only(
    workspace: Workspace, bucket: Bucket, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed(workspace, at_store(bucket), key, SALT, caplog)
    bucket.door.script = failing
    report = feed.load()
    assert (report.outcome, report.documents, report.unreadable, report.open_refusals) == ("accepted", 2, 4, 5)
    assert feed.load().outcome == "unchanged"

    bucket.put(**{f"docs/../{JANE}.md": b"x"})
    report = feed.load()
    assert report.held
    assert "has an empty part (//), a part . or .., or a control character; rename the object" in report.reason
    assert ("<EMAIL_ADDRESS:" in report.reason) is (key == "scan-and-mask"), "a name is shown as in the tables"
    bucket.delete(f"docs/../{JANE}.md")
    assert feed.load().outcome == "unchanged"

    bucket.put(**{f"docs/{JANE}.md": b"x"})
    bucket.door.script = lambda method, path: None if "list-type" in path else Answer(503)
    assert "the store answers 503" in feed.load().reason
    assert HOME in feed.kept()
    assert key == "scan-and-mask" or not any(word in caplog.text + str(report) for word in ("letter", "closed", "docs/.."))


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        pages = {
            f"/people/{JANE}": html(TEXT, head=f"<title>{JOE}</title>", ETag='"1"'),
            f"/tel/{HOME}": html(TEXT, ETag='"1"'),
            f"/tel/{WORK}/{JOE}": Reply(TEXT.encode(), headers={"Content-Type": "text/markdown"}),
            f"/plain/{JANE}": html("Nothing of anybody, in a text that is long enough to be kept.", ETag='"1"'),
            f"/short/{JOE}": Reply(WORK.encode(), headers={"Content-Type": "text/plain"}),  # refused, for its length
            f"/gone/{JOE}": Reply(status=404),
            f"/not for robots/{JANE}": html(TEXT),
            f"/torn/{WORK}": Reply(b"\xff\x00" + JANE.encode(), headers={"Content-Type": "text/plain"}),
            f"/odd/{JANE}": Reply(b"x", headers={"Content-Type": f"text/{JANE}"}),
            f"/moved/{HOME}": moved(f"/not for robots/{JOE}".replace(" ", "%20")),
            f"/failing/{JANE}": Reply(status=500),
        }
        site.pages = {address(path): reply for path, reply in pages.items()}
        site.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /not%20for%20robots/\n")
        listed = [site(path) for path in site.pages if path != "/robots.txt"]
        inner = quote(MAP, safe="/@")
        site.pages["/sitemap.xml"] = Reply(sitemap_index(site(inner)))
        site.pages[inner] = Reply(urlset(*listed))
        yield site


def address(path: str) -> str:
    """As a browser asks for it; in half of the pages the `@` is written as `%40`."""
    return quote(path, safe="/" if "people" in path or "gone" in path else "/@+")


def at_site(site: Site) -> dict[str, Any]:
    properties = {"connector": "web", "requestsPerSecond": 1_000, "timeoutSeconds": 5, "retries": 0}
    custom = [{"property": name, "value": value} for name, value in properties.items()]
    return {"server": "site", "type": "custom", "location": site("/sitemap.xml"), "customProperties": custom}


@pytest.mark.parametrize("key", ["scan-and-mask", pytest.param("hash", marks=pytest.mark.slow)])
def test_private_addresses_of_pages_are_found_in_the_quarantine_only(
    workspace: Workspace, site: Site, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed(workspace, at_site(site), key, SALT, caplog)
    report = feed.load()
    assert (report.outcome, report.documents, report.unreadable, report.items_unreachable) == ("accepted", 4, 3, 0)
    assert "pages are left out: robots.txt disallows them; for example" in caplog.text
    assert "1 of 11 pages are left out: gone (404 or 410); for example" in caplog.text

    good = dict(site.pages)
    site.pages[address(f"/plain/{JANE}")] = Reply(status=500)
    site.pages[address(f"/people/{JANE}")] = moved(address(f"/not for robots/{JANE}"))
    report = feed.load()
    assert (report.documents, report.items_unreachable) == (3, 1)
    assert "1 of 11 pages cannot be fetched now, and stay as they were last read; for example" in caplog.text

    inner = quote(MAP, safe="/@")
    site.pages[inner] = Reply(status=500)
    report = feed.load()
    assert ("<EMAIL_ADDRESS:" in report.reason, ": answered 500" in report.reason) == (key == "scan-and-mask", True)
    site.pages = good | {path: Reply(status=500) for path in good.keys() - {*ROBOTS_AND_MAP, inner}}
    assert "pages could not be fetched, the last, " in feed.load().reason
    assert WORK in feed.kept()
    assert key == "scan-and-mask" or not any(
        word in caplog.text for word in ("people/", "plain/", "gone/", "torn/", "maps/")
    )


def test_without_a_salt_private_names_hold_the_source_and_are_told_nowhere(
    workspace: Workspace, bucket: Bucket, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for server in (at_store(bucket), at_site(site)):
        feed = Feed(workspace, server, "scan-and-mask", "", caplog)
        report = feed.load()
        assert report.held
        assert "a key that holds private data needs a secret" in report.reason
    bucket.put(**{f"docs/../{JANE}": b"x"})
    feed = Feed(workspace, at_store(bucket), "scan-and-mask", "", caplog)
    assert "the name 'docs/../<EMAIL_ADDRESS>' has" in feed.load().reason
    assert feed.kept() == set()


@pytest.mark.parametrize("private", ["text", "key"])
def test_private_data_and_secrets_in_a_contract_s_own_address_and_query_reach_no_reason(
    workspace: Workspace, site: Site, private: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = "scan-and-mask" if private == "key" else "allow"
    feed = Feed(workspace, at_site(site) | {"location": site(f"/of/{JANE}/map.xml")}, key, SALT, caplog)
    report = feed.load()
    assert report.held
    assert "answered 404" in report.reason
    assert "<EMAIL_ADDRESS" in report.reason

    with closing(sqlite3.connect(workspace.root / "shop.db")) as shop:
        shop.execute("CREATE TABLE people (path TEXT, text TEXT)")
        shop.execute("INSERT INTO people VALUES (?, ?)", (JANE, TEXT))
        shop.commit()
    for query in (
        f"SELECT path, text, mail FROM people WHERE mail = '{JANE}'",
        f"SELECT path, text FROM people WHERE text LIKE '{WORK}",
        f'SELECT path, "{JANE}" AS text FROM nobody',
        f"SELECT path, json_extract('{JOE}', '$.x') AS text FROM people",
    ):
        custom = [{"property": "connector", "value": "sql"}, {"property": "query", "value": query}]
        server = {"server": "db", "type": "custom", "location": f"sqlite:///{workspace.root / 'shop.db'}"}
        report = Feed(workspace, server | {"customProperties": custom}, key, SALT, caplog).load()
        assert report.held, query
        assert report.reason, query
    assert feed.kept() == set()
