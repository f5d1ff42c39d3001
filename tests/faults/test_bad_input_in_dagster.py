"""Bad input in a run of Dagster: it fails the checks of its own source, and no run."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from rag_pipeline.defs.source_limits import BATCH_CHECK, REFUSED_CHECK
from rag_pipeline.defs.sources import source_assets
from tests.conftest import Workspace
from tests.support.bad_input import MARKER, Ground
from tests.support.bad_nights import HEALTHY, KINDS, SUSPECT, Nights, assert_told, prepare

THROUGH_DAGSTER = (
    "a folder that is gone",
    "a PDF locked with a password",
    "a column whose type changed",
    "a time after the year 9999 in UTC",
    "private data where the contract refuses it",
    "a key twice in a batch",
    "a database that is away",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "a link that leads out of the folder",
            "a broken line of JSON",
            "a Parquet file cut off",
            "a store that answers 503",
            "a sitemap of nothing",
        )
    ),
)
"""One for each way a load ends, and with the slow tests one for each kind of feed as well."""


@pytest.mark.parametrize("name", THROUGH_DAGSTER)
def test_bad_input_fails_its_own_source_s_checks_in_dagster_and_no_run(name: str, workspace: Workspace) -> None:
    kind = KINDS[name]
    nights = Nights(workspace, first=datetime.now(UTC) - timedelta(days=1))  # a run of Dagster has the clock's time
    with kind.ground(workspace.root) as ground:
        prepare(ground, workspace)
        ground.good(1)
        assert nights.load(SUSPECT, 1, ground.content).outcome == nights.load(HEALTHY, 1).outcome == "accepted"
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
