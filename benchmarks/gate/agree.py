"""That the batch decides as the product does: decisions drawn at random, taken again by the product alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.gate.batch import decided
from benchmarks.gate.planted import Rows
from benchmarks.gate.sets import PROBES, Measured, Probes, evidence_of
from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.evaluate.probed import probes_evidence
from rag_pipeline.gate.decide import Facts, decide
from rag_pipeline.gate.demands import golden_sets
from rag_pipeline.gate.policy import NotWorse, Policy, read_policy
from rag_pipeline.golden.read import About, GoldenSet
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.metrics.documents import score

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def agreement(found: Sequence[Measured], sizes: list[int], number: int, policy: Policy) -> str:
    """How many of so many decisions, with the reasons they give, are the product's to the letter."""
    generator = np.random.default_rng(23)
    evidences, again = [], []
    for _ in range(number):
        one = found[int(generator.integers(len(found)))]
        probes: Probes = ("none", "real", "made")[int(generator.integers(3 if len(one.made) else 2))]
        pool = {"none": one.pair.pool[:0], "real": one.pair.pool, "made": one.made}[probes]
        drawn = one.pair.pool[generator.integers(0, len(one.pair.pool), size=int(generator.choice(sizes)))]
        asked = pool[generator.integers(0, len(pool), size=PROBES)] if len(pool) else pool
        evidences.append(evidence_of(one, drawn, asked))
        again.append(_by_the_product(one, evidences[-1], drawn, asked, policy))
    batch = decided(evidences, lambda one: tuple(map(str, golden_sets(one, policy, "production").reasons)))
    same = sum(mine == theirs for mine, theirs in zip(batch, again, strict=True))
    return f"{same} of {number} decisions, drawn at random, are those of decide() with every reason to the letter"


def _by_the_product(found: Measured, batch: Evidence, drawn: Rows, probes: Rows, policy: Policy) -> tuple[str, ...]:
    """Scored, probed and decided without anything of the batch but the lists."""
    asked = {str(place): found.queries[row] for place, row in enumerate(drawn)}
    qrels = {name: found.qrels[query] for name, query in asked.items()}
    mine = {name: found.brought[int(drawn[int(name)])] for name in qrels}
    theirs = {name: found.served[int(drawn[int(name)])] for name in qrels}
    ids = {f"p{place:03}": int(row) for place, row in enumerate(probes)}
    set_evidence = batch.golden_sets["set"]

    def values(lists: dict[str, list[str]]) -> dict[str, list[float]]:
        scored = score(list(set_evidence.values), qrels, lists)
        return {name: [round(by_query[query], 6) for query in qrels] for name, by_query in scored.items()}

    living = ResolvedSet(GoldenSet("set", About(description="", owner=""), {}, qrels, probes=dict.fromkeys(ids, "")), qrels)
    probed = probes_evidence(
        living,
        NotWorse().metrics,
        theirs,
        {name: found.served[row] for name, row in ids.items()},
        {name: found.brought[row] for name, row in ids.items()},
        found.known,
    )
    one = SetEvidence.model_validate(
        set_evidence.model_dump() | {"values": values(mine), "production": values(theirs), "probes": probed}
    )
    evidence = Evidence(
        release="candidate",
        release_fingerprint="",
        manifest_sha256="",
        model_fingerprint="",
        policies=policy.fingerprints,
        created_at=_NOW,
        run_id="benchmark",
        compared_with="production",
        golden_sets={"set": one},
        latency=[LatencyEvidence(queries=1, p50_ms=1.0, p95_ms=1.0)],
    ).sealed()
    facts = Facts(
        release="candidate",
        release_fingerprint="",
        manifest_sha256="",
        model_fingerprint="",
        golden_fingerprints={"set": ""},
        production="production",
        current="production",
        sources=(),
    )
    return tuple(map(str, decide(evidence, policy, "production", facts, _NOW).reasons))


def default_policy(work: Path) -> Policy:
    """The gate's own demands on one set."""
    folder = work / "default_policy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gate.yaml").write_text("channels: {production: {golden_sets: {set: {}}}}\n", encoding="utf-8")
    return read_policy(folder)
