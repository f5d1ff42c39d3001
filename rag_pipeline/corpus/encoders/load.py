"""Loading a model the way its settings say."""

from rag_pipeline.corpus.encoders.kinds import kind_of
from rag_pipeline.corpus.model import Encoder, Model


def encoder_of(model: Model) -> Encoder:
    """The model, loaded. Raises `PipelineError` when a package is missing, or its graph cannot be made or trusted."""
    if model.backend == "torch":
        from rag_pipeline.corpus.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(model)
    from rag_pipeline.corpus.encoders.export import exported
    from rag_pipeline.corpus.encoders.graph import GraphEncoder

    return GraphEncoder(model, exported(model, kind_of(model.backend, model.precision, model.device)))
