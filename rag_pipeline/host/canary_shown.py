"""What the UI shows of the split: both arms, and what replicas did. `defs/traffic.py` makes an asset of `CANARY`."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rag_pipeline.canary.audit import settle
from rag_pipeline.canary.shown import COLUMNS, rows, says
from rag_pipeline.host.standard import at
from rag_pipeline.host.traffic_shown import Step
from rag_pipeline.host.traffic_watch import Checked
from rag_pipeline.host.ui_tables import check, table
from rag_pipeline.replicas.arms import arms_of
from rag_pipeline.settings import Settings

WORSE = "canary_is_no_worse"


def _looked(settings: Settings, key: list[str]) -> Checked:
    split, now = settle(settings.home), datetime.now(UTC)
    arms = arms_of(settings.home, split)
    told = says(split, now) if split else "no traffic was ever split"
    if split and split.by_replica:
        told += f". {split.channel} is as it was; the runbook says what to look at. The next split ends this warning"
    stable, canary = arms.stable, arms.canary
    figures: dict[str, float | None] = {
        "canary queries": canary.queries,
        "canary errors percent": round(canary.errors_percent, 3),
        "stable errors percent": round(stable.errors_percent, 3),
        "canary p95_ms": canary.quantile_ms(0.95),
        "stable p95_ms": stable.quantile_ms(0.95),
    }
    plotted: dict[str, Any] = {name: value for name, value in figures.items() if value is not None}
    percent = split.percent if split and split.is_on(now) else 0.0
    shown = {"split": told, "percent": percent, "arms": table(COLUMNS, rows(arms)), "unopened": arms.unopened}
    well, warn = not (split and split.by_replica), dg.AssetCheckSeverity.WARN
    return shown | plotted, [check(key, WORSE, well, says=told, severity=warn, metadata=plotted)]


CANARY = Step(
    "What became of the release that answered a part of the traffic (`rag canary`).\n\n- Grain: the split that is on, or "
    "was last.\n- Origin: what replicas count, and the split, which they stop by themselves.\n- Re-run: looks again; writes "
    "what replicas did into the audit table.",
    (),
    {WORSE: "No replica stopped the canary for errors, for slow answers, or because its release could not be opened."},
    lambda settings: at(settings.home.split),
    _looked,
)
