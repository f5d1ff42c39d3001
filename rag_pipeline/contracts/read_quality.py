"""The `quality` of a contract: metrics of the whole source, and rules over several columns of a row."""

from collections.abc import Iterator
from typing import Any, cast

from rag_pipeline.contracts.contract import Column, Metric, QualityRule, RowCheck, Severity
from rag_pipeline.contracts.functions import row_rule
from rag_pipeline.contracts.page import At, Page, slug
from rag_pipeline.contracts.read_columns import pattern_problem
from rag_pipeline.errors import ContractError, unknown_name

ENGINE = "rag-pipeline"
"""The `engine` of a rule of type `custom` that is run here."""

_INSTEAD = f"write it as a metric (type: library), or as a function in checks.py (engine: {ENGINE}), or remove it"

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
METRICS: dict[Metric, tuple[str, ...]] = {
    "rowCount": (),
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
}
"""Metrics, and the `arguments` each takes."""


def read_quality(page: Page, table: dict[str, Any], columns: tuple[Column, ...]) -> Iterator[QualityRule]:
    """Every rule that is measured over the whole source: one asset check each."""
    names: set[str] = set()
    for at, column, rule in _places(table):
        if rule.get("type", "library") in ("text", "custom"):
            continue  # for people; rules of rows
        if rule.get("type") == "sql":
            raise page.fail((*at, "type"), "rules of type sql are not run here; use a metric, or a function in checks.py")
        read = _rule(page, at, column, rule, columns)
        if read.name in names:
            raise page.fail(at, f"two quality rules are called {read.name!r}; give each its own name")
        names.add(read.name)
        yield read


def read_row_checks(page: Page, table: dict[str, Any], columns: tuple[Column, ...]) -> tuple[RowCheck, ...]:
    """Rules of type `custom`: functions of `checks.py` that judge each row; who breaks one is quarantined."""
    checks: list[RowCheck] = []
    for at, _, rule in _places(table):
        if rule.get("type") != "custom":
            continue
        if rule.get("engine") != ENGINE:
            raise page.fail((*at, "engine"), f"{rule.get('engine')!r} is not run here; {_INSTEAD}")
        function = rule["implementation"]
        if not isinstance(function, str):
            raise page.fail((*at, "implementation"), "give the name of a function in checks.py")
        try:
            expression, message = row_rule(page.document.path.parent, function)
        except ContractError as error:
            raise page.fail((*at, "implementation"), str(error)) from error
        if unknown := sorted(set(expression.meta.root_names()) - {column.name for column in columns}):
            says = f"{function}() looks at {', '.join(unknown)}, which the contract does not describe"
            raise page.fail((*at, "implementation"), says)
        checks.append(RowCheck(slug(rule.get("name") or function), function, message))
    if len({check.name for check in checks}) < len(checks):
        raise page.fail(("schema", 0), "two custom rules have one name; give each its own")
    return tuple(checks)


def _places(table: dict[str, Any]) -> Iterator[tuple[At, str | None, dict[str, Any]]]:
    """Every rule of the table and of its columns, with its place and the column's name."""
    for index, rule in enumerate(table.get("quality") or []):
        yield ("schema", 0, "quality", index), None, rule
    for position, column in enumerate(table.get("properties") or []):
        for index, rule in enumerate(column.get("quality") or []):
            yield ("schema", 0, "properties", position, "quality", index), column["name"], rule


def _rule(page: Page, at: At, column: str | None, rule: dict[str, Any], columns: tuple[Column, ...]) -> QualityRule:
    metric = rule.get("metric")
    if metric not in METRICS:
        raise page.fail(at, unknown_name("metric", str(metric), METRICS))
    arguments = _arguments(page, at, metric, rule, columns)
    if metric != "rowCount" and column is None and not arguments.get("properties"):
        raise page.fail(at, f"{metric} is measured on a column; move this rule below one")
    if metric == "invalidValues" and not arguments:
        raise page.fail(at, "invalidValues needs arguments: validValues: [...], or pattern: ...")
    by_name = {one.name: one for one in columns}
    if metric in ("nullValues", "missingValues") and column and by_name[column].role == "title":
        raise page.fail(
            at,
            f"{metric} of a title is always 0, since a document without a title is given its key as one; "
            "write `required: true` on the column to have such rows refused, or remove this rule",
        )
    if column and by_name[column].privacy.policy == "drop":
        raise page.fail(at, f"nothing of {column} is stored (piiPolicy: drop), so there is nothing to measure")
    operators = [operator for operator in _OPERATORS if operator in rule]
    if len(operators) != 1:
        raise page.fail(at, f"give exactly one of {', '.join(_OPERATORS)}; found {len(operators)}")
    bound = rule[operators[0]]
    if isinstance(bound, bool) or not isinstance(bound, int | float | list):
        raise page.fail((*at, operators[0]), f"{bound!r} is not a number")
    return QualityRule(
        name=slug(rule.get("name") or f"{column or 'table'}_{metric}_{operators[0]}"),
        metric=metric,
        column=column,
        unit=_one_of(page, at, rule, "unit", ("rows", "percent")),  # type: ignore[arg-type]
        operator=operators[0],
        bound=tuple(bound) if isinstance(bound, list) else float(bound),
        severity=cast(Severity, _one_of(page, at, rule, "severity", ("error", "warning"))),
        description=rule.get("description", ""),
        arguments=arguments,
    )


def _arguments(page: Page, at: At, metric: Metric, rule: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    arguments = rule.get("arguments") or {}
    for name, value in arguments.items():
        place = (*at, "arguments", name)
        if name not in METRICS[metric]:
            raise page.fail(place, unknown_name(f"argument of {metric}", name, METRICS[metric]))
        if name == "pattern":
            if problem := pattern_problem(str(value)):
                raise page.fail(place, problem)
        elif not isinstance(value, list) or not value:
            raise page.fail(place, f"{value!r} is not a list")
        elif name == "properties":
            page.words(place, value, [column.name for column in columns], "column")
    return dict(arguments)


def _one_of(page: Page, at: At, rule: dict[str, Any], field: str, known: tuple[str, ...]) -> str:
    value = rule.get(field, known[0])
    if value not in known:
        raise page.fail((*at, field), unknown_name(field, str(value), known))
    return str(value)
