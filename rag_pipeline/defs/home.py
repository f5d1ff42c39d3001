"""Where Dagster keeps its own state for this pipeline, set up so that it sends nothing and shows our logs."""

import os
import sys
from pathlib import Path

from rag_pipeline.defs.plain_home import plain_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import exclusive
from rag_pipeline.home import claim_home
from rag_pipeline.settings import Settings, dagster_home, load_settings

_INSTANCE = Path(__file__).with_name("instance.yaml")


def prepare_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME (default `RAG_HOME/dagster`), made if need be, with our `instance.yaml` in it as `dagster.yaml`.

    Or a link to it, where its name is one that Dagster cannot take.
    """
    claim_home(settings)
    home = dagster_home(settings.home)
    home.mkdir(parents=True, exist_ok=True)
    home = plain_home(home)
    os.environ["DAGSTER_HOME"] = str(home)
    with exclusive(home, "config", wait_s=30):
        target = home / "dagster.yaml"
        if not target.exists() or not target.read_text(encoding="utf-8").strip():  # Dagster makes an empty one
            target.write_text(_INSTANCE.read_text(encoding="utf-8"), encoding="utf-8")
    return home


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{prepare_dagster_home(load_settings())}\n")
    except PipelineError as error:
        raise SystemExit(f"rag: {error}") from None
