"""A pytest plugin for mutation runs: the quickest tests first, and no search for garbage in what all runs share.

mutmut runs every test that reaches a mutated function, in no order, until one fails. Most mutants fail the cheapest test.
Files stay together, because some make what all their tests look at.
"""

import gc
import json
from collections import defaultdict
from pathlib import Path

import pytest

STATS = Path("mutmut-stats.json")
"""What mutmut noted down, in the folder that tests run in: among it how many seconds each test takes."""

NO_FORK = {"polars-0", "tokio-rt-worker", "async-executor-"}
"""Threads that a process does not get over that was forked beside them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seconds: dict[str, float] = {}
    if STATS.is_file():
        seconds = json.loads(STATS.read_text(encoding="utf-8")).get("duration_by_test", {})
    files: dict[Path, float] = defaultdict(float)
    for item in items:
        files[item.path] += seconds.get(item.nodeid, 0.0)
    items.sort(key=lambda item: (files[item.path], item.path, seconds.get(item.nodeid, 0.0)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Before the first run is forked: what was imported until now is garbage in none, and nothing of it is at work yet."""
    gc.collect()
    gc.freeze()
    at_work = {path.read_text(encoding="utf-8").strip() for path in Path("/proc/self/task").glob("*/comm")} & NO_FORK
    if session.config.option.collectonly and at_work:
        raise pytest.UsageError(
            f"a test file uses polars while it is imported (threads {', '.join(sorted(at_work))}), so every run that is "
            "forked from here would wait for ever; let a fixture or a cached function do it"
        )
