"""The split and its arms as people and programs are told them. Values in, values out."""

from datetime import datetime
from typing import Any

from rag_pipeline.canary.arms import ArmCounts, Arms
from rag_pipeline.canary.split import Split

COLUMNS = ("arm", "queries", "errors", "errors percent", "p50 ms", "p95 ms")


def says(split: Split, now: datetime) -> str:
    """The one sentence everything tells it in."""
    if split.is_on(now):
        return (
            f"{split.percent:g} % of {split.channel} is answered from {split.canary} since {split.since:%Y-%m-%d %H:%M} "
            f"until {split.until:%Y-%m-%d %H:%M} UTC, by {split.by} ({split.why})"
        )
    if split.percent:
        return f"{split.channel} was split until {split.until:%Y-%m-%d %H:%M} UTC; the stable release answers everybody"
    return (
        f"{split.canary} gets no more of {split.channel} since {split.at:%Y-%m-%d %H:%M} UTC: stopped by {split.by} "
        f"({split.why})"
    )


def rows(arms: Arms) -> list[tuple[str, int, int, float, float | None, float | None]]:
    """A row of `COLUMNS` for each arm."""
    return [_row("stable", arms.stable), _row("canary", arms.canary)]


def told(split: Split | None, now: datetime, arms: Arms | None = None) -> dict[str, Any]:
    """For programs. The salt is left out: it is nobody's business who is in the part."""
    if split is None:
        return {"on": False, "split": None}
    counted = arms or split.arms
    said = split.model_dump(mode="json", exclude={"salt", "arms"})
    figures = [dict(zip(COLUMNS, row, strict=True)) for row in rows(counted)]
    return {"on": split.is_on(now), "split": said, "arms": figures, "unopened": counted.unopened}


def _row(name: str, counts: ArmCounts) -> tuple[str, int, int, float, float | None, float | None]:
    figures = (counts.queries, counts.errors, round(counts.errors_percent, 3))
    return name, *figures, counts.quantile_ms(0.5), counts.quantile_ms(0.95)
