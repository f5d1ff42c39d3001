"""Bad input of every kind: it is named where it belongs, the other sources go on, nothing crashes, nothing vanishes."""

import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.defs.source_limits import BATCH_CHECK, REFUSED_CHECK
from rag_pipeline.defs.sources import source_assets
from rag_pipeline.feeds.base import as_text
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.settings import load_secrets
from tests.conftest import Workspace, files_contract
from tests.support import bad_documents, bad_places, bad_rows, bad_tables, bad_values
from tests.support.bad_input import MARKER, Ground, Kind, Told
from tests.support.built_once import BuiltOnce, content_of

FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)
SUSPECT, HEALTHY = "suspect", "healthy"

PARTS = (bad_documents.KINDS, bad_tables.KINDS, bad_values.KINDS, bad_rows.KINDS, bad_rows.AT_ONCE, bad_places.KINDS)
KINDS: dict[str, Kind] = {name: kind for part in PARTS for name, kind in part.items()}


def one_a_rule(kinds: dict[str, Kind]) -> set[str]:
    """The first kind of each rule that is broken: how a row is judged is shown for all in test_bad_rows_judged.py."""
    first: dict[object, str] = {}
    for name, kind in kinds.items():
        first.setdefault(tuple((told.rule, told.kind, told.item) for told in kind.told), name)
    return set(first.values())


JUDGED = bad_values.KINDS | bad_rows.KEYS | bad_rows.TEXTS
LESS_OFTEN = (
    bad_documents.LESS_OFTEN | bad_tables.LESS_OFTEN | (JUDGED.keys() - one_a_rule(JUDGED) - bad_rows.AT_ONCE.keys())
)
"""Each is much like another one, and runs with the slow tests only."""

OFTEN = [pytest.param(name, marks=[pytest.mark.slow] if name in LESS_OFTEN else []) for name in KINDS]


@pytest.fixture(scope="module")
def healthy_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which the healthy source was loaded once: copying it is quicker than loading again."""
    workspace = Workspace(tmp_path_factory.mktemp("healthy"))
    Nights(workspace).load(HEALTHY, 1)
    return workspace.home


@dataclass
class Nights:
    """Two sources of one workspace, night after night: the suspect one and a healthy one."""

    workspace: Workspace
    contracts: dict[str, Contract] = field(default_factory=dict)

    def contract(self, source: str, night: int, content: dict[str, Any] | None = None) -> Contract:
        if source == HEALTHY:
            content = files_contract(self.workspace.pages({"owls.md": f"Owls of night {night}.\n"}, HEALTHY))
        if source not in self.contracts:
            assert content is not None
            self.contracts[source] = read_contract(self.workspace.contract(source, content))
        return self.contracts[source]

    def load(self, source: str, night: int, content: dict[str, Any] | None = None) -> LoadReport:
        contract = self.contract(source, night, content)
        now = FIRST + timedelta(days=night)
        return load_source(contract, self.workspace.home, run_id=f"night-{night}", now=now, secrets=load_secrets())

    def tables(self, source: str) -> SourceTables:
        return source_tables(self.workspace.home, source)

    def texts(self, source: str) -> dict[str, str]:
        rows = self.tables(source).documents.scan().select("key", "text").collect()
        return dict(rows.iter_rows())

    def refused(self, status: str = "open") -> list[dict[str, Any]]:
        rows = self.tables(SUSPECT).quarantine.scan().collect().to_dicts()
        return [row for row in rows if row["status"] == status]

    def told_in_history(self, source: str) -> dict[str, Any]:
        return self.tables(source).loads.scan().collect().sort("at").to_dicts()[-1]


def matches(told: Told, entry: dict[str, Any]) -> bool:
    reasons = json.loads(entry["reasons"])
    return (
        told.kind == entry["kind"]
        and told.item in ("", entry["item"])
        and told.value in entry["raw"]
        and any(
            (reason["rule"], reason["column"]) == (told.rule, told.column) and told.words in reason["message"]
            for reason in reasons
        )
    )


def assert_told(kind: Kind, entries: list[dict[str, Any]]) -> None:
    """Every entry is one that was expected, and every expected one is there."""
    left = list(entries)
    for told in kind.told:
        found = next((entry for entry in left if matches(told, entry)), None)
        assert found is not None, f"{told} is not among {[(e['kind'], e['item'], e['reasons']) for e in left]}"
        left.remove(found)
    assert not left, f"not expected: {[(entry['kind'], entry['item'], entry['reasons']) for entry in left]}"


def assert_nothing_vanished(ground: Ground, report: LoadReport, documents: set[str], entries: list[dict[str, Any]]) -> None:
    """Every row that was fed stands in the documents, in the quarantine, or is counted as too old to keep."""
    assert report.rows_in == report.good + report.refused + report.superseded + report.expired
    if not ground.fed:
        return
    raws = [json.loads(entry["raw"]) for entry in entries]
    refused = [raw.get("id", raw.get("key")) for raw in raws]
    found = documents | {str(as_text(key)) for key in refused} | {key.split("/")[-1] for key in documents}
    vanished = [row for row in ground.fed if str(as_text(row.get("id"))) not in found]
    assert len(vanished) == report.expired


def skip_where_it_cannot_be(kind: Kind) -> None:
    if "no root" in kind.needs and os.geteuid() == 0:
        pytest.skip("root may read everything")


@pytest.mark.parametrize("name", OFTEN)
def test_bad_input_is_named_and_held_or_quarantined_and_the_next_good_night_makes_up_for_it(
    name: str, built_once: BuiltOnce, healthy_home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    kind = KINDS[name]
    skip_where_it_cannot_be(kind)
    workspace = Workspace(built_once.empty("bad-input"))
    shutil.copytree(healthy_home.root, workspace.home.root)
    nights = Nights(workspace)
    with kind.ground(workspace.root) as ground, caplog.at_level("INFO"):
        prepare(ground, workspace)
        ground.good(1)
        contract = nights.contract(SUSPECT, 1, ground.content)
        alike = name if name in bad_places.KINDS else content_of(workspace.root)
        first = built_once.state(workspace.root, alike, lambda: nights.load(SUSPECT, 1))
        assert nights.contracts[SUSPECT] is contract
        assert (first.outcome, first.open_refusals) == ("accepted", 0), first
        assert set(nights.texts(SUSPECT)) == ground.keys

        kind.bad(ground)
        before = nights.texts(SUSPECT)
        report = nights.load(SUSPECT, 2, ground.content)
        healthy = nights.load(HEALTHY, 2)
        entries = nights.refused()
        if kind.held:
            assert report.held and kind.held in report.reason, report
            assert nights.texts(SUSPECT) == before
            assert report.data_version == first.data_version
        else:
            assert not report.held, report.reason
            assert set(nights.texts(SUSPECT)) == (ground.keys if kind.stays is None else kind.stays)
            assert_nothing_vanished(ground, report, set(nights.texts(SUSPECT)), entries)
        assert_told(kind, entries)
        assert report.expired == kind.expired
        assert (healthy.outcome, nights.texts(HEALTHY)) == ("accepted", {"owls.md": "Owls of night 2.\n"})
        history = nights.told_in_history(SUSPECT)
        assert (history["run_id"], history["outcome"], history["reason"]) == ("night-2", report.outcome, report.reason)
        assert (history["refused"], history["rows_in"], history["good"]) == (len(entries), report.rows_in, report.good)
        for told in (repr(report), caplog.text, repr(history), *(entry["reasons"] for entry in entries)):
            assert MARKER not in told

        ground.good(3)
        fixed = nights.load(SUSPECT, 3, ground.content)
        assert (fixed.outcome, fixed.open_refusals) == ("accepted", 0), fixed
        assert set(nights.texts(SUSPECT)) == ground.keys
        assert len(nights.refused("resolved")) == len(kind.told)


def prepare(ground: Ground, workspace: Workspace) -> None:
    if ground.checks:
        folder = workspace.settings.contracts
        folder.mkdir(exist_ok=True)
        (folder / "checks.py").write_text(ground.checks, encoding="utf-8")


def test_there_are_kinds_enough_and_no_name_is_used_twice() -> None:
    assert len(KINDS) == sum(len(part) for part in PARTS) >= 40
    assert KINDS.keys() > LESS_OFTEN


# -------------------------------------------------------------------------------------------------------- in Dagster

THROUGH_DAGSTER = (
    "a link that leads out of the folder",
    "a PDF locked with a password",
    "a folder that is gone",
    "a broken line of JSON",
    "a Parquet file cut off",
    "a column whose type changed",
    "a time after the year 9999 in UTC",
    "private data where the contract refuses it",
    "a key twice in a batch",
    "a store that answers 503",
    "a sitemap of nothing",
    "a database that is away",
)


@pytest.mark.parametrize("name", THROUGH_DAGSTER)
def test_bad_input_fails_its_own_source_s_checks_in_dagster_and_no_run(name: str, workspace: Workspace) -> None:
    kind = KINDS[name]
    nights = Nights(workspace)
    with kind.ground(workspace.root) as ground:
        prepare(ground, workspace)
        ground.good(1)
        assert materialize(nights, ground, 1) == set()
        kind.bad(ground)
        failed = materialize(nights, ground, 2)
        expected = {BATCH_CHECK} if kind.held else set()
        assert failed == expected | ({REFUSED_CHECK} if kind.told else set())
        assert nights.texts(HEALTHY) == {"owls.md": "Owls of night 2.\n"}
        assert_told(kind, nights.refused())
        ground.good(3)
        assert materialize(nights, ground, 3) == set()
        assert set(nights.texts(SUSPECT)) == ground.keys


def materialize(nights: Nights, ground: Ground, night: int) -> set[str]:
    """Both sources in one run, as Dagster runs them; which checks of the suspect one failed."""
    contracts = [nights.contract(SUSPECT, night, ground.content), nights.contract(HEALTHY, night)]
    settings = nights.workspace.settings
    with dg.DagsterInstance.ephemeral() as instance:
        assets = [source_assets(contract, settings) for contract in contracts]
        result = dg.materialize(assets, instance=instance, raise_on_error=False)
        assert result.success, result.filter_events(lambda event: event.is_step_failure)
        told = repr(instance.all_logs(result.run_id))
    assert MARKER not in told
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert {check.asset_key.path[0] for check in failed} <= {SUSPECT}
    return {check.check_name for check in failed}
