"""One person's session of judging: what is asked next, what was answered, what can be taken back. No terminal here."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rag_pipeline.corpus.model import Encoder
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden import journal
from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.judging import Judging, Kept
from rag_pipeline.golden.pool import Pooled, is_judged, pools
from rag_pipeline.index.retrieve import OpenRelease, Query

QUERIES_AT_ONCE = 16


@dataclass
class Session:
    """Asks what nobody has judged yet: queries with the fewest judgments first. `k`: results of every way to retrieve."""

    judging: Judging
    release: OpenRelease
    load: Callable[[], Encoder]
    judge: str
    k: int
    queries: list[str]
    """Ids, in the order they are asked."""
    reached: int = 0
    """Queries whose results were looked at so far."""
    judged: list[Kept] = field(default_factory=list)
    skipped: int = 0
    _waiting: deque[Pooled] = field(default_factory=deque)
    _asked: list[Pooled] = field(default_factory=list)
    """What was judged, in step with `judged`."""

    @classmethod
    def open(
        cls, judging: Judging, release: OpenRelease, load: Callable[[], Encoder], *, judge: str, k: int, only: str | None
    ) -> "Session":
        """`only`: one query. Raises `GoldenSetError` when the set has no such query."""
        golden = judging.golden
        if only is not None and only not in golden.queries:
            raise GoldenSetError(f"query {only!r} is not in {judging.folder / 'queries.jsonl'}")
        times = {
            query: max(len(golden.references.get(query, ())), len(golden.qrels.get(query, {}))) for query in golden.queries
        }
        order = [only] if only is not None else sorted(golden.queries, key=lambda query: times[query])
        return cls(judging, release, load, judge, k, order)

    @property
    def left(self) -> int:
        """Results of the queries looked at that are still to be judged, those skipped among them."""
        return len(self._waiting) + self.skipped

    def next(self) -> Pooled | None:
        """What to judge next; None when every query's results are judged or skipped."""
        while not self._waiting and self.reached < len(self.queries):
            self._fill()
        return self._waiting[0] if self._waiting else None

    def place(self, one: Pooled) -> int:
        """The number of the session's query that this is about, from 1."""
        return self.queries.index(one.query) + 1

    def grade(self, grade: int, now: datetime) -> None:
        """Keep a grade for what `next` gave. Raises as `Judging.judge` does."""
        one = self._waiting[0]
        at = now.isoformat(timespec="seconds")
        release = self.release.manifest.id
        self.judged.append(self.judging.judge(Judgment(one.query, one.document, grade, one.text, self.judge, at, release)))
        self._asked.append(self._waiting.popleft())

    def skip(self) -> None:
        self._waiting.popleft()
        self.skipped += 1

    def undo(self, now: datetime) -> bool:
        """Take the last judgment of this session back and ask it again; False when there is none left."""
        if not self.judged:
            return False
        kept = self.judged.pop()
        self._waiting.appendleft(self._asked.pop())
        self.judging.undo(kept, now.isoformat(timespec="seconds"))
        return True

    def pooled(self, some: Sequence[str]) -> dict[str, list[Pooled]]:
        """Query id -> what is found for it, judged or not."""
        golden, source = self.judging.golden, self.judging.golden.about.source
        texts = [golden.queries[query] for query in some]
        vectors = query_vectors(self.judging.home, self.release.manifest.model.fingerprint, self.load, texts)
        asked = {query: Query(text, vector) for query, text, vector in zip(some, texts, vectors, strict=True)}
        return pools(self.release, asked, self.k, self.judging.judges, source)

    def _fill(self) -> None:
        some = self.queries[self.reached : self.reached + QUERIES_AT_ONCE]
        self._waiting.extend(self._unjudged(itertools.chain.from_iterable(self.pooled(some).values())))
        self.reached += len(some)

    def _unjudged(self, pooled: Iterable[Pooled]) -> Iterator[Pooled]:
        golden, by_passage = self.judging.golden, self.judging.judges == "passages"
        said = journal.standing(self.judging.folder, by_passage=by_passage)
        for one in pooled:
            if by_passage:
                known = (one.query, one.document, one.text) in said or is_judged(one, golden.references.get(one.query, ()))
            else:
                known = (one.query, one.document) in said or one.document in golden.qrels.get(one.query, {})
            if not known:
                yield one
