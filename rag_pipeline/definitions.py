"""The root of the Dagster project: what `dg dev`, the webserver and the daemon load."""

from rag_pipeline.memory import importing

with importing("rag_pipeline.defs.graph"):
    from rag_pipeline.defs.graph import build
    from rag_pipeline.settings import load_settings

    defs = build(load_settings())
