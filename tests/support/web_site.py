"""A website on loopback whose every answer a test scripts, and which remembers what it was asked and how much it sent."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rag_pipeline.connectors import Item, Remark, Row
from rag_pipeline.connectors.web import WebServer
from rag_pipeline.connectors.web.connector import Web
from rag_pipeline.errors import Unreadable
from rag_pipeline.fetching import fetch as web_fetch
from rag_pipeline.limits import Limits

LONG_AGO = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass(frozen=True)
class Reply:
    """One answer. `wire` is sent as it is, and the connection closed; `hang` sends nothing; `drip` a byte at a time."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: bytes | None = None
    hang: bool = False
    drip: bool = False


def html(text: str, *, head: str = "", status: int = 200, **headers: str) -> Reply:
    """A page; `headers` are written with underlines: `ETag='"1"'`, `Last_Modified=…`."""
    page = f"<html><head>{head}</head><body><h1>Owls</h1><p>{text}</p></body></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(page.encode(), status, {"Content-Type": "text/html; charset=utf-8", **named})


def moved(to: str, status: int = 301) -> Reply:
    return Reply(status=status, headers={"Location": to})


@dataclass(frozen=True)
class Asked:
    """One request: when, for what, and what was sent back."""

    at: float
    path: str
    headers: Mapping[str, str]
    status: int
    sent_bytes: int


class Site:
    """`pages` says what each path answers: one reply, or several, of which the last is given for ever."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pages: dict[str, Reply | list[Reply]] = {}
        self.asked: list[Asked] = []
        self.answers_304 = True
        self.over = threading.Event()
        self.open = 0
        self.changed = threading.Condition()

    def connections(self, wanted: int | None = None) -> int:
        """Connections open now, or once there are as many as wanted."""
        with self.changed:
            if wanted is not None:
                self.changed.wait_for(lambda: self.open == wanted, timeout=5)
            return self.open

    def count(self, more: int) -> None:
        with self.changed:
            self.open += more
            self.changed.notify_all()

    def __call__(self, path: str) -> str:
        return self.url + path

    def sitemap(self, *paths: str, at: str = "/sitemap.xml") -> None:
        """A sitemap of pages of this site, or of whole addresses."""
        self.pages[at] = Reply(urlset(*(path if "://" in path else self(path) for path in paths)))

    def next_reply(self, path: str) -> Reply:
        found = self.pages.get(path, Reply(b"not here", 404))
        if isinstance(found, Reply):
            return found
        return found.pop(0) if len(found) > 1 else found[0]

    def of(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]

    def paths(self) -> list[str]:
        """What was asked for but robots.txt and sitemaps, in order."""
        return [one.path for one in self.asked if one.path != "/robots.txt" and "sitemap" not in one.path]

    @property
    def page_bytes(self) -> int:
        """Bytes of bodies sent, but of robots.txt and sitemaps."""
        return sum(one.sent_bytes for one in self.asked if one.path != "/robots.txt" and "sitemap" not in one.path)


def urlset(*urls: str) -> bytes:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return _XML + f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


def sitemap_index(*urls: str) -> bytes:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return _XML + f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'.encode()


_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@contextmanager
def serve() -> Iterator[Site]:
    """A site on a port of its own, until the block ends; no proxy stands before it, and tries follow each other soon."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            site.count(+1)
            try:
                super().handle()
            finally:
                site.count(-1)

        def do_GET(self) -> None:
            reply = site.next_reply(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = reply.status, reply.body
            if status == 200 and site.answers_304 and _unchanged(headers, reply.headers):
                status, body = 304, b""
            site.asked.append(Asked(time.monotonic(), self.path, headers, status, len(body)))
            if reply.hang:
                site.over.wait(60)
                self.close_connection = True
            elif reply.wire is not None:
                self.wfile.write(reply.wire)
                self.close_connection = True
            else:
                self.send_response(status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers and status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self._send(body, drip=reply.drip)

        def _send(self, body: bytes, *, drip: bool) -> None:
            try:
                for start in range(len(body)) if drip else [0]:
                    self.wfile.write(body[start : start + 1] if drip else body)
                    if drip and site.over.wait(0.02):
                        break
            except OSError:  # the reader had enough
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A reader that goes away is what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    site = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NO_PROXY", "127.0.0.1,localhost")
            patch.setattr(web_fetch, "_FIRST_WAIT_S", 0.01)
            yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _unchanged(asked: Mapping[str, str], said: Mapping[str, str]) -> bool:
    tag, since = asked.get("if-none-match"), asked.get("if-modified-since")
    return (tag is not None and tag == said.get("ETag")) or (since is not None and since == said.get("Last-Modified"))


def web(
    location: str = "",
    pages: Sequence[str] = (),
    *,
    timeout_s: float = 2,
    retries: int = 1,
    per_second: float = 1_000,
    max_mb: float = 1,
) -> Web:
    limits = Limits(timeout_s=timeout_s, retries=retries, per_second=per_second, max_mb=max_mb)
    return Web(WebServer(location=location, pages=tuple(pages), limits=limits))


@dataclass
class Reader:
    """Reads a site night after night, as the loader does: what it lists is what it knows the next time."""

    make: Callable[[], Web]
    known: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    remarks: Sequence[Remark] = ()

    def night(self) -> "Reader":
        """Afterwards `read` holds what was read, `problems` what could not be, `rows` the last good copy of each page."""
        connector = self.make()
        items = {item.key: item for item in connector.items(self.known.get)}
        self.remarks = connector.remarks()
        stale = [item for item in items.values() if self.known.get(item.key) != item.version or item.key in self.problems]
        connector.expect(stale)
        self.read, self.problems = [item.key for item in stale], {}
        for item in stale:
            self._read(connector, item)
        self.known = {item.key: item.version for item in items.values()}
        self.rows = {key: row for key, row in self.rows.items() if key in items}
        return self

    def _read(self, connector: Web, item: Item) -> None:
        try:
            (row,) = connector.read(item)
            self.rows[item.key] = row
        except Unreadable as error:
            self.problems[item.key] = str(error)


def read_page(reply: Reply, **limits: Any) -> Row:
    """The row of one page; raises what reading it raises."""
    with serve() as site:
        site.pages["/page"] = reply
        connector = web(pages=[site("/page")], **limits)
        (item,) = connector.items(lambda _: None)
        (row,) = connector.read(item)
        return row
