"""Loading a model the way its settings say."""

from pathlib import Path

from rag_pipeline.corpus.encoders.kinds import kind_of
from rag_pipeline.corpus.encoders.spec import Encoder, ModelSpec


def encoder_of(model: ModelSpec, threads: int = 0) -> Encoder:
    """The model, loaded, to run on so many `threads` of a processor; 0 means all cores this process may use.

    Raises `PipelineError` when a package is missing, or its graph cannot be made or trusted.

    torch on a processor runs the model's graph too where an earlier run kept it, and keeps it when it embeds much: the
    vectors are the same, and a night that embeds four texts need not import sentence-transformers.
    """
    from rag_pipeline.corpus.encoders.export import exported, keep_graph, kept_graph
    from rag_pipeline.corpus.encoders.graph import GraphEncoder
    from rag_pipeline.corpus.encoders.torch_encoder import TorchEncoder

    kind = kind_of(model.backend, model.precision, model.device)
    if model.backend != "torch":
        return GraphEncoder(model, exported(model, kind), threads)
    if model.device != "cpu" or model.exports == Path():
        return TorchEncoder(model, threads=threads)
    if folder := kept_graph(model):
        return GraphEncoder(model, folder, threads)
    return TorchEncoder(model, when_much=lambda whole: keep_graph(model, kind, whole), threads=threads)
