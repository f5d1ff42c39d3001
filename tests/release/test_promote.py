import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.evaluate.evaluate import Evaluation, Rival, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.golden import read_golden_sets
from rag_pipeline.index.manifest import FILE, damaged_files, read_manifest
from rag_pipeline.ingest.load import load_source
from rag_pipeline.release.audit import all_rows, audit_table, channel_now, in_order
from rag_pipeline.release.channels import read_channel
from rag_pipeline.release.policy import read_policy
from rag_pipeline.release.promote import Desk, Promotion, judge, promote
from tests.conftest import Workspace, files_contract
from tests.corpus.small import NOW, SmallModel, build, chunker, release_of

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly"}
FLOOR = {"floors": {"nDCG@10": 0.9}, "not_worse": None}
"""Two queries are too few to show that a release is no worse."""
WORSE = {"cats.md": "# Felines\n\nnothing is said", "dogs.md": "# Hounds\n\nnothing either", "x.md": "cats purr dogs bark"}


@dataclass
class Office:
    """A home with one release of a loaded source, a golden set and a policy."""

    workspace: Workspace
    first: str

    @property
    def home(self) -> Path:
        return self.workspace.home

    def desk(self, now: datetime = NOW) -> Desk:
        settings = self.workspace.settings
        return Desk(
            self.home, read_policy(settings.evals), read_golden_sets(settings.evals), read_contracts(settings.contracts), now
        )

    def evaluation(self, now: datetime = NOW) -> Evaluation:
        desk = self.desk()
        return Evaluation(
            self.home,
            desk.golden_sets,
            SmallModel(),  # type: ignore[arg-type]
            desk.policy.fingerprints,
            run_id="run",
            now=now,
            metrics={one.name: desk.policy.metrics(one.name) for one in desk.golden_sets},
            concurrencies=desk.policy.concurrencies,
        )

    def evaluate(self, release: str, now: datetime = NOW) -> Evidence:
        current = channel_now(self.home, "production")
        rival = Rival(current.release, current.fingerprint) if current else None
        return evaluate_release(self.evaluation(now), release, rival)

    def evaluate_beside(self, release: str, production: str, now: datetime = NOW) -> Evidence:
        """Beside a release that should serve, wherever the channel points."""
        rival = Rival(production, read_manifest(self.home / "releases" / production).fingerprint)
        return evaluate_release(self.evaluation(now), release, rival)

    def promote(self, release: str, now: datetime = NOW) -> Promotion:
        return promote(self.desk(now), release, by="tests", why="nightly", run_id="run", channel="production")

    def serve(self, release: str, now: datetime = NOW) -> None:
        self.evaluate(release, now)
        assert self.promote(release, now).moved

    def second(self, texts: dict[str, str]) -> str:
        return release_of(self.home, {**texts, "one more.md": "# One\n\nmore"}, now=NOW + timedelta(hours=1)).manifest.id

    def channel_bytes(self) -> bytes:
        path = self.home / "channels" / "production.json"
        return path.read_bytes() if path.exists() else b""

    def audit(self) -> list[dict[str, object]]:
        return audit_table(self.home).scan().collect().sort("at").to_dicts()

    def audit_in_order(self) -> list[dict[str, object]]:
        return in_order(all_rows(self.home)).collect().to_dicts()

    def refused(self, release: str, now: datetime = NOW) -> PromotionRefused:
        """Promotion is refused, the channel is as it was to the byte, and the refusal is in the audit table."""
        before, entries = self.channel_bytes(), len(self.audit())
        with pytest.raises(PromotionRefused) as caught:
            self.promote(release, now)
        assert self.channel_bytes() == before
        assert len(self.audit()) == entries + 1
        [entry] = [row for row in self.audit() if row["action"] == "refused"]
        assert entry["release"] == release
        assert json.loads(str(entry["reasons"])) == list(caught.value.reasons)
        assert caught.value.reasons
        return caught.value


@pytest.fixture
def office(workspace: Workspace) -> Office:
    return office_in(workspace)


def office_in(workspace: Workspace) -> Office:
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"]})
    workspace.policy({"animals": FLOOR})
    for contract in read_contracts(workspace.settings.contracts):
        load_source(contract, workspace.home, run_id="run", now=NOW)
    update_chunks(workspace.home, ["handbook"], chunker())
    model = SmallModel()
    update_embeddings(workspace.home, model, model.load)  # type: ignore[arg-type]
    return Office(workspace, build(workspace.home).manifest.id)


def test_a_release_with_good_evidence_is_promoted_and_the_move_is_audited(office: Office) -> None:
    office.evaluate(office.first)
    done = office.promote(office.first)
    assert done.moved
    assert done.verdict.passed
    channel = read_channel(office.home, "production")
    assert channel == done.channel
    assert (channel.release, channel.previous, channel.sequence) == (office.first, None, 1)
    assert (channel.by, channel.why, channel.run_id, channel.at) == ("tests", "nightly", "run", NOW)
    assert channel.fingerprint == read_manifest(office.home / "releases" / office.first).fingerprint
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
    "a journal added, which SQLite would replay": lambda path: path.with_name("chroma.sqlite3-wal").write_bytes(b"x"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_release_that_is_not_the_one_evaluated_to_the_byte_is_refused(office: Office, what: str) -> None:
    office.evaluate(office.first)
    folder = office.home / "releases" / office.first / "chroma"
    DAMAGE[what](folder / "chroma.sqlite3")
    [reason] = office.refused(office.first).reasons
    assert reason.startswith("files of the release differ from its manifest: chroma/chroma.sqlite3")


def test_an_untouched_release_has_no_damage(office: Office) -> None:
    assert (
        damaged_files(office.home / "releases" / office.first, read_manifest(office.home / "releases" / office.first)) == ()
    )


def test_a_copy_under_another_name_cannot_pass_for_the_release_it_was_copied_from(office: Office) -> None:
    office.evaluate(office.first)
    releases = office.home / "releases"
    shutil.copytree(releases / office.first, releases / "copy")
    overwrite(releases / "copy" / "chroma" / "chroma.sqlite3")
    with pytest.raises(ReleaseError, match=f"copy holds the manifest of {office.first}"):
        office.promote("copy")
    assert office.channel_bytes() == b""


def test_edited_evidence_is_refused(office: Office) -> None:
    office.workspace.policy({"animals": FLOOR | {"floors": {"nDCG@10": 0.5}}})
    office.evaluate(office.first)
    [file] = (office.home / "evidence").rglob("*.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    content["golden_sets"]["animals"]["values"]["nDCG@10"] = [1.0, 0.99]
    file.write_text(json.dumps(content), encoding="utf-8")
    seal, figure = office.refused(office.first).reasons
    assert seal == "the evidence was changed after it was written: its seal does not match"
    assert "animals: nDCG@10 of query q1 is 1 by its list and the judgments, not 0.99" in figure


def test_evidence_of_an_older_format_is_no_evidence(office: Office) -> None:
    office.evaluate(office.first)
    [file] = (office.home / "evidence").rglob("*.json")
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
    before = sorted(path for path in office.home.rglob("*") if path.is_file())
    verdict, evidence = judge(office.desk(), office.first)
    assert verdict.passed
    assert evidence is not None
    assert sorted(path for path in office.home.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("name", ["20200101-000000-deadbeef", "", ".", "../home", ".staging-x"])
def test_what_is_no_release_is_not_promoted(office: Office, name: str) -> None:
    with pytest.raises(ReleaseError, match=f"is not a release: it has no {FILE}"):
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

    def the_other_is_faster(home: Path, manifest: object) -> tuple[str, ...]:
        monkeypatch.setattr(module, damaged_files)
        office.promote(second)
        return ()

    monkeypatch.setattr(module, the_other_is_faster)
    with pytest.raises(PromotionRefused, match=f"overtaken.*moved to {second} by tests in the meantime; decide again"):
        office.promote(office.first)
    channel = read_channel(office.home, "production")
    assert channel is not None
    assert (channel.release, channel.sequence) == (second, 1)
    told = {(entry["action"], entry["release"]) for entry in office.audit()}
    assert told == {("promoted", second), ("refused", office.first)}


def test_an_earlier_release_comes_back_through_the_same_door(office: Office) -> None:
    office.serve(office.first)
    second = office.second(PAGES)
    office.serve(second)
    office.refused(office.first, NOW + timedelta(hours=30))
    office.evaluate(office.first, NOW + timedelta(hours=30))
    back = promote(replace(office.desk(), now=NOW + timedelta(hours=30)), office.first, by="ada", why="rollback", run_id="r")
    assert (back.channel.release, back.channel.previous, back.channel.sequence) == (office.first, second, 3)
