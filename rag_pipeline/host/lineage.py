"""What surrounds a step when OpenLineage events are on: it says that it starts, and how it ended, with what it gave.

Everything comes from what the step declares (dependencies, checks) and gives (rows, versions, results of checks). Texts,
keys of documents and messages are left where they are.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract, QualityRule
from rag_pipeline.errors import by_kind
from rag_pipeline.host import names
from rag_pipeline.host.placing import OUTSIDE, Surrounding
from rag_pipeline.lineage.datasets import Datasets, feed_of
from rag_pipeline.lineage.facts import Assertion, Dataset, Event, Kind, Name, Run
from rag_pipeline.lineage.send import HttpDelivery, Lost, Sender, receiver_of
from rag_pipeline.settings import Settings, load_secrets

log = logging.getLogger("rag_pipeline")

LOST = "rag/lineage_events_lost"
"""Tag of a run: how many of its events nobody took."""


Context = dg.AssetExecutionContext | dg.OpExecutionContext


class Lineage:
    """Tells `RAG_OPENLINEAGE_URL` of steps, and of channels that move. Where that is not set it does nothing.

    Raises `PipelineError` when it is set to something that cannot be.
    """

    def __init__(self, settings: Settings, contracts: tuple[Contract, ...]) -> None:
        secrets = load_secrets()
        receiver = receiver_of(secrets.lineage_url, secrets.lineage_key)
        self._datasets = Datasets(settings.openlineage_namespace, tuple(names.placed(settings, ())), contracts)
        self._sender = Sender(HttpDelivery(receiver)) if receiver else None
        self._label = str(receiver)

    @property
    def surroundings(self) -> tuple[Surrounding, ...]:
        """What surrounds a step: none where nobody is told."""
        return (self._surrounding,) if self._sender else ()

    @contextmanager
    def _surrounding(
        self, context: dg.AssetExecutionContext, assets: dg.AssetsDefinition
    ) -> Iterator[Callable[[Any], None]]:
        told = _Told(self._datasets, assets, self._run(context, assets.op.name.split("__")))
        self._send(told.event("START"))
        try:
            yield told.hear
        except BaseException as error:
            cause = type(error.__cause__ or error).__name__
            kind: Kind = "FAIL" if isinstance(error, Exception) else "ABORT"
            self._send(*told.checks(), told.event(kind, by_kind(cause, "the log of the run")))
            raise
        else:
            self._send(told.event("COMPLETE"), *told.checks())
        finally:
            self._flush(context)

    def moved(self, context: Context, key: Sequence[str], release: str) -> None:
        """A step that is not the channel's own pointed it at a release: a rollback. `key`: of the channel's asset."""
        if self._sender:
            run = self._run(context, (*key, "moved"))
            output = replace(self._datasets.known(key), version=release)
            self._send(*(Event(kind, datetime.now(UTC), run, (), (output,)) for kind in _BOTH))
            self._flush(context)

    def _run(self, context: Context, job: Sequence[str]) -> Run:
        """The same for every event of one attempt of a step, in whatever process."""
        name = Name(self._datasets.namespace, ".".join((*self._datasets.prefix, *job)))
        run_id = uuid.uuid5(_SPACE, f"{context.run.run_id} {name.name} {context.retry_number}")
        parent = Name(self._datasets.namespace, context.run.job_name)
        return Run(name, str(run_id), parent, _as_uuid(context.run.run_id), dg.__version__)

    def _send(self, *events: Event) -> None:
        for event in events:
            if self._sender:
                self._sender.send(event)

    def _flush(self, context: Context) -> None:
        """Wait for what was sent, for a while, and tell how much was lost."""
        lost = self._sender.flush() if self._sender else Lost(0)
        if lost.count:
            context.log.warning(f"{lost.count} OpenLineage events were lost: {self._label}: {lost.why}")
            _count(context, lost.count)


def _count(context: Context, lost: int) -> None:
    try:
        run = context.instance.get_run_by_id(context.run.run_id)
        before = int(run.tags.get(LOST, "0")) if run else 0
        context.instance.add_run_tags(context.run.run_id, {LOST: str(before + lost)})
    except Exception as error:  # whatever the storage raises: the log line says it too
        log.warning("the tag %s could not be written: %s", LOST, error)


_SPACE = uuid.UUID("8c0e7c3e-52f1-4b0e-9c8f-3a7b8a5d9f10")


def _as_uuid(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(_SPACE, run_id))


@dataclass
class _Told:
    """One step, as far as it has come."""

    datasets: Datasets
    assets: dg.AssetsDefinition
    run: Run
    outputs: dict[tuple[str, ...], Dataset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outputs = {tuple(spec.key.path): self.datasets.known(spec.key.path) for spec in self.assets.specs}

    def event(self, kind: Kind, error: str = "") -> Event:
        outputs = tuple(replace(one, assertions=()) for one in self.outputs.values())
        return Event(kind, datetime.now(UTC), self.run, tuple(self._inputs()), outputs, error)

    def checks(self) -> Iterator[Event]:
        """The checks of each output, as a job of its own that reads it: OpenLineage knows assertions on what is read."""
        for key, made in self.outputs.items():
            if made.assertions:
                job = replace(self.run.job, name=".".join((*self.datasets.prefix, *key, "checks")))
                run = replace(self.run, job=job, id=str(uuid.uuid5(uuid.UUID(self.run.id), job.name)))
                for kind in _BOTH:
                    yield Event(kind, datetime.now(UTC), run, (made,))

    def hear(self, result: Any) -> None:
        """One result of the step."""
        if isinstance(result, dg.MaterializeResult):
            key = self._key(result.asset_key)
            said = {name: getattr(value, "value", value) for name, value in (result.metadata or {}).items()}
            rows, release = said.get("dagster/row_count"), said.get("release")
            version = release or (result.data_version.value if result.data_version else "")
            self.outputs[key] = replace(
                self.outputs[key], rows=rows if isinstance(rows, int) else None, version=str(version)
            )
            for one in result.check_results or ():
                self.hear(one)
        elif isinstance(result, dg.AssetCheckResult):
            self._hear_check(self._key(result.asset_key), result)

    def _key(self, key: dg.AssetKey | None) -> tuple[str, ...]:
        return tuple(key.path) if key else next(iter(self.outputs))

    def _hear_check(self, key: tuple[str, ...], result: dg.AssetCheckResult) -> None:
        made, name = self.outputs[key], str(result.check_name)
        measured: Any = result.metadata["measured"].value if "measured" in result.metadata else None
        rule = self._rules(key).get(name)
        column = rule.column if rule else None
        found = Assertion(
            name=name,
            kind=rule.metric if rule else name,
            passed=result.passed,
            severity="error" if result.severity == dg.AssetCheckSeverity.ERROR else "warn",
            column=column,
            expected=f"{rule.operator} {rule.bound}" if rule else None,
            actual=f"{measured:g} {rule.unit}" if rule and measured is not None else None,
        )
        empty = dict(made.empty)
        if rule and column and measured is not None and rule.unit == "rows" and rule.metric in _EMPTY:
            empty[column] = int(measured)
        self.outputs[key] = replace(made, assertions=(*made.assertions, found), empty=empty)

    def _rules(self, key: tuple[str, ...]) -> dict[str, QualityRule]:
        """The rules of the contract, where the asset is a source's documents."""
        source = next((one for one in self.datasets.contracts if (one.source, "documents") == key), None)
        return {rule.name: rule for rule in source.quality} if source else {}

    def _inputs(self) -> Iterator[Dataset]:
        first = next(iter(self.outputs))
        contract = next((one for one in self.datasets.contracts if one.source == first[0]), None)
        if contract:
            yield Dataset(feed_of(contract))
        seen = set[Name]()
        for spec in self.assets.specs:
            for dep in spec.deps:
                path = dep.asset_key.path
                name = self.datasets.named(path) if OUTSIDE in dep.metadata else self.datasets.name(path)
                if name not in seen:
                    seen.add(name)
                    yield Dataset(name)


_BOTH: tuple[Kind, Kind] = ("START", "COMPLETE")

_EMPTY = ("nullValues", "missingValues")
"""Metrics of a contract that count rows without a value."""
