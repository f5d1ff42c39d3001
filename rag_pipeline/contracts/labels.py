"""Labels: who may read a row. One rule for what is the same label, wherever it is said: in a row, a key, a golden set.

What is no label is never taken for one: a row that says something else is refused, and a grant of it grants nothing.
"""

import json
import unicodedata

from rag_pipeline.contracts.contract import OWN

LABELS = f"{OWN}labels"
"""Where a document's labels stand in its metadata. No column of a contract can have this name."""

EVERYTHING, PUBLIC = "all", "public"
"""What is granted beside labels: every row there is, and the rows of sources whose contract names no access column."""

LONGEST, MOST = 100, 64
"""Characters of a label; labels of a row."""

_MARKS = frozenset(" _.:@/+-&()#'")
"""What may stand in a label beside letters and digits: no comma, which separates labels, and no `*`, as if for every one."""


def folded(word: str) -> str:
    """The one spelling of what is the same label: é is one character, capitals are small, blanks around it do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold()).strip()


def is_label(word: str) -> bool:
    """Whether a folded word can be a label. `all` and `public` are none: no row can say that everybody may read it."""
    if not 1 <= len(word) <= LONGEST or word in (EVERYTHING, PUBLIC):
        return False
    kinds = [unicodedata.category(character)[0] for character in word]
    return kinds[0] in "LN" and all(kind in "LMN" or one in _MARKS for kind, one in zip(kinds, word, strict=True))


def labels_of(value: str) -> tuple[str, ...]:
    """The labels of a row, folded, each once, in order: a JSON list of texts, or words with commas between.

    Empty where it says none, or says anything that is no label: then nobody can be said to be allowed to read the row.
    """
    found = [word for word in map(folded, _words(value)) if word]
    return tuple(sorted(set(found))) if len(found) <= MOST and all(map(is_label, found)) else ()


def granted_word(word: str) -> str:
    """What a word grants to be read: `all`, `public`, or a label, folded. Empty when it grants nothing."""
    if word in (EVERYTHING, PUBLIC):
        return word
    label = folded(word)
    return label if is_label(label) else ""


def _words(value: str) -> list[str]:
    text = value.strip()
    if not text.startswith("["):
        return text.split(",")
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return ["*"]
    return [one if isinstance(one, str) else "*" for one in listed]
