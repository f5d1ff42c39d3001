"""The audit table: every move exactly once, whoever died when, and every refusal."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.audit import audit_table, record, settle
from rag_pipeline.release.channels import Channel, move_channel, read_channel
from rag_pipeline.release.promote import promote
from rag_pipeline.release.rollback import release_before
from tests.corpus.small import NOW
from tests.release.test_promote import PAGES, Office

ROOT = Path(__file__).parents[2]


def move(release: str, sequence: int = 1, **changes: object) -> Channel:
    fields = {
        "release": release,
        "fingerprint": f"fingerprint of {release}",
        "previous": None,
        "sequence": sequence,
        "at": NOW + timedelta(hours=sequence),
        "by": "ana",
        "why": "because",
        "run_id": "run",
        "outcome": "passed",
        "evidence": "seal",
    }
    return Channel.model_validate(fields | changes)


def told(home: Path) -> list[tuple[object, ...]]:
    rows = audit_table(home).scan().select("channel", "action", "release", "sequence").collect()
    return sorted(rows.rows(), key=str)


def die_after_moving(office: Office, release: str, sequence: int) -> Channel:
    """What a process leaves that dies between moving the channel and writing it down."""
    before = read_channel(office.home, "production")
    target = move(
        release,
        sequence,
        fingerprint=read_manifest(office.home / "releases" / release).fingerprint,
        previous=before.release if before else None,
        at=NOW,
        reasons=("a reason",),
    )
    move_channel(office.home, "production", target, expected=before)
    return target


def test_a_move_is_written_down_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    done = move("a", 3, previous="b", reasons=("one", "two"), action="overridden", outcome="refused")
    record(tmp_path, "production", done)
    [row] = audit_table(tmp_path).scan().collect().to_dicts()
    assert row == {
        "at": done.at,
        "channel": "production",
        "action": "overridden",
        "release": "a",
        "previous": "b",
        "by": "ana",
        "why": "because",
        "run_id": "run",
        "outcome": "refused",
        "reasons": json.dumps(["one", "two"]),
        "evidence": "seal",
        "sequence": 3,
    }


def test_a_refusal_has_no_sequence_and_does_not_pass_for_the_move_of_that_number(tmp_path: Path) -> None:
    record(tmp_path, "production", move("bad", 1, action="refused", outcome="refused"))
    assert told(tmp_path) == [("production", "refused", "bad", None)]
    settle(tmp_path, "production", move("good", 1))
    assert told(tmp_path) == [("production", "promoted", "good", 1), ("production", "refused", "bad", None)]


def test_settling_a_channel_any_number_of_times_writes_its_move_once(tmp_path: Path) -> None:
    settle(tmp_path, "production", None)
    assert not audit_table(tmp_path).exists
    for _ in range(3):
        settle(tmp_path, "production", move("a"))
    settle(tmp_path, "staging", move("a"))
    settle(tmp_path, "production", move("b", 2))
    assert told(tmp_path) == [
        ("production", "promoted", "a", 1),
        ("production", "promoted", "b", 2),
        ("staging", "promoted", "a", 1),
    ]


SETTLER = """
import sys
from pathlib import Path
from rag_pipeline.release.audit import settle
from tests.release.test_audit import move
print("ready", flush=True)
sys.stdin.readline()
settle(Path(sys.argv[1]), "production", move("a"))
"""


def test_of_several_processes_that_settle_the_same_move_one_writes_it(tmp_path: Path) -> None:
    settlers = [
        subprocess.Popen(
            [sys.executable, "-c", SETTLER, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for settler in settlers:
        assert settler.stdout is not None
        assert settler.stdout.readline() == "ready\n"
    for settler in settlers:
        assert settler.stdin is not None
        settler.stdin.write("go\n")
        settler.stdin.flush()
    for settler in settlers:
        settler.communicate(timeout=120)
        assert settler.returncode == 0
    assert told(tmp_path) == [("production", "promoted", "a", 1)]


@pytest.mark.parametrize("decision", ["a promotion", "a refusal", "what serves already", "a rollback"])
def test_a_move_whose_process_died_before_it_wrote_is_written_by_the_next_decision_exactly_once(
    office: Office, decision: str
) -> None:
    second = office.second(PAGES)
    lost = die_after_moving(office, office.first, 1)
    assert not audit_table(office.home).exists

    def decide() -> None:
        if decision == "a promotion":
            office.evaluate(second)
            office.promote(second)
        elif decision == "a refusal":
            with pytest.raises(PromotionRefused):
                office.promote(second)
        elif decision == "what serves already":
            assert not office.promote(office.first).moved
        else:
            with pytest.raises(ReleaseError, match="nothing to go back to"):
                release_before(office.home, "production")

    decide()
    if decision != "a promotion":
        decide()
    written = [row for row in office.audit() if row["sequence"] == 1]
    assert len(written) == 1, office.audit()
    [row] = written
    assert (row["action"], row["release"], row["by"], row["why"], row["evidence"], row["outcome"]) == (
        "promoted",
        lost.release,
        "ana",
        "because",
        "seal",
        "passed",
    )
    assert json.loads(str(row["reasons"])) == ["a reason"]
    assert all(row["sequence"] is None for row in office.audit() if row["action"] == "refused")


def test_of_two_moves_one_after_the_other_each_is_told_though_each_writer_died(office: Office) -> None:
    second = office.second(PAGES)
    die_after_moving(office, office.first, 1)
    with pytest.raises(PromotionRefused):
        office.promote(second)
    die_after_moving(office, second, 2)
    assert not office.promote(second).moved
    moves = [(row["sequence"], row["release"]) for row in office.audit() if row["action"] != "refused"]
    assert sorted(moves, key=str) == [(1, office.first), (2, second)]


def test_sequences_of_moves_have_no_gap_and_refusals_none(office: Office) -> None:
    second = office.second(PAGES)
    office.serve(office.first)
    with pytest.raises(PromotionRefused):
        office.promote(second, NOW + timedelta(hours=1))
    office.serve(second, NOW + timedelta(hours=2))
    done = promote(
        office.desk(NOW + timedelta(hours=3)), office.first, by="ana", why="now", run_id="r", override=True, named=True
    )
    assert done.channel.action == "overridden"
    rows = [(row["action"], row["sequence"], row["by"]) for row in office.audit()]
    assert rows == [("promoted", 1, "tests"), ("refused", None, "tests"), ("promoted", 2, "tests"), ("overridden", 3, "ana")]
