"""What may be asked: rules for a question, a number of hits and a mode, the same for every door. It asks nothing itself."""

import unicodedata

from rag_pipeline.errors import QueryError, unknown_name
from rag_pipeline.index.manifest import MODES, Mode

LONGEST = 2_000
"""Characters of a question; a model reads some hundred tokens of it."""

MOST = 1_000
"""Hits of one answer."""

_SPACES = "\t\n\r"


def question_of(text: str) -> str:
    """A question as it is embedded and looked up: é is one character, however it was typed.

    Raises `QueryError` for a blank text, one of more than `LONGEST` characters, and one with control characters (line breaks
    and tabs are spaces) or halves of characters, which come from a broken input rather than from a person.
    """
    if not isinstance(text, str):
        raise QueryError(f"a query is a text, and this is a {type(text).__name__}")
    question = unicodedata.normalize("NFC", text)
    if not question.strip():
        raise QueryError("the query is blank; say what to look for")
    if len(question) > LONGEST:
        raise QueryError(f"the query has {len(question):,} characters, {LONGEST:,} at most are read; ask with fewer words")
    for place, character in enumerate(question, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in _SPACES:
            raise QueryError(
                f"character {place} of the query is U+{ord(character):04X}, a control character or half of one; leave it out"
            )
    return question


def number_of_hits(k: int) -> int:
    """`k`, if that many hits may be asked for. Raises `QueryError` otherwise."""
    if isinstance(k, bool) or not isinstance(k, int):
        raise QueryError(f"k is a whole number from 1 to {MOST:,}, and this is {k!r}")
    if not 1 <= k <= MOST:
        raise QueryError(f"k={k} hits cannot be asked for; use 1 to {MOST:,}")
    return k


def mode_of(mode: str | None) -> Mode | None:
    """`mode`, if there is such a mode; None is as the release serves. Raises `QueryError` otherwise."""
    if mode is not None and mode not in MODES:
        raise QueryError(unknown_name("mode", str(mode), MODES))
    return mode
