"""The files of a small golden set."""

import json
from pathlib import Path

import pytest

from tests.conftest import Workspace


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    """A good golden set with two queries."""
    return workspace.golden("small", {"how many days": ["handbook/leave.md"], "which train": ["handbook/travel.md"]})


def lines(folder: Path, *queries: object) -> None:
    text = "\n".join(query if isinstance(query, str) else json.dumps(query) for query in queries)
    (folder / "queries.jsonl").write_text(text + "\n", encoding="utf-8")


def qrels(folder: Path, text: str) -> None:
    (folder / "qrels" / "test.tsv").write_text(text, encoding="utf-8")


def about(folder: Path, text: str) -> None:
    (folder / "golden.yaml").write_text(f"description: test\nowner: docs@example.com\n{text}\n", encoding="utf-8")
