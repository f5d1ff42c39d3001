"""A model run by sentence-transformers, as it comes."""

from collections.abc import Callable
from typing import Any

from rag_pipeline.corpus.encoders.batches import batches, cores, one_core, run_batches, tokenizer_for
from rag_pipeline.corpus.encoders.spec import ModelSpec, Vectors, usable
from rag_pipeline.corpus.encoders.torch_parts import sentence_transformers


def sentence_transformer(model: ModelSpec, device: str) -> Any:
    """The model as sentence-transformers loads it, without a progress bar and without asking a model hub."""
    whole = sentence_transformers()
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return whole.SentenceTransformer(str(model.folder), device=device, local_files_only=True)


MUCH = 250
"""Texts: some eight seconds of embedding on two cores. The graph takes three, and every later process is spared them."""


class TorchEncoder:
    """The default: any sentence-transformers model, on any device torch has."""

    def __init__(self, model: ModelSpec, when_much: Callable[[Any], None] | None = None) -> None:
        """`when_much` is called with the loaded model, once it has embedded `MUCH`: some seconds more do not count then."""
        self._spec = model
        self._when_much, self._embedded = when_much, 0
        self._tokenizer = tokenizer_for(model)
        self._model = sentence_transformer(model, model.device)
        if model.precision == "fp16":
            self._model.half()
        self._workers = cores() if model.device == "cpu" else 1
        self.queries(["a text"])  # sets the tokenizer up, which must not happen while another thread uses it

    def documents(self, texts: list[str]) -> Vectors:
        vectors = self._encode(texts, self._spec.document_prompt)
        self._embedded += len(texts)
        if self._when_much and self._embedded >= MUCH:
            when_much, self._when_much = self._when_much, None
            when_much(self._model)
        return vectors

    def queries(self, texts: list[str]) -> Vectors:
        return self._encode(texts, self._spec.query_prompt)

    def _encode(self, texts: list[str], prompt: str) -> Vectors:
        def run(places: list[int]) -> Vectors:
            found: Vectors = self._model.encode(
                [texts[place] for place in places],
                prompt=prompt or None,
                batch_size=len(places),
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            return found

        # By tokens, counted beforehand: by characters a quarter of what is calculated is padding (tables, links, code).
        lengths = [len(one.ids) for one in self._tokenizer.encode_batch(texts)]
        parts = batches(lengths, self._spec.batch)
        vectors = run_batches(parts, run, len(texts), self._spec.dimensions, self._workers, prepare=one_core)
        return usable(vectors, len(texts))
