"""Reports over HTTP: a browser of this machine gets them, and nobody gets anything else."""

import http.client
import threading
from collections.abc import Iterator

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import write_text
from rag_pipeline.home import Home
from rag_pipeline.report.serve import port_of, report_server

RELEASE = "20260301-020000-deadbeef"


@pytest.fixture
def port(home: Home) -> Iterator[int]:
    """A home with a report, a try's page, and files that are none of both, served."""
    write_text(home.report(RELEASE), "<p>the report</p>")
    write_text(home.try_report(RELEASE), "<p>the try</p>")
    write_text(home.report(RELEASE, "answers-"), "<p>the answers</p>")
    write_text(home.reports / "notes.html", "somebody's own")
    write_text(home.candidate, "secret")
    (home.reports / "20260301-020000-deadbeef-9.html").symlink_to(home.candidate)
    with report_server(home, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = (answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()})
    connection.close()
    return found


def test_a_report_and_the_page_of_a_try_are_shown_and_listed(port: int) -> None:
    status, body, headers = ask(port, f"/{RELEASE}.html")
    assert (status, body) == (200, "<p>the report</p>")
    assert headers["content-type"] == "text/html; charset=utf-8" and headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert ask(port, f"/try-{RELEASE}.html?x=1")[:2] == (200, "<p>the try</p>")
    assert ask(port, f"/answers-{RELEASE}.html")[:2] == (200, "<p>the answers</p>")
    assert ask(port, f"/{RELEASE}.html", "HEAD")[:2] == (200, "")
    listed = ask(port, "/")[1]
    assert f'href="/{RELEASE}.html"' in listed and f'href="/try-{RELEASE}.html"' in listed
    assert "notes" not in listed and "deadbeef-9" not in listed


@pytest.mark.parametrize(
    "path",
    [
        "/notes.html",
        "/../candidate.json",
        "/%2e%2e/candidate.json",
        "//candidate.json",
        "/20260301-020000-deadbeef-9.html",
        f"/x/../{RELEASE}.html",
        "/nothing.html",
    ],
)
def test_nothing_else_is_given_whatever_the_path_says(port: int, path: str) -> None:
    status, body, _ = ask(port, path)
    assert status == 404
    assert "secret" not in body and "own" not in body


def test_nobody_else_may_ask_and_nothing_can_be_changed(port: int) -> None:
    assert ask(port, "/", Host="evil.example")[0] == 403, "a site whose name leads here"
    assert ask(port, "/", Host=f"localhost:{port}")[0] == 200
    for method in ("POST", "PUT", "DELETE"):
        assert ask(port, f"/{RELEASE}.html", method)[0] == 501
    assert ask(port, f"/{RELEASE}.html")[0] == 200


def test_a_port_that_is_taken_is_said_with_what_to_do(home: Home) -> None:
    with report_server(home, 0) as server, pytest.raises(PipelineError, match="RAG_REPORTS_URL"):
        report_server(home, server.server_address[1])
    assert [port_of(url) for url in ("", "http://127.0.0.1:4000", "https://reports.example.com")] == [3001, 4000, 3001]
