"""Which engine embeds: the one the settings name, but few texts never start a cluster."""

from collections.abc import Callable

from rag_pipeline.corpus.engines.base import Engine
from rag_pipeline.corpus.engines.cluster import Cluster
from rag_pipeline.corpus.engines.local import LocalEngine
from rag_pipeline.corpus.model import Encoder


def engine_for(texts: int, load: Callable[[], Encoder], cluster: Cluster | None) -> Engine:
    """What embeds so many texts. Raises `PipelineError` when it takes Ray, and Ray is not installed."""
    if cluster is None or texts < cluster.minimum:
        return LocalEngine(load)
    from rag_pipeline.corpus.engines.on_ray import RayEngine

    return RayEngine(cluster)
