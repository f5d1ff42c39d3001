"""What all replicas of a home counted of both arms, by the files they write."""

from datetime import datetime

from rag_pipeline.canary.arms import Arms, Tried, summed
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


def arms_to_judge(home: Home, name: str, mine: Tried, now: datetime) -> Tried | None:
    """What all replicas counted of the trial that one of them (`name`, which counted `mine`) is in, and the last look at it.

    None where the look is another's to take: of those alive, the first by name takes it, so that each look is taken once.
    """
    others = [
        (one, one.tried) for one in standings(home) if one.replica != name and one.tried and one.tried.trial == mine.trial
    ]
    alive = [one.replica for one, _ in others if one.ended_at is None and not one.is_silent(now)]
    if any(other < name for other in alive):
        return None
    arms = summed([mine.arms, *(tried.arms for _, tried in others)])
    return Tried(trial=mine.trial, arms=arms, looked=max([mine.looked, *(tried.looked for _, tried in others)]))
