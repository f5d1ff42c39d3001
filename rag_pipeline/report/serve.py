"""Reports where a browser can open them: a page of the UI, which comes over the network, may not open files of a disk.

A server for browsers of this machine alone. It gives reports, and nothing else that lies anywhere; it changes nothing.
"""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import Markup

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.ours import ANSWERS_REPORT, REPORT, TRENDS, TRY_REPORT, found

LOOPBACK, PORT = "127.0.0.1", 3001

_OURS = {LOOPBACK, "localhost"}
"""What a browser of this machine calls it. A site whose name was made to lead here comes with its own name."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def report_server(home: Home, port: int, host: str = LOOPBACK) -> ThreadingHTTPServer:
    """A server of the reports of a home; it answers once `serve_forever` is called. Port 0: any that is free.

    `host`: where it listens. In a container that is every interface of the container; who may reach it the container's
    published port says. It answers those alone who ask for this machine by name, wherever it listens.

    Raises `PipelineError` when the port is taken, or the address is not this machine's.
    """

    class Handler(_Handler):
        reports = home.reports

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise PipelineError(
            f"port {port} of {host} cannot be used ({error.strerror}); name another: set RAG_REPORTS_URL to "
            f"http://{LOOPBACK}:PORT for the links too"
        ) from error


def port_of(url: str) -> int:
    """The port that links to reports lead to, where they lead to this machine; the usual one otherwise."""
    parts = urlsplit(url)
    return parts.port or PORT if parts.hostname in ("localhost", LOOPBACK) else PORT


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of one report by its name, and of the list of them; all else is refused by the base class."""

    reports: Path
    server_version, sys_version = "rag-reports", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _OURS:
            self.send_error(HTTPStatus.FORBIDDEN, f"ask for {LOOPBACK}")
            return
        page = self._page(urlsplit(self.path).path.removeprefix("/"))
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, "there is no such report")
            return
        self.send_response(HTTPStatus.OK)
        for name, value in (
            _HEADERS | {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(page)

    def _page(self, name: str) -> bytes | None:
        """A name is looked up among the reports that are there, and never made a path of."""
        seen(self.reports)
        there = {path.name: path for path in found(self.reports, REPORT, TRY_REPORT, TRENDS, ANSWERS_REPORT)}
        if not name:
            return _list(
                sorted(there, key=lambda one: one.removeprefix("try-").removeprefix("answers-"), reverse=True)
            ).encode()
        try:
            return there[name].read_bytes() if name in there else None
        except OSError:
            return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class's)
        """Says nothing of who looks at what."""


def _list(names: list[str]) -> str:
    """The page of all reports, newest first."""
    lines = Markup("").join(Markup('<li><a href="/{0}">{0}</a></li>').format(name) for name in names)
    none = Markup("<p>No report was written yet; <code>rag refresh</code> writes one.</p>")
    return '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports</title><h1>Reports</h1>' + str(
        Markup("<ul>{}</ul>").format(lines) if names else none
    )
