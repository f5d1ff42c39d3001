"""The page of trends: what it counts, what it shows of texts, and that nothing of theirs is more than text on it."""

import re
import stat
import threading
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from rag_pipeline.report.serve import report_server
from rag_pipeline.report.traffic_page import render, write_page
from rag_pipeline.report.trends import gather
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.changes import DRIFT, drift_table
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import KEY
from tests.conftest import Workspace
from tests.support.asked_rows import NOW, asked, segment, verdict, written

HOSTILE = "<script>alert(1)</script> & </svg> my question"
EARLIER, LATER = NOW - timedelta(days=20), NOW + timedelta(hours=1)


@pytest.fixture
def watched(workspace: Workspace) -> Workspace:
    """Asked by few twenty days ago, by more now, for money, with verdicts; something that nobody judged."""
    rows = [asked(number, timestamp=EARLIER + timedelta(seconds=number), release="old-release") for number in range(3)]
    rows += [asked(100 + number, client_id=f"{number:016x}", total_ms=100.0) for number in range(6)]
    rows += [written(200, 0.125), written(201, 0.25, sentences=0), asked(202, status=500, problem="internal")]
    rows += [asked(300, user_query=HOSTILE)]
    segment(workspace.home, rows)
    said = [verdict(rows[0]["query_id"]), verdict(rows[-1]["query_id"], 1, action_name="not_useful")]
    segment(workspace.home, said, 2, "feedback")
    for kind in KEY:
        ingest(workspace.home, kind, LATER, days=90)
    one = {"name": "leave", "questions": 60, "auc": 0.91, "bound": 0.6, "p": 0.005, "far_percent": 40.0}
    row = {
        "day": f"{NOW:%Y-%m-%d}",
        "new": 120,
        "earlier": 0,
        "auc": 0.61,
        "bound": 0.55,
        "p": 0.01,
        "far_percent": 40.0,
        "golden_sets": [one | {"name": ""}, one],
        "topics": [{"questions": 9, "principals": None, "examples": [rows[-1]["query_id"]]}],
        "unlike": True,
    }
    drift_table(workspace.home).append(pa.Table.from_pylist([row], schema=DRIFT))
    return workspace


def shown(settings: Settings, query_text: str, now: datetime = LATER) -> str:
    return render(gather(settings.model_copy(update={"query_text": query_text}), now))


def test_the_page_tells_what_was_counted(watched: Workspace) -> None:
    page = shown(watched.settings, "masked")
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"Questions\s+10\s+in the last 24 hours", text)
    assert re.search(r"Cost\s+\$0\.38", text) or re.search(r"Cost\s+\$0\.37", text)
    assert re.search(r"Not useful\s+1\s+of 2 verdicts", text)
    assert re.search(r"old-release\s+production\s+stable\s+3\s", text)
    assert "10 Nov 2026: questions 3" in text and "30 Nov, 12:00: questions 10" in text
    assert "unlike traffic" in text and "all together" in text
    assert re.search(r"30 Nov, 12:00\s+10\s+7\s", text), "seven principals in that hour"


def test_few_principals_are_told_as_few_and_texts_are_shown_where_they_are_kept_masked(watched: Workspace) -> None:
    kept = shown(watched.settings, "masked")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;/svg&gt; my question" in kept
    for other in ("hmac", "off"):
        assert "my question" not in shown(watched.settings, other)
    late = LATER + timedelta(days=100)
    ingest(watched.home, "queries", late, days=90)
    assert "my question" not in shown(watched.settings, "masked"), "its text is past its days"
    assert re.search(r"<td class=\"n\">9</td><td class=\"n\">few</td>", kept)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_nothing_of_the_page_comes_from_elsewhere_or_runs(watched: Workspace) -> None:
    tags = Tags()
    tags.feed(shown(watched.settings, "masked"))
    assert not {"script", "img", "link", "iframe", "object", "foreignobject"} & {name for name, _ in tags.seen}
    for _, attributes in tags.seen:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    policies = [found.get("content") for name, found in tags.seen if name == "meta" and "http-equiv" in found]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert sum(name == "svg" for name, _ in tags.seen) == 6 * 2 + 2


def test_a_home_that_nobody_asked_has_a_page_too(workspace: Workspace) -> None:
    page = shown(workspace.settings, "off")
    assert "Nobody asked in these four weeks." in page and "nothing is logged now" in page


def test_the_page_is_for_this_account_and_is_shown_among_the_reports(watched: Workspace, tmp_path: Path) -> None:
    for _ in range(2):
        path = write_page(watched.home, gather(watched.settings, LATER))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["traffic.html"]
    with report_server(watched.home, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_address[1]}"
        assert 'href="/traffic.html"' in httpx.get(f"{at}/").text
        assert httpx.get(f"{at}/traffic.html").text == path.read_text()
        server.shutdown()
