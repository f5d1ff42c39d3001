"""Known-item queries: titles and headings that name one document of a corpus, chosen by rule and seed.

Source of the idea: Azzopardi, de Rijke and Balog, "Building simulated queries for known-item topics", SIGIR 2007. We take
a heading as its author wrote it, where they draw words at random.
"""

import html
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rag_pipeline.files import fingerprint
from rag_pipeline.golden.words import fold

FEWEST_WORDS, MOST_WORDS = 3, 15
A_DOCUMENT = 3
"""Queries a document is asked for at most, so that a long one does not fill the set."""

_FILE = re.compile(
    r"\S*[./_\\-]\S*|.+\.(md|markdown|rst|txt|html?|pdf|docx?|pptx?|xlsx?|csv|json|ya?ml|py|ipynb)", re.IGNORECASE
)
_NUMBERING = re.compile(
    r"(?:\d+(?:\.\d+)+[.):]?|\d+[.):]|[A-Za-z][.)]|[IVXLC]+[.)]|(?:chapter|section|part|appendix|step)\s+[\dA-Z]{1,3}\s*[.:)–—-]+)\s+",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Scripts written without blanks; two characters of them are counted as a word."""


@dataclass(frozen=True, slots=True)
class Named:
    """A document as its author names it: `headings` are paths of headings, outermost first."""

    source: str
    document: str
    title: str
    headings: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class KnownItem:
    """A query that one document answers by name."""

    source: str
    document: str
    made_from: Literal["title", "heading", "terms"]
    text: str

    @property
    def query_id(self) -> str:
        """The id is made of what the query asks and where, so that another draw gives the same query the same id."""
        return f"{self.made_from}-{fingerprint(self.document, self.text, length=10)}"


@dataclass(frozen=True, slots=True)
class Proposals:
    """Everything usable, and how many titles and headings were left out for which reason."""

    usable: tuple[KnownItem, ...]
    left_out: Counter[str]

    @property
    def looked_at(self) -> int:
        return len(self.usable) + self.left_out.total()


def propose(documents: Iterable[Named]) -> Proposals:
    """Every title and heading that identifies: in one document only, not a file name, 3 to 15 words once cleaned.

    A shorter heading is joined with its document's title.
    """
    documents = list(documents)
    found_in: defaultdict[str, set[str]] = defaultdict(set)
    for one in documents:
        for text in (one.title, *(path[-1] for path in one.headings if path)):
            found_in[fold(clean(text))].add(one.document)
    usable: list[KnownItem] = []
    left_out: Counter[str] = Counter()
    for one in documents:
        for made_from, text, reason in _judged(one, found_in):
            if reason:
                left_out[reason] += 1
            else:
                usable.append(KnownItem(one.source, one.document, made_from, text))
    return Proposals(tuple(usable), left_out)


def _judged(one: Named, found_in: dict[str, set[str]]) -> Iterator[tuple[Literal["title", "heading"], str, str | None]]:
    """Each title and heading as a query, and why it is none."""
    title = clean(one.title)
    yield "title", title, _unfit(one.title, title, found_in)
    times = Counter(fold(clean(path[-1])) for path in one.headings if path)
    for raw in sorted({path[-1] for path in one.headings if path}):
        text = clean(raw)
        if f" {fold(text)} " in f" {fold(title)} ":
            yield "heading", text, "part of its document's title"
        elif times[fold(text)] > 1:
            yield "heading", text, "several times in its document"
        else:
            joined = f"{title}: {text}" if text and _count(text) < FEWEST_WORDS and not is_file(one.title) else text
            reason = _unfit(raw, text, found_in) if joined == text else _several(text, found_in) or _length(joined)
            yield "heading", joined, reason


def choose(items: Iterable[KnownItem], count: int, seed: int, a_document: int = A_DOCUMENT) -> list[KnownItem]:
    """Up to `count` of them, the same for the same seed: sources in turn, in each the documents in turn, so many a document.

    The order within a document hangs on its own id and the seed alone: other documents move little of the draw.
    """
    by_document: defaultdict[tuple[str, str], list[tuple[str, KnownItem]]] = defaultdict(list)
    for item in items:
        by_document[item.source, item.document].append((fingerprint(seed, item.document, item.text), item))
    by_source: defaultdict[str, list[tuple[int, str, KnownItem]]] = defaultdict(list)
    for (source, _), drawn in by_document.items():
        ordered = sorted(drawn, key=lambda row: row[0])[:a_document]
        by_source[source] += [(place, draw, item) for place, (draw, item) in enumerate(ordered)]
    queues = [sorted(by_source[source], key=lambda row: row[:2]) for source in sorted(by_source)]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return [row[2] for row in in_turn if row][:count]


def clean(text: str) -> str:
    """A title or heading without numbering, Markdown, tags, and what stands in brackets."""
    text = html.unescape(" ".join(text.split()))
    text = re.sub(r"^#+\s+|\s+#+$", "", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\[([^\[\]]*)\](?:\([^)]*\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r"`+|\*+|~~", "", text)
    text = re.sub(r"(?<![\w\\])_([^_]+)_(?!\w)", r"\1", text)
    text = re.sub(r"\\(?=[\W_])", "", text)
    while (shorter := _BRACKETS.sub(" ", text)) != text:
        text = shorter
    text = _NUMBERING.sub("", " ".join(text.split()), count=1) if _NUMBERING.match(text.strip()) else text
    return " ".join(text.split()).strip(" -–—:·|.,;()[]{}<>")


def _unfit(raw: str, text: str, found_in: dict[str, set[str]]) -> str | None:
    """Why a title or heading that stands alone is no query."""
    if not text:
        return "blank"
    if is_file(raw):
        return "a file name or an address"
    return _several(text, found_in) or _length(text)


def _several(text: str, found_in: dict[str, set[str]]) -> str | None:
    return "in several documents" if len(found_in[fold(text)]) > 1 else None


def _length(text: str) -> str | None:
    count = _count(text)
    return (
        f"under {FEWEST_WORDS} words" if count < FEWEST_WORDS else f"over {MOST_WORDS} words" if count > MOST_WORDS else None
    )


def is_file(raw: str) -> bool:
    """Whether a title is the name of a file or an address, which nobody would ask for."""
    raw = raw.strip()
    return "://" in raw or bool(_FILE.fullmatch(raw))


def _count(text: str) -> int:
    """Words that hold a letter: a date or a version number names nothing."""
    unspaced = len(_UNSPACED.findall(text)) // 2
    return unspaced + sum(any(map(str.isalpha, word)) for word in _UNSPACED.sub(" ", text).split())
