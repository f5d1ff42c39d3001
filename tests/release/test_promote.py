import json
import math
from dataclasses import replace
from datetime import timedelta

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from tests.support.office import FLOOR, PAGES, Office, office
from tests.support.small_releases import NOW

__all__ = ["office"]


def test_a_release_with_good_evidence_is_promoted_and_the_move_is_audited(office: Office) -> None:
    office.evaluate(office.first)
    done = office.promote(office.first)
    assert done.moved
    assert done.verdict.passed
    channel = read_channel(office.home, "production")
    assert channel == done.channel
    assert (channel.release, channel.previous, channel.sequence) == (office.first, None, 1)
    assert (channel.by, channel.why, channel.run_id, channel.at) == ("tests", "nightly", "run", NOW)
    assert channel.fingerprint == read_manifest(office.home.release(office.first)).fingerprint
    [entry] = office.audit()
    assert (entry["action"], entry["release"], entry["outcome"], entry["reasons"]) == (
        "promoted",
        office.first,
        "passed",
        "[]",
    )
    assert (entry["previous"], entry["by"], entry["why"]) == (None, "tests", "nightly")
    assert entry["evidence"]


def test_the_next_release_names_the_one_it_replaced(office: Office) -> None:
    office.serve(office.first)
    second = office.second(PAGES)
    office.serve(second, NOW + timedelta(hours=1))
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert (channel.release, channel.previous, channel.sequence) == (second, office.first, 2)
    assert [entry["previous"] for entry in office.audit()] == [None, office.first]


def test_promoting_what_is_in_production_already_is_no_move(office: Office) -> None:
    office.serve(office.first)
    before, entries = office.channel_bytes(), office.audit()
    again = office.promote(office.first)
    assert not again.moved
    assert again.channel.sequence == 1
    assert office.channel_bytes() == before
    assert office.audit() == entries


def test_an_earlier_release_comes_back_through_the_same_door(office: Office) -> None:
    office.serve(office.first)
    second = office.second(PAGES)
    office.serve(second)
    office.refused(office.first, NOW + timedelta(hours=30))
    office.evaluate(office.first, NOW + timedelta(hours=30))
    back = promote(
        replace(office.inputs(), now=NOW + timedelta(hours=30)),
        PromotionRequest(office.first, by="ada", why="rollback"),
        run_id="r",
    )
    assert (back.channel.release, back.channel.previous, back.channel.sequence) == (office.first, second, 3)


def test_evidence_is_used_again_at_any_age_for_what_serves_and_for_half_of_what_the_strictest_channel_allows_otherwise(
    office: Office,
) -> None:
    content = {"golden_sets": {"animals": FLOOR}}
    channels = {"production": content | {"evidence_max_age_hours": 24}, "staging": content | {"evidence_max_age_hours": 6}}
    (office.workspace.root / "evals" / "gate.yaml").write_text(json.dumps({"channels": channels}), encoding="utf-8")
    assert office.inputs().reuse_hours(office.first) == 3.0, "nothing serves yet"
    office.serve(office.first)
    assert office.inputs().reuse_hours(office.first) == math.inf
    assert office.inputs().reuse_hours(office.second(PAGES)) == 3.0
