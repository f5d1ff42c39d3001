"""A release open to be measured: its index, where its chunks are, and the model that embeds its queries."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors, refuse_stale_vectors
from rag_pipeline.evaluate.chunk_spans import Places, places_of
from rag_pipeline.evaluate.measure import Measured, Rankings, documents_of, evaluate_way, rank, ranked_by
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import MODES, Mode, RetrievalParameters, read_manifest
from rag_pipeline.index.retrieve import OpenRelease, encoder_for, open_release


@dataclass(slots=True)
class Bench:
    """Everything it takes to measure one release, golden set after golden set."""

    home: Home
    release: OpenRelease
    modes: tuple[Mode, ...]
    load: Callable[[], Encoder]
    loadable: bool
    """Whether the model that is at hand is still the one the release was built with."""
    _places: tuple[Rankings, Places] | None = None
    """Where the chunks of the rankings scored last are: one set of rankings is scored in many ways."""

    @classmethod
    def open(cls, stack: ExitStack, home: Home, release_id: str, model: Model, *, all_modes: bool) -> "Bench":
        """Open a release until the stack closes, in every way it can retrieve or in the one it serves.

        Raises `ReleaseError` when it cannot be opened. That `model` is the one it was built with is looked at when a query
        must be embedded.
        """
        manifest = read_manifest(home.release(release_id))
        modes: tuple[Mode, ...] = MODES if all_modes else (manifest.retrieval.mode,)
        release = stack.enter_context(open_release(home, release_id, modes))
        loadable = model.fingerprint == manifest.model.fingerprint
        return cls(home, release, modes, cache(lambda: encoder_for(home, manifest, model)), loadable)

    def measure(self, living: ResolvedSet, metrics: list[str]) -> Measured:
        """The release as it serves."""
        return self.score(living, self.rankings(living, metrics), self.release.manifest.retrieval, metrics)

    def measure_modes(self, living: ResolvedSet, metrics: list[str]) -> tuple[Measured, dict[str, Measured]]:
        """The release as it serves, and as it would in each way it was opened for; without a re-ranker there."""
        serves = self.release.manifest.retrieval
        rankings = self.rankings(living, metrics)
        plain = serves.model_copy(update={"reranker": ""})
        others: dict[str, Measured] = {
            mode: self.score(living, rankings, plain.model_copy(update={"mode": mode}), metrics) for mode in self.modes
        }
        mine = self.score(living, rankings, serves, metrics) if serves.reranker else others[serves.mode]
        return mine, others

    def rankings(self, living: ResolvedSet, metrics: list[str]) -> Rankings:
        """What the indexes give for every query, to be fused and scored in any way."""
        texts = {query: living.golden.queries[query] for query in living.qrels}
        return rank(
            self.release.readable_by(living.golden.reads),
            living.golden.name,
            texts,
            self.vectors(living),
            self.modes,
            metrics,
        )

    def probe(self, golden: GoldenSet, metrics: list[str]) -> dict[str, list[str]]:
        """probe id -> documents that the release retrieves as it serves, best first, as deep as lists are kept."""
        if not golden.probes:
            return {}
        way = self.release.manifest.retrieval
        vectors = self._embedded("probe", golden.name, golden.probes) if way.mode != "lexical" else {}
        rankings = rank(
            self.release.readable_by(golden.reads), f"{golden.name}, probes", golden.probes, vectors, [way.mode], metrics
        )
        places = places_of(self.home, self.release.manifest, rankings.chunk_ids(), set())
        return documents_of(places, ranked_by(self.release, golden.probes, rankings, way), metrics)

    def score(self, living: ResolvedSet, rankings: Rankings, way: RetrievalParameters, metrics: list[str]) -> Measured:
        """What one way to retrieve gives."""
        return evaluate_way(self.release, self.places(living, rankings), living, rankings, way, metrics)

    def places(self, living: ResolvedSet, rankings: Rankings) -> Places:
        """Where the chunks of some rankings stand, with the texts a golden set quotes."""
        if self._places is None or self._places[0] is not rankings:
            quoted = {one.document for found in living.references.values() for one in found}
            places = places_of(self.home, self.release.manifest, rankings.chunk_ids(), quoted)
            self._places = (rankings, places)
        return self._places[1]

    def vectors(self, living: ResolvedSet) -> dict[str, Vectors]:
        """query id -> vector, shape (dimensions,); none where words alone are asked for"""
        if set(self.modes) == {"lexical"}:
            return {}
        golden = living.golden
        return self._embedded("question", golden.name, {query: golden.queries[query] for query in living.qrels})

    def _embedded(self, kind: str, name: str, texts: Mapping[str, str]) -> dict[str, Vectors]:
        """Vectors of questions of a golden set, `name`, by id; some are looked at afresh."""
        fingerprint = self.release.manifest.model.fingerprint
        found = query_vectors(self.home, fingerprint, self.load, list(texts.values()))
        if self.loadable:
            named = {f"{kind} {query} of {name}": text for query, text in texts.items()}
            refuse_stale_vectors(self.home, self.load, named, found, self.release.manifest.fingerprint)
        return dict(zip(texts, found, strict=True))
