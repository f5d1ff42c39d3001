"""What a contract says, as values the pipeline works with. Reading the YAML is `contracts/read.py`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Role = Literal["key", "text", "title", "uri", "modified_at"]
ROLES: tuple[Role, ...] = ("key", "text", "title", "uri", "modified_at")

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
LOGICAL_TYPES: tuple[LogicalType, ...] = ("string", "integer", "number", "boolean", "date", "timestamp")

Severity = Literal["error", "warning"]

HOURS = {"h": 1, "hr": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "m": 1 / 60, "min": 1 / 60}
HOURS |= {"minute": 1 / 60, "minutes": 1 / 60, "s": 1 / 3600, "second": 1 / 3600, "seconds": 1 / 3600}
"""Units of a promise about time, in hours."""

OWN = "__"
"""How the pipeline's own columns beside a contract's begin, and no column of a contract does."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source. `options` are ODCS `logicalTypeOptions`."""

    name: str
    logical_type: LogicalType
    required: bool
    role: Role | None
    options: dict[str, Any]
    allowed: tuple[Any, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One ODCS `quality` entry of type `library`: a metric of the whole source and the bound it must keep."""

    name: str
    metric: Literal["rowCount", "nullValues", "missingValues", "duplicateValues"]
    column: str | None
    unit: Literal["rows", "percent"]
    operator: str
    bound: float | tuple[float, float]
    severity: Severity
    description: str = ""

    def holds(self, value: float) -> bool:
        """Whether a measured value (rows, or percent 0-100) keeps the bound."""
        if isinstance(self.bound, tuple):
            inside = self.bound[0] <= value <= self.bound[1]
            return inside if self.operator == "mustBeBetween" else not inside
        return {
            "mustBe": value == self.bound,
            "mustNotBe": value != self.bound,
            "mustBeGreaterThan": value > self.bound,
            "mustBeGreaterOrEqualTo": value >= self.bound,
            "mustBeLessThan": value < self.bound,
            "mustBeLessOrEqualTo": value <= self.bound,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the feed is. `path` is absolute by now; None for a connector that needs none."""

    type: str
    format: str | None
    path: Path | None
    pattern: str | None
    connector: str | None


@dataclass(frozen=True, slots=True)
class Contract:
    """One source's contract (`contracts/<source>.odcs.yaml`)."""

    source: str
    file: Path
    id: str
    version: str
    description: str
    owners: tuple[str, ...]
    server: Server
    columns: tuple[Column, ...]
    quality: tuple[QualityRule, ...]
    max_age_hours: float | None
    age_column: str | None
    quarantine_max_percent: float
    volume_max_drop_percent: float
    fingerprint: str
    """Changes when anything that decides which rows are good changes."""

    def column(self, role: Role) -> Column | None:
        return next((column for column in self.columns if column.role == role), None)

    @property
    def metadata_columns(self) -> tuple[Column, ...]:
        """Columns without a role: carried along as filterable metadata."""
        return tuple(column for column in self.columns if column.role is None)

    def age_hours(self, as_of: datetime, now: datetime) -> float:
        return (now - as_of).total_seconds() / 3600
