"""No way around the gate by accident or by force: crashed evaluations, wrong clocks, overrides, two promotions at once."""

import errno
import shutil
import subprocess
import sys
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs import run
from rag_pipeline.defs.keys import EVALUATION, PRODUCTION
from rag_pipeline.evaluate.evidence import LatencyEvidence
from rag_pipeline.host.names import LET_PASS
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import QUESTIONS
from tests.support import gate_bypass
from tests.support.bucket_home import PLACES, Place
from tests.support.gate_bypass import (
    Edit,
    Patch,
    audit,
    candidate,
    channel_bytes,
    clock,
    closed,
    demand,
    evidence,
    opened,
    promote,
    told,
    ui,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tell_how_many")]


def out_of_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


CRASHES: dict[str, Edit] = {
    "the golden set was malformed": lambda at, _: (at.root / "evals" / "questions" / "queries.jsonl").write_text(
        "{", encoding="utf-8"
    ),
    "measuring stopped in the middle": lambda _, patch: patch.setattr("rag_pipeline.evaluate.evaluate.latency", out_of_disk),
    "the evidence could not be written": lambda _, patch: patch.setattr(
        "rag_pipeline.evaluate.evidence_store.write_json", out_of_disk
    ),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("crash", CRASHES)
def test_after_an_evaluation_that_crashed_index_production_alone_is_refused(
    ready: Workspace, place: Place, crash: str, where: str
) -> None:
    shutil.rmtree(evidence(ready).parent)
    ready = place(where, ready)
    before = channel_bytes(ready)
    with pytest.MonkeyPatch.context() as patch:
        CRASHES[crash](ready, patch)
        ran = run.refresh(ready.settings)
    assert not ran.success
    assert ran.errors
    assert "index/production" not in ran.assets
    assert channel_bytes(ready) == before
    ready.golden("questions", QUESTIONS)
    closed(ready, f"{crash}, {where}", promote, "is gone; evaluate it again")
    opened(ready, lambda at: run.refresh(at.settings))


# `evidence.keep` names a file after those that are there: what was written last, and failed, never loses to what passed.
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("minutes", [0, -2])
def test_an_evaluation_that_failed_counts_although_the_clock_was_wrong_when_it_was_written(
    ready: Workspace, place: Place, minutes: float, where: str
) -> None:
    """Evidence written last decides, also where an earlier one claims to be younger."""
    ready = place(where, ready)
    demand(ready, latency={"p95_ms": 100_000.0})
    ui(ready, EVALUATION)
    with pytest.MonkeyPatch.context() as patch:
        slow = LatencyEvidence(queries=6, times_ms=[1.0] * 4 + [200_000.0] * 2, p50_ms=1.0, p95_ms=200_000.0)
        patch.setattr("rag_pipeline.evaluate.evaluate.latency", lambda *_: slow)
        clock(minutes / 60, "evaluation")(ready, patch)
        run.evaluate(ready.settings, candidate(ready).release)
    closed(
        ready,
        f"failed evidence, the clock {minutes} minutes off, {where}",
        promote,
        "p95 is 200000 ms with one user at a time",
    )


MUST: dict[str, Any] = {"by": "ada", "why": "must be", "override": True}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(("missing", "blank"), [("by", ""), ("why", "  ")])
def test_an_override_needs_a_name_and_a_reason(
    refused: Workspace, place: Place, missing: str, blank: str, where: str
) -> None:
    refused = place(where, refused)
    before = channel_bytes(refused)
    ui(refused, PRODUCTION, **MUST | {missing: blank})
    assert channel_bytes(refused) == before
    assert told().checks[LET_PASS] is False
    assert "an override needs a name (by) and a reason (why)" in told().says
    gate_bypass.TRIED.append(f"an override with {missing} {blank!r}, {where}")


def test_an_override_with_both_goes_through_and_the_audit_tells_who_why_and_against_what(refused: Workspace) -> None:
    ui(refused, PRODUCTION, **MUST)
    assert serving(refused.home) == candidate(refused).release
    told_of = audit(refused)[-1]
    assert (told_of["action"], told_of["by"], told_of["why"], told_of["outcome"]) == (
        "overridden",
        "ada",
        "must be",
        "regressed",
    )
    assert "below its floor of 0.8" in told_of["reasons"]


@pytest.mark.parametrize("where", PLACES)
def test_not_even_an_override_promotes_a_release_that_is_not_the_one_that_was_built(
    refused: Workspace, place: Place, monkeypatch: Patch, where: str
) -> None:
    gate_bypass.one_byte_changed(refused, monkeypatch)
    refused = place(where, refused)
    reason = "differ from its manifest: chroma/sealed.sqlite3"
    closed(refused, f"an override of damage, {where}", lambda at: ui(at, PRODUCTION, **MUST), reason)


RACER = """
import sys
from datetime import UTC, datetime
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.errors import PromotionRefused
from rag_pipeline.release import promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import load_settings
settings, move = load_settings(), promote.move_and_record
def together(*args, **kwargs):
    print("decided", flush=True)
    sys.stdin.readline()
    move(*args, **kwargs)
promote.move_and_record = together
desk = promote.inputs_now(settings, read_contracts(settings.contracts), datetime.now(UTC))
try:
    promote.promote(desk, PromotionRequest(sys.argv[1], by="racer", why="race"), run_id="race")
    print("won")
except PromotionRefused as refusal:
    print("lost", refusal)
"""


def test_of_two_processes_that_both_decided_to_promote_exactly_one_does(ready: Workspace) -> None:
    ready.contract("garden", files_contract(ready.pages({"roses.md": "# Roses\n\nWater them.\n"}, "garden"), id="garden"))
    releases = [candidate(ready).release]
    assert run.refresh(ready.settings, promote=False).success
    releases.append(candidate(ready).release)
    racers = {
        release: subprocess.Popen(
            [sys.executable, "-c", RACER, release],
            cwd=gate_bypass.ROOT,
            env=ready.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for release in releases
    }
    try:
        for racer in racers.values():
            assert racer.stdout is not None
            assert racer.stdout.readline() == "decided\n", "the gate says yes to both"
        for racer in racers.values():
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = {release: racer.communicate(timeout=120)[0].strip() for release, racer in racers.items()}
    finally:
        for racer in racers.values():
            racer.kill()
    (winner,) = [release for release, line in said.items() if line == "won"]
    (loser,) = [release for release in releases if release != winner]
    assert f"overtaken. channel production was moved to {winner} by racer in the meantime; decide again" in said[loser]
    assert serving(ready.home) == winner
    assert sorted((one["action"], one["release"]) for one in audit(ready)[1:]) == [("promoted", winner), ("refused", loser)]
    gate_bypass.TRIED.append("two promotions at once")


# Without its file the channel would count as one that was never set, and the candidate would be compared with nothing.
def test_a_lost_channel_file_does_not_pass_for_a_first_release_that_need_not_be_compared(refused: Workspace) -> None:
    demand(refused, golden_sets={"questions": {"floors": {"nDCG@10": 0.1}}})
    closed(
        refused, "floors lowered", lambda at: run.evaluate(at.settings, candidate(at).release), "worse", at_the_gate=False
    )
    refused.home.channel("production").unlink()
    run.refresh(refused.settings)
    told_of = [one["release"] for one in audit(refused)]
    assert serving(refused.home) != candidate(refused).release, f"promoted, and the audit table tells {told_of}"
    gate_bypass.TRIED.append("the channel file removed")
