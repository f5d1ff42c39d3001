import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import channel_now, move_and_record, record, settle
from rag_pipeline.channels.pointer import all_channels, read_channel
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from tests.support.moving_channel import pointing

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path) -> None:
    """Releases by the names the tests use, as far as moving a channel looks at them."""
    for name in ("a", "b", "c", "start", "first", "second", "third"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "manifest.json").write_text("{}", encoding="utf-8")


def test_a_release_that_is_not_kept_is_not_pointed_at(home: Home) -> None:
    with pytest.raises(ReleaseError, match="gone was removed in the meantime"):
        move_and_record(home, "production", pointing("gone"), expected=None)
    assert read_channel(home, "production") is None


def test_a_channel_that_was_never_set_points_nowhere(home: Home) -> None:
    assert read_channel(home, "production") is None
    assert all_channels(home) == {}


def test_a_move_is_read_back_as_it_was_written(home: Home) -> None:
    first = pointing("a")
    move_and_record(home, "production", first, expected=None)
    assert read_channel(home, "production") == first
    second = pointing("b", first)
    move_and_record(home, "production", second, expected=first)
    assert read_channel(home, "production") == second
    assert (second.previous, second.sequence) == ("a", 2)


def test_channels_move_apart_from_each_other(home: Home) -> None:
    move_and_record(home, "production", pointing("a"), expected=None)
    move_and_record(home, "staging", pointing("b"), expected=None)
    assert {name: channel.release for name, channel in all_channels(home).items()} == {"production": "a", "staging": "b"}


def test_a_move_from_what_is_no_longer_there_is_refused_and_changes_nothing(home: Home, tmp_path: Path) -> None:
    first = pointing("a")
    move_and_record(home, "production", first, expected=None)
    second = pointing("b", first)
    move_and_record(home, "production", second, expected=first)
    before = (tmp_path / "channels" / "production.json").read_bytes()
    for stale in (None, first):
        with pytest.raises(ReleaseError, match="channel production was moved to b by tests in the meantime; decide again"):
            move_and_record(home, "production", pointing("c", stale), expected=stale)
    assert (tmp_path / "channels" / "production.json").read_bytes() == before


def test_going_back_to_a_release_is_no_way_to_pass_for_the_earlier_state(home: Home) -> None:
    first = pointing("a")
    move_and_record(home, "production", first, expected=None)
    second = pointing("b", first)
    move_and_record(home, "production", second, expected=first)
    move_and_record(home, "production", pointing("a", second), expected=second)
    with pytest.raises(ReleaseError, match="decide again"):
        move_and_record(home, "production", pointing("c", first), expected=first)


def test_a_channel_that_vanished_is_not_the_one_that_was_expected(home: Home) -> None:
    first = pointing("a")
    with pytest.raises(ReleaseError, match="moved to nothing by nobody"):
        move_and_record(home, "production", pointing("b", first), expected=first)
    assert read_channel(home, "production") is None


def test_a_first_move_whose_process_died_before_the_file_was_written_is_finished(home: Home) -> None:
    first = pointing("a")
    record(home, "production", first)
    assert channel_now(home, "production") == first
    assert read_channel(home, "production") is None, "looking changes nothing"
    assert settle(home, "production") == first == read_channel(home, "production")


@pytest.mark.parametrize("content", ["", "{", "null", '{"release": "a"}', '{"release": "a", "extra": 1}'])
def test_a_damaged_channel_is_named_and_never_overwritten(home: Home, tmp_path: Path, content: str) -> None:
    path = tmp_path / "channels" / "production.json"
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    says = r"production\.json is damaged: [^\n]+; `rag verify --repair` restores it from the audit table$"
    with pytest.raises(ReleaseError, match=says) as refused:
        read_channel(home, "production")
    assert "pydantic" not in str(refused.value)
    with pytest.raises(ReleaseError, match="damaged"):
        move_and_record(home, "production", pointing("a"), expected=None)
    assert path.read_text(encoding="utf-8") == content


RACER = """
import sys
from pathlib import Path
from rag_pipeline.errors import ReleaseError
from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.home import Home
from tests.support.moving_channel import pointing
home, name = Home(Path(sys.argv[1])), sys.argv[2]
expected = read_channel(home, "production")
print("ready", flush=True)
sys.stdin.readline()
try:
    move_and_record(home, "production", pointing(name, expected), expected=expected)
    print("won")
except ReleaseError as error:
    print("lost", error)
"""


def test_of_several_processes_that_decided_on_the_same_state_exactly_one_moves_the_channel(
    home: Home, tmp_path: Path
) -> None:
    move_and_record(home, "production", pointing("start"), expected=None)
    racers = {
        name: subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second", "third")
    }
    for racer in racers.values():
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers.values():
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = {name: racer.communicate(timeout=60)[0] for name, racer in racers.items()}
    winners = [name for name, line in said.items() if line.startswith("won")]
    assert len(winners) == 1, said
    assert all("in the meantime; decide again" in line for name, line in said.items() if name not in winners)
    now = read_channel(home, "production")
    assert now is not None
    assert (now.release, now.previous, now.sequence) == (winners[0], "start", 2)
