"""`make clean` removes what the pipeline made and leaves what it did not."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.release.clear_out import clear_out
from rag_pipeline.release.tables_verify import repair_tables, verify_tables
from rag_pipeline.settings import PROJECT, Settings
from tests.conftest import Workspace, files_contract
from tests.support.small_releases import release_of


def test_a_home_goes_and_what_somebody_put_there_stays(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    release_of(home, {"a.md": "# A\n\nnumber one"})
    claim_home(Settings(home=home))
    (home.models / "mine").mkdir(parents=True)
    (home.models / "mine" / "weights").write_bytes(b"mine")
    home.release("notes.txt").write_text("mine")
    assert clear_out(home) == ["models", "releases"]
    files = sorted(path.relative_to(home.root).as_posix() for path in home.root.rglob("*") if path.is_file())
    assert files == [".rag-home.json", "models/mine/weights", "releases/notes.txt"]
    assert not audit_table(home).exists


def test_a_home_with_nothing_else_in_it_goes_whole(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    release_of(home, {"a.md": "# A\n\nnumber one"})
    assert clear_out(home) == []
    assert not home.root.exists()


def test_what_loads_commands_and_repairs_leave_goes_too(workspace: Workspace) -> None:
    contract = workspace.contract("handbook", files_contract(workspace.pages({"a.md": "# A\n\nThe first page of all.\n"})))
    claim_home(workspace.settings)
    load_source(read_contract(contract), workspace.home, run_id="r", now=datetime.now(UTC))
    assert workspace.home.clock.is_file()
    loads = source_tables(workspace.home, "handbook").loads
    shutil.rmtree(loads.path / "_checksums")  # as of a home of the pipeline before
    for entry in (loads.path / "_delta_log").glob("*.json"):
        entry.write_text('{"nonsense": {}}', encoding="utf-8")
    repair_tables(workspace.home, verify_tables(workspace.home))
    assert list(workspace.home.loads.glob(".handbook.damaged-*")), "nothing of it could be read"
    assert clear_out(workspace.home) == []
    assert not workspace.home.root.exists()


def test_a_folder_that_is_no_home_is_left_alone(home: Home, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(PipelineError, match="is not a pipeline's home"):
        clear_out(home)
    assert (tmp_path / "thesis.docx").is_file()


@pytest.mark.parametrize("empty", [{}, {"RAG_HOME": ""}, {"RAG_HOME": "", "DAGSTER_HOME": ""}])
def test_an_empty_home_is_the_checkouts_for_make_too(empty: dict[str, str], tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"include {PROJECT / 'Makefile'}\nsaid:\n\t@echo $$RAG_HOME $$DAGSTER_HOME\n")
    run = ["env", "-u", "RAG_HOME", "-u", "DAGSTER_HOME", *(f"{name}={value}" for name, value in empty.items())]
    done = subprocess.run([*run, "make", "-s", "said"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{tmp_path}/.rag", f"{tmp_path}/.rag/dagster"]
