"""`traffic/…`: what replicas logged, as tables, and what is watched of it. The assets are there once there is a log."""

import dagster as dg

from rag_pipeline.defs.keys import CANARY_VERDICT, traffic_key
from rag_pipeline.host.canary_shown import CANARY
from rag_pipeline.host.traffic_shown import STEPS, Step, made, wanted
from rag_pipeline.host.ui_tables import Materialized
from rag_pipeline.settings import Settings


def traffic_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    found = [_asset(settings, traffic_key(name), step) for name, step in STEPS.items()] if wanted(settings) else []
    return [*found, _asset(settings, CANARY_VERDICT, CANARY)] if settings.home.split.is_file() else found


def _asset(settings: Settings, key: list[str], step: Step) -> dg.AssetsDefinition:

    @dg.asset(
        key=key,
        deps=[traffic_key(before) for before in step.after],
        group_name=key[0],
        owners=[settings.owner],
        kinds={"deltalake"},
        description=step.says,
        metadata=step.about(settings),
        check_specs=[dg.AssetCheckSpec(named, asset=key, description=says) for named, says in step.checks.items()],
    )
    def logged() -> Materialized:
        return made(settings, step, key)

    return logged
