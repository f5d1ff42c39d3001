"""What came of a try, as it is kept and shown: an attempt, its figures, and their difference to how it is now. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.compare import answered_score, interval
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.ours import TRIED, found
from rag_pipeline.records import Record

ReadsAs = Literal["better", "worse", "not shown to differ"]
ERROR = 0.05
"""How often, of all tries, one or more of its attempts is called better that is not; and likewise worse."""


class Difference(Record):
    """The mean difference to how it is now, question by question, with its one-sided bounds."""

    mean: float
    lower: float
    upper: float
    reads_as: ReadsAs


class Figure(Record):
    """One metric of one golden set. `difference`: None for the attempt that the others are compared with."""

    metric: str
    value: float
    difference: Difference | None = None


class SetFigures(Record):
    """One golden set. `primary`: the metric its golden.yaml puts first. `recall`: of the documents that answer."""

    golden_set: str
    made_by: Literal["people", "machine", "traffic"]
    questions: int
    primary: Figure
    recall: Figure
    others: dict[str, float]
    """further metrics that golden.yaml or gate.yaml names -> their means"""


class Attempt(Record):
    """One attempt that was built and measured; with a `problem`, one that could not be."""

    name: str
    changed: dict[str, str]
    retrieves: str = ""
    documents: int = 0
    chunks: int = 0
    size_bytes: int = 0
    cut_seconds: float = 0.0
    texts: int = 0
    embedded: int = 0
    """Texts that had no vector yet."""
    embed_seconds: float = 0.0
    build_seconds: float = 0.0
    """What the index alone took, from chunks and vectors that are there."""
    users: int = 1
    """How many asked at a time when latency was measured."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    golden_sets: tuple[SetFigures, ...] = ()
    problem: str = ""


class Tried(Record):
    """A whole try. The first attempt is what the others are compared with."""

    format: Literal[1] = 1
    id: str
    at: datetime
    run_id: str
    seconds: float
    confidence: float
    """The confidence of each bound: 95 tries out of 100 call no attempt better, by a primary metric, that is not."""
    attempts: list[Attempt]

    @property
    def now(self) -> Attempt:
        return self.attempts[0]

    @property
    def failed(self) -> list[Attempt]:
        return [one for one in self.attempts if one.problem]


Scores = Mapping[str, Sequence[float]]
"""metric -> value of each question, in the same order for every attempt"""


def confidence_of(attempts: int, golden_sets: int) -> float:
    """The confidence of each bound, so that those of all comparisons on one side hold together (Bonferroni)."""
    return 1 - ERROR / max(1, attempts * golden_sets)


def figure(metric: str, mine: Scores, now: Scores | None, confidence: float) -> Figure:
    """A metric's mean, and its difference to how it is now unless that is None."""
    value = average(list(mine[metric]))
    if now is None:
        return Figure(metric=metric, value=value)
    differences = [a - b for a, b in zip(mine[metric], now[metric], strict=True)]
    seen = interval(differences, confidence=confidence, typical=answered_score(now[metric]))
    reads_as: ReadsAs = "better" if seen.lower > 0 else "worse" if seen.upper < 0 else "not shown to differ"
    return Figure(
        metric=metric,
        value=value,
        difference=Difference(mean=seen.mean, lower=seen.lower, upper=seen.upper, reads_as=reads_as),
    )


def keep(home: Home, tried: Tried) -> None:
    """Write the figures of a try down."""
    write_json(home.attempted(tried.id), tried.model_dump(mode="json"))


def kept(home: Home, try_id: str) -> Tried:
    """The figures of an earlier try. Raises `PipelineError` when there are none, or they cannot be read."""
    file = home.attempted(try_id)
    try:
        return Tried.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise PipelineError(f"there is no try {try_id}; `rag try --list` names those that are kept") from error
    except ValidationError as error:
        raise PipelineError(f"{file} is damaged; remove it, and try again what it was about") from error


def all_kept(home: Home) -> list[Tried]:
    """Every try that is kept, newest first."""
    return [kept(home, path.stem) for path in reversed(found(home.tries, TRIED))]
