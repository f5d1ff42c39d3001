"""The root of the Dagster project: what `dg dev`, the webserver and the daemon load."""

from rag_pipeline.memory import importing

with importing("rag_pipeline.defs.graph"):
    from rag_pipeline.defs.graph import build
    from rag_pipeline.defs.ready import check_ready
    from rag_pipeline.home import check_home, claim_home
    from rag_pipeline.settings import load_settings

    settings = load_settings()
    check_home(settings)
    check_ready(settings)
    defs = build(settings)
    claim_home(settings)
