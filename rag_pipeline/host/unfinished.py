"""Which runs keep later ones waiting, for `rag status`.

Importing Dagster takes longer than all of that command, so it is imported only if there is such a run.
"""

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag_pipeline.home import DAGSTER_CONFIG, Home
from rag_pipeline.host.plain_home import plain_home
from rag_pipeline.settings import Settings, dagster_home

log = logging.getLogger("rag_pipeline")


def runs_now(settings: Settings) -> list[dict[str, Any]]:
    """Every run that has begun and not ended, as Dagster's records say, oldest first: whose, since when, and what to do."""
    records = dagster_home(settings.home)
    if not _may_have_some(records):
        return []
    import dagster as dg

    from rag_pipeline.host.command_run import location_of_our_own, our_origin
    from rag_pipeline.host.dead_runs import SENSOR, unfinished
    from rag_pipeline.host.names import named

    try:
        with dg.DagsterInstance.from_config(str(plain_home(records))) as instance:
            location = location_of_our_own(our_origin(instance, named(settings, SENSOR)))
            waiting = instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
            return [_told(record, settings.home, location, waiting) for record in unfinished(instance)]
    except Exception as error:  # of any storage somebody configured; the rest of the status is worth showing
        log.warning("Dagster's records in %s cannot be read: %s", records, error)
        return []


def _told(record: Any, home: Home, location: str | None, waiting: int) -> dict[str, Any]:
    from rag_pipeline.host.at_work import process_of
    from rag_pipeline.host.dead_runs import is_dead

    run = record.dagster_run
    dead = is_dead(record, home, location, datetime.now(UTC))
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value,
        "since": f"{record.update_timestamp:%Y-%m-%d %H:%M:%S}",
        "started_by": _started_by(run.tags),
        "alive": None if dead is None else not dead,
        "process": process_of(home, run.run_id) or None,
        "waiting": waiting,
        "next": _next(dead, process_of(home, run.run_id)),
    }


def _next(dead: bool | None, process: str) -> str:
    if dead is None:
        return "It is not a run of this pipeline: if nobody works on it, terminate it in the UI"
    if dead:
        return "Its process is gone: `rag refresh` marks it failed and goes on, and so does the daemon, within a minute"
    if process:
        return f"Process {process} works on it: wait for it; `kill {process}` ends it if it hangs"
    return "Its process is starting or ending: look again in a few minutes"


def _started_by(tags: Mapping[str, str]) -> str:
    if command := tags.get("rag/command"):
        return f"rag {command}"
    for kind in ("schedule", "sensor"):
        if name := tags.get(f"dagster/{kind}_name"):
            return f"{kind} {name}"
    return tags.get("dagster/user", "somebody in the UI")


def _may_have_some(folder: Path) -> bool:
    """Whether there may be an unfinished run. Asks the default storage itself, and leaves any other to Dagster."""
    config, records = folder / DAGSTER_CONFIG, folder / "history" / "runs.db"
    if config.exists() and "storage:" in config.read_text(encoding="utf-8", errors="replace"):
        return True
    if not records.exists():
        return False
    ended = ("SUCCESS", "FAILURE", "CANCELED", "QUEUED")
    try:
        with closing(sqlite3.connect(f"{records.as_uri()}?mode=ro", uri=True)) as connection:
            marks = ", ".join("?" * len(ended))
            return bool(connection.execute(f"SELECT 1 FROM runs WHERE status NOT IN ({marks}) LIMIT 1", ended).fetchone())
    except sqlite3.Error:
        return True
