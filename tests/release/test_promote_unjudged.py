"""A promotion without judgments, through the one door: decided again from what lies on disk, and written down."""

import json
from datetime import timedelta
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.home import CHUNKS_FILE
from rag_pipeline.release.promote import judge
from tests.support.built_once import BuiltOnce
from tests.support.forged_evidence import forged, told_the_table
from tests.support.office import PAGES, Office
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import NOW, release_of

LATER = NOW + timedelta(hours=2)
PROBES = 60
MORE = {f"page{number:02}.md": f"# Page {number}\n\nword{number} stands here" for number in range(30)}
HOLLOW = dict.fromkeys(list(MORE)[:6], "# Gone\n\nnothing")


@pytest.fixture
def probed(office: Office, built_once: BuiltOnce) -> Office:
    """Two judged questions, held against production, and sixty probes; a release of thirty-two pages serves."""
    built_once.state(office.workspace.root, "promoted with probes", lambda: promote_with_probes(office))
    return office


def promote_with_probes(office: Office) -> None:
    evals = office.workspace.settings.evals
    office.workspace.policy({"animals": {"probes": {"least": PROBES, "margin": 0.06}, "not_worse": {"guard_margin": None}}})
    rows = [{"_id": f"p{number}", "text": f"word{number % 30} page {number}"} for number in range(PROBES)]
    (evals / "animals" / "probes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = release_of(office.home, PAGES | MORE, now=NOW).manifest.id
    office.evaluate(first)
    office.promote(first)


def test_it_passes_with_a_note_that_the_audit_keeps(probed: Office) -> None:
    grown = release_of(probed.home, PAGES | MORE | {"new.md": "# New\n\nword7 stands here"}, now=LATER).manifest.id
    probed.evaluate(grown)
    done = probed.promote(grown)
    assert done.moved and done.verdict.passed
    [note] = done.verdict.notes
    assert "passed without judgments: expected loss of nDCG@10 0.0000" in note.message and "over 60 probes" in note.message
    newest = probed.audit_in_order()[-1]
    assert newest["outcome"] == "passed" and "passed without judgments" in str(newest["reasons"])


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({"cats.md": "# Felines\n\nnothing"}, "its probes"),
        (HOLLOW, "its probes do not show it either"),
    ],
)
def test_a_lost_answer_or_pages_that_say_nothing_any_more_are_refused(
    probed: Office, pages: dict[str, str], says: str
) -> None:
    worse = release_of(probed.home, PAGES | MORE | pages, now=LATER).manifest.id
    probed.evaluate(worse)
    assert says in str(probed.refused(worse))


def test_where_productions_documents_cannot_be_read_any_more_the_probes_count_for_nothing(probed: Office) -> None:
    serves = serving(probed.home)
    assert serves
    grown = release_of(probed.home, PAGES | MORE | {"new.md": "# New\n\nnothing of it"}, now=LATER).manifest.id
    probed.evaluate(grown)
    assert judge(probed.inputs(), grown)[0].passed
    flip_a_bit(probed.home.release(serves) / CHUNKS_FILE)
    verdict, _ = judge(probed.inputs(), grown)
    assert (verdict.outcome, verdict.notes) == ("inconclusive", ())
    assert (
        "its 60 probes cannot tell either: its chunks.parquet is not the one it was built from"
        in verdict.reasons[-1].message
    )


def test_edited_expected_losses_are_found_at_the_door(probed: Office) -> None:
    """Sealed anew, and the table told: the figures do not follow from the lists."""
    probed.first = release_of(probed.home, PAGES | MORE | HOLLOW, now=LATER).manifest.id
    found = probed.evaluate(probed.first).golden_sets["animals"].probes
    assert found is not None and max(found.losses["nDCG@10"]) > 0.3

    def nothing_lost(content: dict[str, Any]) -> None:
        losses = content["golden_sets"]["animals"]["probes"]["losses"]
        losses.update({metric: [0.0] * PROBES for metric in losses})

    forged(probed, nothing_lost)
    told_the_table(probed)
    assert "what its probes are expected to lose is not what their lists" in str(probed.refused(probed.first))
