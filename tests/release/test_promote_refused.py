"""What a promotion refuses: evidence, releases, policies and sources that are not what they were."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import SourceEntry, damaged_files, read_manifest
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.state import source_state
from rag_pipeline.release.promote import judge, promote
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import files_contract
from tests.support.feeds import limits
from tests.support.office import FLOOR, PAGES, WORSE, Office, office
from tests.support.small_releases import NOW, SmallModel, chunker, recipe

__all__ = ["office"]


def test_a_release_without_evidence_is_refused(office: Office) -> None:
    error = office.refused(office.first)
    assert error.reasons == ("there is no evidence on this release; evaluate it first",)
    assert "could not be evaluated" in str(error)


def test_a_release_whose_evidence_is_of_yesterday_is_refused(office: Office) -> None:
    office.evaluate(office.first)
    [reason] = office.refused(office.first, NOW + timedelta(hours=25)).reasons
    assert "the evidence is 25.0 h old, at most 24 h are allowed" in reason


def test_a_source_past_its_sla_refuses(office: Office) -> None:
    late = NOW + timedelta(hours=49)
    office.evaluate(office.first, late)
    [reason] = office.refused(office.first, late).reasons
    assert "source handbook is 49.0 h old, its contract allows 48 h" in reason


def test_a_worse_release_is_refused_and_production_stays(office: Office) -> None:
    office.serve(office.first)
    worse = office.second(WORSE)
    office.evaluate(worse)
    assert "below its floor of 0.9 (gate.yaml:" in office.refused(worse).reasons[0]
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert channel.release == office.first


def test_evidence_against_an_older_production_is_refused(office: Office) -> None:
    second = office.second(PAGES)
    office.evaluate(second)
    office.serve(office.first)
    [reason] = office.refused(second).reasons
    assert reason == f"the evaluation did not compare with {office.first}, which is in production now"


def overwrite(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one bit changed": overwrite,
    "a file missing": Path.unlink,
    "a file cut short": lambda path: (path.chmod(0o644), path.write_bytes(path.read_bytes()[:-1])),
    "a journal added, which SQLite would replay": lambda path: path.with_name("sealed.sqlite3-wal").write_bytes(b"x"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_release_that_is_not_the_one_evaluated_to_the_byte_is_refused(office: Office, what: str) -> None:
    office.evaluate(office.first)
    folder = office.home.release(office.first) / "chroma"
    DAMAGE[what](folder / "sealed.sqlite3")
    [reason] = office.refused(office.first).reasons
    assert reason.startswith("files of the release differ from its manifest: chroma/sealed.sqlite3")


def test_an_untouched_release_has_no_damage(office: Office) -> None:
    assert damaged_files(office.home.release(office.first), read_manifest(office.home.release(office.first))) == ()


def test_a_copy_under_another_name_cannot_pass_for_the_release_it_was_copied_from(office: Office) -> None:
    office.evaluate(office.first)
    releases = office.home.releases
    shutil.copytree(releases / office.first, releases / "copy")
    overwrite(releases / "copy" / "chroma" / "sealed.sqlite3")
    with pytest.raises(ReleaseError, match=f"copy holds the manifest of {office.first}"):
        office.promote("copy")
    assert office.channel_bytes() == b""


def test_edited_evidence_is_refused(office: Office) -> None:
    office.workspace.policy({"animals": FLOOR | {"floors": {"nDCG@10": 0.5}}})
    office.evaluate(office.first)
    [file] = office.home.evidence.rglob("*.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    content["golden_sets"]["animals"]["values"]["nDCG@10"] = [1.0, 0.99]
    file.write_text(json.dumps(content), encoding="utf-8")
    seal, figure = office.refused(office.first).reasons
    assert seal == "the evidence was changed after it was written: its seal does not match"
    assert "animals: nDCG@10 of query q1 is 1 by its list and the judgments, not 0.99" in figure


def test_evidence_of_an_older_format_is_no_evidence(office: Office) -> None:
    office.evaluate(office.first)
    [file] = office.home.evidence.rglob("*.json")
    file.write_text(file.read_text(encoding="utf-8").replace('"format": 4', '"format": 2'), encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8"))["format"] == 2
    [reason] = office.refused(office.first).reasons
    assert (
        reason == f"there is no evidence on this release that counts: {file.name} is of an older pipeline; evaluate it again"
    )


def test_a_release_too_little_is_known_of_is_refused_as_inconclusive(office: Office) -> None:
    """Two queries, both answered as before: that does not show that no more than the margin was lost."""
    office.workspace.policy({"animals": {"not_worse": {"judged_drop_max": None}}})
    office.serve(office.first)
    second = office.second(PAGES)
    office.evaluate(second)
    error = office.refused(second)
    assert "was not promoted to production: inconclusive. cannot be shown to be no worse than production" in str(error)
    assert "about 148 more judged queries would decide" in error.reasons[0]
    assert "57 more judged queries without a loss would show it is fewer" in error.reasons[-1]


def test_a_policy_loosened_after_the_evaluation_is_refused(office: Office) -> None:
    office.evaluate(office.first)
    office.workspace.policy({"animals": {"floors": {"nDCG@10": 0.1}}})
    [reason] = office.refused(office.first).reasons
    assert reason == "the policy has changed since the evaluation; evaluate again"


def test_a_golden_set_changed_after_the_evaluation_is_refused(office: Office) -> None:
    office.evaluate(office.first)
    office.workspace.golden("animals", {"cats purr": ["handbook/cats.md"]})
    [reason] = office.refused(office.first).reasons
    assert reason == "golden set animals has changed since the evaluation; evaluate again"


def test_a_source_that_was_never_loaded_refuses(office: Office) -> None:
    office.workspace.contract("wiki", files_contract(office.workspace.pages(PAGES, "wiki"), id="wiki"))
    office.evaluate(office.first)
    [reason] = office.refused(office.first).reasons
    assert reason.startswith("source wiki was never loaded (gate.yaml:")


def test_judging_changes_nothing(office: Office) -> None:
    office.evaluate(office.first)
    before = sorted(path for path in office.home.root.rglob("*") if path.is_file())
    verdict, evidence = judge(office.inputs(), office.first)
    assert verdict.passed
    assert evidence is not None
    assert sorted(path for path in office.home.root.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("name", ["20200101-000000-deadbeef", "", ".", "../home", ".staging-x"])
def test_what_is_no_release_is_not_promoted(office: Office, name: str) -> None:
    with pytest.raises(ReleaseError, match=f"is not a release: it has no {MANIFEST_FILE}"):
        office.promote(name)
    assert office.channel_bytes() == b""


def test_a_move_decided_on_a_state_that_changed_in_between_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two promotions at once: the other one moves the channel after this one read it and before it moves it."""
    second = office.second(PAGES)
    office.evaluate(office.first)
    office.evaluate(second)
    module = "rag_pipeline.release.promote.damaged_files"

    def the_other_is_faster(home: Home, manifest: object, *, deep: bool) -> tuple[str, ...]:
        monkeypatch.setattr(module, damaged_files)
        office.promote(second)
        return ()

    monkeypatch.setattr(module, the_other_is_faster)
    with pytest.raises(PromotionRefused, match=rf"overtaken\. .*moved to {second} by tests in the meantime; decide again$"):
        office.promote(office.first)
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert (channel.release, channel.sequence) == (second, 1)
    told = {(entry["action"], entry["release"], entry["outcome"]) for entry in office.audit()}
    assert told == {("promoted", second, "passed"), ("refused", office.first, "overtaken")}


def test_a_quality_rule_refuses_what_was_built_from_the_data_that_breaks_it_and_nothing_earlier(office: Office) -> None:
    """On the night on which the data went bad, the release of the day before is the one a person wants to go back to."""
    content = files_contract(office.workspace.root / "pages", customProperties=limits(100, 100))
    content["schema"][0]["quality"] = [
        {"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": 3, "severity": "error"}
    ]
    [contract] = read_contracts(office.workspace.contract("handbook", content).parent)
    office.workspace.pages({"fish.md": "# Fish\n\nfish swim"})
    load_source(contract, office.home, run_id="run", now=NOW + timedelta(hours=1))
    good = built_from_what_is_stored(office, contract, 1)
    (office.workspace.pages({"dogs.md": "# Dogs\n\ndogs bark very loudly"}) / "fish.md").unlink()
    load_source(contract, office.home, run_id="run", now=NOW + timedelta(hours=2))
    now = NOW + timedelta(hours=3)
    office.evaluate(good, now)
    assert office.promote(good, now).moved, "its own data kept the rule"
    bad = built_from_what_is_stored(office, contract, 4)
    office.evaluate(bad, NOW + timedelta(hours=4))
    [reason] = office.refused(bad, NOW + timedelta(hours=4)).reasons
    assert "source handbook breaks its contract's quality rule enough: rowCount is 2 rows" in reason


def built_from_what_is_stored(office: Office, contract: Contract, hour: int) -> str:
    """A release whose manifest says which version of the documents it was built from, as the pipeline's does."""
    update_chunks(office.home, ["handbook"], chunker())
    model = SmallModel()
    update_embeddings(office.home, model, model.load)  # type: ignore[arg-type]
    state = source_state(contract, office.home, NOW)
    said = {
        "handbook": SourceEntry(
            documents=state.documents,
            chunks=state.documents,
            data_version=state.data_version,
            contract_id="handbook",
            contract_version="1.0.0",
        )
    }
    of_now = replace(recipe(), sources=said)
    return build_release(office.home, of_now, run_id="test", now=NOW + timedelta(hours=hour)).manifest.id


def test_a_damaged_release_is_not_promoted_whoever_takes_it_upon_them(office: Office) -> None:
    office.evaluate(office.first)
    overwrite(office.home.release(office.first) / "chroma" / "sealed.sqlite3")
    says = rf"no override helps: `rag verify {office.first} --repair` builds it again"
    for named in (True, False):
        request = PromotionRequest(office.first, by="ana", why="now", override=True, named=named)
        with pytest.raises(PromotionRefused, match=says):
            promote(office.inputs(), request, run_id="r")
    assert office.channel_bytes() == b""
    assert [entry["action"] for entry in office.audit()] == ["refused", "refused"]


def test_an_override_without_a_name_or_without_a_reason_is_refused_before_anything_is_looked_at(office: Office) -> None:
    for by, why in (("", "now"), ("ana", ""), (" \t", "now"), ("ana", " \n"), ("", "")):
        with pytest.raises(PromotionRefused) as refused:
            promote(office.inputs(), PromotionRequest(office.first, by=by, why=why, override=True, named=True), run_id="r")
        assert str(refused.value) == (
            f"{office.first} was not promoted: an override needs a name (by) and a reason (why); to do it anyway: "
            f"`rag promote {office.first} --override --by NAME --reason WHY`"
        )
    assert office.channel_bytes() == b""
    assert not office.home.audit.exists()
