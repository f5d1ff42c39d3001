"""The one place that uses tantivy: a BM25 index of the same texts that are embedded, in a folder of its own.

A question is never parsed: whatever a user types is cut into terms as the texts were, and any of them may match.
"""

import importlib.metadata
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from tantivy import (
    DocAddress,
    Document,
    Filter,
    Index,
    IndexWriter,
    Occur,
    Query,
    Schema,
    SchemaBuilder,
    Searcher,
    TextAnalyzer,
    TextAnalyzerBuilder,
    Tokenizer,
)

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import LexicalEntry
from rag_pipeline.index.views import copy_files
from rag_pipeline.lake import in_batches
from rag_pipeline.turns import in_turns

NO_STEMMER = "none"

_ANALYZER = 1
"""Raise it with any change of `analyzer_of` or of the schema: no index of another version is built upon."""

_LONGEST_TERM = 128
"""Bytes, UTF-8; what is longer is a key, a hash or an encoded picture."""

_MOST_TERMS = 1_024
"""The most terms of a question; a book pasted into the search field must not hold up everybody else."""

_DEEPER = 3
"""Standard deviations more that are looked for than would hold enough on average, where some records are left out."""
_AS_NAMED = 6
"""Hits for each record that is left: instead of more, the records are named. One takes as long as 8; some looks take two."""
_COMPLETE = 1_000
"""Named records of which all that are found are fetched at once."""

_HEAP_BYTES = 64_000_000
_ROWS_AT_ONCE = 5_000
_DIGITS = 4
"""Decimals of a score. The same text in another segment adds the same terms up in another order of float32."""

_ID, _TEXT, _BEGIN = "chunk_id", "text", "begin"
_OURS = "ours"
_LOCKS = ".tantivy-*.lock"


def entry_of(language: str) -> LexicalEntry:
    """What an index built now is made with."""
    return LexicalEntry(tantivy_version=importlib.metadata.version("tantivy"), language=language, analyzer=_ANALYZER)


def analyzer_of(language: str) -> TextAnalyzer:
    """Words in lower case, without accents, cut to their stem. Raises `ReleaseError` for a language without a stemmer.

    Scripts that put no space between words (Chinese, Japanese, Thai) give a whole run of letters as one term.
    """
    builder = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(_LONGEST_TERM))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
    )
    try:
        return (builder if language == NO_STEMMER else builder.filter(Filter.stemmer(language))).build()
    except ValueError as error:
        raise ReleaseError(
            f"there is no stemmer for the language {language!r}; set RAG_LEXICAL_LANGUAGE to one that tantivy knows "
            f"(english, german, french, …) or to {NO_STEMMER!r}"
        ) from error


def fill_whole(folder: Path, chunks: pl.LazyFrame, language: str) -> None:
    """A new index at `folder` of the column `text`, found again by `chunk_id`; a few thousand rows in memory at a time."""
    folder.mkdir(parents=True)
    index = Index(_schema(), str(folder))
    with _writer(folder, index, language) as writer:
        _add(writer, chunks)


def fill_by_difference(
    base: Path, folder: Path, chunks: pl.LazyFrame, language: str, *, removed: list[str], added: list[str]
) -> None:
    """A copy of the closed index `base` at `folder`, less the chunk ids `removed`, with those of `chunks` in `added`.

    An id that is in both has another payload and the text it is named after: here there is nothing to do about it.
    """
    copy_files(base, folder)
    left, came = sorted(set(removed) - set(added)), sorted(set(added) - set(removed))
    if not left and not came:
        return
    with _writer(folder, Index.open(str(folder)), language) as writer:
        for chunk_id in left:
            writer.delete_documents_by_term(_ID, chunk_id)
        _add(writer, chunks.filter(pl.col(_ID).is_in(came)))


Scored = tuple[str, float]
"""Chunk id, and its score."""


@dataclass(frozen=True, slots=True)
class Among:
    """Records that may be found: their ids, and the numbers that these begin with, which are read much faster."""

    ids: frozenset[str]
    begins: frozenset[int]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Among":
        every = frozenset(in_turns(ids))
        return cls(every, frozenset(map(_begin, in_turns(every))))


@dataclass(frozen=True, slots=True)
class _Hits:
    """A ranking as far as it was asked for: (-score, first bytes of the id) and place, best first."""

    rows: list[tuple[tuple[float, int], DocAddress]]
    lowest: float
    """Score of the last of all."""
    complete: bool
    """Whether nothing comes after it."""


@dataclass(frozen=True, slots=True)
class LexicalIndex:
    """An index open for reading."""

    _schema: Schema
    _searcher: Searcher
    _analyzer: TextAnalyzer

    @property
    def live(self) -> int:
        """Records that were not deleted."""
        return int(self._searcher.num_docs)

    def search(self, text: str, k: int, among: "Among | None" = None) -> list[Scored]:
        """The `k` best chunk ids for a question with their BM25 score, best first, equals by id; none without a term.

        `among`: the records that may be found. The statistics of terms are those of all, deleted ones too until tantivy
        merges their segment away: so scores after a difference are a little off those of an index built whole.
        """
        wanted = self._any_of(text)
        if wanted is None or (among is not None and not among.ids):
            return []
        limit = k + 1 if among is None else math.ceil((k + _DEEPER * math.sqrt(k)) * self.live / len(among.ids)) + 1
        while True:  # until all that tie with the last one wanted are in: which of them belong is told by their ids
            if among is not None and limit > _AS_NAMED * len(among.ids):
                named = [(Occur.Should, self._of(name)) for name in among.ids]  # half of what a set of terms takes
                silent = Query.const_score_query(Query.boolean_query(named), 0.0)
                wanted = Query.boolean_query([(Occur.Must, silent), (Occur.Must, wanted)])
                limit, among = max(k, _COMPLETE) + 1, None
            hits = self._hits(wanted, limit, among)
            if hits.complete or (len(hits.rows) >= k and hits.lowest < -hits.rows[k - 1][0][0]):
                return self._first(hits.rows, k, among)
            limit *= 4

    def _hits(self, wanted: Query, limit: int, among: "Among | None") -> "_Hits":
        """The first `limit` of a ranking, as far as they can be among those that may be found, in order."""
        found = self._searcher.search(wanted, limit, count=False).hits
        begins = self._searcher.fast_field_values(_BEGIN, [place for _, place in found])
        rows = [
            ((-round(score, _DIGITS), begin), place)
            for (score, place), begin in zip(found, begins, strict=True)
            if among is None or begin in among.begins
        ]
        rows.sort(key=lambda row: row[0])
        return _Hits(rows, round(found[-1][0], _DIGITS) if found else 0.0, len(found) < limit)

    def _first(self, rows: list[tuple[tuple[float, int], DocAddress]], k: int, among: "Among | None") -> list[Scored]:
        """The first `k`, equals by id: an id is read only for those, and for what is equal to the last of them."""
        found: list[Scored] = []
        last: tuple[float, int] | None = None
        for key, place in rows:
            if last is not None and key > last:
                break
            name = self._id(place)
            if among is None or name in among.ids:
                found.append((name, -key[0]))
                last = key if len(found) == k else last
        return sorted(found, key=lambda row: (-row[1], row[0]))[:k]

    def count(self, chunk_ids: Iterable[str]) -> int:
        """How many live records have one of these ids."""
        return int(self._searcher.search(Query.term_set_query(self._schema, _ID, list(chunk_ids)), 1).count)

    def holds(self, chunk_id: str, text: str) -> bool:
        """Whether exactly one live record has this id, and every term of this text."""
        terms = [Query.term_query(self._schema, _TEXT, term, "freq") for term in set(self._terms(text))]
        both = Query.boolean_query([(Occur.Must, one) for one in (self._of(chunk_id), *terms)])
        return int(self._searcher.search(both, 1).count) == 1 == self.count([chunk_id])

    def score(self, chunk_id: str, text: str) -> float:
        """BM25 of one record for a question; 0 if it does not answer it."""
        if (wanted := self._any_of(text)) is None:
            return 0.0
        silent = Query.const_score_query(self._of(chunk_id), 0.0)
        hits = self._searcher.search(Query.boolean_query([(Occur.Must, silent), (Occur.Must, wanted)]), 1).hits
        return round(hits[0][0], _DIGITS) if hits else 0.0

    def _id(self, place: DocAddress) -> str:
        return str(self._searcher.doc(place).get_first(_ID))

    def _terms(self, text: str) -> list[str]:
        return list(self._analyzer.analyze(_normal(text)))

    def _of(self, chunk_id: str) -> Query:
        return Query.term_query(self._schema, _ID, chunk_id, "basic")

    def _any_of(self, text: str) -> Query | None:
        """Any of the terms, one that is said twice counting twice; None without a term."""
        times = list(Counter(self._terms(text)).items())[:_MOST_TERMS]
        terms = [(Query.term_query(self._schema, _TEXT, term, "freq"), count) for term, count in times]
        boosted = [Query.boost_query(one, float(count)) if count > 1 else one for one, count in terms]
        return Query.boolean_query([(Occur.Should, one) for one in boosted]) if boosted else None


@contextmanager
def opened(folder: Path, language: str) -> Iterator[LexicalIndex]:
    """A closed index, to read from. Leaves a lock's file while it is open: give it a staging directory, or a view.

    Raises `ReleaseError` when there is none that can be read.
    """
    try:
        index = Index.open(str(folder))
        index.config_reader("manual")  # or a thread would look at the folder twice a second
        searcher = index.searcher()
    except (ValueError, FileNotFoundError) as error:  # tantivy knows no other
        raise ReleaseError(f"the lexical index cannot be read: {error}") from error
    yield LexicalIndex(index.schema, searcher, analyzer_of(language))
    unlock(folder)


@contextmanager
def _writer(folder: Path, index: Index, language: str) -> Iterator[IndexWriter]:
    """A writer with one thread, so that the same rows make the same index; complete on disk afterwards, without locks."""
    index.config_reader("manual")  # the reader it comes with looks at the folder from a thread, and leaves its lock behind
    index.register_tokenizer(_OURS, analyzer_of(language))
    writer = index.writer(_HEAP_BYTES, num_threads=1)
    yield writer
    writer.commit()
    writer.wait_merging_threads()  # ends the writer, and so lets go of its lock
    unlock(folder)


def _add(writer: IndexWriter, chunks: pl.LazyFrame) -> None:
    for frame in in_batches(chunks.select(_ID, _TEXT), _ROWS_AT_ONCE):
        for chunk_id, text in frame.iter_rows():
            document = Document()
            document.add_text(_ID, chunk_id)
            document.add_text(_TEXT, _normal(text))
            document.add_unsigned(_BEGIN, _begin(chunk_id))
            writer.add_document(document)


def _begin(chunk_id: str) -> int:
    return int.from_bytes(chunk_id.encode()[:8].ljust(8, b"\0"))


def _schema() -> Schema:
    """Ids as they are; of a text how often a term occurs, not where: there are no phrases to look for.

    The first bytes of an id, as a number, sort thousands of equal scores without reading an id from the store.
    """
    builder = SchemaBuilder()
    builder.add_text_field(_ID, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field(_TEXT, tokenizer_name=_OURS, index_option="freq")
    builder.add_unsigned_field(_BEGIN, fast=True)
    return builder.build()


def _normal(text: str) -> str:
    """One spelling of what looks the same, é in one character; half of a surrogate pair, which is no text, left out."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode("utf-8"))


def unlock(folder: Path) -> None:
    """Remove the files of locks that nobody holds; they are no part of an index."""
    for lock in folder.glob(_LOCKS):
        lock.unlink(missing_ok=True)
