"""How results look in the UI, and what every asset of the index shares."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    Materialized = dg.MaterializeResult[None]
else:  # as a return annotation Dagster knows the bare class only
    Materialized = dg.MaterializeResult

WHEN_ALL_IS_WELL = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""For who switches the automation sensor on: an asset follows its inputs, but not past a failed blocking check."""

ROWS = 20
"""Rows a table in the UI shows at most."""


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "nothing") -> dg.MarkdownMetadataValue:
    """A Markdown table of the first rows, which says how many more there are."""
    rows = list(rows)
    if not rows:
        return dg.MetadataValue.md(f"_{empty}_")
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:ROWS]]
    if len(rows) > ROWS:
        lines.append(f"\n… and {len(rows) - ROWS:,} more")
    return dg.MetadataValue.md("\n".join(lines))


def check(
    asset: Sequence[str],
    name: str,
    passed: bool,
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    says: str = "",
    **metadata: Any,
) -> dg.AssetCheckResult:
    """A check result with its explanation as description, which the UI renders as Markdown: `said` gives the text again."""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(list(asset)),
        check_name=name,
        passed=passed,
        severity=severity,
        description=plain_lines(says) or None,
        metadata=metadata,
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return plain("" if value is None else str(value)[:200])


_MARKUP = re.compile(r"[\\`*\[\]<>|~@]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|:(?=//)|&(?=[#\w]+;)", re.IGNORECASE)
"""What begins a link, an image, HTML, an entity or emphasis in Markdown, or an address that GitHub's dialect links."""


def plain(text: str) -> str:
    """Text from a feed as Markdown that shows just that text: a key, a query or a reason is no link, image or HTML.

    Source of the escapes: https://spec.commonmark.org/current/#backslash-escapes, and the autolinks of
    https://github.github.com/gfm/#autolinks-extension-.
    """
    return _MARKUP.sub(r"\\\g<0>", "".join(" " if ord(one) < 32 or 127 <= ord(one) < 160 else one for one in text))


def plain_lines(text: str) -> str:
    """The same for what has several lines, which stay lines."""
    return "\n".join(map(plain, text.splitlines()))


_ESCAPED = re.compile(r"\\([\\`*\[\]<>|~@_.:&])")


def said(markdown: str) -> str:
    """What `plain` was given, for whoever reads descriptions and shows no Markdown: the command line, messages of alerts."""
    return _ESCAPED.sub(r"\1", markdown)
