"""`rag`, called in this process on a small pipeline."""

import json
from typing import Any

import pytest

from rag_pipeline import cli
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.home import Home
from tests.conftest import Workspace, files_contract
from tests.support.built_once import BuiltOnce

PAGES = {
    "leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year.\n",
    "travel.md": "# Travel\n\nBook trains in second class. Flights need approval.\n",
    "laptops.md": "# Laptops\n\nEncrypt the disk of every laptop. Report a stolen laptop at once.\n",
}


@pytest.fixture
def pipeline(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = Workspace(built_once.empty("commands"))
    monkeypatch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", {"how many days of vacation": ["handbook/leave.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}, "not_worse": None}})
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    return workspace


@pytest.fixture
def refreshed(
    pipeline: Workspace, built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """`rag refresh` was run once; the release it promoted."""
    told = built_once.state(pipeline.root, "refreshed", lambda: rag(monkeypatch, capsys, "refresh", "--json")[1])
    return str(as_json(told)["production"])


def rag(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `rag WORDS` in this process: exit code, stdout, stderr."""
    monkeypatch.setattr("sys.argv", ["rag", *words])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def as_json(out: str) -> Any:
    """stdout of a `--json` command is one object and nothing else."""
    assert out.count("\n") == 1
    return json.loads(out)


class Line:
    """`rag WORDS` on one pipeline."""

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._monkeypatch, self._capsys = home, monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        return rag(self._monkeypatch, self._capsys, *words)

    def json(self, *words: str) -> Any:
        code, out, err = self(*words, "--json")
        assert code == 0, (words, out, err)
        return as_json(out)

    def refused(self, *words: str) -> str:
        """What a command says that exits with 1: one paragraph on stderr, nothing on stdout."""
        code, out, err = self(*words)
        assert (code, out) == (1, ""), (words, out, err)
        assert "Traceback" not in err
        return err

    def points_at(self, name: str) -> str | None:
        channel = read_channel(self.home, name)
        return channel.release if channel else None

    def kept(self) -> set[str]:
        return {path.name for path in self.home.releases.iterdir() if path.is_dir()}
