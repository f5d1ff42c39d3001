"""What a replica does about the split: it holds the canary's release open, counts both arms, and stops what does harm.

It needs nobody for that, no Dagster and no other replica. Of all replicas that count the same trial one takes the looks at
their sum; any of them stops a release that it cannot open. Where the stop cannot be written, this replica stops by itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from rag_pipeline.canary.arms import Arms, Trial, Tried
from rag_pipeline.canary.counting import Counting
from rag_pipeline.canary.looks import FAILED_OPENS, look
from rag_pipeline.canary.split import Split, SplitMoved, change_split, read_split, stopped
from rag_pipeline.door.problems import DEADLINE, OVERLOADED, TOO_MANY, Problem
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.release.followed import Followed
from rag_pipeline.release.leased import Leased
from rag_pipeline.replicas.arms import arms_to_judge
from rag_pipeline.replicas.standing import EVERY_S
from rag_pipeline.serve.note import Note

log = logging.getLogger("rag_pipeline")

_LOOK_EVERY_S = 1.0


class Splitting:
    """Until it is closed. Any thread may ask it; one of its own opens, closes, looks and writes."""

    def __init__(
        self, home: Home, followed: Mapping[str, Followed], follow: Callable[[str], Followed], name: str, shadow: str = ""
    ) -> None:
        """`followed`: the channels of the replica; `follow` opens another one; `shadow`: one that is always held open."""
        self._home, self._followed, self._follow, self._name, self._shadow = home, followed, follow, name, shadow
        self._beside: dict[str, Followed] = {}
        self._split: Split | None = None
        self._given_up = 0
        """Number of the split that this replica stopped."""
        self._to_write: Split | None = None
        self._trouble = ""
        self._counts = Counting()
        self._end = threading.Event()
        self._judged_at = 0.0
        self._thread = threading.Thread(target=self._run, name="splitting", daemon=True)
        self._thread.start()

    # --- of those who answer ----------------------------------------------------------------------------------------------

    def lease(self, stack: ExitStack, note: Note, who: str) -> Leased | None:
        """The canary's release until the stack is closed, if it is to answer somebody and is open; `note` says so then."""
        split = self._split
        if split is None or split.channel != note.channel or not self._is_on(split):
            return None
        if split.arm_of(who, datetime.now(UTC)) == "stable":
            return None
        leased = self._opened(stack, split.canary)
        if leased is None:
            self._counts.unopened()
            return None
        note.arm, note.channel = "canary", split.canary
        return leased

    def shadow(self, stack: ExitStack) -> Leased | None:
        """The release of the shadow's channel until the stack is closed, if it is open."""
        return self._opened(stack, self._shadow)

    @contextmanager
    def counting(self, note: Note, *, hurried: bool) -> Iterator[None]:
        """Count the request of the block. `hurried`: it allows itself less time than others, so that late is no failure."""
        began = time.monotonic()
        try:
            yield
        except Problem as problem:
            limits = (TOO_MANY, OVERLOADED, DEADLINE) if hurried else (TOO_MANY, OVERLOADED)
            if problem.kind.status >= 500 and problem.kind not in limits:
                self._counts.count(note.arm, note.channel, note.release, None)
            raise
        except Exception:
            self._counts.count(note.arm, note.channel, note.release, None)
            raise
        self._counts.count(note.arm, note.channel, note.release, 1000 * (time.monotonic() - began))

    @property
    def percent(self) -> float:
        """How much of the traffic the canary answers now."""
        split = self._split
        return split.percent if split and self._is_on(split) else 0.0

    @property
    def unopened(self) -> int:
        """Questions of the canary arm that the stable one answered in this trial, as its release was not open."""
        tried = self._counts.tried
        return tried.arms.unopened if tried else 0

    @property
    def tried(self) -> Tried | None:
        """What this replica counted of the trial it is, or was, in."""
        return self._counts.tried

    @property
    def beside(self) -> Mapping[str, Followed]:
        """Channels that are held open beside those of the replica."""
        return dict(self._beside)

    def close(self) -> None:
        self._end.set()
        self._thread.join(30)
        for one in self._beside.values():
            one.close()

    def _is_on(self, split: Split) -> bool:
        return split.number != self._given_up and split.is_on(datetime.now(UTC))

    def _of(self, channel: str) -> Followed | None:
        return self._followed.get(channel) or self._beside.get(channel)

    def _opened(self, stack: ExitStack, channel: str) -> Leased | None:
        """What a channel names, leased; None where it is not open, or the one before it is."""
        followed = self._of(channel)
        if followed is None or followed.why:
            return None
        try:
            return stack.enter_context(followed.lease())
        except ReleaseError:  # nothing is open yet, or it is being closed
            return None

    # --- of the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception as error:  # whatever it is, the stable release answers, and the next look comes
                self._tell(f"the split cannot be looked at ({type(error).__name__})")
            if self._end.wait(_LOOK_EVERY_S):
                return

    def _look(self) -> None:
        try:
            split = read_split(self._home)
        except (PipelineError, OSError) as error:
            self._tell(str(error))
            split = None
        else:
            self._trouble = ""
        if self._to_write and (split is None or split.number != self._given_up):
            self._to_write = None  # somebody else changed it
        split = split if split and split.channel in self._followed else None
        on = split if split and self._is_on(split) else None
        self._hold_open({*([on.canary] if on else []), *([self._shadow] if self._shadow else [])})
        if on:
            self._try(on)
        elif self._to_write and split:
            self._write(split, self._to_write)
        self._split = split

    def _hold_open(self, wanted: set[str]) -> None:
        wanted -= self._followed.keys()
        gone = [self._beside.pop(name) for name in [*self._beside] if name not in wanted]
        for name in wanted - self._beside.keys():
            self._beside[name] = self._follow(name)
        for one in gone:
            one.close()

    def _try(self, split: Split) -> None:
        stable, canary = self._followed[split.channel], self._of(split.canary)
        if canary is None:
            return
        releases = [one.state.serving if one.state else "" for one in (stable, canary)]
        trial = Trial(
            number=split.number,
            channel=split.channel,
            stable=releases[0],
            canary_channel=split.canary,
            canary=releases[1],
        )
        self._counts.compare(trial)
        if canary.failed >= FAILED_OPENS:
            self._stop(split, f"{split.canary} could not be opened {canary.failed} times in a row: {canary.why}", Arms())
        elif time.monotonic() >= self._judged_at + EVERY_S:
            self._judged_at = time.monotonic()
            self._judge(split)

    def _judge(self, split: Split) -> None:
        """Take the look that is due at the sum of all replicas, if it is this one's to take."""
        mine = self.tried
        summed = arms_to_judge(self._home, self._name, mine, datetime.now(UTC)) if mine else None
        found = look(summed.arms, summed.looked) if summed else None
        if summed and found:
            self._counts.looked(summed.trial, found.at)
            if found.stop:
                self._stop(split, found.stop, summed.arms)

    def _stop(self, split: Split, why: str, arms: Arms) -> None:
        """First here, whatever else can be done; then for all."""
        self._given_up = split.number
        log.warning("%s gets no more of the traffic of %s: %s", split.canary, split.channel, why)
        by = f"replica {self._name}"
        self._to_write = stopped(split, datetime.now(UTC), by=by, why=why, arms=arms, by_replica=True)
        self._write(split, self._to_write)

    def _write(self, split: Split, new: Split) -> None:
        try:
            change_split(self._home, new, expected=split)
        except SplitMoved:
            pass
        except (PipelineError, OSError) as error:
            self._tell(f"the stop cannot be written, so it holds for this replica alone, and is tried again: {error}")
            return
        self._to_write = None

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s: %s", self._home.split, trouble)
        self._trouble = trouble
