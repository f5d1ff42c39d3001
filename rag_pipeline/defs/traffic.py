"""`traffic/…`: what replicas logged, as tables, and what is watched of it. The assets are there once there is a log."""

import dagster as dg

from rag_pipeline.defs.keys import TRAFFIC_GROUP, traffic_key
from rag_pipeline.host.traffic_shown import STEPS, Step, made, wanted
from rag_pipeline.host.ui_tables import Materialized
from rag_pipeline.settings import Settings


def traffic_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    return [_asset(settings, name, step) for name, step in STEPS.items()] if wanted(settings) else []


def _asset(settings: Settings, name: str, step: Step) -> dg.AssetsDefinition:
    key = traffic_key(name)

    @dg.asset(
        key=key,
        deps=[traffic_key(before) for before in step.after],
        group_name=TRAFFIC_GROUP,
        owners=[settings.owner],
        kinds={"deltalake"},
        description=step.says,
        metadata=step.about(settings),
        check_specs=[dg.AssetCheckSpec(named, asset=key, description=says) for named, says in step.checks.items()],
    )
    def logged() -> Materialized:
        return made(settings, step, key)

    return logged
