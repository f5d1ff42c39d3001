"""Where Dagster keeps its own state for this pipeline, set up so that it sends nothing and shows our logs."""

import hashlib
import logging
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import exclusive
from rag_pipeline.home import DAGSTER_CONFIG
from rag_pipeline.home_mark import claim_home
from rag_pipeline.host.names import COMMAND, HOME
from rag_pipeline.host.plain_home import plain_home
from rag_pipeline.host.storage_url import check_storage
from rag_pipeline.process import let_dagster_live_in, prepare
from rag_pipeline.settings import Settings, dagster_home, load_settings
from rag_pipeline.terminal import complain

log = logging.getLogger("rag_pipeline")

_INSTANCE = Path(__file__).with_name("instance.yaml")

_EARLIER = {"e8765668a9e16115e7066a0d5b27570f34af784461d2b16f19586bd8e4dae38a"}
"""SHA-256 of what `instance.yaml` was before: a copy that nobody edited is brought up to date."""


def prepare_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME (default `RAG_HOME/dagster`), made if need be, with our `instance.yaml` in it as `dagster.yaml`.

    Or a link to it, where its name is one that Dagster cannot take. A `dagster.yaml` that a person wrote or edited stays as
    it is; a log line says what it lacks. A Dagster that runs other people's jobs, too, gets no settings from us.
    """
    home = dagster_home(settings.home)
    if settings.home.uri and home == settings.home.dagster:
        raise PipelineError(
            f"RAG_HOME={settings.home} lies in a bucket, where Dagster cannot keep its own state; set DAGSTER_HOME to "
            "a folder on this machine"
        )
    claim_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    home = plain_home(home)
    let_dagster_live_in(home)
    check_storage(home)
    with exclusive(home, "config", wait_s=30):
        target = home / DAGSTER_CONFIG
        there = target.read_text(encoding="utf-8") if target.exists() else ""
        if not there.strip() and _runs_others(home):
            log.info("%s is left as it is: that Dagster runs other jobs than those of this pipeline", home)
        elif not there.strip() or _fingerprint(there) in _EARLIER:  # Dagster makes an empty one
            target.write_text(_INSTANCE.read_text(encoding="utf-8"), encoding="utf-8")
        elif "run_monitoring:" not in there:
            log.warning(
                "%s was edited, so it was not brought up to date: it lacks run_monitoring, without which a run that hangs "
                "while it starts or ends keeps later ones waiting; take that section from %s",
                target,
                _INSTANCE,
            )
    return home


def _runs_others(home: Path) -> bool:
    """Whether the records of a Dagster that keeps them in its folder hold a run that is not this pipeline's."""
    records = home / "history" / "runs.db"
    if not records.exists():
        return False
    ours = f"SELECT run_id FROM run_tags WHERE key IN ('{HOME}', '{COMMAND}')"
    try:
        with closing(sqlite3.connect(f"{records.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(f"SELECT 1 FROM runs WHERE run_id NOT IN ({ours}) LIMIT 1").fetchone())
    except sqlite3.Error:  # they are only just made
        return False


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    prepare()
    try:
        sys.stdout.write(f"{prepare_dagster_home(load_settings())}\n")
    except PipelineError as error:
        complain(str(error))
        raise SystemExit(1) from None
