"""The files of channels: what is read from them, and what is said where there is none."""

import pytest

from rag_pipeline.channels.pointer import (
    Channel,
    Hold,
    channel_names,
    option,
    read_channel,
    release_in,
    serving,
    write_pointer,
)
from rag_pipeline.errors import ChannelError, ReleaseError
from rag_pipeline.home import Home
from tests.support.small_releases import NOW


def points_at(home: Home, name: str, release: str) -> None:
    at = {"fingerprint": f"of {release}", "previous": None, "sequence": 1, "at": NOW}
    write_pointer(home, name, Channel.model_validate(at | {"release": release, "by": "ana", "why": "now", "run_id": "run"}))


def test_a_command_names_every_channel_but_production() -> None:
    assert option("production") == ""
    assert option("staging") == " --channel staging"


def test_what_serves_is_what_production_points_at_and_nothing_where_it_points_at_none(home: Home) -> None:
    assert serving(home) is None
    points_at(home, "staging", "b")
    assert serving(home) is None
    points_at(home, "production", "a")
    assert serving(home) == "a"
    assert (release_in(home, "production"), release_in(home, "staging")) == ("a", "b")


def test_a_channel_that_points_nowhere_is_refused_with_those_that_do_or_with_what_to_run(home: Home) -> None:
    with pytest.raises(ReleaseError) as nothing:
        release_in(home, "production")
    run = "run `rag refresh`, or, if users were served before, `rag verify --repair`"
    assert str(nothing.value) == f"no channel 'production' in {home}; {run}"
    points_at(home, "staging", "b")
    points_at(home, "production", "a")
    with pytest.raises(ReleaseError) as other:
        release_in(home, "live")
    assert str(other.value) == f"no channel 'live' in {home}; known: production, staging"


def test_names_of_channels_are_those_of_their_files_in_order(home: Home) -> None:
    assert channel_names(home) == []
    points_at(home, "staging", "b")
    points_at(home, "production", "a")
    home.channel("damaged").write_text("{", encoding="utf-8")
    for other in (".move.lock", ".production.json", "notes.txt"):
        (home.channels / other).write_text("{}", encoding="utf-8")
    assert channel_names(home) == ["damaged", "production", "staging"]


def test_a_damaged_file_is_told_with_the_field_and_the_fix(home: Home) -> None:
    points_at(home, "staging", "b")
    path = home.channel("staging")
    path.write_text(path.read_text(encoding="utf-8").replace('"sequence": 1', '"sequence": "x"'), encoding="utf-8")
    with pytest.raises(ChannelError) as damaged:
        read_channel(home, "staging")
    says, fix = str(damaged.value).split(f"{path} is damaged: ")[1].rsplit("; ", 1)
    assert says.startswith("sequence")
    assert fix == "`rag verify --repair` restores it from the audit table"


@pytest.mark.parametrize(("channel", "named"), [("production", ""), ("staging", " --channel staging")])
def test_a_hold_is_told_in_one_sentence_with_what_lifts_it(channel: str, named: str) -> None:
    assert Hold(at=NOW, by="ana", why="wrong prices").says(channel) == (
        f"held since 2026-03-01 02:00 UTC by ana (wrong prices): nothing automatic moves {channel}; "
        f"`rag resume{named} --by NAME --reason WHY` lifts the hold, and so does promoting a release by name"
    )
