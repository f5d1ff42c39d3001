"""Each of the examples, run as its page says: against a real folder, PostgreSQL and web server."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.settings import PROJECT
from tests.support.postgres_server import ADMIN, PASSWORD, Postgres

EXAMPLES = PROJECT / "examples"
NAMES = sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir())


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an example, as somebody would take it."""
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param, ignore=shutil.ignore_patterns(".rag")))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[int]:
    """The web server of the page, over the copy's folder; its port."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web" / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def helpdesk() -> Iterator[Postgres]:
    """A PostgreSQL server with the database of the page in it, empty."""
    server = Postgres()
    with server.connect("postgres") as connection:
        connection.execute("CREATE DATABASE helpdesk")
    yield server
    server.remove()


def asked_as_its_page_says(example: Path, **variables: str) -> None:
    """Every `rag` line of the page, in the example's folder; the question is answered by the page about bicycles."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "DAGSTER_HOME"))}
    environment = {**outside, **variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lines = re.findall(r"(?m)^rag .+$", (example / "README.md").read_text(encoding="utf-8"))
    assert lines[0] == "rag refresh" and lines[-1].startswith("rag query ")
    said = ""
    for line in [*lines[:-1], f"{lines[-1]} --json"]:
        done = subprocess.run(line, shell=True, cwd=example, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
    assert "bicycles" in json.loads(said)["hits"][0]["document_id"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_whole(name: str) -> None:
    folder = EXAMPLES / name
    [contract] = read_contracts(folder / "contracts")
    [golden] = read_golden_sets(folder / "evals")
    assert golden.about.source == contract.source
    assert list(read_policy(folder / "evals").channels["production"].golden_sets) == [golden.name]
    assert len(golden.queries) == 12 and set(golden.qrels) == set(golden.queries)
    assert f"[{name}]({name}/README.md)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("example", ["handbook"], indirect=True)
def test_a_folder_of_pages(example: Path) -> None:
    asked_as_its_page_says(example)


@pytest.mark.slow
@pytest.mark.parametrize("example", ["postgres"], indirect=True)
def test_a_table_in_postgres(example: Path, helpdesk: Postgres) -> None:
    with helpdesk.connect("helpdesk") as connection:
        connection.execute((example / "seed.sql").read_bytes())
    contract = example / "contracts/articles.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("port: 5432", f"port: {helpdesk.port}"), encoding="utf-8")
    asked_as_its_page_says(example, RAG_ARTICLES_USER=ADMIN, RAG_ARTICLES_PASSWORD=PASSWORD)


@pytest.mark.slow
@pytest.mark.parametrize("example", ["web"], indirect=True)
def test_a_web_site(example: Path, site: int) -> None:
    for file in [*example.glob("contracts/*"), *example.glob("evals/questions/qrels/*"), example / "site/sitemap.xml"]:
        file.write_text(file.read_text(encoding="utf-8").replace(":8000/", f":{site}/"), encoding="utf-8")
    asked_as_its_page_says(example)
