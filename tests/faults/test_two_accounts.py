"""Two accounts: what readers need is read by whom the umask lets, what is private by nobody else."""

import json
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_pipeline.channels.pointer import serving
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, QUESTIONS
from tests.support.unix_accounts import NOBODY, as_nobody, needs_two_accounts

RAG = "import sys; from rag_pipeline.cli import main; sys.argv = ['rag', *sys.argv[1:]]; main()"
SECRET = "Ask anna.schmidt@example.com for the second key."

pytestmark = needs_two_accounts


@pytest.fixture(scope="module")
def open_ground() -> Iterator[Path]:
    """A folder that both accounts get to; pytest closes its own."""
    with tempfile.TemporaryDirectory(prefix="two-accounts-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def served(open_ground: Path) -> Workspace:
    """A promoted release, made by root with an ordinary umask; one of its pages is in quarantine."""
    workspace = Workspace(open_ground / "served")
    workspace.root.mkdir()
    pages = {f"page{number}.md": f"# Page {number}\n\nThis is what page {number} says of leave.\n" for number in range(4)}
    contract = files_contract(workspace.pages({**pages, "bad.md": f"# Bad\n\n{SECRET}\n"}))
    contract["customProperties"] += [
        {"property": "piiPolicy", "value": "refuse"},
        {"property": "piiEntities", "value": ["EMAIL_ADDRESS"]},
    ]
    workspace.contract("handbook", contract)
    workspace.golden("questions", {question: ["handbook/page1.md"] for question in QUESTIONS})
    workspace.policy({"questions": FLOORS | {"floors": {}}})
    environment = {**workspace.environment, "DAGSTER_HOME": str(workspace.root / "dagster")}
    done = subprocess.run(
        ["sh", "-c", 'umask 022; exec "$@"', "sh", sys.executable, "-c", RAG, "refresh", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout or "{}").get("promoted"), done.stderr
    return workspace


@pytest.fixture
def temporary(open_ground: Path) -> Path:
    """The system's temporary folder, as both accounts see it."""
    folder = Path(tempfile.mkdtemp(dir=open_ground))
    folder.chmod(0o1777)
    return folder


def environment(workspace: Workspace, temporary: Path) -> dict[str, str]:
    own = {"TMPDIR": str(temporary), "HOME": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    kept = {name: value for name, value in workspace.environment.items() if name != "DAGSTER_HOME"}  # another test's, maybe
    return {**kept, **own}


def test_another_account_may_ask_and_look(served: Workspace, temporary: Path) -> None:
    for words in (("query", "leave", "--mode", "lexical", "--json"), ("status", "--json")):
        done = as_nobody("-c", RAG, *words, environment=environment(served, temporary))
        assert done.returncode == 0, done.stderr
        release = serving(served.home)
    assert release is not None and release in done.stdout
    assert not list(temporary.glob("rag-views-*")), "a view was left behind"


def test_no_other_account_may_read_what_was_refused(served: Workspace, temporary: Path) -> None:
    tables = served.home.quarantine
    seen = [path for path in tables.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in seen)
    for path in (tables, *tables.rglob("*"), served.home.scratch):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    done = as_nobody("-c", RAG, "quarantine", "list", environment=environment(served, temporary))
    assert done.returncode != 0
    assert "only the account that runs the pipeline may read it" in done.stderr


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_small_files_have_the_mode_the_umask_gives_and_scratch_has_its_own(tmp_path: Path, umask: int) -> None:
    code = """
import os, sys
from pathlib import Path
from rag_pipeline.files import private_file, private_folder, write_json
from rag_pipeline.home import Home
os.umask(int(sys.argv[2]))
home = Home(Path(sys.argv[1]))
write_json(home.channel("production"), {})
private_file(private_folder(home.scratch) / "rows.parquet").write_bytes(b"private")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(umask)], check=True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {
        "channels": 0o777 & ~umask,
        "production.json": 0o666 & ~umask,
        "scratch": 0o700,
        "rows.parquet": 0o600,
    }


def test_a_folder_another_account_planted_for_copies_is_not_used(served: Workspace, temporary: Path) -> None:
    planted = [temporary / f"rag-views-{NOBODY}", temporary / f"rag-views-{NOBODY}-planted1"]
    for folder in planted:
        folder.mkdir()
        folder.chmod(0o777)  # root's: it could read and replace what the reader puts there
    watched = """
import shutil, sys
from rag_pipeline.index import views
copied = views._copied
def told(*given):
    target = copied(*given)
    said = target.parent.stat()
    print("VIEW", target.parent, oct(said.st_mode & 0o777), said.st_uid)
    return target
views._copied = told
sys.argv = ["rag", "query", "leave", "--mode", "lexical", "--json"]
from rag_pipeline.cli import main
main()
"""
    done = as_nobody("-c", watched, environment=environment(served, temporary))
    assert done.returncode == 0, done.stderr
    views = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("VIEW")]
    assert views
    for where, mode, owner in views:
        assert (Path(where).parent, mode, owner) == (temporary, "0o700", str(NOBODY))
        assert Path(where) not in planted
    assert sorted(temporary.glob("rag-views-*")) == planted, "its own is gone, what is not its own is left"
    assert not any(any(folder.iterdir()) for folder in planted)


def test_what_a_killed_reader_left_elsewhere_goes_with_the_next_one(served: Workspace, temporary: Path) -> None:
    code = f"""
import os
from pathlib import Path
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.views import intact_view
home = Home(Path({str(served.home)!r}))
with intact_view(home, read_manifest(home.release({serving(served.home)!r})), "lexical") as view:
    os._exit(9)
"""
    assert as_nobody("-c", code, environment=environment(served, temporary)).returncode == 9
    [left] = temporary.glob(f"rag-views-{NOBODY}-*")
    assert any(left.rglob("*.json"))
    others = Path(tempfile.mkdtemp(prefix=f"rag-views-{NOBODY}-", dir=temporary))
    done = as_nobody("-c", RAG, "query", "leave", "--mode", "lexical", environment=environment(served, temporary))
    assert done.returncode == 0, done.stderr
    assert list(temporary.glob("rag-views-*")) == [others]
    assert not any(others.iterdir())
