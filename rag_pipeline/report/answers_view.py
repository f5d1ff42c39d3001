"""What the page of answers shows: question by question, worst first, beside what the release before answered. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.answer.cited import Cited
from rag_pipeline.evaluate.answers import Answered, AnswersOf, Figures, Measured, has_right_sentence
from rag_pipeline.evaluate.judged_quotes import is_right
from rag_pipeline.metrics.answers import scores
from rag_pipeline.report.charts import Tone
from rag_pipeline.report.words import milliseconds, number, percent

MOST = 60
"""Questions of one golden set that are shown; of the others the page says how they ended."""

_JUDGED = 5
"""Judged passages of one question that are shown."""


_SHARES = {
    "right_sentence": "a right sentence, where its passage was retrieved",
    "quote_precision": "characters that are quoted and judged, of those quoted",
    "quote_recall": "characters that are quoted and judged, of those judged",
    "refused_wrongly": "refused, though its passage was retrieved",
    "refused_rightly": "refused, where nothing answers",
    "reference_held": "a reference answer stands within a sentence",
    "reference_exact": "a sentence is a reference answer to the word",
}
_OTHERS = {
    "reference_f1": "token F1 against reference answers",
    "questions": "questions that have an answer",
    "unanswerable": "questions that have none",
    "citations": "quotes",
    "valid_citations": "quotes that stand where they say",
    "usd": "cost in dollars",
}
_TIMES = {
    "p50_ms": "half of the answers took at most",
    "p95_ms": "95 % of the answers took at most",
    "answer_ms": "CPU an answer takes beyond retrieving",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How the answer to a question ended. `rank`: 0 is worst."""

    rank: int
    says: str
    tone: Tone


NOTHING_ANSWERS = Ending(0, "answered, though nothing answers it", "worse")
NO_RIGHT_SENTENCE = Ending(1, "no sentence is a judged one", "worse")
REFUSED_WRONGLY = Ending(2, "refused, though its passage was retrieved", "worse")
FROM_ELSEWHERE = Ending(3, "answered from other passages: its own was not retrieved", "unsure")
NOT_RETRIEVED = Ending(4, "refused: its passage was not retrieved", "unsure")
WITHOUT_REFERENCE = Ending(5, "from a judged document, without the reference answer", "unsure")
FROM_JUDGED = Ending(6, "from a judged document", "even")
REFUSED_RIGHTLY = Ending(7, "refused, as it should be", "fine")
RIGHT = Ending(8, "a right sentence", "fine")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sentence stands. `quote` is empty where the sentence is the quote."""

    document: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as a reader sees it; `right`: it is a judged passage, or holds a reference answer."""

    text: str
    right: bool
    gone: bool
    """A document that it quotes is stored no more, or withdrawn, so its text is not shown."""
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """The answer of one release."""

    ending: Ending
    support: float
    bound: float
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One question."""

    query: str
    text: str
    answerable: bool
    judged: tuple[str, ...]
    more_judged: int
    references: tuple[str, ...]
    now: Side
    before: Side | None
    same: bool
    """Whether both releases give the same answer."""

    @property
    def got_worse(self) -> bool:
        return self.before is not None and self.now.ending.rank < self.before.ending.rank

    @property
    def got_better(self) -> bool:
        return self.before is not None and self.now.ending.rank > self.before.ending.rank


@dataclass(frozen=True, slots=True)
class SetOfAnswers:
    """One golden set: figures of both releases, how the answers ended, and the questions that are shown."""

    name: str
    figures: tuple[tuple[str, str, str], ...]
    """(what, this release, the release before)"""
    endings: tuple[tuple[Ending, int], ...]
    worse: int
    better: int
    cases: tuple[Case, ...]
    left_out: int


def sets_of(found: AnswersOf, before: AnswersOf | None, stored: Callable[[str], bool]) -> tuple[SetOfAnswers, ...]:
    """Every golden set. `stored`: whether a document still is."""
    earlier = {one.name: one for one in before.sets} if before else {}
    return tuple(_set_of(found, one, before, earlier.get(one.name), stored) for one in found.sets)


def documents_of(*sides: AnswersOf | None) -> frozenset[str]:
    """Every document that is quoted anywhere."""
    answers = [answer for side in sides if side for each in side.sets for answer in each.answers]
    return frozenset(citation.document_id for answer in answers for citation in answer.citations)


def _set_of(
    found: AnswersOf,
    mine: Measured,
    before: AnswersOf | None,
    theirs: Measured | None,
    stored: Callable[[str], bool],
) -> SetOfAnswers:
    other = {(one.query, one.answerable): one for one in theirs.answers} if theirs else {}
    cases: list[Case] = []
    for one in mine.answers:
        now, past = _side(one, found, stored), other.get((one.query, one.answerable))
        then = _side(past, before, stored) if past and before else None
        cases.append(
            Case(
                query=one.query,
                text=one.text,
                answerable=one.answerable,
                judged=one.said[:_JUDGED],
                more_judged=max(0, len(one.said) - _JUDGED),
                references=one.references,
                now=now,
                before=then,
                same=then is not None and then.sentences == now.sentences,
            )
        )
    cases.sort(key=lambda one: (not one.got_worse, one.now.ending.rank, one.now.support, one.query))
    ended = Counter(one.now.ending for one in cases)
    return SetOfAnswers(
        name=mine.name,
        figures=tuple(_figures(mine.figures, theirs.figures if theirs else None)),
        endings=tuple(sorted(ended.items(), key=lambda item: item[0].rank)),
        worse=sum(one.got_worse for one in cases),
        better=sum(one.got_better for one in cases),
        cases=tuple(cases[:MOST]),
        left_out=max(0, len(cases) - MOST),
    )


def _figures(mine: Figures, theirs: Figures | None) -> Iterator[tuple[str, str, str]]:
    """Those that were measured on either side."""
    written: list[tuple[dict[str, str], Callable[[float], str]]] = [
        (_SHARES, percent),
        (_OTHERS, _plain),
        (_TIMES, milliseconds),
    ]
    for names, write in written:
        for name, says in names.items():
            values = [getattr(one, name) if one else None for one in (mine, theirs)]
            if any(value is not None for value in values):
                now, then = ("–" if value is None else write(value) for value in values)
                yield says, now, then


def _plain(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else number(value)


def ending_of(one: Answered, *, refused: bool) -> Ending:
    """How an answer ended, from what is known of its question."""
    if not one.answerable:
        return REFUSED_RIGHTLY if refused else NOTHING_ANSWERS
    if not one.found:
        return NOT_RETRIEVED if refused else FROM_ELSEWHERE
    if refused:
        return REFUSED_WRONGLY
    if one.wanted:
        return RIGHT if has_right_sentence(one) else NO_RIGHT_SENTENCE
    if one.references:
        return RIGHT if _held(one, one.selected.sentences) else WITHOUT_REFERENCE
    return FROM_JUDGED


def _side(one: Answered, of: AnswersOf, stored: Callable[[str], bool]) -> Side:
    refused, by_meaning = of.bounds.refuse(one.selected), one.selected.meaning
    if by_meaning is not None and of.bounds.meaning is not None:
        support, bound = by_meaning, of.bounds.meaning
    else:
        support, bound = one.selected.words, of.bounds.words
    return Side(ending_of(one, refused=refused), support, bound, tuple(_sentences(one, of, stored)))


def _sentences(one: Answered, of: AnswersOf, stored: Callable[[str], bool]) -> Iterator[Sentence]:
    for each in one.shown(of.bounds):
        gone = not all(stored(citation.document_id) for citation in each.citations)
        places = tuple(
            Place(place.document_id, place.start, place.end, "" if gone or place.quote == each.text else place.quote)
            for place in each.citations
        )
        right = any(is_right(place, one.wanted, one.said) for place in each.citations) or _held(one, (each,))
        yield Sentence("" if gone else each.text, right, gone, places)


def _held(one: Answered, sentences: tuple[Cited, ...]) -> bool:
    return scores([each.text for each in sentences], one.references).held > 0


@dataclass(frozen=True, slots=True)
class Shown:
    """The whole page."""

    release: str
    before: str | None
    channel: str
    written_at: datetime
    refuses: str
    sets: tuple[SetOfAnswers, ...]
    unread: str = ""
    """Why the release before is not shown, where there is one."""
    judge: str = ""
    """What a judge model says in all, with how far people agree with it; empty where none was asked."""
