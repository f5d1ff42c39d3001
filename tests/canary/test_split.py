"""Who is in the part that is split off, that it stays so, and that one of two who change the split at once is told."""

import multiprocessing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.canary.arms import Arms
from rag_pipeline.canary.split import Split, SplitMoved, Wanted, change_split, part_of, read_split, started, stopped
from rag_pipeline.channels.pointer import write_pointer
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home
from tests.support.moving_channel import pointing

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
WANTED = Wanted(channel="production", canary="canary", percent=5, hours=24, by="ana", why="a new chunker")


@pytest.fixture
def both(home: Home) -> Home:
    """A home with two channels that name two releases."""
    for name in ("production", "canary"):
        write_pointer(home, name, pointing(f"release of {name}"))
    return home


def test_of_many_principals_the_part_is_as_large_as_was_said_and_a_larger_one_holds_it(both: Home) -> None:
    small = started(both, WANTED, None, NOW)
    large = started(both, WANTED.model_copy(update={"percent": 12.5}), small, NOW)
    names = [f"k_{number:08x}" for number in range(200_000)]
    mine = {name for name in names if small.arm_of(name, NOW) == "canary"}
    assert abs(100 * len(mine) / len(names) - 5) < 0.2
    more = {name for name in names if large.arm_of(name, NOW) == "canary"}
    assert mine < more and abs(100 * len(more) / len(names) - 12.5) < 0.3
    assert {name for name in names if small.arm_of(name, NOW + timedelta(hours=23)) == "canary"} == mine, "it is sticky"


def test_the_part_is_another_with_another_salt_and_known_to_whoever_computes_it() -> None:
    assert [part_of("salt", name) for name in ("ana", "ben")] == [6814, 1931]
    first, second = ({n for n in range(20_000) if part_of(salt, str(n)) < 500} for salt in ("a", "b"))
    assert len(first & second) < 100


def test_nobody_is_in_it_before_its_time_after_it_and_once_it_is_stopped(both: Home) -> None:
    split = started(both, WANTED.model_copy(update={"percent": 50.0}), None, NOW)
    who = next(str(n) for n in range(100) if split.arm_of(str(n), NOW) == "canary")
    end = stopped(split, NOW, by="ben", why="enough", arms=Arms())
    assert split.arm_of(who, NOW - timedelta(seconds=1)) == "stable"
    assert split.arm_of(who, NOW + timedelta(hours=24)) == "stable"
    assert end.arm_of(who, NOW) == "stable" and (end.percent, end.number) == (0, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"percent": 0.0}, "--percent 0: from 0.01 to 50"),
        ({"percent": 51.0}, "--percent 51"),
        ({"percent": float("nan")}, "--percent nan"),
        ({"hours": 0.0}, "--hours 0"),
        ({"hours": 1e9}, "--hours 1e.09"),
        ({"by": " "}, "say who starts the split and why"),
        ({"why": ""}, "say who starts the split and why"),
        ({"canary": "production"}, "name the same release"),
        ({"canary": "nowhere"}, "no channel 'nowhere'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(both: Home, changes: dict[str, Any], says: str) -> None:
    with pytest.raises((PipelineError, ReleaseError), match=says):
        started(both, WANTED.model_copy(update=changes), None, NOW)


def test_a_changed_split_is_read_back_and_a_damaged_file_is_named(both: Home) -> None:
    assert read_split(both) is None
    split = started(both, WANTED, None, NOW)
    change_split(both, split, expected=None)
    assert read_split(both) == split
    with pytest.raises(SplitMoved, match="changed by somebody else"):
        change_split(both, stopped(split, NOW, by="ben", why="x", arms=Arms()), expected=None)
    assert read_split(both) == split
    both.split.write_text("{}", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"split\.json is damaged: .*remove it"):
        read_split(both)


def _stop(root: Any, split: Split, name: str, done: Any) -> None:
    try:
        change_split(Home(root), stopped(split, NOW, by=name, why="x", arms=Arms()), expected=split)
        done.put(name)
    except SplitMoved:
        done.put("")


def test_of_several_who_stop_it_at_once_one_does(both: Home) -> None:
    split = started(both, WANTED, None, NOW)
    change_split(both, split, expected=None)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    done = context.Queue()
    several = [context.Process(target=_stop, args=(both.root, split, f"replica {n}", done)) for n in range(6)]
    for one in several:
        one.start()
    told = [done.get(timeout=120) for _ in several]
    for one in several:
        one.join()
    [winner] = [name for name in told if name]
    now = read_split(both)
    assert now and (now.by, now.number, now.percent) == (winner, 2, 0)
