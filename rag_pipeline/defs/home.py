"""Where Dagster keeps its own state for this pipeline, set up so that it sends nothing and shows our logs."""

import os
from pathlib import Path

from rag_pipeline.files import exclusive
from rag_pipeline.settings import PROJECT, Settings, load_settings

_CONFIG = "dagster.yaml"


def prepare_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME (default `RAG_HOME/dagster`), made if need be, with the project's `dagster.yaml` in it."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(settings.home / "dagster"))).absolute()
    home.mkdir(parents=True, exist_ok=True)
    with exclusive(home, "config", wait_s=30):
        target = home / _CONFIG
        if not target.exists():
            target.write_text((PROJECT / _CONFIG).read_text(encoding="utf-8"), encoding="utf-8")
    return home


if __name__ == "__main__":
    prepare_dagster_home(load_settings())
