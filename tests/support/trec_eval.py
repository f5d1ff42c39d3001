"""What trec_eval itself says of a run: the oracle of every figure."""

import pytest
import pytrec_eval

from rag_pipeline.metrics.documents import PerQuery

CUT = 5
THEIRS = {
    f"nDCG@{CUT}": f"ndcg_cut_{CUT}",
    f"recall@{CUT}": f"recall_{CUT}",
    f"precision@{CUT}": f"P_{CUT}",
    f"MAP@{CUT}": f"map_cut_{CUT}",
    f"hit@{CUT}": f"success_{CUT}",
    f"MRR@{CUT}": "recip_rank",
}
Qrels = dict[str, dict[str, int]]
Run = dict[str, list[str]]


def by_trec_eval(qrels: Qrels, run: Run) -> dict[str, dict[str, float]]:
    """query id -> our name -> value; a query without results is not in it. MRR has no depth there, so the run is cut."""
    scored = {query: {doc: 1.0 / (rank + 1) for rank, doc in enumerate(docs)} for query, docs in run.items()}
    cut = {query: dict(list(docs.items())[:CUT]) for query, docs in scored.items()}
    names = {f"{name}.{CUT}" for name in ("ndcg_cut", "recall", "P", "map_cut", "success")}
    found = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(scored)
    first = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
    both = {query: values | first.get(query, {}) for query, values in found.items()}
    return {query: {ours: values[name] for ours, name in THEIRS.items()} for query, values in both.items()}


def assert_agrees(ours: PerQuery, qrels: Qrels, run: Run) -> None:
    trec = by_trec_eval(qrels, run)
    for query, grades in qrels.items():
        docs = run.get(query, [])
        for name in THEIRS:
            expected = trec.get(query, {}).get(name, 0.0)
            assert ours[name][query] == pytest.approx(expected, abs=1e-6), (name, query)
        share = sum(doc in grades for doc in docs[:CUT]) / len(docs[:CUT]) if docs else 0.0
        assert ours[f"judged@{CUT}"][query] == pytest.approx(share, abs=1e-6), query
