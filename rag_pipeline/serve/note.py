"""What is told of one request to the log, the counters and the traces."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rag_pipeline.canary.arms import Arm
from rag_pipeline.serve.asked import SearchAnswer, SearchRequest


@dataclass(frozen=True, slots=True)
class Where:
    """Which channel somebody asks, and in which session; None: the replica's first, and no session."""

    channel: str | None = None
    session: str | None = None


NOWHERE = Where()


@dataclass(slots=True)
class Note:
    """What the log and the counters are told of one request. No text of it, and nothing that it found."""

    query_id: str
    channel: str = ""
    """The channel whose release answers."""
    release: str = ""
    mode: str = ""
    hits: int | None = None
    degraded: tuple[str, ...] = ()
    steps_ms: dict[str, float] = field(default_factory=dict)
    answer: dict[str, str | int | float] = field(default_factory=dict)
    """What became of an answer in sentences: how many there are, who made them, and what they cost."""
    arm: Arm = "stable"
    ends_later: bool = False
    """Whether more follows what is searched: sentences, and what they cost."""
    at_end: list[Callable[[str], None]] = field(default_factory=list)
    """What is done once all is known of the request; it is told the problem, if it came to one."""

    def end(self, problem: str = "") -> None:
        """Nothing is known later. Another call does nothing more."""
        while self.at_end:
            self.at_end.pop()(problem)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with what it came to, as the thread of the log gets it."""

    note: Note
    at_s: float
    """Seconds since 1970."""
    principal: str
    reads: frozenset[str]
    request: SearchRequest
    answer: SearchAnswer | None
    status: int
    problem: str
    total_ms: float
