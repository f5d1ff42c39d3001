"""What the probes of a golden set show about a release against production: the expected loss of each."""

from collections.abc import Container, Iterable, Mapping, Sequence

from rag_pipeline.evaluate.evidence import NO_SLICE, ProbesEvidence
from rag_pipeline.evaluate.expected import can_be_expected, chances, expected_loss
from rag_pipeline.golden.resolve import ResolvedSet

Lists = Mapping[str, Sequence[str]]
"""query or probe id -> documents, best first"""


def probes_evidence(
    living: ResolvedSet,
    metrics: Iterable[str],
    judged: Lists,
    production: Lists,
    candidate: Lists,
    known: Container[str] | None,
) -> ProbesEvidence | None:
    """None for a set without probes.

    `judged`: production's lists of the judged queries. `production`, `candidate`: lists of the probes, none of production's
    where it cannot be asked any more. `known`: documents that production has, None where nobody can tell.
    """
    golden = living.golden
    ids = sorted(golden.probes)
    if not ids:
        return None
    slices = {name: [golden.probe_slices.get(one, {}).get(name, NO_SLICE) for one in ids] for name in golden.about.slices}
    if known is None or not production:
        what = "nobody can tell which documents it has" if production else "it cannot be asked any more"
        return ProbesEvidence(ids=ids, slices=slices, problem=f"production is damaged: {what}")
    likely = chances(living.qrels, judged)
    losses = {
        metric: [round(expected_loss(metric, likely, production[one], candidate[one], known), 6) for one in ids]
        for metric in metrics
        if can_be_expected(metric)
    }
    return ProbesEvidence(ids=ids, slices=slices, chances=list(likely.by_place), losses=losses)
