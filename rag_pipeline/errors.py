"""The errors that a person can fix. Each says what was found, where, and what to do about it."""

import difflib
from collections.abc import Callable, Iterable

from pydantic import ValidationError


class PipelineError(Exception):
    """Base of every error this project raises on purpose; anything else is a bug."""


class ContractError(PipelineError):
    """A contract file is not a valid contract. The message names the file, the line and the field."""


class SourceUnavailable(PipelineError):
    """A source could not be listed or read as a whole. The source is held at its last good version."""


class Named(SourceUnavailable):
    """A source is unavailable because of one thing of it, which the feed gave its name.

    Names may be private: the error's own text leaves this one out, and `told` puts it in as its contract lets it be shown.
    """

    def __init__(self, before: str, name: str, after: str) -> None:
        super().__init__(f"{before}…{after}")
        self._before, self._name, self._after = before, name, after

    def told(self, shown: Callable[[str], str]) -> str:
        return f"{self._before}{shown(self._name)}{self._after}"

    def followed_by(self, advice: str) -> "Named":
        """The same error with one more sentence."""
        return Named(self._before, self._name, f"{self._after}{advice}")


class Unreadable(PipelineError):
    """One item of a source (a file, a row) could not be read. It goes to quarantine, the rest goes on."""


class GoldenSetError(PipelineError):
    """A golden set or the gate's policy is malformed. The message names the file, the line and the field."""


class ReleaseError(PipelineError):
    """A release could not be built, found or opened."""


class QueryError(PipelineError, ValueError):
    """A question cannot be asked: blank, too long, not text, or for a number of hits or a mode that there is not."""


class ChannelError(ReleaseError):
    """A channel cannot be believed: its file, its row in the audit table or its evidence is not what was written."""


class PromotionRefused(PipelineError):
    """The gate said no. `reasons` holds every one of them. `held`: it said so because somebody holds the channel."""

    def __init__(self, message: str, reasons: tuple[str, ...] = (), *, held: bool = False) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.held = held


class LakeError(PipelineError):
    """A table below `RAG_HOME/lake` could not be read or written. The message names the table, the file and what to do."""


class NoSpace(LakeError):
    """A table could not be written for want of room, or because its disk is read-only."""


class HomeUnreachable(PipelineError):
    """The bucket that RAG_HOME names, or the PostgreSQL that RAG_LOCKS names, does not answer or refuses.

    `may_pass`: whether it may be over soon, as an outage is. What a person has to mend is not.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class Overtaken(PipelineError):
    """Another machine wrote what this one was about to write. Nothing of it is half: it holds what the other wrote."""


class LockLost(PipelineError):
    """A lock that this process relies on is not held any more. What it was about to publish or remove, it did not."""


def names_of_ours() -> frozenset[str]:
    """Names of all these classes: of an error that comes out of a record, its name is what there is."""

    def below(kind: type[PipelineError]) -> set[str]:
        return {kind.__name__}.union(*(below(one) for one in kind.__subclasses__()))

    return frozenset(below(PipelineError))


def by_kind(kind: str, where: str) -> str:
    """The words for somebody else's error: its kind alone, as its text may quote rows. `where`: what shows the rest."""
    return f"{kind}; {where} says more"


def first_problem(error: ValidationError) -> str:
    """What is wrong with a file of ours that is not what it should be, in a few words: the field and the trouble."""
    problem = error.errors()[0]
    says = problem["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, problem['loc']))}: {says}" if problem["loc"] else says


def not_text(value: object) -> str:
    """The words for a value of a file that YAML does not read as text."""
    return f"{value!r} is not text; put it in quotes"


def given_twice(what: str) -> str:
    """The words for an entry that a file gives a second time. `what`: its name, as the file has it."""
    return f"{what} is given twice; keep one"


def not_utf8(error: UnicodeDecodeError) -> str:
    """The words for a file whose bytes are not text."""
    return f"not UTF-8 (byte {error.start}); save it as UTF-8"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is none: the nearest one, or all there are."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.67):
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(names[:20])}" if names else "there are none"


def unknown_name(what: str, found: str, known: Iterable[str]) -> str:
    """A whole message about a name in a file that is none: what it should be, the nearest one, or all there are."""
    known = list(known)
    close = difflib.get_close_matches(found, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}" if known else "none is known here"
    return f"unknown {what} {found!r}; {hint}"
