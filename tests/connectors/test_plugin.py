"""The package of docs/connectors.md: installed, its contract drafted, checked and refreshed through the real graph."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.connectors import Address, DatabaseWish
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.defs.run import refresh
from rag_pipeline.drafting.where import feed_at
from rag_pipeline.errors import ContractError, PipelineError
from rag_pipeline.feeds.plugins import plugin
from rag_pipeline.ingest.load import load_source
from rag_pipeline.settings import load_secrets
from rag_pipeline.urls import without_secrets
from tests.conftest import Workspace, table_contract
from tests.pipeline.conftest import FLOORS
from tests.support import command_line
from tests.support.installed_packages import PLUGIN, Site

TOKEN = "s3cr3t-token"


class Helpdesk:
    """A helpdesk on loopback: its tickets by number, and the paths it was asked for."""

    def __init__(self) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.address = ""
        for number, about in enumerate(("invoice", "refund", "password", "printer", "delivery", "warranty"), start=1):
            self.write(str(number), f"A question about my {about}", f"The {about} has a problem, what can I do about it?")

    def write(self, number: str, subject: str, *messages: str, day: int = 1) -> None:
        self.tickets[number] = {
            "id": number,
            "subject": subject,
            "messages": messages,
            "changed_at": f"2026-02-{day:02}T10:00:00+00:00",
        }

    def answer(self, path: str, authorization: str | None) -> tuple[int, Any]:
        self.asked.append(path)
        if authorization != f"Bearer {TOKEN}":
            return 401, {}
        if path == "/api/queues/billing":
            return 200, [{name: ticket[name] for name in ("id", "changed_at")} for ticket in self.tickets.values()]
        ticket = self.tickets.get(path.rpartition("/")[2])
        return (200, ticket) if ticket else (404, {})


@pytest.fixture
def helpdesk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Helpdesk]:
    desk = Helpdesk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = desk.answer(self.path, self.headers["Authorization"])
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    desk.address = f"http://127.0.0.1:{server.server_port}/api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield desk
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def rag(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A command as a person types it, in this process: its exit code, and all it says."""
    monkeypatch.setenv("RAG_CONTRACTS", str(workspace.settings.contracts))

    def run(*words: str) -> tuple[int, str]:
        code, *said = command_line.rag(monkeypatch, capsys, *words)
        return code, "".join(said)

    return run


def test_a_connector_in_a_package_is_drafted_checked_and_refreshed(
    workspace: Workspace,
    site: Site,
    helpdesk: Helpdesk,
    rag: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.install_folder(PLUGIN)
    monkeypatch.setenv("RAG_BILLING_PASSWORD", TOKEN)
    code, out = rag("contract", "new", f"tickets+{helpdesk.address}/billing", "--owner", "support", "--key", "id")
    assert code == 0, out
    assert "is drafted from 6 rows (all there are)" in out
    code, out = rag("contract", "check", "--data", "billing")
    assert (code, "billing: 6 rows looked at (all that are there): 0 would be refused" in out) == (0, True), out
    contract = read_contract(workspace.settings.contracts / "billing.odcs.yaml")
    assert contract.server.says == f"queue billing of {helpdesk.address}"
    assert TOKEN not in contract.text

    workspace.golden("questions", {"the printer has a problem": ["billing/4"], "where is my refund": ["billing/2"]})
    workspace.policy({"questions": FLOORS})
    ran = refresh(workspace.settings)
    assert ran.success, ran.errors
    told = ran.assets["billing/documents"]
    assert (told["documents"], told["items_read"]) == (6, 6)
    assert ran.assets["index/production"]["promoted"] is True
    assert serving(workspace.home)

    helpdesk.write("2", "A question about my refund", "The refund came, thank you for the help with it.", day=2)
    del helpdesk.tickets["6"]
    helpdesk.asked.clear()
    report = load_source(contract, workspace.home, run_id="later", now=datetime.now(UTC), secrets=load_secrets())
    assert (report.documents, report.changed, report.removed) == (5, ("billing/2",), ("billing/6",))
    assert helpdesk.asked == ["/api/queues/billing", "/api/tickets/2"]
    monkeypatch.setenv("RAG_BILLING_PASSWORD", "wrong")
    held = load_source(contract, workspace.home, run_id="held", now=datetime.now(UTC), secrets=load_secrets())
    assert (held.outcome, held.documents) == ("held", 5)
    assert "the helpdesk answers 401" in held.reason


def test_its_entry_is_refused_with_the_line_and_its_own_words_for_secrets(workspace: Workspace, site: Site) -> None:
    site.install_folder(PLUGIN)

    def refused(location: str, **properties: str) -> str:
        own = [{"property": name, "value": value} for name, value in {"connector": "tickets", **properties}.items()]
        server = {"server": "desk", "type": "custom", "location": location, "customProperties": own}
        path = workspace.contract("billing", table_contract("x", "jsonl") | {"servers": [server]})
        with pytest.raises(ContractError) as caught:
            read_contract(path)
        return str(caught.value).removeprefix(f"{path}:")

    assert refused("https://desk.example/api").endswith(
        ": servers[0]: say which queue to read (customProperties: property: queue)"
    )
    assert re.match(r"\d+: servers\[0\]", refused("https://desk.example/api"))
    assert "'ftp://desk.example/api' is not a URL that begins with http://" in refused("ftp://desk.example/api", queue="a")
    assert "did you mean 'queue'?" in refused("https://desk.example/api", queu="a")
    assert "pages has no meaning for tickets; it is for web" in refused("https://desk.example/api", queue="a", pages="b")
    told = refused("https://desk.example/api?agent=ada", queue="a")
    assert "this address holds one (agent)" in told
    assert "ada" not in told
    assert without_secrets("https://desk.example/api?agent=ada failed") == "https://desk.example/api?agent=… failed"


def test_a_draft_names_what_is_wrong_with_its_address(site: Site, tmp_path: Path) -> None:
    site.install_folder(PLUGIN)
    found = feed_at(Address(("tickets+https://desk.example/api/billing",), tmp_path))
    assert (found.entry["location"], found.name, found.rows) == ("https://desk.example/api", "billing", "tickets")
    with pytest.raises(PipelineError, match="names no queue"):
        feed_at(Address(("tickets+https://desk.example/",), tmp_path))
    with pytest.raises(PipelineError, match="--table, --query and --cursor are for databases"):
        feed_at(Address(("tickets+https://desk.example/api/billing",), tmp_path, DatabaseWish(table="x")))


@pytest.mark.slow
def test_pip_installs_it_and_its_connector_is_found(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "rag-tickets"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    how = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "install", *how, "--target", str(site.folder), str(source)], check=True)
    importlib.invalidate_caches()
    found = plugin("tickets", taken=())
    assert found and found.kind and (found.package, found.problem) == ("rag-tickets 1.0", "")
