"""Pages, and a release of them."""

import pytest

from rag_pipeline.files import file_sha256
from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index.manifest import Manifest
from tests.support.small_releases import (
    release_of,
)

PAGES = {"leave.md": "# Leave\n\nEveryone has thirty days.", "travel.md": "# Travel\n\nBy train.", "it's.md": "# Émile 🙂"}


def bytes_of(home: Home, manifest: Manifest) -> dict[str, str]:
    folder = home.release(manifest.id)
    return {
        p.relative_to(folder).as_posix(): file_sha256(p)
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST_FILE
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release nobody may change."""
    home = Home(tmp_path_factory.mktemp("built"))
    return home, release_of(home, PAGES).manifest


DIED_WITH_A_VIEW = """
import os, sys
from pathlib import Path
from filelock import FileLock
view = Path(sys.argv[1])
view.parent.mkdir(exist_ok=True)
FileLock(view.with_suffix(".lock")).acquire()
view.mkdir()
os._exit(0)
"""
