"""The whole pipeline below a folder whose name is all that is hard: commands as processes, as a person runs them."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rag_pipeline.contracts.connect import connect
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.settings import NO_SECRETS, Settings
from tests.conftest import Workspace, files_contract, table_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS

UGLY = 'Überall #1 100% %41 [2024] a=b {x} it\'s "so" what?* |^`~'


def rag(workspace: Workspace, *words: str, code: int = 0) -> Any:
    """What a command says, with Dagster's own state inside RAG_HOME."""
    environment = {name: value for name, value in workspace.environment.items() if name != "DAGSTER_HOME"}
    command = [str(Path(sys.executable).with_name("rag")), *words, "--json"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=workspace.root, check=False)
    assert ran.returncode == code, (words, ran.stdout, ran.stderr)
    return json.loads(ran.stdout)


@pytest.fixture
def ugly(tmp_path: Path) -> Workspace:
    """The handbook below a folder with an ugly name; its pages lie in one as well, named as it stands."""
    root = tmp_path / UGLY / "=" / "sub [dir]"
    root.mkdir(parents=True)
    workspace = Workspace(root)
    workspace.pages(PAGES, "pages [v1] 50%")
    workspace.contract("handbook", files_contract("../pages [v1] 50%", **LENIENT))
    workspace.golden("questions", QUESTIONS)
    workspace.policy({"questions": FLOORS})
    return workspace


def everything_intact(workspace: Workspace) -> None:
    verified = rag(workspace, "verify")
    assert {name.split("/")[0] for name in verified["tables"]} == TABLES
    assert all(one["intact"] for one in (*verified["tables"].values(), *verified["releases"].values()))


TABLES = {
    "documents",
    "quarantine",
    "listings",
    "loads",
    "chunks",
    "vectors",
    "query_vectors",
    "evaluations",
    "evidence",
    "audit",
}


@pytest.mark.slow
def test_a_first_night_below_a_folder_with_an_ugly_name(ugly: Workspace, tmp_path: Path) -> None:
    first = rag(ugly, "refresh")
    assert (first["success"], first["promoted"]) == (True, True)
    assert rag(ugly, "query", "may I fly to a customer")["hits"][0]["document_id"] == "handbook/travel.md"
    everything_intact(ugly)
    assert [path.name for path in tmp_path.iterdir()] == [UGLY], "nothing was written beside it"
    assert (ugly.home.dagster / "dagster.yaml").is_file()
    assert (ugly.home.dagster / "history" / "runs.db").is_file(), "Dagster's state lies where it was to lie"


@pytest.mark.slow
def test_a_week_below_a_folder_with_an_ugly_name(ugly: Workspace, tmp_path: Path) -> None:
    assert rag(ugly, "refresh")["promoted"]
    assert rag(ugly, "refresh")["texts_embedded"] == 0
    ugly.pages({"leave.md": PAGES["leave.md"] + "\nUnused days lapse in March.\n"}, "pages [v1] 50%")
    second = rag(ugly, "refresh")
    assert second["promoted"]
    [hit, *_] = rag(ugly, "query", "how many days of vacation do I get")["hits"]
    assert hit["document_id"] == "handbook/leave.md"
    assert rag(ugly, "trace", hit["chunk_id"])["document"]["document_id"] == "handbook/leave.md"
    assert second["release"] in rag(ugly, "gc")["kept"]
    everything_intact(ugly)
    assert rag(ugly, "refresh")["success"]
    assert rag(ugly, "status")["sources"][0]["documents"] == len(PAGES)
    assert [path.name for path in tmp_path.iterdir()] == [UGLY], "nothing was written beside it"


def test_a_url_is_refused_with_one_sentence(tmp_path: Path) -> None:
    """On b246836 a URL became a folder `ftp:` here."""
    environment = {**os.environ, "RAG_HOME": "ftp://bucket/home"}
    command = [str(Path(sys.executable).with_name("rag")), "releases"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "RAG_HOME='ftp://bucket/home': " in ran.stderr
    assert "ftp://bucket/home is a URL; name a folder on this machine, or a bucket by s3://, gs:// or az://" in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["home", "contracts", "evals", "cache"])
@pytest.mark.parametrize("url", ["ftp://bucket/home", "file:///srv/home", "S3:/bucket", "abfss://a@b/c"])
def test_no_folder_is_a_url(name: str, url: str) -> None:
    with pytest.raises(ValidationError, match="is a URL; name a folder on this machine"):
        Settings.model_validate({name: url})


def test_the_folder_of_a_contract_and_what_exists_are_no_patterns(tmp_path: Path) -> None:
    """On b246836: the feed is empty."""
    workspace = Workspace(tmp_path / "con[tracts] *")
    workspace.root.mkdir()
    workspace.pages({"a.md": "# A\n\none"}, "docs [2024]")
    workspace.pages({"b.csv": "id,text\n1,one\n2,two\n"}, "out [1]")
    (workspace.root / "out [1]" / "b.csv").rename(workspace.root / "out [1]" / "export[1].csv")
    for place, listed in {"docs [2024]": 1, "docs [2024]/*.md": 1, "docs [[]2024]/*.md": 1, "docs [0-9]*": 0}.items():
        workspace.contract("pages", files_contract(f"../{place}"))
        assert listing(workspace, "pages") == listed, place
    for place in ("out [1]/export[1].csv", "out [1]/*.csv", "out [1]/export[[]1].csv"):
        workspace.contract("rows", table_contract(f"../{place}", "csv"))
        assert listing(workspace, "rows") == 1, place


def listing(workspace: Workspace, source: str) -> int:
    """How many items a source lists."""
    contract = next(one for one in read_contracts(workspace.settings.contracts) if one.source == source)
    with closing(connect(contract, NO_SECRETS)) as connector:
        return len(list(connector.items(lambda _: None)))
