"""What somebody who installs the package gets: one version everywhere, and types that other projects' checkers use."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rag_pipeline import __version__
from rag_pipeline.settings import PROJECT
from tests.project.conftest import DROPPED
from tests.support.command_line import rag

IMPORTER = """\
from rag_pipeline.metrics.documents import NAMES

reveal_type(NAMES)
"""


def test_the_wheel_carries_the_version_and_every_file_that_is_not_python(wheel_with_more: Path) -> None:
    with zipfile.ZipFile(wheel_with_more) as content:
        names = set(content.namelist())
        metadata = content.read(f"rag_pipeline-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    ours = [path for path in (PROJECT / "rag_pipeline").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(PROJECT)) for path in ours} <= names
    assert "rag_pipeline/py.typed" in names
    assert set(DROPPED) <= names, "what people drop into defs/ is part of what they deploy"


def test_a_project_that_imports_it_is_checked_with_its_types(wheel_with_more: Path, tmp_path: Path) -> None:
    """mypy takes the types of an installed package only where that carries `py.typed`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel_with_more) as content:
        content.extractall(site)
    (tmp_path / "importer.py").write_text(IMPORTER, encoding="utf-8")
    python = tmp_path / "venv/bin/python"
    command = [sys.executable, "-m", "mypy", "--config-file=", "--python-executable", str(python), "importer.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert 'Revealed type is "dict[str, str]"' in done.stdout.replace("builtins.", ""), done.stdout + done.stderr
    assert done.returncode == 0


def test_the_command_line_says_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RAG_PROMOTON", "manual")  # a broken setting must not hide which version is broken
    assert rag(monkeypatch, capsys, "--version") == (0, f"rag-pipeline {__version__}\n", "")


def test_the_changelog_opens_with_this_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## \[(\d[\d.]*)\]", changelog)[0] == __version__
