"""What embeds the texts that have no vector yet: this process, or the workers of a Ray cluster.

An engine is told the texts and the table, and commits vectors as they come. Which engine made a vector is no part of the
model's fingerprint: the same weights give the same vectors.
"""

from rag_pipeline.corpus.engines.base import Engine, Task
from rag_pipeline.corpus.engines.choose import engine_for
from rag_pipeline.corpus.engines.cluster import Cluster, cluster_of

__all__ = ["Cluster", "Engine", "Task", "cluster_of", "engine_for"]
