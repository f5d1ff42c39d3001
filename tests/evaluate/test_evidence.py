"""Evidence as it is kept: sealed, append-only, and used again only where measuring could tell nothing new."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.evaluate.evidence_store import newest, standing
from rag_pipeline.evaluate.remembered import evaluations_table
from rag_pipeline.files import write_json
from tests.support.evaluated_home import LATER, PAGES, Desk
from tests.support.small_releases import (
    NOW,
    CountingEncoder,
    SmallModel,
    store_documents,
)


@dataclass(frozen=True)
class NoModel(SmallModel):
    """Must not be loaded: what is asked for is known already."""

    def load(self) -> CountingEncoder:
        raise AssertionError("the release was measured again")


def test_the_same_release_evaluated_twice_gives_the_same_figures(desk: Desk) -> None:
    candidate = desk.second()
    first, second = (desk.evaluate(candidate, desk.release) for _ in range(2))
    own = ("latency", "sequence", "previous", "kept_at", "seal")
    assert first.model_dump(exclude={*own}) == second.model_dump(exclude={*own})
    assert (first.sequence, second.sequence, second.previous) == (1, 2, first.seal)


def test_evidence_is_written_sealed_and_read_back_as_it_was(desk: Desk) -> None:
    evidence = desk.evaluate()
    assert evidence.intact
    assert newest(desk.home, evidence.release_fingerprint) == evidence


def test_an_edited_evidence_file_is_not_intact(desk: Desk) -> None:
    evidence = desk.evaluate()
    [file] = desk.home.evidence_on(evidence.release_fingerprint).glob("*.json")
    original = json.loads(file.read_text(encoding="utf-8"))
    animals = original["golden_sets"]["animals"]
    inner = {
        "query_ids": ["q0", "q1", "q3"],
        "values": animals["values"] | {"nDCG@10": [1.0, 1.0, 0.5]},
        "production": animals["values"],
        "slices": {},
        "moved": 1,
        "unresolved": [{"query": "q2", "document": "x", "status": "stale", "passage": "y"}],
        "modes": {},
        "overlap_at_10": 1.0,
        "unjudged": [],
        "made_by": "machine",
    }
    assert all(animals[name] != value for name, value in inner.items())
    edits: tuple[dict[str, Any], ...] = (
        {"release": "other"},
        {"mode": "lexical"},
        {"approximate_recall": 0.5},
        {"created_at": LATER.isoformat()},
        {"golden_sets": {}},
        *({"golden_sets": {"animals": animals | {name: value}}} for name, value in inner.items()),
        {"latency": []},
        {"latency": [original["latency"][0] | {"p95_ms": 0.0}]},
        {"seal": "0" * 32},
        {"seal": ""},
    )
    for edit in edits:
        file.write_text(json.dumps({**original, **edit}), encoding="utf-8")
        found = standing(desk.home, evidence.release_fingerprint)
        assert found.evidence is not None and not found.evidence.intact, edit
        assert newest(desk.home, evidence.release_fingerprint) is None
    file.write_text(json.dumps(original, indent=7), encoding="utf-8")
    assert newest(desk.home, evidence.release_fingerprint) == evidence, "the layout of the file says nothing"


def test_the_newest_evidence_on_a_release_is_found_and_earlier_files_are_kept(desk: Desk) -> None:
    first = desk.evaluate()
    desk.evaluate(now=LATER)
    last = desk.evaluate(now=NOW + timedelta(minutes=5))  # the clock was set back: written last all the same
    folder = desk.home.evidence_on(first.release_fingerprint)
    assert newest(desk.home, first.release_fingerprint) == last
    assert len(list(folder.glob("*.json"))) == 3
    assert newest(desk.home, "another release") is None
    (folder / f"{LATER + timedelta(hours=1):%Y%m%dT%H%M%S.%f}-0123abcd.json").write_text('{"format": 1', encoding="utf-8")
    assert newest(desk.home, first.release_fingerprint) is None, "older evidence must not stand in for a damaged file"


def test_evidence_without_a_living_query_can_be_kept_and_read_and_stays_intact(desk: Desk) -> None:
    candidate = desk.second()
    desk.workspace.golden("animals", {"birds sing": ["handbook/birds.md"], "bees hum": ["handbook/bees.md"]})
    evidence = desk.evaluate(candidate, desk.release)
    measured = evidence.golden_sets["animals"]
    assert (measured.queries, measured.unresolved_percent, measured.overlap_at_10) == (0, 100.0, None)
    assert measured.differences("nDCG@10") == []
    found = newest(desk.home, evidence.release_fingerprint)
    assert found is not None
    assert found.intact
    assert found == evidence


def test_young_evidence_on_the_same_inputs_stands(desk: Desk) -> None:
    first = desk.evaluate()
    again = desk.evaluate(now=LATER, reuse_hours=2, model=NoModel())
    assert again == first
    assert evaluations_table(desk.home).scan().collect().height == 12


def test_what_serves_by_now_is_not_measured_again_and_keeps_its_figures_without_the_comparison(desk: Desk) -> None:
    """The night after a promotion: it was compared with the release that served before."""
    before = desk.release
    candidate = desk.second()
    compared = desk.evaluate(candidate, before, run_id="promoted it")
    assert compared.compared_with == before
    assert compared.golden_sets["animals"].production is not None
    alone = desk.evaluate(candidate, candidate, now=LATER, reuse_hours=math.inf, model=NoModel(), run_id="next night")
    measured = alone.golden_sets["animals"]
    assert (alone.compared_with, measured.production, measured.overlap_at_10, measured.examples) == (None, None, None, [])
    assert (measured.values, alone.latency) == (compared.golden_sets["animals"].values, compared.latency)
    assert (alone.created_at, alone.run_id, alone.intact) == (compared.created_at, "next night", True), (
        "no younger than it is"
    )
    assert newest(desk.home, alone.release_fingerprint) == alone
    again = desk.evaluate(candidate, candidate, now=LATER, reuse_hours=math.inf, model=NoModel())
    assert again == alone, "and the night after that writes nothing"
    rolled_back = desk.evaluate(candidate, before, now=LATER, reuse_hours=math.inf)
    assert rolled_back.compared_with == before, "beside another that serves it must be measured"


def test_evidence_on_other_inputs_is_measured_again(desk: Desk) -> None:
    second = desk.second()
    store_documents(desk.home, "handbook", PAGES)
    folder = desk.workspace.settings.evals / "animals"
    first = desk.evaluate()
    for changes in (
        {"reuse_hours": 0},
        {"reuse_hours": 1},
        {"reuse_hours": 2, "policies": {"production": "other"}},
        {"reuse_hours": 2, "now": NOW - timedelta(hours=1)},
        {"reuse_hours": 2, "production": second},
        {"reuse_hours": 2, "is_slow": lambda earlier: earlier.intact},
    ):
        assert desk.evaluate(**{"now": LATER, **changes}) != first, changes  # type: ignore[arg-type]
    for file in desk.home.evidence_on(first.release_fingerprint).glob("*.json"):
        file.unlink()
    first = desk.evaluate()
    assert desk.evaluate(now=LATER, reuse_hours=2) == first
    (folder / "golden.yaml").write_text((folder / "golden.yaml").read_text(encoding="utf-8") + "# note\n", encoding="utf-8")
    changed = desk.evaluate(now=LATER, reuse_hours=2)
    assert changed != first
    store_documents(desk.home, "handbook", {"cats.md": PAGES["cats.md"]})
    died = desk.evaluate(now=LATER + timedelta(minutes=1), reuse_hours=2)
    assert len(died.golden_sets["animals"].unresolved) == 2


def test_edited_evidence_is_not_reused(desk: Desk) -> None:
    first = desk.evaluate()
    assert desk.evaluate(now=LATER, reuse_hours=2) == first
    [file] = desk.home.evidence_on(first.release_fingerprint).glob("*.json")
    forged = first.model_copy(update={"latency": [first.latency[0].model_copy(update={"p95_ms": 0.0})]})
    for edited in (forged, forged.sealed()):
        write_json(file, edited.model_dump(mode="json"))
        again = desk.evaluate(now=LATER, reuse_hours=2)
        assert again.intact and again.latency != forged.latency
        file = max(desk.home.evidence_on(first.release_fingerprint).glob("*.json"))


def test_what_came_later_leaves_the_seal_of_older_evidence_as_it_was() -> None:
    """The seal was made by the pipeline that knew neither condensed lists nor what else was added since."""
    values = {"nDCG@10": [0.5]}
    one = SetEvidence(fingerprint="f", primary="nDCG@10", query_ids=["q0"], judgments=1, values=values, production=values)
    old = Evidence(
        release="new",
        release_fingerprint="r",
        manifest_sha256="m",
        model_fingerprint="small",
        policies={"production": "p"},
        created_at=NOW,
        run_id="run",
        compared_with="old",
        golden_sets={"docs": one},
        latency=[LatencyEvidence(queries=1, times_ms=[2.0], p50_ms=2.0, p95_ms=2.0)],
    )
    assert old.sealed().seal == "21425d8644c793c4d5d32da0f6bb5163"
