"""Some nights of the handbook on each store that is present, by the commands of a person: built, promoted, collected."""

import pytest

from rag_pipeline.channels.pointer import read_channel, serving
from tests.conftest import Workspace
from tests.support.bucket_handbook import answers
from tests.support.bucket_home import BucketHome, on_each_store
from tests.support.command_line import Line

pytestmark = pytest.mark.slow


@on_each_store
def test_a_home_lives_in_the_bucket_of_each_store(
    bucket: BucketHome, handbook: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, said in {**bucket.environment(handbook), "RAG_KEEP_RELEASES": "1"}.items():
        if name.startswith("RAG_"):
            monkeypatch.setenv(name, said)
    machine, reader = bucket.of(handbook), bucket.of(handbook, "reader", channel_poll_s=0)
    rag = Line(machine.home, monkeypatch, capsys)

    def is_answered_from(release: str) -> None:
        """Here, and on a machine with nothing but the bucket."""
        assert serving(machine.home) == serving(reader.home) == release
        assert answers(reader) == answers(machine)

    first = rag.json("refresh")["production"]
    is_answered_from(first)
    before = bucket.there()
    unchanged = rag.json("refresh")
    assert (unchanged["production"], unchanged["built"], unchanged["texts_embedded"]) == (first, False, 0)
    assert {key for key in bucket.there() - before if key.startswith("releases/")} == set()

    handbook.pages({"garden.md": "# Garden\n\nThe garden is behind the house. Its gate is open until nine.\n"})
    second = rag.json("refresh")["production"]
    assert second != first
    is_answered_from(second)
    rag.json("rollback", "--by", "ana", "--reason", "tried")
    is_answered_from(first)
    rag.json("promote", second, "--by", "ana", "--reason", "better")
    is_answered_from(second)

    for hour in ("ten", "eleven", "twelve"):
        handbook.pages({"garden.md": f"# Garden\n\nThe garden is behind the house. Its gate is open until {hour}.\n"})
        last = rag.json("refresh")["production"]
    is_answered_from(last)
    told = rag.json("gc")
    assert told["removed"] and not {key for key in bucket.there() for gone in told["removed"] if gone in key}
    is_answered_from(last)
    verified = rag.json("verify")
    assert all(one["intact"] for one in (*verified["releases"].values(), *verified["tables"].values()))
    assert last in verified["releases"] and not verified["damaged_channels"]
    channel = read_channel(bucket.of(handbook, "another").home, "production")
    assert channel and (channel.release, channel.sequence) == (last, 7)
