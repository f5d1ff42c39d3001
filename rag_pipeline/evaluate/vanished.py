"""Judgments that died with their document since another release was built: lost answers, not questions to leave out.

Taken out on both sides, four vanished documents of 240 let the mean rise. So what production answers still and no source
holds any more counts as it did: production scores what it scores, and a release built today finds nothing. That lasts until
somebody accepts it: the owner takes the judgments out of the set, or a person promotes by override.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.alive import Alive, Corpus, Judgment, alive
from rag_pipeline.evaluate.condensed import known_documents
from rag_pipeline.evaluate.evidence import Unresolved
from rag_pipeline.evaluate.golden import GoldenSet
from rag_pipeline.evaluate.places import places_of
from rag_pipeline.evaluate.quotes import find
from rag_pipeline.files import fingerprint
from rag_pipeline.index.manifest import read_manifest

log = logging.getLogger("rag_pipeline")


def met_by(home: Path, release_id: str, golden: GoldenSet, judgments: Iterable[Unresolved]) -> frozenset[Judgment]:
    """Which of these judgments a release can meet, by its own chunks: it holds the document, and the quote stands in it.

    Raises `ReleaseError` when nobody can tell, because it is gone or damaged.
    """
    asked = list(judgments)
    if not asked:
        return frozenset()
    whole = {one.document for one in asked if not one.passage}
    held = known_documents(home, release_id, whole)
    met = {one.judgment for one in asked if not one.passage and one.document in held}
    if quoted := {one.document for one in asked if one.passage}:
        texts = places_of(home, read_manifest(home / "releases" / release_id), (), quoted).texts
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
    home: Path, living: Sequence[Alive], corpus: Corpus, release_id: str, production: str | None
) -> list[Alive]:
    """Golden sets with the judgments put back that production can meet and the sources cannot.

    As they are where nothing is compared; where production is damaged too, since nobody knows then what it held.
    """
    if production in (None, release_id):
        return list(living)
    return [_of_a_set(home, one, corpus, release_id, str(production)) for one in living]


def _of_a_set(home: Path, living: Alive, corpus: Corpus, release_id: str, production: str) -> Alive:
    try:
        back = met_by(home, production, living.golden, living.unresolved)
    except ReleaseError as error:
        log.warning("%s: nobody knows which answers vanished since %s: %s", living.golden.name, production, error)
        return living
    return put_back(home, living.golden, corpus, release_id, back) if back else living


def put_back(home: Path, golden: GoldenSet, corpus: Corpus, release_id: str, back: Collection[Judgment]) -> Alive:
    """The golden set with these judgments, and where the release is blind to them: it holds their document, but not the
    passage. Raises `ReleaseError` when it cannot be read."""
    living = alive(golden, corpus, back)
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
