"""Who asks, and what they may: a principal is made by a key or a token, and by nothing that a request says of itself."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rag_pipeline.errors import did_you_mean

SEARCH, MODE = "search", "mode"
"""To ask and to read; to choose the way to retrieve."""

EVERYTHING = "all"
"""The one scope of a release that is not divided by who may read: all its rows."""

_CHANNEL = re.compile(r"channel:[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.-]{0,62}")
_READ = "read:"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `id` goes into logs, so it names no person; what is not in `may` and `reads` is denied."""

    id: str
    may: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    """Scopes granted: sets of rows. Nothing in a request can add one."""


def unknown_permission(word: str) -> str:
    """What is wrong with the name of a permission; empty when it is one."""
    if word in (SEARCH, MODE) or _CHANNEL.fullmatch(word):
        return ""
    return f"{word!r} is no permission; {did_you_mean(word, (SEARCH, MODE, 'channel:NAME'))}"


def unknown_scope(word: str) -> str:
    """What is wrong with the name of a scope; empty when it can be one."""
    return "" if _SCOPE.fullmatch(word) else f"{word!r} names no scope; the one of a release is {EVERYTHING!r}"


def granted(words: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Permissions and scopes among the words of a token (`search`, `channel:staging`, `read:all`); others grant nothing."""
    said = set(words)
    scopes = {word.removeprefix(_READ) for word in said if word.startswith(_READ)}
    return (
        frozenset(word for word in said if not unknown_permission(word)),
        frozenset(scope for scope in scopes if not unknown_scope(scope)),
    )
