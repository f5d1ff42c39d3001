"""Everything that can be wrong with the figures of a golden set: how, and what the gate says then."""

import math
from collections.abc import Callable

from tests.support.gate_cases import (
    EVEN,
    INVALID,
    ODD,
    OPEN,
    QUERIES,
    REGRESSED,
    Case,
    gone,
    spread,
)

NO_QUERY = {"query_ids": [], "slices": {"kind": []}, "values": {}, "production": {}}


WRONG: dict[str, tuple[Callable[[Case], object], str, str, str]] = {
    "a golden set demanded but absent": (
        lambda case: (case.evidence_is(golden_sets={}), case.facts_are(golden_fingerprints={})),
        INVALID,
        "golden set docs is demanded, but there is no such folder",
        "gate.yaml:13",
    ),
    "a set left out of the comparison": (
        lambda case: case.set_is(production=None),
        INVALID,
        "docs was not compared with old",
        "gate.yaml:17",
    ),
    "a metric nobody measured": (
        lambda case: case.set_is(values={name: [0.8] * QUERIES for name in ("nDCG@10", "recall@10")}),
        INVALID,
        "docs: hit@10 was not measured; evaluate again",
        "gate.yaml:17",
    ),
    "a metric not measured on production": (
        lambda case: case.set_is(production={"nDCG@10": [0.8] * QUERIES}),
        INVALID,
        "docs: recall@10, hit@10 was not measured; evaluate again",
        "gate.yaml:17",
    ),
    "a value that is not a number": (
        lambda case: case.values_are(hit=spread(1.0, math.nan, [7])),
        INVALID,
        "docs: what was measured is damaged: a value is missing or not a number, or a query given twice",
        "",
    ),
    "a value of production that is not a number": (
        lambda case: case.production_was(judged=spread(0.1, -math.inf, [7])),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a value missing": (
        lambda case: case.values_are(ndcg=[0.8] * (QUERIES - 1)),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a slice missing a query": (
        lambda case: case.set_is(slices={"kind": ["paraphrase", "literal"] * (QUERIES // 2 - 1)}),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a list without new documents missing a query": (
        lambda case: case.set_is(condensed={"nDCG@10": [0.8] * (QUERIES - 1)}),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a query given twice": (
        lambda case: case.set_is(query_ids=["q"] * QUERIES),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "dead judgments": (
        lambda case: case.set_is(unresolved=gone(5)),
        INVALID,
        "docs: 5 of 200 judgments (2.5 %) name documents or passages that do not exist (first: handbook/gone.md, dead); "
        "at most 2 % may. docs@example.com can judge again: `rag golden check docs`",
        "gate.yaml:23",
    ),
    "answers that vanished with their documents": (
        lambda case: case.set_is(unresolved=gone(3), vanished=gone(3)),
        REGRESSED,
        "docs: 3 of 200 judgments (1.5 %) lost their document or passage since production was built, and count as lost "
        "answers: handbook/gone.md. Bring them back at the source; or, if they are meant to be gone, take these judgments "
        "out of the set (`rag golden check docs` names their lines); at most 1 % may",
        "gate.yaml:17",
    ),
    "no living query": (lambda case: case.set_is(**NO_QUERY), INVALID, "docs: 0 of 200 judgments", "gate.yaml:23"),
    "no judgment": (
        lambda case: case.set_is(judgments=0),
        INVALID,
        "docs: 0 of 0 judgments (100.0 %)",
        "gate.yaml:23",
    ),
    "a metric below its floor": (
        lambda case: (case.values_are(ndcg=[0.59994] * QUERIES), case.production_was(ndcg=[0.59994] * QUERIES)),
        REGRESSED,
        "docs: nDCG@10 is 0.5999, below its floor of 0.6",
        "gate.yaml:15",
    ),
    "worse than production": (
        lambda case: case.values_are(ndcg=spread(0.8, 0.0, ODD[:40])),
        REGRESSED,
        "worse than production: docs: nDCG@10 -0.1778 against production over 180 queries, one-sided 95 % bounds -0.2",
        "gate.yaml:19",
    ),
    "perhaps worse than production": (
        lambda case: case.values_are(ndcg=spread(0.8, 0.4, ODD[:5])),
        OPEN,
        "cannot be shown to be no worse than production: docs: nDCG@10 -0.0111 against production over 180 queries",
        "gate.yaml:19",
    ),
    "fewer of the relevant documents": (
        lambda case: case.values_are(recall=spread(0.9, 0.1, ODD[:30])),
        REGRESSED,
        "worse than production: docs: recall@10 -0.1333 against production over 180 queries",
        "gate.yaml:20",
    ),
    "answers that are gone": (
        lambda case: case.values_are(hit=spread(1.0, 0.0, ODD[:20])),
        REGRESSED,
        "docs: 20 of 180 queries went from answered to unanswered in the first 10; "
        "that may be 15.7 % of all, at most 5 % may",
        "gate.yaml:21",
    ),
    "answers that may be gone": (
        lambda case: case.values_are(hit=spread(1.0, 0.0, ODD[:5])),
        OPEN,
        "docs: 5 of 180 queries went from answered to unanswered in the first 10; that may be 5.8 % of all, at most 5 % may",
        "gate.yaml:21",
    ),
    "results that nobody judged": (
        lambda case: (case.production_was(judged=[0.9] * QUERIES), case.values_are(judged=[0.7] * QUERIES)),
        INVALID,
        "docs: judged@10 fell from 0.90 to 0.70, so nobody knows what the new results are worth; `rag golden judge docs`",
        "gate.yaml:22",
    ),
    "a critical slice that is worse": (
        lambda case: case.values_are(ndcg=[(0.2 if row < 40 else 0.8) if row in EVEN else 1.0 for row in range(QUERIES)]),
        REGRESSED,
        "worse than production: docs, kind = paraphrase: nDCG@10 -0.1333 against production over 90 queries",
        "gate.yaml:27",
    ),
    "a critical slice that may be worse": (
        lambda case: case.values_are(ndcg=[(0.3 if row < 12 else 0.8) if row in EVEN else 0.9 for row in range(QUERIES)]),
        OPEN,
        "cannot be shown to be no worse than production: docs, kind = paraphrase: nDCG@10 -0.0333",
        "gate.yaml:27",
    ),
    "a slice below its floor": (
        lambda case: (case.values_are(ndcg=spread(0.8, 0.45, EVEN)), case.production_was(ndcg=spread(0.8, 0.45, EVEN))),
        REGRESSED,
        "docs, kind = paraphrase: nDCG@10 is 0.4500, below its floor of 0.5",
        "gate.yaml:29",
    ),
    "a slice that no query has": (
        lambda case: case.set_is(slices={"kind": ["literal"] * QUERIES}),
        INVALID,
        "docs, kind = paraphrase: no living query has this value; correct the policy or judge some",
        "gate.yaml:26",
    ),
    "a field that no query has": (
        lambda case: case.set_is(slices={}),
        INVALID,
        "docs, kind = paraphrase: no living query has this value; correct the policy or judge some",
        "gate.yaml:26",
    ),
}
