"""The statements that list and read a source's rows. All are one SELECT, with every value bound."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, and_, bindparam, column, false, literal_column, or_, select, table, text
from sqlalchemy.types import UserDefinedType

from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.errors import SourceUnavailable


class _AsFound(UserDefinedType[Any]):
    """Values as the driver has them, bound without a cast: an enumeration, for one, equals no `varchar`."""

    cache_ok = True


_AS_FOUND = _AsFound()


@dataclass(frozen=True, slots=True)
class Feed:
    """A table or query of which the columns are known. `columns` are handed on, `keys` tell its rows apart."""

    rows_from: FromClause
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    cursor: str

    @property
    def read(self) -> tuple[str, ...]:
        """The columns `rows`, `some` and `keyless` select: the keys first."""
        return tuple(dict.fromkeys([*self.keys, *self.columns]))

    def listing(self) -> Select[Any]:
        """Keys and cursor of every row."""
        return select(*(self.rows_from.c[name] for name in (*self.keys, self.cursor)))

    def rows(self) -> Select[Any]:
        """Every row."""
        return select(*(self.rows_from.c[name] for name in self.read))

    def keyless(self) -> Select[Any]:
        """The rows that have no value in a key column."""
        return self.rows().where(or_(*(self.rows_from.c[name].is_(None) for name in self.keys)))

    def some(self, wanted: Sequence[tuple[Any, ...]]) -> Select[Any]:
        """The rows of which the keys are among `wanted`."""
        if len(self.keys) == 1:
            return self.rows().where(self.rows_from.c[self.keys[0]].in_([value for (value,) in wanted]))
        # Databases differ in what they make of (a, b) IN (...); all know this, and use an index for it.
        return self.rows().where(
            or_(
                *(
                    and_(
                        *(
                            self.rows_from.c[name] == bindparam(None, value, type_=_AS_FOUND, unique=True)
                            for name, value in zip(self.keys, values, strict=True)
                        )
                    )
                    for values in wanted
                )
            )
        )


def probe(server: SqlServer) -> Select[Any]:
    """A statement of no rows, for the names of the columns."""
    return select(literal_column("*")).select_from(_rows_from(server, ())).where(false())


def describe(server: SqlServer, columns: Sequence[str], keys: Sequence[str], found: Sequence[str], where: str) -> Feed:
    """The feed, of the columns that are there; the contract judges those that are not.

    Raises `SourceUnavailable` when a key column or the cursor is missing, or one of these or the contract's columns
    stands there twice.
    """
    what = f"table {server.table}" if server.table else "query's result"
    cursor = (server.cursor,) if server.cursor else ()
    for name, role in [*((key, "a key column") for key in keys if cursor), *((name, "the cursor") for name in cursor)]:
        if name not in found:
            close = difflib.get_close_matches(name, found, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(found[:20])}"
            raise SourceUnavailable(f"the {what} in {where} has no column {name!r}, {role} of the contract; {hint}")
    wanted = tuple(name for name in dict.fromkeys(columns) if name in found)
    known = tuple(name for name in dict.fromkeys(keys) if name in found)
    times = Counter(found)
    if twice := [name for name in dict.fromkeys([*known, *cursor, *wanted]) if times[name] > 1]:
        raise SourceUnavailable(
            f"column {twice[0]!r} stands twice in the {what} in {where}; give one of them another name: AS …"
        )
    if not wanted and not known:
        raise SourceUnavailable(
            f"the {what} in {where} has none of the contract's columns ({', '.join(columns[:20])}); "
            f"it has: {', '.join(found[:20])}"
        )
    return Feed(_rows_from(server, (*known, *cursor, *wanted)), wanted, known, server.cursor)


def _rows_from(server: SqlServer, names: Sequence[str]) -> FromClause:
    """Raises `SourceUnavailable` for a query that is not one SELECT."""
    columns = [column(name, _AS_FOUND) for name in dict.fromkeys(names)]
    if server.table:
        schema, _, name = server.table.rpartition(".")
        return table(name, *columns, schema=schema or None)
    query = server.query.strip().rstrip(";").rstrip()
    if not re.match(r"(?i)(select|with)\b", query):
        raise SourceUnavailable("`query` in the contract does not begin with SELECT or WITH; a source is only read")
    if ";" in query:  # also one within quotes: which those are differs from database to database
        raise SourceUnavailable(
            "`query` in the contract holds a semicolon; it is one SELECT. Put what needs more into a view"
        )
    # A colon would begin a parameter; the line break ends a comment that the query may end with.
    return text(query.replace(":", r"\:") + "\n").columns(*columns).subquery("feed")
