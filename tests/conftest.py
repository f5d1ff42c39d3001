"""Builders the tests share: a small pipeline of one's own in a temporary folder, with the real model."""

import gc
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml

from rag_pipeline.home import Home
from rag_pipeline.process import prepare
from rag_pipeline.settings import Settings
from tests.support.built_once import BuiltOnce
from tests.support.in_memory import forget, keep_in_memory

for _name in [name for name in os.environ if name.startswith("RAG_")]:
    del os.environ[_name]  # the tests' settings are their own, whatever the shell that runs them says
prepare()
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.register_profile("fast", deadline=None, max_examples=30)
hypothesis.settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real data some checkouts have beside them; tests that want it are skipped where it is absent."""

CASES = SHARED.with_name("cases")
"""Small inputs that went wrong, beside the real data."""


if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: each with all cores for torch would only push the others away
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") == "not slow":  # all the fast tests, or a part of them
        keep_in_memory()
        hypothesis.settings.load_profile("fast")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == 0 and not hasattr(session.config, "workerinput"):
        factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        forget(factory.getbasetemp())


def files_contract(folder: str | Path, **changes: Any) -> dict[str, Any]:
    """A contract for a folder of documents; `changes` replace its top-level fields."""
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "handbook",
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "Pages of a handbook."},
        "team": {"name": "docs", "members": [{"username": "docs@example.com"}]},
        "servers": [{"server": "here", "type": "local", "format": "documents", "path": str(folder)}],
        "schema": [
            {
                "name": "pages",
                "properties": [
                    column("path", role="key", required=True, primaryKey=True),
                    column("text", role="text", required=True),
                    column("title", role="title"),
                    column("uri", role="uri"),
                    column("modified_at", role="modified_at", logicalType="timestamp"),
                ],
            }
        ],
        "slaProperties": [{"property": "latency", "value": 48, "unit": "h"}],
        "customProperties": [{"property": "quarantineMaxPercent", "value": 50}],
        **changes,
    }


def column(name: str, *, role: str | None = None, policy: str | None = None, **fields: Any) -> dict[str, Any]:
    """One column of a contract. `policy`: its `piiPolicy`."""
    ours = {"role": role, "piiPolicy": policy}
    custom = [{"property": name, "value": value} for name, value in ours.items() if value]
    return {"name": name, "logicalType": "string", **fields} | ({"customProperties": custom} if custom else {})


def table_contract(path: str | Path, form: str, *extra: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A contract for a table with `id`, `text`, and more columns if given."""
    columns = [column("id", role="key", required=True, primaryKey=True), column("text", role="text", required=True), *extra]
    return files_contract(
        path,
        id="table",
        servers=[{"server": "here", "type": "local", "format": form, "path": str(path)}],
        schema=[{"name": "rows", "properties": columns}],
        **changes,
    )


@dataclass
class Workspace:
    """A pipeline of one's own: contracts, golden sets and RAG_HOME in one temporary folder."""

    root: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.root / "home", contracts=self.root / "contracts", evals=self.root / "evals")

    @property
    def home(self) -> Home:
        return Home(self.root / "home")  # as the settings have it, which take 20 ms to make

    @property
    def environment(self) -> dict[str, str]:
        """What a process of its own needs to work on this workspace."""
        settings = self.settings
        own = {"RAG_HOME": settings.home, "RAG_CONTRACTS": settings.contracts, "RAG_EVALS": settings.evals}
        return {**os.environ, **{name: str(path) for name, path in own.items()}}

    def contract(self, source: str, content: Mapping[str, Any]) -> Path:
        path = self.root / "contracts" / f"{source}.odcs.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        return path

    def pages(self, pages: Mapping[str, str], folder: str = "pages") -> Path:
        """Write Markdown files; a page whose text is unchanged keeps its time of change."""
        where = self.root / folder
        for name, text in pages.items():
            path = where / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        return where

    def golden(self, name: str, judged: Mapping[str, list[str]], **about: Any) -> Path:
        """A golden set: query text -> document ids."""
        folder = self.root / "evals" / name
        (folder / "qrels").mkdir(parents=True, exist_ok=True)
        fields = {"description": "test", "owner": "docs@example.com", **about}
        (folder / "golden.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
        queries = {f"q{number}": text for number, text in enumerate(judged)}
        lines = [json.dumps({"_id": query, "text": text}) for query, text in queries.items()]
        (folder / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows = [f"{query}\t{document}\t1" for query, text in queries.items() for document in judged[text]]
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return folder

    def policy(self, golden_sets: Mapping[str, Any], **demands: Any) -> Path:
        path = self.root / "evals" / "gate.yaml"
        path.parent.mkdir(exist_ok=True)
        content = {"channels": {"production": {"golden_sets": dict(golden_sets), **demands}}}
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_not_searched_again() -> None:
    """Stages collect garbage when they end, which takes a second each in a process that has imported everything."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """States that many tests begin with."""
    return BuiltOnce(tmp_path_factory.mktemp("built-once"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace, with Dagster's own state inside it too."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return Workspace(tmp_path)
