"""What a database's error means, in words of our own: a driver's words may hold SQL, values, even a password."""

from dataclasses import dataclass

from sqlalchemy import exc


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of failure. `fix` may name `{user}`, `{password}` (variables of the environment) and `{timeout}`.

    A `passing` one may be gone with the next try.
    """

    happened: str
    cause: str
    fix: str
    passing: bool = False


_AWAY, _SHUT, _REFUSED = "could not be reached", "refused the login", "refused the query"
_START = "start it, or fix where the contract says it is"
_CALM = "read it when it is less busy; nothing is lost, the next load tries again"

CLOSED = Trouble(_AWAY, "connection refused", _START, passing=True)
UNKNOWN_HOST = Trouble(_AWAY, "unknown host", "check `host` or `location` in the contract", passing=True)
SILENT = Trouble(
    _AWAY, "no answer in time", "raise timeoutSeconds ({timeout} now) in the contract, or look why", passing=True
)
LOST = Trouble("broke off", "connection lost", "nothing is lost, the next load tries again", passing=True)
MOVING = Trouble(_AWAY, "it is starting up or shutting down", "nothing is lost, the next load tries again", passing=True)
FULL = Trouble(_AWAY, "it has no connection, memory or disk left to give", _CALM, passing=True)
BUSY = Trouble(_AWAY, "it is locked by another user", _CALM, passing=True)
LOGIN = Trouble(_SHUT, "wrong user or password", "set {user} and {password} in the environment")
GUARDED = Trouble(
    _SHUT, "it lets this user in from other hosts, or with encryption only", "see its pg_hba.conf or its grants"
)
TLS = Trouble(_AWAY, "no encrypted connection", "check the certificates, and `sslmode` in {url}")
NO_DATABASE = Trouble(_AWAY, "no such database", "check `database` or `location` in the contract")
NO_FILE = Trouble(_AWAY, "the file cannot be opened", "check that it is there and this user may read it")
NOT_A_DATABASE = Trouble(
    _AWAY, "the file is not an intact database", "check `location` in the contract, or restore the file"
)
NO_TABLE = Trouble(_REFUSED, "no such table", "check `table` or `query` in the contract, and that {user} may see it")
NO_COLUMN = Trouble(_REFUSED, "no such column", "check the columns that `query` names in the contract")
DENIED = Trouble(_REFUSED, "permission denied", "grant SELECT to the user in {user}")
INVALID = Trouble(_REFUSED, "it is not valid there", "run `query` of the contract in the database's own shell to see why")
WRITES = Trouble(_REFUSED, "it would write", "a source is only read; take out what writes or locks")
SLOW = Trouble(
    "did not answer in time",
    "stopped after {timeout} s, or by hand",
    "raise timeoutSeconds in the contract, or speed the query up: an index on the key columns helps most",
)
VALUE = Trouble(
    "returned a value that cannot be read", "out of range, or not computable", "leave it out, or fix it, in a query"
)
OTHER = Trouble("failed", "see its own log for why", "nothing is lost, the next load tries again")

_STATES = {
    "08": LOST, "08001": CLOSED, "25P03": LOST, "57P": LOST, "57P03": MOVING, "53": FULL, "40": BUSY, "55P03": BUSY,
    "28": LOGIN, "3D000": NO_DATABASE, "3F000": NO_TABLE, "42P01": NO_TABLE, "42S02": NO_TABLE, "42703": NO_COLUMN,
    "42S22": NO_COLUMN, "42501": DENIED, "42": INVALID, "25006": WRITES, "57014": SLOW, "22": VALUE, "HYT00": SILENT,
}  # fmt: skip
"""SQLSTATE, or how it begins. https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_NUMBERS = {
    1040: FULL, 1041: FULL, 1044: DENIED, 1045: LOGIN, 1698: LOGIN, 1049: NO_DATABASE, 1053: MOVING, 1054: NO_COLUMN,
    1064: INVALID, 1060: INVALID, 1130: GUARDED, 1142: DENIED, 1143: DENIED, 1146: NO_TABLE, 1203: FULL, 1205: BUSY,
    1213: BUSY, 1226: FULL, 1290: WRITES, 1317: SLOW, 1792: WRITES, 1969: SLOW, 3024: SLOW,
    2005: UNKNOWN_HOST, 2006: LOST, 2013: LOST, 2026: TLS, 2055: LOST, 3159: GUARDED,
}  # fmt: skip
"""MySQL's and MariaDB's numbers. https://dev.mysql.com/doc/mysql-errors/8.4/en/"""

_NAMES = {
    "SQLITE_CANTOPEN": NO_FILE, "SQLITE_PERM": NO_FILE, "SQLITE_AUTH": DENIED, "SQLITE_NOTADB": NOT_A_DATABASE,
    "SQLITE_CORRUPT": NOT_A_DATABASE, "SQLITE_BUSY": BUSY, "SQLITE_LOCKED": BUSY, "SQLITE_READONLY": WRITES,
    "SQLITE_IOERR": NO_FILE, "SQLITE_INTERRUPT": SLOW,
}  # fmt: skip

_WORDS = (
    ("password authentication failed", LOGIN), ("no password supplied", LOGIN), ("authentication failed", LOGIN),
    ("login failed", LOGIN), ("no pg_hba.conf entry", GUARDED), ("connection refused", CLOSED),
    ("timeout expired", SILENT), ("timed out", SILENT), ("connection timeout", SILENT),
    ("could not translate host name", UNKNOWN_HOST), ("name or service not known", UNKNOWN_HOST),
    ("failed to resolve host", UNKNOWN_HOST), ("name resolution", UNKNOWN_HOST), ("getaddrinfo", UNKNOWN_HOST),
    ("no such table", NO_TABLE), ("no such column", NO_COLUMN), ("starting up", MOVING), ("shutting down", MOVING),
    ("too many c", FULL), ("connection slots", FULL), ("closed the connection", LOST), ("connection reset", LOST),
    ("is closed", LOST), ("already closed", LOST), ("connection is lost", LOST), ("terminating connection", LOST),
    ("syntax error", INVALID), ("incomplete input", INVALID), ("certificate", TLS), ("ssl", TLS),
)  # fmt: skip
"""A failed connection has no number yet, and SQLite has one number for all that is wrong with a query."""


def trouble_of(error: BaseException) -> Trouble:
    """What a failed statement or connection means."""
    cause = getattr(error, "orig", None) or error
    known = _by_number(cause) or _by_state(cause) or _by_name(cause) or _by_words(cause)
    if known:
        return known
    if isinstance(error, exc.DataError | ValueError | ArithmeticError):
        return VALUE
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return LOST
    return INVALID if isinstance(error, exc.ProgrammingError) else OTHER


def kind_of(error: BaseException) -> str:
    """The name of the error's class: all of the driver's own words that are safe to repeat."""
    return type(getattr(error, "orig", None) or error).__name__


def _by_number(cause: BaseException) -> Trouble | None:
    number = cause.args[0] if cause.args else None
    if not isinstance(number, int):
        return None
    if number == 2013 and "timed out" in str(cause):  # PyMySQL's read_timeout
        return SLOW
    if number in (2002, 2003):  # no connection, for whatever reason
        return _by_words(cause) or CLOSED
    return _NUMBERS.get(number)


def _by_state(cause: BaseException) -> Trouble | None:
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state is None and cause.args and isinstance(cause.args[0], dict):  # pg8000
        state = cause.args[0].get("C")
    if not isinstance(state, str):
        return None
    return _STATES.get(state) or _STATES.get(state[:3]) or _STATES.get(state[:2])


def _by_name(cause: BaseException) -> Trouble | None:
    name = getattr(cause, "sqlite_errorname", "")  # SQLITE_IOERR_READ is a SQLITE_IOERR
    return _NAMES.get("_".join(name.split("_")[:2]))


def _by_words(cause: BaseException) -> Trouble | None:
    words = str(cause).lower()
    if "does not exist" in words and "fatal" in words:
        return NO_DATABASE if 'database "' in words.partition("fatal")[2] else LOGIN
    if getattr(getattr(cause, "pgconn", None), "needs_password", False):
        return LOGIN
    return next((trouble for sign, trouble in _WORDS if sign in words), None)
