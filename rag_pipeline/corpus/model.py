"""The embedding model that the settings name, and loading it. `encoders/` runs it."""

from dataclasses import dataclass, replace
from functools import lru_cache

from rag_pipeline.corpus.encoders import encoder_of, kind_of
from rag_pipeline.corpus.encoders.spec import Encoder, ModelSpec, Vectors, usable
from rag_pipeline.corpus.model_folder import model_folder
from rag_pipeline.settings import Settings

__all__ = ["Encoder", "Model", "Vectors", "model_of", "same_machine", "usable"]


@dataclass(frozen=True)
class Model(ModelSpec):
    """An embedding model that can be loaded."""

    def load(self) -> Encoder:
        """Load the weights (seconds, hundreds of megabytes), unless this very model is the one loaded last."""
        return _loaded(self, self.fingerprint)


@lru_cache(maxsize=1)
def _loaded(model: Model, _fingerprint: str) -> Encoder:
    """One refresh embeds chunks and then queries: the second time finds the model here."""
    return encoder_of(model)


def model_of(settings: Settings) -> Model:
    """The configured model.

    Raises `PipelineError` when its files are not on this machine, or it cannot be run the way the settings say.
    """
    kind = kind_of(settings.embed_backend, settings.embed_precision, settings.device)
    return Model(
        folder=model_folder(settings.model),
        query_prompt=settings.query_prompt,
        document_prompt=settings.document_prompt,
        device=settings.device,
        batch=settings.embed_batch,
        backend=kind.backend,
        precision=kind.precision,
        exports=settings.home.models,
    )


def same_machine(model: Model, *, name: str, query_prompt: str, document_prompt: str, backend: str, precision: str) -> Model:
    """Another model on the device and with the batches of this one. Raises `PipelineError` when it is not here."""
    return replace(
        model,
        folder=model_folder(name),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        backend=backend,
        precision=precision,
    )
