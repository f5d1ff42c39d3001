"""How much work each test is: measured with `make durations`, kept in tests/durations.json, shown by this module.

    python -m tests.support.durations      # the heaviest files and tests
    pytest -p tests.support.durations …    # measures what runs, and leaves the other tests in the file as they were

CPU seconds, those of child processes included: they are the same on a busy machine, and seconds of a clock are not.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "durations.json"
_BEGAN = pytest.StashKey[float]()
_measured: dict[str, float] = {}


def read_durations() -> dict[str, float]:
    """Node id -> CPU seconds, as last measured."""
    found: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    item.stash[_BEGAN] = _cpu_seconds()
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.when == "teardown":
        item.user_properties.append(("cpu_s", round(_cpu_seconds() - item.stash[_BEGAN], 2)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _measured[report.nodeid] = float(str(dict(report.user_properties)["cpu_s"]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _measured and not hasattr(session.config, "workerinput"):
        known = {name: one for name, one in read_durations().items() if (FILE.parents[1] / name.partition("::")[0]).exists()}
        found = dict(sorted((known | _measured).items()))
        FILE.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


def show(durations: dict[str, float], most: int = 25) -> str:
    """The heaviest files and the heaviest tests, as lines."""
    files: Counter[str] = Counter()
    for name, one in durations.items():
        files[name.partition("::")[0]] += one  # type: ignore[assignment]
    heaviest = sorted(durations.items(), key=lambda found: -found[1])
    lines = [f"{sum(durations.values()):,.0f} CPU seconds in {len(durations):,} tests", ""]
    lines += [f"{one:8.1f}  {name}" for name, one in [*files.most_common(most), ("", 0.0), *heaviest[:most]] if name]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(show(read_durations()) + "\n")
