"""What real replicas write is what evidence of traffic is made of: both arms, pairs, and the marks on every row."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from rag_pipeline.gate.policy import read_policy
from rag_pipeline.gate.traffic import sought
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.traffic.evidence import Window, measured
from rag_pipeline.traffic.marks import marks_of
from tests.conftest import Workspace
from tests.support.canaries import trying
from tests.support.logged import LOGS, SALT, rows_of
from tests.support.replicas import PLAIN, Running, key_for, replica

ASKED = 4
NAME = "rag_shadow_pairs "
AFTER = {"channel": "canary", "hours": 1, "queries": ASKED, "principals": 1}


def has_pairs(one: Running, count: int) -> bool:
    """So many, or more: what was asked before the canary's release was open has a pair too, if it was open just then."""
    [told] = [line for line in httpx.get(one.metrics, timeout=60, **PLAIN).text.splitlines() if line.startswith(NAME)]
    return float(told.removeprefix(NAME)) >= count


def test_rows_of_both_arms_and_pairs_are_evidence_without_a_row_that_counts_as_edited(served: Workspace) -> None:
    tried = trying(served, key_for(served.home))
    with replica(served, **LOGS, RAG_SERVE_SHADOW_PERCENT="100", RAG_SERVE_SHADOW_CHANNEL="canary") as one:
        one.wait_until(lambda: tried.ask(one, "canary").json().get("arm") == "canary", "the canary's release")
        for number in range(1, ASKED):
            assert tried.ask(one, "canary", number).json()["release"] == tried.canary
            assert tried.ask(one, "stable", number).json()["release"] == tried.stable
            one.wait_until(partial(has_pairs, one, number), "the pair")
    asked, pairs = rows_of(served.home), rows_of(served.home, "pairs")
    assert {(row["arm"], row["channel"]) for row in asked} == {("canary", "canary"), ("stable", "production")}
    assert {(row["release"], row["shadow_release"]) for row in pairs} == {(tried.stable, tried.canary)}
    assert len(pairs) >= ASKED - 1

    plain: dict[str, Any] = {"golden_sets": {"questions": {}}}
    gate = {"channels": {"canary": plain, "production": {**plain, "after": AFTER}}}
    (served.settings.evals / "gate.yaml").write_text(json.dumps(gate), encoding="utf-8")
    manifest = read_manifest(served.home.release(tried.canary))
    wanted = sought(read_policy(served.settings.evals), "production", manifest.id, manifest.fingerprint)
    assert wanted
    now, marks = datetime.now(UTC) + timedelta(hours=1), marks_of(served.home, SALT)
    found = measured(served.home, marks, wanted, Window(now - timedelta(days=1), now, now), "run")
    assert (found.edited, found.twice, found.served.principals) == (0, 0, 1)
    assert found.served.answered >= 1
    assert all(row["mark"] == marks.row("pairs", row) for row in pairs)
    assert not any(row["mark"] == marks.row("pairs", row | {"shadow_hit_ids": []}) for row in pairs)
