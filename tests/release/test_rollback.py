"""Rollback: further and further back, never forward to what was left, and always through the gate."""

import shutil
from datetime import datetime, timedelta

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.hold import resume
from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.rollback import release_before
from tests.support.built_once import BuiltOnce
from tests.support.office import PAGES, Office
from tests.support.release_damage import delete_records
from tests.support.small_releases import NOW, release_of


def at(hour: int) -> datetime:
    return NOW + timedelta(hours=hour)


def another(office: Office, number: int) -> str:
    """A release that answers as well as the first, with one page of its own."""
    pages = {**PAGES, "more.md": f"# More\n\npage number {number}"}
    return release_of(office.home, pages, now=at(number)).manifest.id


def roll_back(office: Office, hour: int, to: str | None = None) -> Promotion:
    """As `rag rollback` does."""
    target = to or release_before(office.home, "production")
    office.evaluate(target, at(hour))
    return promote(
        office.inputs(at(hour)), PromotionRequest(target, by="ana", why="wrong", named=True, withdraw=True), run_id="r"
    )


def serving(office: Office) -> str:
    channel = read_channel(office.home, "production")
    assert channel is not None
    return channel.release


@pytest.fixture
def three(office: Office, built_once: BuiltOnce) -> list[str]:
    """Three releases, promoted one after another."""

    def serve() -> tuple[str, str, str]:
        made = (office.first, another(office, 1), another(office, 2))
        for hour, release in enumerate(made):
            office.serve(release, at(hour))
        return made

    return list(built_once.state(office.workspace.root, "served three times", serve))


def test_there_is_nothing_before_the_first_release(office: Office) -> None:
    with pytest.raises(ReleaseError, match="nothing to go back to: production points at nothing yet"):
        release_before(office.home, "production")
    office.serve(office.first)
    with pytest.raises(ReleaseError, match="never served another release that is kept") as caught:
        release_before(office.home, "production")
    assert "`rag rollback --to ID` names one" in str(caught.value)


def test_a_second_rollback_goes_further_back_and_never_forward_to_the_bad_one(office: Office, three: list[str]) -> None:
    first, second, third = three
    assert roll_back(office, 3).channel.release == second
    assert roll_back(office, 4).channel.release == first
    assert serving(office) == first
    with pytest.raises(ReleaseError, match="nothing to go back to"):
        release_before(office.home, "production")
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert set(channel.withdrawn) == {read_manifest(office.home.release(one)).fingerprint for one in (second, third)}


def test_what_was_rolled_back_is_not_promoted_again_unless_a_person_names_it(office: Office, three: list[str]) -> None:
    _, second, third = three
    roll_back(office, 3)
    office.evaluate(third, at(4))
    reason, held = office.refused(third, at(4)).reasons
    assert held.startswith("held since 2026-03-01 05:00 UTC by ana (wrong): nothing automatic moves production")
    assert reason.startswith("rolled back by ana at 2026-03-01 05:00 UTC (wrong)")
    assert f"`rag promote {third}` brings it back" in reason
    named = promote(
        office.inputs(at(4)), PromotionRequest(third, by="ben", why="it was not the index", named=True), run_id="r"
    )
    assert (named.moved, serving(office)) == (True, third)
    assert named.channel.withdrawn == {}, "a release that serves is not withdrawn any more"
    assert release_before(office.home, "production") == second, "and a rollback goes back from it again"


def test_after_a_rollback_and_a_new_release_a_rollback_skips_the_bad_one(office: Office, three: list[str]) -> None:
    _, second, _ = three
    roll_back(office, 3)
    fourth = another(office, 4)
    office.evaluate(fourth, at(5))
    assert [held[:10] for held in office.refused(fourth, at(5)).reasons] == ["held since"]
    resume(office.home, "production", by="ana", why="fixed", run_id="r", now=at(5))
    office.serve(fourth, at(5))
    assert release_before(office.home, "production") == second
    assert roll_back(office, 6).channel.release == second


@pytest.mark.slow
def test_a_rollback_to_a_release_by_name_may_jump(office: Office, three: list[str]) -> None:
    first, second, third = three
    assert roll_back(office, 3, to=first).channel.release == first
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert list(channel.withdrawn) == [read_manifest(office.home.release(third)).fingerprint]
    assert release_before(office.home, "production") == second, "it was never said to be bad"


def test_a_release_that_was_collected_is_skipped(office: Office, three: list[str]) -> None:
    first, second, _ = three
    shutil.rmtree(office.home.release(second))
    assert release_before(office.home, "production") == first


def test_a_release_whose_manifest_is_damaged_does_not_stand_in_the_way_of_an_older_one(
    office: Office, three: list[str]
) -> None:
    first, second, _ = three
    office.home.manifest(second).write_bytes(b"")
    assert release_before(office.home, "production") == first


@pytest.mark.slow
def test_a_twin_of_what_serves_is_nothing_to_go_back_to(office: Office, three: list[str]) -> None:
    """A repair promotes the same content under another id; going back from it means going back to other content."""
    _, second, third = three
    manifest = read_manifest(office.home.release(third))
    delete_records(office.home.release(third), 1)
    twin = rebuild_release(office.home, manifest, run_id="repair", now=at(3)).manifest
    office.serve(twin.id, at(3))
    assert serving(office) == twin.id
    assert release_before(office.home, "production") == second


def test_refusals_are_no_place_to_go_back_to(office: Office) -> None:
    office.serve(office.first)
    second = another(office, 1)
    office.refused(second)
    with pytest.raises(ReleaseError, match="never served another release"):
        release_before(office.home, "production")


def test_each_channel_goes_back_where_it_came_from(office: Office, three: list[str]) -> None:
    first, second, third = three
    for release in (third, first):
        before = read_channel(office.home, "staging")
        target = Channel(
            release=release,
            fingerprint=read_manifest(office.home.release(release)).fingerprint,
            previous=before.release if before else None,
            sequence=before.sequence + 1 if before else 1,
            at=at(9),
            by="tests",
            why="because",
            run_id="run",
            action="overridden",
        )
        move_and_record(office.home, "staging", target, expected=before)
    assert release_before(office.home, "staging") == third
    assert release_before(office.home, "production") == second


def test_a_clock_that_was_set_back_does_not_change_where_a_rollback_goes(office: Office) -> None:
    made = [office.first, another(office, 1), another(office, 2)]
    for release, hour in zip(made, (5, 3, 4), strict=True):
        office.serve(release, at(hour))
    assert release_before(office.home, "production") == made[1]


def test_a_rollback_goes_through_the_gate(office: Office, three: list[str]) -> None:
    _, second, third = three
    office.workspace.golden("animals", {"cats purr": ["handbook/more.md"]})
    office.evaluate(second, at(3))
    with pytest.raises(PromotionRefused, match="below its floor"):
        promote(office.inputs(at(3)), PromotionRequest(second, by="ana", why="wrong", named=True, withdraw=True), run_id="r")
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert (channel.release, channel.withdrawn) == (third, {}), "a refused rollback withdraws nothing"
