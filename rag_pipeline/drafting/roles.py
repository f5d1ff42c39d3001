"""Which columns of a table play a part in retrieval: what names a row, what is searched, what is shown beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from rag_pipeline.contracts.contract import Role
from rag_pipeline.contracts.rules import FORMATS
from rag_pipeline.drafting.private import Suspicion
from rag_pipeline.drafting.profile import ColumnProfile, words_of
from rag_pipeline.errors import PipelineError

_KEYS = ("id", "key", "path", "slug", "url", "uuid", "guid", "uri", "name", "isbn", "doi", "sku", "code", "number")
_TEXTS = ("text", "body", "content", "contents", "markdown", "description", "article", "passage", "document", "abstract")
_TITLES = ("title", "headline", "heading", "subject", "name", "label", "caption")
_URIS = ("uri", "url", "link", "href", "permalink", "weburl", "sourceurl", "pageurl", "canonicalurl")
_CHANGED = {"modified", "updated", "changed", "lastmod", "lastmodified", "mtime", "edited", "modification", "revised"}

_LONGEST_KEY, _LONGEST_TITLE = 512, 300
_PROSE = 64
"""Characters on average from which on a column is no key unless it is named so."""

_MISSING_TEXTS, _MOST_MISSING_TEXTS = 0.1, 0.5
"""Shares of rows that may lack the text: those rows are refused."""

_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns' names by role."""

    keys: tuple[str, ...]
    text: str
    title: str = ""
    uri: str = ""
    modified_at: str = ""

    def of(self, name: str) -> Role | None:
        if name in self.keys:
            return "key"
        others: dict[str, Role] = {self.text: "text", self.title: "title", self.uri: "uri", self.modified_at: "modified_at"}
        return others.get(name) if name else None


def choose_roles(
    columns: Sequence[ColumnProfile], suspicions: Mapping[str, Suspicion], wanted_keys: Sequence[str], place: str
) -> Roles:
    """The roles of a table's columns. Raises `PipelineError` when none can be the key, or the text."""
    by_name = {column.name: column for column in columns}
    ways = [_wanted(by_name, wanted_keys, place)] if wanted_keys else [(name,) for name in _keys(columns, suspicions, place)]
    texts = ((keys, _text([column for column in columns if column.name not in keys], suspicions)) for keys in ways)
    keys, text = next(((keys, text) for keys, text in texts if text), ((), ""))
    if not text:
        raise PipelineError(f"{place}: {_no_text(columns, ways[0])}")
    left = [c for c in columns if c.name not in (*keys, text) and not suspicions[c.name].nothing_else and c.present]
    changed = [c for c in left if c.logical_type in ("date", "timestamp") and _CHANGED & {*words_of(c.name), _plain(c)}]
    uris = [c for c in left if _plain(c) in _URIS and _holds(c, FORMATS["uri"])]
    titles = [c for c in left if _plain(c) in _TITLES and not c.nested and c.mean_length <= _LONGEST_TITLE]
    return Roles(
        keys=keys,
        text=text,
        title=min(titles, key=lambda c: _TITLES.index(_plain(c))).name if titles else "",
        uri=min(uris, key=lambda c: _URIS.index(_plain(c))).name if uris else "",
        modified_at=changed[0].name if changed else "",
    )


def cursor_candidate(columns: Sequence[ColumnProfile]) -> str:
    """A column that may tell of every change of a row: named so, and never null; "" for none."""
    named = (c for c in columns if c.logical_type in ("date", "timestamp", "integer") and _CHANGED & set(words_of(c.name)))
    return next((c.name for c in named if not c.missing), "")


def _wanted(by_name: Mapping[str, ColumnProfile], keys: Sequence[str], place: str) -> tuple[str, ...]:
    for name in keys:
        if name not in by_name:
            raise PipelineError(f"{place}: no column {name!r} to be the key; there are: {', '.join(list(by_name)[:20])}")
        if by_name[name].missing:
            raise PipelineError(
                f"{place}: column {name} cannot be the key: it is missing or blank in {by_name[name].missing:,} of "
                f"{by_name[name].rows:,} rows"
            )
    return tuple(dict.fromkeys(keys))


def _keys(columns: Sequence[ColumnProfile], suspicions: Mapping[str, Suspicion], place: str) -> list[str]:
    """The columns that can be the key, the best first."""
    possible = [column for column in columns if _can_be_key(column)]
    unique = [column for column in possible if not column.repeats and (is_named_key(column) or column.mean_length <= _PROSE)]
    if not unique:
        raise PipelineError(f"{place}: {_no_key(columns, possible)}")

    def rank(column: ColumnProfile) -> tuple[bool, bool, int, float]:
        suspicion, a_text = suspicions[column.name], _plain(column) in _TEXTS
        return a_text, bool(suspicion.found) or suspicion.nothing_else, _key_rank(column), column.mean_length

    return [column.name for column in sorted(unique, key=rank)]


def is_named_key(column: ColumnProfile) -> bool:
    """Whether a column's name says that it tells rows apart."""
    return _key_rank(column) <= len(_KEYS)


def _key_rank(column: ColumnProfile) -> int:
    if (plain := _plain(column)) in _KEYS:
        return _KEYS.index(plain)
    return len(_KEYS) if {"id", "key", "uuid"} & set(words_of(column.name)) else len(_KEYS) + 1


def _can_be_key(column: ColumnProfile) -> bool:
    exact = column.logical_type in ("string", "integer") and not column.nested
    return exact and not column.missing and column.longest <= _LONGEST_KEY


def _no_key(columns: Sequence[ColumnProfile], possible: Sequence[ColumnProfile]) -> str:
    """Why no column can be the key, and what comes nearest."""
    near = sorted(possible, key=lambda column: (column.repeats, _key_rank(column)))[:_CANDIDATES]
    said = [f"{column.name} ({_why_not(column)})" for column in near[:5]]
    gaps = [c for c in columns if c.missing and not c.repeats and _plain(c) in _KEYS]
    said += [f"{column.name} (missing in {column.missing:,} of {column.rows:,} rows)" for column in gaps[:3]]
    repeating = [column for column in near if column.repeats]
    together = next((pair for pair in combinations(repeating, 2) if _unique_together(pair)), ())
    fix = "; give the rows a column with a value of its own each"
    if together:
        names = [column.name for column in together]
        fix = f"; {' and '.join(names)} together are unique: if that is so by design, add " + " ".join(
            f"--key {name}" for name in names
        )
    elif near:
        fix += ", or say --key NAME, and of rows that share a key the last one is kept"
    why = "no column can be the key: none is short, present in every row and different in every row"
    return f"{why}; nearest: {', '.join(said)}{fix}" if said else why + fix


def _why_not(column: ColumnProfile) -> str:
    if not column.repeats:
        return f"unique, but of {column.mean_length:,.0f} characters on average"
    return f"{column.repeats:,} of {column.rows:,} rows repeat another's"


def _unique_together(columns: Sequence[ColumnProfile]) -> bool:
    return len(set(zip(*(column.texts for column in columns), strict=True))) == columns[0].rows


def _text(columns: Sequence[ColumnProfile], suspicions: Mapping[str, Suspicion]) -> str:
    """The column that is searched, "" when none can be."""
    worded = [c for c in columns if _words(c) and not suspicions[c.name].nothing_else]
    possible = [c for c in worded if c.missing <= _MISSING_TEXTS * c.rows]
    possible = possible or [c for c in worded if c.missing < _MOST_MISSING_TEXTS * c.rows]
    if not possible:
        return ""
    longest = max(column.mean_length for column in possible)
    named = [c for c in possible if _plain(c) in _TEXTS and c.mean_length >= longest / 5]
    if named:
        return min(named, key=lambda column: (_TEXTS.index(_plain(column)), -column.mean_length)).name
    return max(possible, key=lambda column: column.mean_length).name


def _no_text(columns: Sequence[ColumnProfile], keys: Sequence[str]) -> str:
    others = [column for column in columns if column.name not in keys]
    near = [f"{c.name} (missing in {c.missing:,} of {c.rows:,} rows)" for c in others if _words(c)]
    there = f"nearest: {', '.join(near[:5])}" if near else f"there are: {', '.join(c.name for c in others[:20]) or 'none'}"
    return f"no column can be the text that is searched: none beside the key holds words in most rows; {there}"


def _words(column: ColumnProfile) -> bool:
    return (
        column.logical_type == "string" and not column.nested and column.present > 0 and _holds(column, r"(?s).*\p{L}{2}.*")
    )


def _holds(column: ColumnProfile, pattern: str) -> bool:
    """Whether most values match a pattern as a whole."""
    values = pl.Series(column.texts, dtype=pl.String).drop_nulls()
    return bool(len(values)) and 2 * int(values.str.contains(f"^(?:{pattern})$").sum()) > len(values)


def _plain(column: ColumnProfile) -> str:
    return "".join(words_of(column.name))
