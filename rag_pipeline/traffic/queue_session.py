"""Judging the queue: questions in the order they were drawn, and, of what others judged, a tenth once more.

It is a session of judging like any other; the dialogue at the terminal and the page in a browser both work on it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rag_pipeline.corpus.model import Encoder
from rag_pipeline.golden import journal
from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.pool import Pooled
from rag_pipeline.golden.session import QUERIES_AT_ONCE, Session
from rag_pipeline.index.retrieve import OpenRelease
from rag_pipeline.traffic.agreement import Item, agreement, keep_second, seconds, wants_a_second
from rag_pipeline.traffic.pairs import pooled_with
from rag_pipeline.traffic.strata import STRATA, Line, turn_of

DEPTH = 10
"""Documents of every way to retrieve that are judged: as many as nDCG@10 looks at."""


@dataclass
class QueueSession(Session):
    """`seconds`: how many of the judgments are second ones, of what somebody else judged first."""

    seconds: int = 0
    lines: dict[str, Line] = field(default_factory=dict)
    hidden: Collection[str] = ()
    """Documents that nobody is shown."""
    _done: list[tuple[Pooled, Judgment] | None] = field(default_factory=list)
    """In step with what this judge did: a second judgment, or None for a first one, which the session itself remembers."""

    @classmethod
    def of(
        cls, judging: Judging, release: OpenRelease, load: Callable[[], Encoder], judge: str, lines: Sequence[Line]
    ) -> "QueueSession":
        return cls(judging, release, load, judge, DEPTH, in_turn(lines), lines={one.query_id: one for one in lines})

    def pooled(self, some: Sequence[str]) -> dict[str, list[Pooled]]:
        """With what two releases found, of questions for which they found other chunks first."""
        home, hidden = self.judging.home, self.hidden
        return {query: pooled_with(home, self.lines[query], one, hidden) for query, one in super().pooled(some).items()}

    def grade(self, grade: int, now: datetime) -> None:
        one = self._waiting[0]
        item = (one.query, one.document)
        if item not in journal.standing(self.judging.folder, by_passage=False):
            super().grade(grade, now)
            self._done.append(None)
            return
        at = now.isoformat(timespec="seconds")
        said = Judgment(one.query, one.document, grade, one.text, self.judge, at, self.release.manifest.id)
        keep_second(self.judging.folder, said)
        self.seconds += 1
        self._done.append((self._waiting.popleft(), said))

    def undo(self, now: datetime) -> bool:
        last = self._done.pop() if self._done else None
        if last is None:
            return super().undo(now)
        pooled, said = last
        keep_second(self.judging.folder, replace(said, grade=None, at=now.isoformat(timespec="seconds")))
        self._waiting.appendleft(pooled)
        self.seconds -= 1
        return True

    def complete(self) -> set[str]:
        """Ids of questions of which all that is found is judged."""
        said, done = firsts(self.judging), set()
        for start in range(0, len(self.queries), QUERIES_AT_ONCE):
            for query, pooled in self.pooled(self.queries[start : start + QUERIES_AT_ONCE]).items():
                if all((one.query, one.document) in said for one in pooled):
                    done.add(query)
        return done

    @property
    def agreement(self) -> str:
        folder = self.judging.folder
        return agreement(firsts(self.judging), seconds(folder)).says

    def _unjudged(self, pooled: Iterable[Pooled]) -> Iterator[Pooled]:
        folder = self.judging.folder
        yield from to_judge(pooled, self.judge, firsts(self.judging), seconds(folder))


def in_turn(lines: Iterable[Line]) -> list[str]:
    """Ids in the order they are judged: the uniform sample in its own order, then the others."""
    return [one.query_id for one in sorted(lines, key=lambda one: (STRATA.index(one.stratum), turn_of(one)))]


def firsts(judging: Judging) -> dict[Item, Judgment]:
    """What was judged first, by question and document."""
    said = journal.standing(judging.folder, by_passage=False)
    return {(one.query, one.document): one for one in said.values()}


def to_judge(
    pooled: Iterable[Pooled], judge: str, first: dict[Item, Judgment], second: dict[Item, Judgment]
) -> Iterator[Pooled]:
    """What this judge shall judge of what was found."""
    for one in pooled:
        item = (one.query, one.document)
        said = first.get(item)
        if said is None or (said.judge != judge and wants_a_second(item) and item not in second):
            yield one
