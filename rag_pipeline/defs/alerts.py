"""The sensor that sends alerts: every minute it looks at what is wrong, and sends what was not sent yet.

There is one sensor, and not one for each kind, because one cause shows in many places: a held source is a red check, a stale
source, a refusal and in the end a failed run. Only code that sees all of them at once can report the cause once.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._utils.schedules import reverse_cron_string_iterator

from rag_pipeline.alerts.cause import Findings
from rag_pipeline.alerts.causes import causes_on_disk, looked_at
from rag_pipeline.alerts.tell import Outcome, tell
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs.alerts_dagster import Graph, RunsSeen, causes_in_dagster
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.host.kept_connections import opened_instance
from rag_pipeline.host.names import named
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.settings import Settings, load_secrets

EVERY_S = 60

Build = Callable[[Settings], dg.Definitions]
"""`graph.build`, which makes the sensor too; handed in, and called only when something is looked at."""

_ABOUT = """Sends a message to each receiver in `RAG_ALERTS` when something is wrong: a refusal, a held or stale source, a
failed check, a run that failed or was killed, production that got worse or is not refreshed. One message for each cause,
and one when it is over."""


def alerts_sensor(settings: Settings, contracts: Sequence[Contract], build: Build) -> dg.SensorDefinition:
    """The sensor is on by default if there is a receiver. No tick, cursor or log line holds an address."""
    on = bool(load_secrets().alerts)
    eyes = Eyes(settings, contracts, build)

    @dg.sensor(
        name=named(settings, "alerts"),
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description=_ABOUT,
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        setting, now = load_secrets().alerts, datetime.now(UTC)
        if not setting:
            return dg.SkipReason("RAG_ALERTS is not set, so no message is sent")
        outcome = tell(settings.home, setting, lambda: eyes.look(context.instance, now), now)
        return dg.SkipReason(outcome.says if outcome else "another process sends alerts right now")

    return alerts


def tell_now(settings: Settings, build: Build, now: datetime) -> Outcome | None:
    """What the sensor does, here and now. None when another process is telling."""
    eyes = Eyes(settings, read_contracts(settings.contracts), build)
    prepare_dagster_home(settings)
    with opened_instance() as instance:
        return tell(settings.home, load_secrets().alerts, lambda: eyes.look(instance, now), now)


class Eyes:
    """Everything that is looked at, with what of it need not be read anew every minute."""

    def __init__(self, settings: Settings, contracts: Sequence[Contract], build: Build) -> None:
        self._settings, self._contracts, self._build = settings, tuple(contracts), build
        self._states: dict[str, tuple[tuple[int, int], datetime, SourceState]] = {}
        self._runs = RunsSeen()
        self._graph: Graph | None = None

    def look(self, instance: dg.DagsterInstance, now: datetime) -> Findings:
        due = refreshes_due(self._settings, now) if self._settings.schedules == "on" else None
        on_disk = causes_on_disk(self._settings, self._contracts, lambda one: self._state(one, now), due=due, now=now)
        return on_disk + looked_at("Dagster's own state", lambda: self._in_dagster(instance), self._settings.owner)

    def _in_dagster(self, instance: dg.DagsterInstance) -> Findings:
        if self._graph is None:
            self._graph = Graph(self._build(self._settings), self._settings, self._contracts)
        return causes_in_dagster(instance, self._settings, self._graph, self._runs)

    def _state(self, contract: Contract, now: datetime) -> SourceState:
        """A source's state, read again when its tables changed, and every quarter of an hour, for its age."""
        tables = source_tables(self._settings.home, contract.source)
        versions = (tables.loads.version(), tables.documents.version())
        known = self._states.get(contract.source)
        if known is None or known[0] != versions or not timedelta(0) <= now - known[1] < _STATES_KEPT:
            known = (versions, now, source_state(contract, self._settings.home, now))
            self._states[contract.source] = known
        return known[2]


_STATES_KEPT = timedelta(minutes=15)


def refreshes_due(settings: Settings, now: datetime) -> datetime:
    """Since when two refreshes should have passed the gate: for a nightly one that is up to 50 hours.

    That is the window in which the freshness policy of `index/production` fails, for whatever pace is set.
    """
    ticks = reverse_cron_string_iterator(now.timestamp(), settings.nightly_cron, settings.timezone)
    last, before, first = next(ticks), next(ticks), next(ticks)
    return before if now > last + _ONE_REFRESH else first


_ONE_REFRESH = timedelta(hours=2)
