"""What a change of lists costs where nobody judged: the expected loss by place. Values in, values out.

Nobody knows which document answers a probe, but the judged questions show at which places of production's lists right
documents are. So a document that moved costs the chance that it was the right one, times what moving it costs. Documents
that production could not have are taken out first.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from rag_pipeline.evaluate.condensed import condense
from rag_pipeline.metrics.definitions import METRICS
from rag_pipeline.metrics.spans import is_span_metric

PLACES = 10
"""Places of production's list that are looked at; a metric that looks less deep looks at fewer."""

PRIOR = (0.50, 0.15, 0.08, 0.06, 0.05, 0.04, 0.04, 0.03, 0.03, 0.02)
"""Where the right document of an imagined question stands."""

IMAGINED = 20
"""Questions imagined beside the judged ones.

Ten judged questions say little of ten places, so twenty imagined ones hold the chances near what is usual; from sixty judged
ones on, three quarters of the chances are learnt. They are spread as answers are in most corpora (half first, all found),
and not all first: then a swap of the first two documents, which 8-bit vectors bring about, would count double, and what is
lost from place two on a third. Where nearly all answers stand first, a loss is underrated a little (decision 34).
"""


@dataclass(frozen=True, slots=True)
class Chances:
    """Chance that the right document of a question stands at place 1, 2, … of production's list; below 1 in all."""

    by_place: tuple[float, ...]

    def most(self, metric: str) -> float:
        """What a question can lose by a metric: all of its list."""
        return math.fsum(chance * worth(metric, place) for place, chance in enumerate(self.by_place, start=1))


def chances(qrels: Mapping[str, Mapping[str, int]], lists: Mapping[str, Sequence[str]]) -> Chances:
    """The chances, from the places of production's first right documents, and `IMAGINED` questions beside."""
    found = [first_place(grades, lists.get(query, ())) for query, grades in qrels.items()]
    counted = (found.count(place) + IMAGINED * prior for place, prior in enumerate(PRIOR, start=1))
    return Chances(tuple(round(count / (len(found) + IMAGINED), 6) for count in counted))


def first_place(grades: Mapping[str, int], documents: Sequence[str]) -> int | None:
    """Where the first relevant document stands, from 1; None where none does."""
    return next((place for place, one in enumerate(documents, start=1) if grades.get(one, 0) > 0), None)


def can_be_expected(metric: str) -> bool:
    """Whether a metric is one of the places of documents: of passages nobody knows, and judged@k is no score."""
    return not is_span_metric(metric) and not metric.startswith("judged@")


@cache
def worth(metric: str, place: int) -> float:
    """What a question with one right document scores that stands at a place, by a metric of documents."""
    kind, _, depth = metric.partition("@")
    documents = [*map(str, range(1, place)), "right"]
    return METRICS[kind].value({"right": 1}, documents[: int(depth)], int(depth))


def expected_loss(
    metric: str, likely: Chances, production: Sequence[str], candidate: Sequence[str], known: Container[str]
) -> float:
    """What one probe loses, 0 to 1: over production's first places, the chance that the right document stands there, times
    what its new place is worth less. `candidate`: its whole list as it is kept; a document that is not in it is lost.

    Never below 0: that a document rose is no gain that somebody judged, and must not pay for the loss of another probe.
    """
    now = {document: place for place, document in enumerate(condense(candidate, known), start=1)}
    loss = math.fsum(
        chance * (worth(metric, place) - (worth(metric, now[document]) if document in now else 0.0))
        for place, (chance, document) in enumerate(zip(likely.by_place, production, strict=False), start=1)
    )
    return max(0.0, loss)
