"""The office: a home with one release of a loaded source, a golden set and a policy, for real promotions."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from rag_pipeline.channels.audit import all_rows, audit_table, channel_now, in_order
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.errors import PromotionRefused
from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.ingest.load import load_source
from rag_pipeline.release.promote import DecisionInputs, Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace, files_contract
from tests.support.built_once import BuiltOnce
from tests.support.small_releases import NOW, SmallModel, build, chunker, release_of

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly"}

WORSE = {"cats.md": "# Felines\n\nnothing is said", "dogs.md": "# Hounds\n\nnothing either", "x.md": "cats purr dogs bark"}
"""Pages of which none answers what `PAGES` answer; one that no query is judged for comes first."""


FLOOR = {"floors": {"nDCG@10": 0.9}, "not_worse": None}
"""Two queries are too few to show that a release is no worse."""


@dataclass
class Office:
    """A home with one release of a loaded source, a golden set and a policy."""

    workspace: Workspace
    first: str

    @property
    def home(self) -> Home:
        return self.workspace.home

    def inputs(self, now: datetime = NOW) -> DecisionInputs:
        settings = self.workspace.settings
        return DecisionInputs(
            self.home, read_policy(settings.evals), read_golden_sets(settings.evals), read_contracts(settings.contracts), now
        )

    def evaluation(self, now: datetime = NOW) -> Evaluation:
        inputs = self.inputs()
        return Evaluation(
            self.home,
            inputs.golden_sets,
            SmallModel(),  # type: ignore[arg-type]
            inputs.policy.fingerprints,
            run_id="run",
            now=now,
            metrics={one.name: inputs.policy.metrics(one.name) for one in inputs.golden_sets},
            concurrencies=inputs.policy.concurrencies,
        )

    def evaluate(self, release: str, now: datetime = NOW) -> Evidence:
        current = channel_now(self.home, "production")
        rival = ServingRelease(current.release, current.fingerprint) if current else None
        return evaluate_release(self.evaluation(now), release, rival)

    def evaluate_beside(self, release: str, production: str, now: datetime = NOW) -> Evidence:
        """Beside a release that should serve, wherever the channel points."""
        rival = ServingRelease(production, read_manifest(self.home.release(production)).fingerprint)
        return evaluate_release(self.evaluation(now), release, rival)

    def promote(self, release: str, now: datetime = NOW) -> Promotion:
        return promote(
            self.inputs(now), PromotionRequest(release, by="tests", why="nightly", channel="production"), run_id="run"
        )

    def serve(self, release: str, now: datetime = NOW) -> None:
        self.evaluate(release, now)
        assert self.promote(release, now).moved

    def second(self, texts: dict[str, str]) -> str:
        return release_of(self.home, {**texts, "one more.md": "# One\n\nmore"}, now=NOW + timedelta(hours=1)).manifest.id

    def channel_bytes(self) -> bytes:
        path = self.home.channel("production")
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
        assert "; ".join(caught.value.reasons) in str(caught.value)
        return caught.value


@pytest.fixture
def office(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Office:
    workspace = Workspace(built_once.empty("office"))
    monkeypatch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))
    return Office(workspace, built_once.state(workspace.root, "released", lambda: office_in(workspace).first))


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
