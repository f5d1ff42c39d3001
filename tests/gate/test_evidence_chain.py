"""The gate does not believe evidence: it must be the head of its chain, and every figure must follow from the lists."""

import shutil
from typing import Any

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence_store import heads_table
from tests.support.forged_evidence import MINUTE, files, folder, forged, perfect, told_the_table, worse
from tests.support.office import Office
from tests.support.small_releases import NOW


def test_evidence_on_a_release_is_a_chain_whose_head_a_table_names(office: Office) -> None:
    first = office.evaluate(office.first)
    second = office.evaluate(office.first, NOW + MINUTE)
    assert [(one.sequence, one.previous) for one in (first, second)] == [(1, ""), (2, first.seal)]
    assert [path.name[-13:-5] for path in files(office)] == [first.seal[:8], second.seal[:8]]
    rows = heads_table(office.home).scan().sort("sequence").collect().to_dicts()
    assert [(row["seal"], row["previous"], row["file"]) for row in rows] == [
        (one.seal, one.previous, path.name) for one, path in zip((first, second), files(office), strict=True)
    ]
    assert office.promote(office.first, NOW + MINUTE).moved


def test_the_newest_evidence_deleted_is_missed(office: Office) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    gone = files(office)[1]
    gone.unlink()
    [reason] = office.refused(office.first, NOW + MINUTE).reasons
    assert reason == f"there is no evidence on this release that counts: the newest, {gone.name}, is gone; evaluate it again"
    office.evaluate(office.first, NOW + 2 * MINUTE)
    assert office.promote(office.first, NOW + 2 * MINUTE).moved, "what it says helps"


def test_all_evidence_deleted_and_an_earlier_copy_of_the_folder_put_back_is_missed(office: Office) -> None:
    office.evaluate(office.first)
    shutil.copytree(folder(office), office.home.root / "kept")
    office.evaluate(office.first, NOW + MINUTE)
    shutil.rmtree(folder(office))
    (office.home.root / "kept").rename(folder(office))
    assert "is gone" in office.refused(office.first, NOW + MINUTE).reasons[0]


@pytest.mark.parametrize("newest_stays", [True, False])
def test_older_evidence_copied_to_a_newer_name_is_not_taken(office: Office, newest_stays: bool) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    older, newer = files(office)
    copy = older.with_name(older.name.replace("20260301T0200", "20260301T0300"))
    shutil.copy(older, copy)
    if not newest_stays:
        newer.unlink()
    reason = office.refused(office.first, NOW + MINUTE).reasons[0]
    assert (copy.name if newest_stays else "is gone") in reason
    shutil.copy(older, newer)
    assert any("holds other evidence than its name says" in one for one in _told(office))


def _told(office: Office) -> tuple[str, ...]:
    copies = files(office)[2:]
    for path in copies:
        path.unlink()
    before = office.audit()
    with pytest.raises(PipelineError) as caught:
        office.promote(office.first, NOW + MINUTE)
    assert len(office.audit()) == len(before) + 1
    return tuple(str(caught.value).split("; "))


def test_figures_changed_and_sealed_anew_are_missed_by_the_table_and_computed_again(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate
    forged(office, perfect)
    reasons = office.refused(candidate, NOW + MINUTE).reasons
    assert any("it was sealed anew since; evaluate again" in reason or "is gone" in reason for reason in reasons)


def test_figures_that_do_not_follow_from_the_lists_are_refused_though_seal_and_table_fit(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate
    forged(office, perfect)
    told_the_table(office)
    [reason] = office.refused(candidate, NOW + MINUTE).reasons
    assert reason == "animals: MRR@10 of query q0 is 0.5 by its list and the judgments, not 1; evaluate again"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("made_by", "machine", "its owner, its makers or its primary metric"),
        ("unresolved", [{"query": "q1", "document": "handbook/dogs.md", "status": "dead"}], "other judgments than"),
        ("query_ids", ["q0", "q2"], "not measured on the queries"),
        ("judgments", 200, "not measured on the queries"),
        ("slices", {"kind": ["a", "b"]}, "its slices are not those"),
        ("unanswered", ["q1"], "the queries without results are not those"),
    ],
)
def test_whatever_follows_from_the_golden_set_must(office: Office, field: str, value: object, says: str) -> None:
    office.evaluate(office.first)
    forged(office, lambda content: content["golden_sets"]["animals"].update({field: value}))
    told_the_table(office)
    assert any(says in reason for reason in office.refused(office.first).reasons)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"approximate_recall": 0.5}, "recall of approximate search is another"),
        ({"mode": "lexical"}, "retrieves in dense mode, not in lexical"),
        ({"latency": [{"queries": 2, "times_ms": [900.0, 950.0], "p50_ms": 1.0, "p95_ms": 2.0}]}, "not what its times give"),
    ],
)
def test_whatever_follows_from_the_release_or_the_times_must(office: Office, change: dict[str, Any], says: str) -> None:
    office.evaluate(office.first)
    forged(office, lambda content: content.update(change))
    told_the_table(office)
    assert any(says in reason for reason in office.refused(office.first).reasons)


def test_production_made_to_look_bad_is_found(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate

    def spoil(content: dict[str, Any]) -> None:
        animals = content["golden_sets"]["animals"]
        animals["production"] = {name: [0.0] * len(values) for name, values in animals["production"].items()}
        animals["overlap_at_10"] = 1.0

    forged(office, spoil)
    told_the_table(office)
    assert any(
        "production's " in one and "of query q0 is 1 by its list" in one
        for one in office.refused(candidate, NOW + MINUTE).reasons
    )
