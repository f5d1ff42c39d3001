"""Reading contracts: YAML in the Open Data Contract Standard v3.2 -> `Contract`.

Validated against the standard (`contracts/standard.py`), then against what this pipeline needs on top. Every message
names file, line, field and what to write instead.
"""

import difflib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from rag_pipeline.contracts.contract import (
    HOURS,
    LOGICAL_TYPES,
    OWN,
    ROLES,
    Column,
    Contract,
    LogicalType,
    QualityRule,
    Role,
    Server,
    Severity,
)
from rag_pipeline.contracts.standard import check_standard, dotted, unknown_name
from rag_pipeline.contracts.yaml_lines import Step, YamlFile, read_yaml
from rag_pipeline.errors import ContractError
from rag_pipeline.files import fingerprint

SUFFIX = ".odcs.yaml"
RESERVED = ("corpus", "evals", "index")
"""Groups of the asset graph that a source, which is a group of its own there, may not be called after."""

OPTIONS: dict[LogicalType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "date": ("minimum", "maximum"),
    "timestamp": ("minimum", "maximum"),
    "boolean": (),
}
FORMATS = ("email", "uri", "uuid")

CONTRACT_PROPERTIES = ("quarantineMaxPercent", "volumeMaxDropPercent")
COLUMN_PROPERTIES = ("role",)
SERVER_PROPERTIES = ("connector",)

_OPERATORS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)
_METRICS = ("rowCount", "nullValues", "missingValues", "duplicateValues")


def read_contracts(folder: Path) -> tuple[Contract, ...]:
    """Every contract of a folder, by source name. Raises `ContractError` when there is none, or one is invalid."""
    if not folder.is_dir():
        raise ContractError(f"{folder}: no such folder; RAG_CONTRACTS must name a folder of *{SUFFIX} files")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    for file in sorted(folder.glob("*.y*ml")):
        if file not in files:
            raise ContractError(f"{file}: a contract's file is named <source>{SUFFIX}; rename it")
    if not files:
        raise ContractError(f"{folder}: no *{SUFFIX} file, so there is no source to read; add a contract")
    return tuple(read_contract(file) for file in files)


def read_contract(file: Path) -> Contract:
    """One contract. Raises `ContractError` with file, line, field and a suggestion."""
    source = file.name.removesuffix(SUFFIX)
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,62}", source):
        raise ContractError(
            f"{file}: the file's name is the source's name; use 3 to 63 lower-case letters, digits and underscores"
        )
    if source in RESERVED:
        raise ContractError(f"{file}: {source!r} is the name of another group of the graph; call the source otherwise")
    document = read_yaml(file, ContractError)
    check_standard(document)
    return _Reader(document, source).contract()


class _Reader:
    """Turns one validated document into a `Contract`; every refusal goes through `fail`."""

    def __init__(self, document: YamlFile, source: str) -> None:
        self.document, self.source = document, source
        self.content: dict[str, Any] = document.content

    def fail(self, steps: tuple[Step, ...], message: str) -> ContractError:
        return ContractError(f"{self.document.where(steps)}: {dotted(steps)}: {message}")

    def contract(self) -> Contract:
        content = self.content
        if not str(content["apiVersion"]).startswith("v3."):
            raise self.fail(("apiVersion",), f"{content['apiVersion']} is not supported; use v3.2.0")
        tables = content.get("schema") or []
        if len(tables) != 1:
            raise self.fail(("schema",), f"{len(tables)} tables found; a source's contract describes exactly one")
        columns = tuple(self._columns(tables[0].get("properties") or []))
        for role in ("key", "text"):
            if sum(column.role == role for column in columns) != 1:
                raise self.fail(
                    ("schema", 0, "properties"),
                    f"exactly one column must have the role {role!r} (customProperties: property: role, value: {role})",
                )
        properties = self._custom((), content, CONTRACT_PROPERTIES)
        max_age_hours, age_column = self._sla(columns)
        server = self._server()
        return Contract(
            source=self.source,
            file=self.document.path,
            id=str(content["id"]),
            version=str(content["version"]),
            description=_description(content),
            owners=self._owners(),
            server=server,
            columns=columns,
            quality=tuple(self._quality(tables[0], columns)),
            max_age_hours=max_age_hours,
            age_column=age_column,
            quarantine_max_percent=self._percent(properties, "quarantineMaxPercent", 10.0),
            volume_max_drop_percent=self._percent(properties, "volumeMaxDropPercent", 50.0),
            fingerprint=fingerprint(
                content["id"],
                [[c.name, c.logical_type, c.required, c.role, c.options, c.allowed] for c in columns],
                [server.type, server.format, server.connector],
            ),
        )

    def _columns(self, properties: list[dict[str, Any]]) -> Iterator[Column]:
        seen: set[str] = set()
        for index, column in enumerate(properties):
            at: tuple[Step, ...] = ("schema", 0, "properties", index)
            name = column["name"]
            if name in seen:
                raise self.fail(at, f"column {name!r} is described twice; keep one")
            seen.add(name)
            if problem := _name_problem(name):
                raise self.fail((*at, "name"), f"{name!r}: {problem}; rename the column, in the feed too")
            logical_type = column.get("logicalType", "string")
            if logical_type not in LOGICAL_TYPES:
                raise self.fail(
                    (*at, "logicalType"), f"{logical_type!r} is not supported; one of {', '.join(LOGICAL_TYPES)}"
                )
            custom = self._custom(at, column, COLUMN_PROPERTIES)
            role = custom.get("role") or ("key" if column.get("primaryKey") else None)
            if role is not None and role not in ROLES:
                raise self.fail((*at, "customProperties"), unknown_name("role", str(role), ROLES))
            if column.get("unique") and role != "key":
                raise self.fail((*at, "unique"), "only the key column can be unique so far; remove it here")
            options = column.get("logicalTypeOptions") or {}
            self._check_options(at, logical_type, options)
            yield Column(
                name=name,
                logical_type=logical_type,
                required=bool(column.get("required")) or role in ("key", "text"),
                role=cast(Role | None, role),
                options=options,
                allowed=tuple(value["value"] for value in column.get("enum") or ()),
                description=column.get("description", ""),
            )

    def _check_options(self, at: tuple[Step, ...], logical_type: LogicalType, options: dict[str, Any]) -> None:
        for option, value in options.items():
            steps = (*at, "logicalTypeOptions", option)
            if option not in OPTIONS[logical_type]:
                raise self.fail(steps, unknown_name(f"option of a {logical_type}", option, OPTIONS[logical_type]))
            if option == "pattern":
                if problem := _pattern_problem(value):
                    raise self.fail(steps, f"not a valid regular expression: {problem}")
            elif option == "format":
                if value not in FORMATS:
                    raise self.fail(steps, unknown_name("format", str(value), FORMATS))
            elif logical_type in ("date", "timestamp"):
                if not _is_date(value):
                    raise self.fail(steps, f"{value!r} is not a date; write it as 2026-01-31")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise self.fail(steps, f"{value!r} is not a number")

    def _quality(self, table: dict[str, Any], columns: tuple[Column, ...]) -> Iterator[QualityRule]:
        names: set[str] = set()
        places: list[tuple[tuple[Step, ...], str | None, dict[str, Any]]] = [
            (("schema", 0, "quality", index), None, rule) for index, rule in enumerate(table.get("quality") or [])
        ]
        for position, column in enumerate(table.get("properties") or []):
            for index, rule in enumerate(column.get("quality") or []):
                places.append((("schema", 0, "properties", position, "quality", index), column["name"], rule))
        titles = {column.name for column in columns if column.role == "title"}
        for at, column_name, rule in places:
            if rule.get("type", "library") == "text":
                continue  # for people
            metric = rule.get("metric")
            if metric not in _METRICS:
                raise self.fail(at, unknown_name("metric", str(metric), _METRICS))
            if metric != "rowCount" and column_name is None:
                raise self.fail(at, f"{metric} is measured on a column; move this rule below one")
            if metric in ("nullValues", "missingValues") and column_name in titles:
                raise self.fail(
                    at,
                    f"{metric} of a title is always 0, since a document without a title is given its key as one; "
                    "write `required: true` on the column to have such rows refused, or remove this rule",
                )
            operators = [operator for operator in _OPERATORS if operator in rule]
            if len(operators) != 1:
                raise self.fail(at, f"give exactly one of {', '.join(_OPERATORS)}; found {len(operators)}")
            bound = rule[operators[0]]
            if isinstance(bound, bool) or not isinstance(bound, int | float | list):
                raise self.fail((*at, operators[0]), f"{bound!r} is not a number")
            name = _slug(rule.get("name") or f"{column_name or 'table'}_{metric}_{operators[0]}")
            if name in names:
                raise self.fail(at, f"two quality rules are called {name!r}; give each its own name")
            names.add(name)
            unit = rule.get("unit", "rows")
            if unit not in ("rows", "percent"):
                raise self.fail((*at, "unit"), unknown_name("unit", str(unit), ("rows", "percent")))
            severity = rule.get("severity", "error")
            if severity not in ("error", "warning"):
                raise self.fail((*at, "severity"), unknown_name("severity", str(severity), ("error", "warning")))
            yield QualityRule(
                name=name,
                metric=metric,
                column=column_name,
                unit=unit,
                operator=operators[0],
                bound=tuple(bound) if isinstance(bound, list) else float(bound),
                severity=cast(Severity, severity),
                description=rule.get("description", ""),
            )

    def _server(self) -> Server:
        servers = self.content.get("servers") or []
        if len(servers) != 1:
            raise self.fail(("servers",), f"{len(servers)} servers found; say where this one feed is")
        server, at = servers[0], ("servers", 0)
        custom = self._custom(at, server, SERVER_PROPERTIES)
        kind, form = server["type"], server.get("format")
        if kind == "custom":
            if not custom.get("connector"):
                raise self.fail(at, "a custom server names its connector (customProperties: property: connector)")
            return Server(kind, form, None, None, str(custom["connector"]))
        if kind != "local":
            raise self.fail((*at, "type"), f"{kind!r} has no connector yet; use local or custom")
        formats = ("documents", "jsonl", "csv", "parquet")
        if form not in formats:
            raise self.fail((*at, "format"), unknown_name("format", str(form), formats))
        path, pattern = _without_wildcards(self.document.path.parent / str(server["path"]))
        try:
            next(Path().glob(pattern or "*"), None)
        except ValueError as error:
            raise self.fail((*at, "path"), f"{pattern!r} is no file pattern ({error}); try **/*.md") from error
        if form == "documents":
            return Server(kind, form, path, pattern, None)
        if pattern and "/" in pattern:
            raise self.fail((*at, "path"), f"{pattern!r}: a table's wildcards stand in the file's name only")
        return Server(kind, form, path / pattern if pattern else path, None, None)

    def _sla(self, columns: tuple[Column, ...]) -> tuple[float | None, str | None]:
        for index, promise in enumerate(self.content.get("slaProperties") or []):
            if promise["property"] not in ("latency", "freshness"):
                continue
            at: tuple[Step, ...] = ("slaProperties", index)
            unit = str(promise.get("unit", "h"))
            if unit not in HOURS:
                raise self.fail((*at, "unit"), unknown_name("unit", unit, ("h", "d", "min")))
            try:
                hours = float(promise["value"]) * HOURS[unit]
            except (TypeError, ValueError) as error:
                raise self.fail((*at, "value"), f"{promise['value']!r} is not a number of {unit}") from error
            column = str(promise["element"]).split(".")[-1] if promise.get("element") else None
            dated = [c.name for c in columns if c.logical_type in ("date", "timestamp")]
            if column and column not in dated:
                raise self.fail((*at, "element"), unknown_name("date or timestamp column", column, dated))
            return hours, column
        return None, None

    def _owners(self) -> tuple[str, ...]:
        team = self.content.get("team") or {}
        members = team if isinstance(team, list) else team.get("members") or []
        owners = [f"team:{_slug(team['name'])}"] if isinstance(team, dict) and team.get("name") else []
        owners += [member["username"] for member in members if "@" in member.get("username", "")]
        if not owners:
            raise self.fail(("team",), "no owner; give the team a name, or a member whose username is an e-mail address")
        return tuple(owners)

    def _custom(self, at: tuple[Step, ...], holder: dict[str, Any], ours: tuple[str, ...]) -> dict[str, Any]:
        """Custom properties by name. One that is nearly ours is taken for a typing error, others are left alone."""
        found: dict[str, Any] = {}
        for index, entry in enumerate(holder.get("customProperties") or []):
            name = entry["property"]
            if name not in ours and difflib.get_close_matches(name.lower(), [own.lower() for own in ours], cutoff=0.75):
                raise self.fail((*at, "customProperties", index), unknown_name("custom property", name, ours))
            found[name] = entry["value"]
        return found

    def _percent(self, properties: dict[str, Any], name: str, default: float) -> float:
        value = properties.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise self.fail(("customProperties",), f"{name} is {value!r}; it is a percentage from 0 to 100")
        return float(value)


def _name_problem(name: str) -> str | None:
    """Why the engines that will judge a column cannot have one of this name."""
    if name.startswith(OWN):
        return f"names that begin with {OWN!r} are the pipeline's own"
    if name == "check_output":  # pandera.constants.CHECK_OUTPUT_KEY: it would take the column for its verdicts
        return "pandera keeps this name for itself"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "polars takes it for a pattern of column names"
    return None


def _pattern_problem(pattern: str) -> str | None:
    """Why the engine that will run a pattern refuses it. It knows no look-around and no back-references."""
    try:
        pl.Series([""]).str.contains(f"^(?:{pattern})$")
    except pl.exceptions.ComputeError as error:
        told = re.search(r"(?m)^error: (.+)$", str(error))
        return told[1] if told else "it is too large"
    return None


def _is_date(value: object) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _without_wildcards(path: Path) -> tuple[Path, str | None]:
    """`docs/**/*.md` -> (`docs`, `**/*.md`): the folder before the first wildcard, and the pattern below it."""
    parts = path.absolute().parts
    first = next((index for index, part in enumerate(parts) if any(mark in part for mark in "*?[")), None)
    if first is None:
        return path.absolute(), None
    return Path(*parts[:first]), "/".join(parts[first:])


def _description(content: dict[str, Any]) -> str:
    description = content.get("description")
    if isinstance(description, dict):
        return str(description.get("purpose") or "")
    return str(description or "")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text.strip()).strip("_").lower()
