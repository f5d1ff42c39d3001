"""How results look in the UI, and what all assets of the index share."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    Materialized = dg.MaterializeResult[None]
else:  # as a return annotation Dagster knows the bare class only
    Materialized = dg.MaterializeResult

WHEN_ALL_IS_WELL = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""For people who switch the automation sensor on: an asset follows its inputs, but not past a failed blocking check."""

WHEN_ITS_FEED_WAS_MADE = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("what makes the feed was materialized")
"""For those who switch the automation sensor on: a source is loaded after the assets its contract names (`madeBy`).

Unlike with `eager`, an asset that was never materialized here (it may stand in another code location) holds nothing up, and
a source that was never loaded waits for a refresh."""

ROWS = 20
"""Rows a table in the UI shows at most."""


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "none") -> dg.TableMetadataValue:
    """A table of the first rows, the last of which counts the rows that are left out. `empty`: its only cell without rows.

    The UI shows a cell as the text it is: nothing in it is Markdown or HTML.
    """
    rows = list(rows)
    lines: list[Sequence[Any]] = [[_cell(value) for value in row] for row in rows[:ROWS]]
    if len(rows) > ROWS:
        lines.append([f"… and {len(rows) - ROWS:,} more"])
    elif not rows:
        lines.append([empty])
    whole = [dict(zip_longest(headers, line)) for line in lines]
    kinds = [dg.TableColumn(name, _kind(rows, place)) for place, name in enumerate(headers)]
    return dg.MetadataValue.table([dg.TableRecord(line) for line in whole], dg.TableSchema(kinds))


def check(
    asset: Sequence[str],
    name: str,
    passed: bool,
    *,
    says: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetCheckResult:
    """A check result. `says`: what was measured, also where the check passes; `metadata`: its numbers, which the UI plots.

    The UI renders the description as Markdown: `said` gives the text again.
    """
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(list(asset)),
        check_name=name,
        passed=passed,
        severity=severity,
        description=plain_lines(says),
        metadata=metadata or {},
    )


def _cell(value: Any) -> str | int | float | None:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else str(value)
    return printable(str(value)[:200])


def _kind(rows: Sequence[Sequence[Any]], place: int) -> str:
    found = {dg.TableMetadataValue.infer_column_type(row[place]) for row in rows if row[place] is not None}
    return found.pop() if len(found) == 1 else "string"


_MARKUP = re.compile(r"[\\`*\[\]<>|~@]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|:(?=//)|&(?=[#\w]+;)", re.IGNORECASE)
"""What begins a link, an image, HTML, an entity or emphasis in Markdown, or an address that GitHub's dialect links."""


def plain(text: str) -> str:
    """Text from a feed as Markdown that shows just that text: a key, a query or a reason is no link, image or HTML.

    Source of the escapes: https://spec.commonmark.org/current/#backslash-escapes, and the autolinks of
    https://github.github.com/gfm/#autolinks-extension-.
    """
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def printable(text: str) -> str:
    """Text without control characters: a space for each."""
    return "".join(" " if ord(one) < 32 or 127 <= ord(one) < 160 else one for one in text)


def plain_lines(text: str) -> str:
    """The same for what has several lines, which stay lines."""
    return "\n".join(map(plain, text.splitlines()))


_ESCAPED = re.compile(r"\\([\\`*\[\]<>|~@_.:&])")


def said(markdown: str) -> str:
    """What `plain` was given, for whoever reads descriptions and shows no Markdown: the command line, messages of alerts."""
    return _ESCAPED.sub(r"\1", markdown)
