"""Splitting a batch into rows that keep their contract and rows that do not. No row is ever dropped."""

from dataclasses import dataclass

import polars as pl
from pandera.config import ValidationDepth, get_config_context
from pandera.errors import SchemaErrors

from rag_pipeline.contracts.contract import OWN, Contract
from rag_pipeline.contracts.rules import RAW, pandera_schema, rules_of, typed
from rag_pipeline.errors import ContractError

REASONS = f"{OWN}reasons"
"""The column of `Split.refused` that lists which rules a row broke: rule, column, message."""

_POSITION = f"{OWN}position"
_REASONS_TYPE = pl.List(pl.Struct({"rule": pl.String, "column": pl.String, "message": pl.String}))


@dataclass(frozen=True, slots=True)
class Split:
    """`good` has the contract's columns, typed; `refused` has them as found, plus the column `REASONS`.

    Both keep every other column of the batch. Rows in = rows of `good` + rows of `refused`.
    """

    good: pl.DataFrame
    refused: pl.DataFrame


class Splitter:
    """One contract's pandera schema, built once and applied to batch after batch."""

    def __init__(self, contract: Contract) -> None:
        switched = get_config_context()
        if not switched.validation_enabled or switched.validation_depth != ValidationDepth.SCHEMA_AND_DATA:
            raise ContractError(f"pandera's validation is switched off in this process, so {contract.file} cannot be kept")
        self._contract = contract
        self._schema = pandera_schema(contract)
        self._messages = {(rule.column, rule.name): rule.message for rule in rules_of(contract)}
        self._columns = [column.name for column in contract.columns]

    def split(self, batch: pl.DataFrame) -> Split:
        """Split a batch whose contract columns are text; a column the batch lacks is taken as missing values."""
        frame = typed(self._with_every_column(batch), self._contract).with_row_index(_POSITION)
        failures = self._failures(frame)
        bad = pl.Series([False]).new_from_index(0, frame.height).scatter(failures[_POSITION], values=True)
        good = frame.filter(~bad)
        refused = frame.filter(bad).join(failures, on=_POSITION, how="inner", maintain_order="left")
        if good.height + refused.height != batch.height:
            told = f"{batch.height} rows in, {good.height} good and {refused.height} refused"
            raise RuntimeError(f"{self._contract.source}: a row was lost between good and refused: {told}")
        raw = [RAW + name for name in self._columns]
        return Split(
            good=good.drop(_POSITION, *raw),
            refused=refused.drop(_POSITION, *self._columns).rename({RAW + name: name for name in self._columns}),
        )

    def _with_every_column(self, batch: pl.DataFrame) -> pl.DataFrame:
        missing = [name for name in self._columns if name not in batch.columns]
        return batch.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)

    def _failures(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Row number -> its reasons. A row is named by pandera's own index, never by an aggregate failure."""
        try:
            self._schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            cases: pl.DataFrame = errors.failure_cases  # holds raw values, so it goes no further than here
        else:
            return pl.DataFrame(schema={_POSITION: pl.UInt32, REASONS: _REASONS_TYPE})
        if unplaced := cases.filter(pl.col("index").is_null())["check"].to_list():
            raise AssertionError(f"pandera refused a whole batch, which no rule here can do: {unplaced}")
        messages = pl.DataFrame(
            [(column, check, message) for (column, check), message in self._messages.items()],
            schema={"column": pl.String, "check": pl.String, "message": pl.String},
            orient="row",
        )
        return (
            cases.select(pl.col("index").cast(pl.UInt32).alias(_POSITION), "column", "check")
            .unique(maintain_order=True)
            .join(messages, on=["column", "check"], how="left", maintain_order="left")
            .group_by(_POSITION, maintain_order=True)
            .agg(pl.struct(rule="check", column="column", message="message").alias(REASONS))
        )
