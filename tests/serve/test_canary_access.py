"""Who may read which row holds in both arms, also where the canary's release has other labels on the same rows."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rag_pipeline.canary.arms import Arm
from rag_pipeline.canary.audit import start
from rag_pipeline.canary.split import Wanted
from rag_pipeline.release.withdrawn import withdraw
from tests.support.guarded import HIDDEN_WORD, PAGES, READERS, Guarded, guarded_replica, release_of_pages
from tests.support.labelled import Page, permitted
from tests.support.replicas import point

OTHERS: dict[str, Page] = {
    **PAGES,
    "leave.md": (PAGES["leave.md"][0], "board"),
    "pay.md": (PAGES["pay.md"][0], None),
    "menu.md": (PAGES["menu.md"][0], '["hr", "Café Crew"]'),
}
"""The same pages; some of their labels were changed since."""
OF: dict[Arm, dict[str, Page]] = {"stable": PAGES, "canary": OTHERS}
QUESTION = "the holiday of each year is paid"


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_replica(tmp_path_factory.mktemp("split")) as found:
        home = found.workspace.home
        point(home, release_of_pages(home, OTHERS), "canary")
        wanted = Wanted(channel="production", canary="canary", percent=50, hours=1, by="tests", why="other labels")
        start(home, wanted, datetime.now(UTC))
        one = found.running
        one.wait_until(lambda: any(arm_of(found, "hr", f"s{n}") == "canary" for n in range(20)), "the canary's release")
        yield found


def arm_of(guarded: Guarded, reader: str, session: str) -> str:
    told = guarded.running.ask(guarded.keys[reader], {"query": QUESTION, "session": session}).json()
    return str(told.get("arm"))


def session(guarded: Guarded, reader: str, arm: Arm) -> str:
    return next(name for name in (f"s{n}" for n in range(200)) if arm_of(guarded, reader, name) == arm)


@pytest.mark.parametrize("mode", ["dense", "lexical"])
@pytest.mark.parametrize("arm", ["stable", "canary"])
@pytest.mark.parametrize("reader", ["public", "hr", "board", "crew", "everybody"])
def test_a_reader_is_shown_the_rows_that_it_may_read_in_the_release_that_answers(
    split: Guarded, reader: str, arm: Arm, mode: str
) -> None:
    shown = split.documents(reader, QUESTION, mode=mode, session=session(split, reader, arm))
    mine = permitted(OF[arm], READERS[reader])
    assert set(shown) == set(mine) if mode == "dense" else set(shown) <= set(mine)


def test_a_reader_of_nothing_is_refused_in_both_arms(split: Guarded) -> None:
    for number in range(12):
        asked = {"query": "holiday", "session": f"s{number}"}
        assert split.running.ask(split.keys["nobody"], asked).status_code == 403


@pytest.mark.parametrize("more", [{"arm": "canary"}, {"channel": "canary"}, {"split": 100}, {"session": ""}, {"session": 1}])
def test_an_arm_can_neither_be_chosen_nor_asked_for_by_name(split: Guarded, more: dict[str, object]) -> None:
    answer = split.running.ask(split.keys["public"], {"query": "holiday"} | more)
    assert answer.status_code in (400, 403) and HIDDEN_WORD not in answer.text


def test_what_is_withdrawn_is_hidden_in_both_arms_at_once(split: Guarded) -> None:
    arms: tuple[Arm, ...] = ("stable", "canary")
    sessions = [session(split, "everybody", arm) for arm in arms]
    withdraw(split.workspace.home, "open/travel.md", by="tests", why="x", now=datetime.now(UTC))
    for name in sessions:
        assert "travel.md" not in split.documents("everybody", "book trains in second class", session=name)
