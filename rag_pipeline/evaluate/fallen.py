"""Which documents answered before and do not any more, or further back: so that a refusal names pages, not only figures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rag_pipeline.evaluate.expected import PLACES, first_place, worth

SLIP = 2
"""Places by which an answer may stand further back and has only slipped: near ties of a fused list change places with any
change of the corpus, so at the edge of the first ten one goes out and another comes in."""

_NAMED = 3
_METRIC = f"nDCG@{PLACES}"

Lists = Mapping[str, Sequence[str]]
"""query id -> documents, best first"""


def fallen(qrels: Mapping[str, Mapping[str, int]], mine: Lists, theirs: Lists) -> list[str]:
    """Relevant documents of an earlier release's first places that stand further back in a release's own, or nowhere.

    No more than a person reads, what fell furthest over all queries first.
    """
    cost: defaultdict[str, float] = defaultdict(float)
    for query, grades in qrels.items():
        now = {document: place for place, document in enumerate(mine.get(query, ())[:PLACES], start=1)}
        for place, document in enumerate(theirs.get(query, ())[:PLACES], start=1):
            left = worth(_METRIC, now[document]) if document in now else 0.0
            if grades.get(document, 0) > 0 and (lost := worth(_METRIC, place) - left) > 0:
                cost[document] += lost
    return [document for document, _ in sorted(cost.items(), key=lambda one: (-one[1], one[0]))][:_NAMED]


def slipped(qrels: Mapping[str, Mapping[str, int]], mine: Lists, theirs: Lists) -> list[str]:
    """Queries whose first relevant document stands `SLIP` places further back than an earlier release had it at most, by id.

    `mine`: whole lists as they are kept, without documents the earlier release could not have; `theirs`: its first places.
    Of these, one that left the first ten lost no answer.
    """
    found = []
    for query, grades in qrels.items():
        then, now = first_place(grades, theirs.get(query, ())), first_place(grades, mine.get(query, ()))
        if then and now and then <= PLACES and 0 < now - then <= SLIP:
            found.append(query)
    return sorted(found)


def most_lost(documents: Sequence[str]) -> str:
    """What a reason says of them; empty where none fell."""
    return f"; most lost: {', '.join(documents)}" if documents else ""
