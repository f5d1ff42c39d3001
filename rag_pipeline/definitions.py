"""The root of the Dagster project: what `dg dev`, the webserver and the daemon load."""

from rag_pipeline.process import import_without_gc, prepare

prepare()
with import_without_gc("rag_pipeline.defs.graph"):
    from rag_pipeline.defs.dropped import live
    from rag_pipeline.defs.ready import check_ready
    from rag_pipeline.home_mark import check_home, claim_home
    from rag_pipeline.host.storage_url import check_storage
    from rag_pipeline.settings import dagster_home, load_settings

    settings = load_settings()
    check_home(settings)
    check_storage(dagster_home(settings.home))
    check_ready(settings)
    defs = live(settings)
    claim_home(settings)
