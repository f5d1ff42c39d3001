"""The wheel of this checkout, built once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

DROPPED = ("rag_pipeline/defs/my_feed.py", "rag_pipeline/defs/mine/defs.yaml")
"""What people drop into `defs/`."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is in the checkout."""
    return built(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def wheel_with_more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of somebody who has dropped files into `defs/`."""
    return built(tmp_path_factory.mktemp("tree"), *DROPPED)


def built(tree: Path, *dropped: str) -> Path:
    """A wheel, built as a package index would get it, from a copy of the tree, with what is installed: no network."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, tree)
    shutil.copytree(PROJECT / "rag_pipeline", tree / "rag_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in dropped:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("# as `dg scaffold defs` writes it\n", encoding="utf-8")
    options = ["-q", "--no-deps", "--no-build-isolation", "-w", str(tree / "dist")]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(tree)], check=True, capture_output=True, text=True)
    (made,) = (tree / "dist").iterdir()
    return made
