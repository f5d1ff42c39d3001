"""Nights through the real graph that the anchor refuses, and the freeze that comes of it, as the UI shows both."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from rag_pipeline.channels.audit import moves
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.cli.summary import summarize
from rag_pipeline.defs.frozen import NOT_FROZEN
from rag_pipeline.defs.run import Ran
from rag_pipeline.files import write_json
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES
from tests.support.held_nights import GATE, said, start

Run = Callable[..., Ran]
GENEROUS = {"margin": 0.9, "guard_margin": None, "hit_to_miss_max_percent": None, "anchor": {"margin": 0.05}}
"""A night may lose nearly everything against the night before, so that only the anchor can refuse it."""


def test_a_night_below_the_anchor_is_refused_frozen_and_accepted_by_a_person(handbook: Workspace, run: Run) -> None:
    handbook.policy({"questions": {"not_worse": GENEROUS, "dead_judgments_max_percent": 50}})
    first = run().assets["index/production"]
    assert first["anchor"].startswith(f"{first['release']}, accepted ")
    word = handbook.home.verdict("production")
    long_ago = (datetime.now(UTC) - timedelta(hours=60)).isoformat()
    write_json(word, json.loads(word.read_bytes()) | {"passed_at": long_ago})

    swapped = dict(zip(PAGES, [*list(PAGES.values())[1:], next(iter(PAGES.values()))], strict=True))
    handbook.pages(swapped)
    night = run()
    assert (night.success, night.refused) == (False, True)
    [refused] = [one.description for one in night.failed_checks if one.check == "candidate_meets_the_policy"]
    assert "than the anchor" in refused and f"against the anchor {first['release']}" in refused
    assert summarize(night, handbook.settings)["says"].endswith(
        f"Nothing failed: production stays, {first['release']} serves on."
    )
    with dg.DagsterInstance.get() as instance:
        key = dg.AssetCheckKey(GATE, NOT_FROZEN)
        [record] = instance.event_log_storage.get_asset_check_summary_records([key]).values()
    seen = record.last_check_execution_record
    assert seen and seen.event and seen.event.dagster_event
    found = seen.event.dagster_event.asset_check_evaluation_data
    assert not found.passed, "the channel's own step was blocked, and its check is told all the same"
    assert "production is frozen: the gate let nothing pass for 60 h" in (found.description or "")

    release = night.assets["index/candidate"]["release"]
    unsaid = start(handbook, "anchor", {"name_anchor": {"config": {"by": "ana", "why": " ", "release": release}}})
    assert "needs a name (by) and a reason (why)" in said(unsaid)
    named = start(handbook, "anchor", {"name_anchor": {"config": {"by": "ana", "why": "new order", "release": release}}})
    assert named.success, said(named)
    channel = read_channel(handbook.home, "production")
    assert channel and channel.anchor and (channel.release, channel.anchor.release) == (first["release"], release)
    assert (channel.anchor.by, channel.anchor.why) == ("ana", "new order")
    assert [row["action"] for row in moves(handbook.home, "production")] == ["anchored", "promoted"]
    assert run().assets["index/production"]["release"] == release, "it is the anchor itself now"
