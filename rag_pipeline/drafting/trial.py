"""A contract tried on its source without storing anything: what a load would say, before there is one."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from rag_pipeline.connectors import Connector, Named, Row, Sample, look_at
from rag_pipeline.contracts.connect import connect, read_context
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.drafting.judge import Judging
from rag_pipeline.errors import ContractError, SourceUnavailable, Unreadable, did_you_mean
from rag_pipeline.feeds.server import lists_nothing
from rag_pipeline.privacy import PrivacyFilter
from rag_pipeline.progress import progress
from rag_pipeline.settings import NO_SECRETS, Secrets

_CHUNK = 2_000
"""Rows held in memory at a time, where all are read."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`problems`: why the source would be held, or the contract does not fit its data. `refused`: reason -> rows."""

    source: str
    listed: int = 0
    rows: int = 0
    whole: bool = False
    """Whether all there is was looked at."""
    refused_rows: int = 0
    repeated_keys: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    """Files, pages and records that could not be read as rows."""
    missing_columns: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not self.problems


def try_contract(contract: Contract, secrets: Secrets = NO_SECRETS, *, everything: bool = False) -> Trial:
    """Read a bounded sample of a contract's source, or all of it, and judge it by the contract. Nothing is stored.

    Never raises for bad data: that the feed cannot be listed, or a secret is not set, is a problem it tells.
    """
    shield = None
    try:
        shield = PrivacyFilter(contract, secrets.salt)
        return _tried(contract, shield, secrets, everything=everything)
    except (SourceUnavailable, ContractError, OSError) as error:
        says = error.told(shield.shown) if isinstance(error, Named) and shield else str(error)
        return Trial(contract.source, problems=(says,))


def _tried(contract: Contract, shield: PrivacyFilter, secrets: Secrets, *, everything: bool) -> Trial:
    judging, columns = Judging(contract, shield), set[str]()
    sample = Sample(whole=True)
    if everything:
        with closing(connect(contract, secrets)) as connector:
            chunks = _all_rows(connector, sample)
            for rows in chunks:
                columns.update(*rows)
                judging.take(rows)
    else:
        sample = look_at(contract.server, read_context(contract, secrets))
        columns.update(sample.names, *sample.rows)
        judging.take(sample.rows)
    return _told(contract, sample, judging, columns, shield)


def _all_rows(connector: Connector, sample: Sample) -> Iterator[list[Row]]:
    """Every row, some at a time; `sample` counts what was lost on the way, and holds none of them."""
    items = list(connector.items(lambda _: None))
    sample.listed = len(items)
    connector.expect(items)
    with progress("reading", len(items), unit="items") as advance:
        for item in items:
            sample.looked_at += 1
            try:
                for row in connector.read(item):
                    sample.take(row)
                    if len(sample.rows) >= _CHUNK:
                        yield sample.rows
                        sample.rows = []
            except Unreadable as error:
                sample.lose(error)
            advance()
    yield sample.rows
    sample.rows = []


def _told(contract: Contract, sample: Sample, judging: Judging, columns: set[str], shield: PrivacyFilter) -> Trial:
    judged, lost = judging.judged, sample.broken + sample.unreadable
    known = {column.found_as: column for column in contract.columns}
    missing = [name for name in known if name not in columns] if columns else []
    unknown = sorted(columns - known.keys()) if columns & known.keys() or not missing else sorted(columns)
    trial = Trial(
        source=contract.source,
        listed=sample.listed,
        rows=judging.rows,
        whole=sample.whole,
        refused_rows=judged.refused_rows,
        repeated_keys=judged.superseded,
        refused=judged.refused,
        unreadable=lost,
        missing_columns=tuple(missing),
        unknown_columns=tuple(unknown),
    )
    return dataclasses.replace(trial, problems=tuple(_problems(contract, trial, sample, shield.message(sample.problem))))


def _problems(contract: Contract, trial: Trial, sample: Sample, first: str) -> Iterator[str]:
    if not trial.listed:
        yield f"the feed is empty: {lists_nothing(contract.server.says)}"
        return
    if not trial.rows:
        yield f"nothing could be read of {trial.listed:,} that are listed" + (f"; the first: {first}" if first else "")
        return
    required = {column.found_as for column in contract.columns if column.required}
    for name in trial.missing_columns:
        if name in required or trial.whole or sample.complete:
            yield f"no row that was looked at has a column {name!r}; {did_you_mean(name, trial.unknown_columns)}"
    refused, rows = trial.refused_rows + trial.unreadable, trial.rows + trial.unreadable
    if 100 * refused / rows > contract.quarantine_max_percent:
        also = f"; the first that could not be read: {first}" if first else ""
        yield (
            f"{refused:,} of {rows:,} rows would be refused, more than quarantineMaxPercent "
            f"{contract.quarantine_max_percent:g} allows: the source would be held{also}"
        )
