"""Judgments that died with their document since another release was built: lost answers, not questions to leave out.

If they were taken out on both sides, four vanished documents of 240 would let the mean rise. So an answer that production
still gives and no source holds any more counts as before: production keeps its score, and a release built today finds
nothing. That lasts until somebody accepts it: the owner takes the judgments out of the set, or a person promotes by
override.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.chunk_spans import places_of
from rag_pipeline.evaluate.condensed import known_documents
from rag_pipeline.files import fingerprint
from rag_pipeline.golden.quotes import find
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import Corpus, Judgment, ResolvedSet, resolve
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest

log = logging.getLogger("rag_pipeline")


def met_by(home: Home, release_id: str, golden: GoldenSet, judgments: Iterable[Unresolved]) -> frozenset[Judgment]:
    """The judgments among these that a release can meet, by its own chunks: it holds the document, with the quote in it.

    Raises `ReleaseError` when nobody can tell, because it is gone or damaged.
    """
    asked = list(judgments)
    if not asked:
        return frozenset()
    whole = {one.document for one in asked if not one.passage}
    held = known_documents(home, release_id, whole)
    met = {one.judgment for one in asked if not one.passage and one.document in held}
    if quoted := {one.document for one in asked if one.passage}:
        texts = places_of(home, read_manifest(home.release(release_id)), (), quoted).texts
        for one in asked:
            quotes = [
                found
                for found in golden.references.get(one.query, ())
                if found.document == one.document and fingerprint(found.quote, length=16) == one.passage
            ]
            if any(one.document in texts and find(texts[one.document], found.quote, found.start) for found in quotes):
                met.add(one.judgment)
    return frozenset(met)


def with_vanished(
    home: Home, living: Sequence[ResolvedSet], corpus: Corpus, release_id: str, production: str | None
) -> list[ResolvedSet]:
    """Golden sets with the judgments put back that production can meet and the sources cannot.

    As they are where nothing is compared; where production is damaged too, since nobody knows then what it held.
    """
    if production in (None, release_id):
        return list(living)
    return [_of_a_set(home, one, corpus, release_id, str(production)) for one in living]


def _of_a_set(home: Home, living: ResolvedSet, corpus: Corpus, release_id: str, production: str) -> ResolvedSet:
    try:
        back = met_by(home, production, living.golden, living.unresolved)
    except ReleaseError as error:
        log.warning("%s: nobody knows which answers vanished since %s: %s", living.golden.name, production, error)
        return living
    return put_back(home, living.golden, corpus, release_id, back) if back else living


def put_back(home: Home, golden: GoldenSet, corpus: Corpus, release_id: str, back: Collection[Judgment]) -> ResolvedSet:
    """The golden set with these judgments, and where the release is blind to them: it holds their document, but not the
    passage. Raises `ReleaseError` when it cannot be read."""
    living = resolve(golden, corpus, back)
    quotes = [one for one in living.vanished if one.passage]
    missed = {one.judgment for one in quotes} - met_by(home, release_id, golden, quotes)
    lost = {(query, document, passage) for query, document, _, passage in missed}
    unseen = {
        (query, document)
        for query, document, _ in lost
        if all(
            (query, document, fingerprint(one.quote, length=16)) in lost
            for one in living.references[query]
            if one.document == document and one.grade > 0
        )
    }
    return replace(living, unseen=frozenset(unseen))
