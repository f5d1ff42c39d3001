"""What a decision is taken on: every fact of a home that moved, was rolled back and is held, as the gate is handed it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import Channel, Hold
from rag_pipeline.evaluate.evidence_store import standing
from rag_pipeline.files import file_sha256
from rag_pipeline.gate.decide import Facts
from rag_pipeline.gate.shrink import InProduction
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.ingest.state import source_state
from rag_pipeline.release import promote as module
from rag_pipeline.release.promote import judge, promote
from rag_pipeline.release.request import PromotionRequest
from tests.support.held_channel import held, second
from tests.support.office import FLOOR, Office
from tests.support.readers import BY_FORCE
from tests.support.small_releases import NOW, SMALL

__all__ = ["held", "second"]

LATER = NOW + timedelta(hours=3)


class Decided(Exception):
    """Everything a decision is taken on was gathered."""


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[Facts]:
    """The facts the gate was handed; it decides nothing."""
    found: list[Facts] = []

    def decide(evidence: object, policy: object, channel: str, facts: Facts, now: object) -> None:
        assert now == LATER
        found.append(facts)
        raise Decided

    monkeypatch.setattr(module, "decide", decide)
    return found


def facts_of(office: Office, gathered: list[Facts], release: str, **asked: Any) -> Facts:
    with pytest.raises(Decided):
        promote(office.inputs(LATER), PromotionRequest(release, by="ana", why="now", **asked), run_id="r")
    return gathered.pop()


def judged(office: Office, gathered: list[Facts], release: str, *of: str, **asked: Any) -> Facts:
    with pytest.raises(Decided):
        judge(office.inputs(LATER), release, *of, **asked)
    return gathered.pop()


def expected(office: Office, release: str, production: Channel, **others: Any) -> Facts:
    """The facts on a release of which nothing is to be said, beside what is in production."""
    inputs, manifest = office.inputs(LATER), read_manifest(office.home.release(release))
    evidence = standing(office.home, manifest.fingerprint).evidence
    assert evidence
    common: dict[str, Any] = {
        "release": release,
        "release_fingerprint": manifest.fingerprint,
        "manifest_sha256": file_sha256(office.home.manifest(release)),
        "model_fingerprint": SMALL.fingerprint,
        "golden_fingerprints": {"animals": inputs.golden_sets[0].fingerprint},
        "production": production.release,
        "current": production.release,
        "sources": tuple(source_state(contract, office.home, LATER) for contract in inputs.contracts),
        "documents": {"handbook": 1},
        "in_production": InProduction({"handbook": 1}),
        "anchor": inputs.anchor("production").facts(production, evidence, manifest),
    }
    return Facts(**common | others)


def test_what_is_known_of_a_release_that_was_rolled_back_depends_on_who_asks(
    office: Office, second: str, held: Channel, gathered: list[Facts]
) -> None:
    rolled_back = f"ben at {NOW + timedelta(hours=2):%Y-%m-%d %H:%M} UTC (fixed)"
    assert held.hold
    of_nobody = expected(office, second, held, withdrawn=rolled_back, hold=held.hold.says("production"), going_back=False)
    assert of_nobody.anchor and of_nobody.anchor.anchor.release == office.first
    for found in (facts_of(office, gathered, second), judged(office, gathered, second)):
        assert found == of_nobody
    by_name = replace(of_nobody, withdrawn="", hold="")
    for found in (facts_of(office, gathered, second, named=True), judged(office, gathered, second, named=True)):
        assert found == by_name
    back: dict[str, Any] = {"going_back": True, "in_production": None}
    assert facts_of(office, gathered, second, withdraw=True) == replace(of_nobody, **back)
    person = facts_of(office, gathered, second, withdraw=True, named=True)
    assert person == replace(by_name, **back, sources_count=False)


def test_what_serves_is_neither_held_nor_withdrawn_from_itself(office: Office, held: Channel, gathered: list[Facts]) -> None:
    found = judged(office, gathered, office.first)
    assert found == expected(office, office.first, held, anchor=None, serves=True)


def test_another_channel_is_compared_with_production_and_asks_about_its_own_anchor_and_hold(
    office: Office, second: str, held: Channel, gathered: list[Facts]
) -> None:
    content = {"golden_sets": {"animals": FLOOR}}
    channels = {"production": content, "staging": content}
    (office.workspace.root / "evals" / "gate.yaml").write_text(json.dumps({"channels": channels}), encoding="utf-8")
    hold = Hold(at=NOW, by="eve", why="tests")
    content_of = {"release": second, "fingerprint": read_manifest(office.home.release(second)).fingerprint}
    staged = held.model_copy(update={**BY_FORCE, **content_of, "sequence": 1, "hold": hold, "withdrawn": {}})
    move_and_record(office.home, "staging", staged, expected=None)
    says = hold.says("staging")
    in_staging = expected(office, office.first, held, current=second, anchor=None, hold=says)
    assert facts_of(office, gathered, office.first, channel="staging") == in_staging
    assert judged(office, gathered, office.first, "staging") == in_staging
    assert facts_of(office, gathered, office.first, channel="staging", override=True) == replace(in_staging, hold="")


def test_a_release_in_production_that_cannot_be_read_any_more_is_told(
    office: Office, second: str, held: Channel, gathered: list[Facts]
) -> None:
    release = office.home.release(office.first)
    office.home.manifest(office.first).unlink()
    found = judged(office, gathered, second).in_production
    assert found is not None
    assert (found.documents, found.unreadable) == ({}, f"{release} is not a release: it has no manifest.json")


def test_what_a_source_lost_or_broke_counts_only_against_a_release_of_that_very_data(
    office: Office, gathered: list[Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.evaluate(office.first)
    [contract] = office.inputs().contracts
    found = replace(source_state(contract, office.home, LATER), broken=("enough",), lost=3)
    built_from = read_manifest(office.home.release(office.first)).sources["handbook"].data_version
    of_it = replace(found, data_version=built_from)
    for state, counts in (
        (of_it, True),
        (replace(found, data_version=f"not {built_from}"), False),
        (replace(of_it, source="wiki"), False),
    ):
        monkeypatch.setattr(module, "source_state", lambda *_, state=state: state)
        says = state if counts else replace(state, broken=(), lost=0)
        assert judged(office, gathered, office.first).sources == (says,)


def test_a_release_that_is_damaged_and_the_key_that_evidence_must_be_sealed_with_are_told(
    office: Office, gathered: list[Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.evaluate(office.first)
    monkeypatch.setenv("RAG_SEAL_KEY", "a key that is long enough")
    file = office.home.release(office.first) / "lexical" / "more"
    file.write_text("not the pipeline's", encoding="utf-8")
    found = judged(office, gathered, office.first)
    assert (found.damage, found.seal_key) == (("lexical/more",), "a key that is long enough")
