"""`serving/replicas`: who serves what, and whether the last hour was as the policy promises."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rag_pipeline.channels.pointer import PRODUCTION as CHANNEL
from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.keys import PRODUCTION, REPLICAS, SERVING_GROUP
from rag_pipeline.defs.reports import report_links
from rag_pipeline.gate.figures import numbers
from rag_pipeline.gate.policy import FILE, read_policy
from rag_pipeline.host.standard import ROWS, at, written_in
from rag_pipeline.host.ui_tables import check, table
from rag_pipeline.replicas.levels import counted, figures, troubles
from rag_pipeline.replicas.standing import Standing, standings
from rag_pipeline.settings import Settings

SERVE, MEET = "replicas_serve_what_their_channels_name", "serving_meets_its_levels"

_COLUMNS = (
    "replica",
    "channel",
    "release",
    "since",
    "state",
    "requests",
    "p50 ms",
    "p95 ms",
    "errors",
    "refused",
    "degraded",
)


def replicas_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=REPLICAS,
        deps=[PRODUCTION],
        group_name=SERVING_GROUP,
        owners=[settings.owner],
        kinds={"fastapi"},
        metadata=at(settings.home.replicas) | written_in(settings.evals / FILE),
        check_specs=[
            dg.AssetCheckSpec(
                SERVE, asset=REPLICAS, description="Every replica of the last hour lives, or ended in order, and is whole."
            ),
            dg.AssetCheckSpec(
                MEET, asset=REPLICAS, description="Latency, errors and refusals of the last hour are as gate.yaml promises."
            ),
        ],
    )
    def replicas():  # type: ignore[no-untyped-def]
        """Who serves what, since when, and how: from the counts that each `rag serve` writes of itself.

        - Grain: one channel of a replica.
        - Origin: `index/production`; files below RAG_HOME that replicas write every five seconds.
        - Re-run: looks again. No replica is asked, and none is needed.
        """
        now, found = datetime.now(UTC), standings(settings.home)
        counts = counted((minute for one in found for minute in one.minutes), now)
        wanted = read_policy(settings.evals).channel(CHANNEL).serving
        wrong, levels = troubles(found, now), figures(counts, wanted)
        beyond = [str(one) for one in levels if not one.holds]
        few = f"fewer than {wanted.least} requests in the last hour tell nothing" if counts.requests < wanted.least else ""
        yield dg.MaterializeResult(
            metadata={
                ROWS: sum(len(one.channels) for one in found),
                "replicas": table(
                    _COLUMNS, [row for one in found for row in _rows(one, now)], empty="no replica has served"
                ),
                "problems": table(("problem", "requests"), counts.problems),
                **numbers(levels),
                **_report(settings),
            },
            check_results=[
                check(
                    REPLICAS,
                    SERVE,
                    not wrong,
                    says="\n".join(wrong) or f"{len(found)} replicas are known, and nothing is wrong with them",
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"replicas": len(found), "problems": len(wrong)},
                ),
                check(
                    REPLICAS,
                    MEET,
                    not beyond,
                    says="; ".join(beyond or [*map(str, levels), *([few] if few else [])]),
                    metadata={"requests": counts.requests, **numbers(levels)},
                ),
            ],
        )

    return replicas


def _rows(one: Standing, now: datetime) -> list[tuple[Any, ...]]:
    counts = counted(one.minutes, now)
    rows = []
    for channel, serves in one.channels.items():
        state = f"ended {one.ended_at:%Y-%m-%d %H:%M} UTC" if one.ended_at else serves.trouble or "serves"
        if one.is_silent(now):
            state = f"silent since {one.written_at:%Y-%m-%d %H:%M} UTC"
        since = f"{serves.since:%Y-%m-%d %H:%M} UTC" if serves.since else None
        p50, p95 = (None if value is None else round(value, 1) for value in (counts.p50_ms, counts.p95_ms))
        named = (one.replica, channel, serves.release, since, state)
        rows.append((*named, counts.requests, p50, p95, counts.errors, counts.refused, counts.degraded))
    return rows


def _report(settings: Settings) -> dict[str, Any]:
    """The report of what production names, beside it."""
    release = serving(settings.home)
    return report_links(settings, settings.home.report(release)) if release else {}
