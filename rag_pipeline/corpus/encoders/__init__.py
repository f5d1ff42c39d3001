"""Running an embedding model: by torch, or by a runtime that only runs models, on a graph exported from the same weights."""

from rag_pipeline.corpus.encoders.kinds import KINDS, Kind, kind_of, missing_packages
from rag_pipeline.corpus.encoders.load import encoder_of

__all__ = ["KINDS", "Kind", "encoder_of", "kind_of", "missing_packages"]
