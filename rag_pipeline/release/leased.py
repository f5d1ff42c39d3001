"""A release that many threads search at once, with the encoder that embeds their questions. `leases` opens and closes it."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, Mode
from rag_pipeline.index.narrow import Narrow
from rag_pipeline.index.rerank import reranker_of
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, encoder_for, own_model
from rag_pipeline.release.withdrawn import HiddenChunks

_WARM_TEXT = "a question nobody asked"


class Leased:
    """One release open for reading, as long as the lease lasts. Any number of threads may use it at once."""

    def __init__(
        self, home: Home, release: OpenRelease, model: Callable[[], Model] | None, *, words_will_do: bool = False
    ) -> None:
        """`words_will_do`: serve without an encoder that is not there, where the release can be searched by words, and
        without a re-ranker that is not there."""
        self._home, self._release, self._model = home, release, model
        self._words_will_do = words_will_do
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()
        self._hidden = HiddenChunks(home, release.chunks_of)
        self.no_encoder = ""
        """Why questions cannot be embedded now; empty as long as nobody found that they cannot."""
        self.no_reranker = ""
        """Why hits cannot be ordered again; empty likewise, and where the release names no re-ranker."""
        self.rerank_s = 0.0
        """Seconds that the re-ranker took of late; 0 as long as it was not asked."""

    @property
    def release(self) -> OpenRelease:
        return self._release

    @property
    def manifest(self) -> Manifest:
        return self._release.manifest

    @property
    def encoder(self) -> Encoder:
        """What embeds questions to this release, after it gave the vectors of its control texts again; loaded once.

        Loaded before anybody asks, unless the release serves by words alone. Raises as `encoder_for` does, and
        `ReleaseError` where the leases were made without a model.
        """
        with self._loading:
            if self._encoder is None:
                if self._model is None:
                    raise ReleaseError("these leases were made without a model, so a question's vector has to come with it")
                self._encoder = encoder_for(self._home, self.manifest, own_model(self.manifest, self._model()))
            return self._encoder

    def reader(self, reads: Iterable[str] = (EVERYTHING,)) -> OpenRelease:
        """The release as it is for whoever was granted these words, without what is withdrawn now.

        Raises `ReleaseError` when nobody can say what is withdrawn.
        """
        hidden = self._hidden.now()
        return self._release.readable_by(reads).without(hidden)

    def search(self, query: str | Query | Vectors, k: int, mode: Mode | None = None) -> list[Hit]:
        """The `k` best chunks, as `OpenRelease.search` gives them; a text is embedded first where the mode needs it.

        For whoever may read every row; others search in their `reader`.
        """
        if isinstance(query, str):
            by_meaning = (mode or self.manifest.retrieval.mode) != "lexical"
            query = Query(query, self.encoder.queries([query])[0] if by_meaning else None)
        return self.reader().search(query, k, mode)

    def rerank(self, reader: OpenRelease, query: str, hits: list[Hit], k: int) -> list[Hit]:
        """The `k` best of some hits in the order of the release's re-ranker, as `OpenRelease.search` has them.

        `reader`: what of this release they were found in. `hits`: as many as the re-ranker reads, or `k` if that is more.
        Raises as `OpenRelease.rerank` does.
        """
        began = time.monotonic()
        scores = dict(reader.rerank(query, [(hit.chunk_id, hit.score) for hit in hits]))
        took = time.monotonic() - began
        self.rerank_s = took if not self.rerank_s else 0.8 * self.rerank_s + 0.2 * took
        ordered = sorted(hits, key=lambda hit: (-scores[hit.chunk_id], hit.chunk_id))[:k]
        return [replace(hit, rank=rank, score=scores[hit.chunk_id]) for rank, hit in enumerate(ordered, start=1)]

    def find_reranker(self) -> None:
        """Look for the re-ranker anew; `no_reranker` says afterwards whether it is there."""
        try:
            if self.manifest.retrieval.reranker:
                reranker_of(self.manifest, self._release.device).scores(_WARM_TEXT, [_WARM_TEXT])
        except Exception as error:
            self.no_reranker = str(error) or type(error).__name__
        else:
            self.no_reranker = ""

    def find_encoder(self) -> None:
        """Look for the encoder anew, as if it was never loaded; `no_encoder` says afterwards whether it is there."""
        with self._loading:
            self._encoder = None
        try:
            self.encoder.queries([_WARM_TEXT])
        except Exception as error:
            self.no_encoder = str(error) or type(error).__name__
        else:
            self.no_encoder = ""

    def warm(self) -> None:
        """Ask the first question in each mode: it loads what the later ones find loaded. Raises what they would."""
        if (
            self.manifest.scopes
            or len(self.manifest.sources) > 1
            or any(one.filterable for one in self.manifest.sources.values())
        ):
            self._release.narrowed(Narrow())
        vector = np.ones(self.manifest.model.dimensions, dtype=np.float32)
        if self._model and self.manifest.retrieval.mode != "lexical":
            try:
                vector = self.encoder.queries([_WARM_TEXT])[0]
            except Exception as error:
                if not self._words_will_do or "lexical" not in self._release.modes:
                    raise
                self.no_encoder = str(error) or type(error).__name__
        self.find_reranker()
        if self.no_reranker and not self._words_will_do:
            raise ReleaseError(self.no_reranker)
        for mode in self._release.modes:
            self._release.search(Query(_WARM_TEXT, vector), 1, mode, rerank=False)
