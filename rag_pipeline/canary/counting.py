"""Both arms of one trial, as one replica counts them. Safe between threads."""

import threading
from collections import Counter

from rag_pipeline.canary.arms import Arm, ArmCounts, Arms, Trial, Tried, bucket_of


class Counting:
    """Counts begin anew with every trial; before the first nothing is counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trial: Trial | None = None
        self._clear()

    def _clear(self) -> None:
        self._answered: dict[Arm, Counter[int]] = {"stable": Counter(), "canary": Counter()}
        self._errors: Counter[Arm] = Counter()
        self._unopened = self._looked = 0

    def compare(self, trial: Trial) -> None:
        """Count for this trial from now on."""
        with self._lock:
            if trial != self._trial:
                self._trial = trial
                self._clear()

    def looked(self, trial: Trial, at: int) -> None:
        """A look was taken at the sum of all replicas."""
        with self._lock:
            if trial == self._trial:
                self._looked = at

    def unopened(self) -> None:
        """A question of the canary arm is answered by the stable one, as nothing else is open."""
        with self._lock:
            self._unopened += 1

    def count(self, arm: Arm, channel: str, release: str, milliseconds: float | None) -> None:
        """An answer, or, without a time, a failure. What another release gave is left out."""
        with self._lock:
            if (trial := self._trial) is None:
                return
            compared = {"stable": (trial.channel, trial.stable), "canary": (trial.canary_channel, trial.canary)}
            if (channel, release) != compared[arm]:
                return
            if milliseconds is None:
                self._errors[arm] += 1
            else:
                self._answered[arm][bucket_of(milliseconds)] += 1

    @property
    def tried(self) -> Tried | None:
        """What was counted of the last trial."""
        with self._lock:
            if self._trial is None:
                return None
            arms = Arms(stable=self._counts("stable"), canary=self._counts("canary"), unopened=self._unopened)
            return Tried(trial=self._trial, arms=arms, looked=self._looked)

    def _counts(self, arm: Arm) -> ArmCounts:
        return ArmCounts(answered=dict(self._answered[arm]), errors=self._errors[arm])
