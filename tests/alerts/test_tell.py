"""A look with real receivers: nothing twice, nothing lost, and no failure of theirs reaches who looks."""

import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.alerts import record as records
from rag_pipeline.alerts.cause import Cause, Findings, marks_of
from rag_pipeline.alerts.tell import tell, told_now, try_out
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.support.alert_receivers import SECRET, dead_address, web_receiver

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
HELD = Cause(
    "held source", "handbook", "source handbook is held", ("gone",), "team:docs", ("rag status",), marks_of(["gone"])
)
BAD = Findings((HELD,))
WELL = Findings(well=frozenset({HELD.key}))


def files_below(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*") if path.is_file())


def test_two_receivers_one_of_them_dead_at_first(home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with web_receiver() as good, web_receiver() as bad:
        bad.status = 500
        setting = f"{good.url} {bad.url}"
        outcome = tell(home, setting, lambda: BAD, NOW)
        assert outcome is not None
        assert outcome.says == (
            "told: source handbook is held; 1 thing is wrong now; 1 message waits: receiver 2 (json) answered 500"
        )
        assert (good.titles, bad.titles) == (["[rag] source handbook is held"], [])
        assert "an alert was not delivered: receiver 2 (json) answered 500; it is tried again" in caplog.text
        told = told_now(home, setting)
        assert [(one["what"], one["told"]) for one in told["causes"]] == [("source handbook is held", False)]
        assert [(one["receiver"], one["says"], one["tries"]) for one in told["troubles"]] == [
            ("receiver 2 (json)", "answered 500", 1)
        ]
        tell(home, setting, lambda: BAD, NOW + timedelta(seconds=30))
        assert bad.tried == 1, "too early"
        bad.status = 200
        tell(home, setting, lambda: BAD, NOW + timedelta(minutes=2))
        assert (len(good.messages), len(bad.messages)) == (1, 1)
        tell(home, setting, lambda: WELL, NOW + timedelta(minutes=3))
        assert good.titles[1:] == bad.titles[1:] == ["[rag] resolved: source handbook is held"]
        told = told_now(home, setting)
        assert (told["causes"], told["troubles"], told["on"]) == ([], [], True)
        assert told["looked_at"] == NOW + timedelta(minutes=3)
        shown = [caplog.text, str(told), files_below(tmp_path)]
        assert not [text for text in shown if SECRET in text]


def test_a_message_outlives_the_process_that_could_not_deliver_it(home: Home) -> None:
    assert tell(home, dead_address(), lambda: BAD, NOW) is not None
    with web_receiver() as web:
        unknown = Findings(possible=frozenset({HELD.key}))
        tell(home, web.url, lambda: unknown, NOW + timedelta(hours=1))
        [message] = web.messages
    assert "Why:\n  - gone\nOwner: team:docs" in message["message"]


def test_two_that_look_at_once_tell_it_once(home: Home) -> None:
    with web_receiver() as web:
        threads = [threading.Thread(target=tell, args=(home, web.url, lambda: BAD, NOW)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(web.messages) == 1
        with home.exclusive("alerts", wait_s=1):
            assert tell(home, web.url, lambda: BAD, NOW) is None, "another process is at it"


def test_without_anybody_to_tell_nothing_is_looked_at_written_or_imported(home: Home, tmp_path: Path) -> None:
    def look() -> Findings:
        raise AssertionError("nobody asked")

    assert tell(home, "", look, NOW) is not None
    assert list(tmp_path.iterdir()) == []
    code = (
        "import sys, rag_pipeline.definitions, rag_pipeline.cli.alerts, rag_pipeline.defs.run, rag_pipeline.host.status;"
        "print([m for m in ('apprise', 'requests_oauthlib', 'markdown') if m in sys.modules])"
    )
    environment = {**os.environ, "RAG_ALERTS": dead_address(), "RAG_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]", "not even where there is: the process that sends imports it"


def test_on_a_disk_that_takes_no_more_each_thing_is_told_once_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path / "home")
    home.alerts.mkdir(parents=True)  # a file that nobody can write, whoever runs this
    with web_receiver() as web:
        for minute in range(3):
            assert tell(home, web.url, lambda: BAD, NOW + timedelta(minutes=minute)) is not None
        assert len(web.messages) == 1
        assert "cannot be written" in caplog.text
        home.alerts.rmdir()
        tell(home, web.url, lambda: WELL, NOW + timedelta(minutes=4))
        assert web.titles[1:] == ["[rag] resolved: source handbook is held"]
    assert home.alerts.is_file()
    assert home.alerts not in records._UNWRITTEN


def test_a_trial_says_what_came_of_each(home: Home, tmp_path: Path) -> None:
    with web_receiver() as web:
        results = try_out(home, f"{web.url}, {dead_address()}")
        assert results == {"receiver 1 (json)": "sent", "receiver 2 (json)": "not reached"}
        assert web.titles == ["[rag] a test of the alerts"]
    with pytest.raises(PipelineError, match="RAG_ALERTS is not set"):
        try_out(home, "")
    assert not (tmp_path / "alerts.json").exists()
