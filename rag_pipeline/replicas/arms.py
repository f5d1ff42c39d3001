"""What all replicas of a home counted of both arms, by the files they write."""

from rag_pipeline.canary.arms import Arms, summed
from rag_pipeline.canary.split import Split
from rag_pipeline.home import Home
from rag_pipeline.replicas.standing import standings


def arms_of(home: Home, split: Split | None) -> Arms:
    """What replicas counted so far of a split that is on; or what they had counted when it was stopped."""
    if split is None or not split.percent:
        return split.arms if split else Arms()
    told = [one.tried for one in standings(home) if one.tried and one.tried.trial.number == split.number]
    if not told:
        return Arms()
    newest = told[-1].trial  # of several, after a promotion, that of the replica that was started last
    return summed(one.arms for one in told if one.trial == newest)
