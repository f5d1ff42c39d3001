"""What a contract says, as values the pipeline works with. `contracts/read.py` reads the YAML."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from rag_pipeline.feeds.server import Server

Role = Literal["key", "text", "title", "uri", "modified_at", "access"]
ROLES: tuple[Role, ...] = ("key", "text", "title", "uri", "modified_at", "access")

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
LOGICAL_TYPES: tuple[LogicalType, ...] = ("string", "integer", "number", "boolean", "date", "timestamp")

Severity = Literal["error", "warning"]

HOURS = {"h": 1, "hr": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "m": 1 / 60, "min": 1 / 60}
HOURS |= {"minute": 1 / 60, "minutes": 1 / 60, "s": 1 / 3600, "second": 1 / 3600, "seconds": 1 / 3600}
HOURS |= {"w": 168, "week": 168, "weeks": 168, "mo": 730, "month": 730, "months": 730}
HOURS |= {"y": 8760, "yr": 8760, "year": 8760, "years": 8760}
"""Units of a promise about time, in hours."""

SECRECY = ("public", "internal", "confidential", "restricted")
"""Classifications from open to closed. Another word is taken for stricter than `internal`."""


def secrecy(classification: str) -> float:
    """How closed a classification is, for comparison; -1 for none."""
    if not classification:
        return -1
    return SECRECY.index(classification) if classification in SECRECY else 1.5


OWN = "__"
"""How the pipeline's own columns beside a contract's begin, and no column of a contract does."""


PiiPolicy = Literal["allow", "scan-and-mask", "hash", "drop", "refuse"]
PII_POLICIES: tuple[PiiPolicy, ...] = ("allow", "scan-and-mask", "hash", "drop", "refuse")


@dataclass(frozen=True, slots=True)
class Privacy:
    """What happens to the private data of a column before anything is stored.

    `entities`: what is looked for (`scan-and-mask` and `refuse`). `regions`: countries whose phone numbers are known
    without their prefix.
    """

    policy: PiiPolicy = "allow"
    entities: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source. `options` are ODCS `logicalTypeOptions`; `found_as` is its name in the feed."""

    name: str
    logical_type: LogicalType
    required: bool
    role: Role | None
    options: dict[str, Any]
    allowed: tuple[Any, ...]
    description: str = ""
    found_as: str = ""
    unique: bool = False
    privacy: Privacy = Privacy()
    classification: str = ""
    tags: tuple[str, ...] = ()
    filterable: bool = False
    """Whether a question may be narrowed to some of its values. No part of a row's rules."""


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A rule over several columns: a function of `checks.py` beside the contracts, by name."""

    name: str
    function: str
    message: str


Metric = Literal["rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues"]


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One ODCS `quality` entry of type `library`: a metric of the whole source and the bound it must keep."""

    name: str
    metric: Metric
    column: str | None
    unit: Literal["rows", "percent"]
    operator: str
    bound: float | tuple[float, float]
    severity: Severity
    description: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    """ODCS `arguments`: `validValues`, `pattern`, `missingValues`, `properties`."""

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


Splitter = Literal["markdown", "text"]
SPLITTERS: tuple[Splitter, ...] = ("markdown", "text")


@dataclass(frozen=True, slots=True)
class Cut:
    """How a source's documents are cut into chunks, as far as its contract says it; None: as the settings say.

    `tokens`: in a chunk at most. `min_tokens`: a shorter section joins the one after it. `splitter`: `markdown` cuts at
    headings first, `text` takes no line for a heading.
    """

    tokens: int | None = None
    min_tokens: int | None = None
    splitter: Splitter | None = None
    where: str = field(default="", compare=False)
    """File, line and field, for a message about what the model does not read."""


AS_THE_SETTINGS_SAY = Cut()


@dataclass(frozen=True, slots=True)
class Support:
    """Where to ask about a source."""

    channel: str
    url: str = ""


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
    """Changes when anything that decides which rows are good, or what is kept of them, changes."""
    row_checks: tuple[RowCheck, ...] = ()
    schedule: str = ""
    """Cron line of the source's own schedule; empty when it is read with the nightly refresh only."""
    comes_less_than_nightly: bool = False
    """Then the nightly refresh leaves it out."""
    retention_hours: float | None = None
    retention_column: str | None = None
    support: tuple[Support, ...] = ()
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    changelog: tuple[str, ...] = ()
    made_by: tuple[str, ...] = ()
    """Keys of the Dagster assets the feed is made by, parts apart by slashes. They say nothing of rows."""
    text_lost_max_percent: float = 5.0
    """How much of its words, or pages, a document's text may lack before its owner is warned."""
    cut: Cut = AS_THE_SETTINGS_SAY
    """No part of the fingerprint: the rows are the same, however they are cut."""
    text: str = field(default="", repr=False)
    """The file as it was read; a release keeps it."""

    def column(self, role: Role) -> Column | None:
        return next((column for column in self.columns if column.role == role), None)

    @property
    def keys(self) -> tuple[Column, ...]:
        """The columns that make a row's key, in their order; mostly one."""
        return tuple(column for column in self.columns if column.role == "key")

    @property
    def unique_columns(self) -> tuple[Column, ...]:
        """Columns beside the key no two documents share a value of."""
        return tuple(column for column in self.columns if column.unique and column.role != "key")

    @property
    def classification(self) -> str:
        """The strictest of its columns', empty when none is classified."""
        return max((column.classification for column in self.columns), key=secrecy, default="")

    @property
    def answers(self) -> str:
        """Who answers for the source and where to ask, for every message about a failure."""
        where = ", ".join(support.url or support.channel for support in self.support)
        return f"Owner: {', '.join(self.owners)}" + (f"; ask: {where}" if where else "")

    @property
    def metadata_columns(self) -> tuple[Column, ...]:
        """Columns without a role: carried along as filterable metadata."""
        return tuple(column for column in self.columns if column.role is None)

    def age_hours(self, as_of: datetime, now: datetime) -> float:
        return (now - as_of).total_seconds() / 3600
