"""Where a feed is, as people say it on the command line, and as a contract's `servers` entry says it."""

import glob
import os
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from rag_pipeline.contracts.read import RESERVED
from rag_pipeline.contracts.secret_words import means_a_secret, secret_in, without_secrets
from rag_pipeline.errors import PipelineError
from rag_pipeline.ingest.connectors.kinds import PARSED, TO_THE_LETTER
from rag_pipeline.ingest.connectors.places import has_wildcard

TABLES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
"""How files of a table end -> their format."""

_BUCKETS = ("s3", "gs", "az")
_NEARLY = {"file": "as a path, without file://", "s3a": "s3://…", "s3n": "s3://…", "gcs": "gs://…", "abfs": "az://…"}
_NEARLY |= {"abfss": "az://container/…", "azure": "az://container/…", "wasbs": "az://container/…"}
_SQL_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}

_UP = 2
"""How many folders above the contract's own a path may lead through to be written as a relative one."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`entry` is the contract's `servers` entry. `name`: what a source may be called after; `rows`: what it holds."""

    entry: dict[str, Any]
    name: str
    rows: str

    def with_property(self, name: str, value: Any) -> "Feed":
        """The same feed, with one more custom property of its server."""
        own = [*self.entry.get("customProperties", []), _property(name, value)]
        return replace(self, entry=self.entry | {"customProperties": own})


@dataclass(frozen=True, slots=True)
class DatabaseWish:
    """What of a database is wanted: a table (`table` or `schema.table`) or a query, and the column that tells of changes."""

    table: str = ""
    query: str = ""
    cursor: str = ""


def feed_at(places: Sequence[str], wish: DatabaseWish, folder: Path) -> Feed:
    """The feed at a place: a path, a pattern of paths or a URL; several are pages. `folder`: where the contract will lie.

    Raises `PipelineError` when nothing that can be read is meant.
    """
    schemes = {place.partition("://")[0].lower() if "://" in place else "" for place in places}
    if schemes <= {"http", "https"}:
        feed = _website(places)
    elif len(places) > 1:
        raise PipelineError(
            f"{len(places)} places are named, but only pages of a website can be several; "
            "did the shell expand a pattern? Put it in quotes: 'data/*.jsonl'"
        )
    elif (scheme := schemes.pop()) in _BUCKETS:
        feed = _bucket(places[0], scheme)
    elif scheme in _NEARLY:
        raise PipelineError(f"{without_secrets(places[0])}: write it {_NEARLY[scheme]}")
    elif scheme:
        return _database(places[0], wish, folder)
    else:
        feed = _local(places[0], folder)
    if wish != DatabaseWish():
        raise PipelineError(f"--table, --query and --cursor are for databases, and {places[0]} is none")
    return feed


def source_name(text: str) -> str:
    """A name a source may have, made from any text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not re.match("[a-z]", name):
        name = f"source_{name}".strip("_")
    if len(name) < 3 or name in RESERVED:
        name = f"{name}_source"
    return name[:63].rstrip("_")


def path_for_contract(path: Path, folder: Path) -> str:
    """A path as a contract in `folder` says it: relative where both belong together, so that they can be moved together.

    That is where at most two steps lead up, and not as far as where everybody's folders lie.
    """
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))  # noqa: PTH100  (`absolute` keeps ..)
    common = Path(os.path.commonpath([path, folder]))
    shared = {Path("/"), Path(tempfile.gettempdir()), Path.home(), *Path.home().parents}
    up = len(folder.relative_to(common).parts)
    if common in shared or up > _UP or Path(folder.resolve(), os.path.relpath(path, folder)).resolve() != path.resolve():
        return str(path)
    return os.path.relpath(path, folder)


def _local(place: str, folder: Path) -> Feed:
    path = Path(os.path.expanduser(place))  # noqa: PTH111  (Path's own raises where there is no such user)
    try:
        place.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PipelineError(f"{place!r} is not UTF-8, so no contract can name it; rename it") from error
    if path.is_dir():
        shown = path_for_contract(path, folder)
        pattern = f"{glob.escape(shown)}/**/*" if has_wildcard(shown) else shown
        return Feed(_local_entry(pattern, "documents"), _last(path), "documents")
    if not path.exists() and not has_wildcard(place):
        raise PipelineError(f"{place}: no such file or folder; what is read is a folder, a file, a pattern or a URL")
    form = TABLES.get(path.suffix.lower())
    if path.exists():
        if form is None:
            raise PipelineError(f"{place}: {_no_table(path.suffix.lower(), str(path.parent))}")
        return Feed(_local_entry(glob.escape(path_for_contract(path, folder)), form), path.stem, "rows")
    first = next(number for number, part in enumerate(path.parts) if has_wildcard(part))
    if form and first < len(path.parts) - 1:
        raise PipelineError(f"{place}: wildcards of a table stand in the file's name only, all its files lie in one folder")
    root, pattern = Path(*path.parts[:first]), "/".join(path.parts[first:])
    entry = _local_entry(f"{glob.escape(path_for_contract(root, folder))}/{pattern}", form or "documents")
    return Feed(entry, _last(root), "rows" if form else "documents")


def _local_entry(path: str, form: str) -> dict[str, Any]:
    return {"server": "files", "type": "local", "format": form, "path": path}


def _last(path: Path) -> str:
    return path.absolute().resolve().name or "documents"


def _no_table(suffix: str, folder: str) -> str:
    if suffix in TO_THE_LETTER or suffix in PARSED:
        return f"is one document; name the folder it lies in: {folder}"
    if suffix in (".gz", ".zst", ".zip", ".bz2", ".xz"):
        return "is packed; unpack it first"
    return f"files of this kind are not read; known: {', '.join(TABLES)}, and folders of documents"


def _bucket(place: str, scheme: str) -> Feed:
    place = scheme + place[len(scheme) :].rstrip("/")
    if secret := secret_in(place):
        raise PipelineError(f"{without_secrets(place)}: a contract holds no credentials; take out {secret}")
    bucket, _, key = place.partition("://")[2].partition("/")
    if not bucket or has_wildcard(bucket):
        raise PipelineError(f"{without_secrets(place)} names no bucket; write {scheme}://bucket/prefix")
    path = PurePosixPath(key)
    form = TABLES.get(path.suffix.lower(), "")
    if not form and path.suffix.lower() in TO_THE_LETTER | PARSED.keys() and not has_wildcard(key):
        raise PipelineError(f"{place}: {_no_table(path.suffix.lower(), place.rpartition('/')[0])}")
    if form and has_wildcard(str(path.parent)):
        raise PipelineError(f"{place}: wildcards of a table stand in the object's name only")
    before = [part for part in path.parts if not has_wildcard(part)]
    name = path.stem if form and not has_wildcard(path.name) else before[-1] if before else bucket
    entry: dict[str, Any] = {"server": "bucket", "type": {"s3": "s3", "gs": "custom", "az": "azure"}[scheme]}
    entry |= {"location": place, "format": form or "documents"}
    if entry["type"] == "custom":
        entry["customProperties"] = [_property("connector", "table" if form else "files")]
    return Feed(entry, name, "rows" if form else "documents")


def _website(places: Sequence[str]) -> Feed:
    for place in places:
        parts = urlsplit(place)
        if secret := secret_in(place):
            raise PipelineError(
                f"{without_secrets(place)}: "
                f"a contract holds no credentials, and none are sent to websites; take out its {secret}"
            )
        if not parts.hostname:
            raise PipelineError(f"{place} is not the address of a sitemap or a page")
    host = str(urlsplit(places[0]).hostname)
    connector = _property("connector", "web")
    if len(places) == 1:
        entry = {"server": "website", "type": "custom", "location": places[0], "customProperties": [connector]}
    else:
        pages = _property("pages", list(dict.fromkeys(places)))
        entry = {"server": "website", "type": "custom", "customProperties": [connector, pages]}
    return Feed(entry, host, "pages")


def _database(place: str, wish: DatabaseWish, folder: Path) -> Feed:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        url = None
    if url is None:  # raised out here: the text may hold a password, and would be in the traceback
        raise PipelineError(
            "that is no path and no URL which is known here; write a database as postgresql+psycopg://host:5432/database"
        )
    if url.username or url.password or any(map(means_a_secret, url.query)):
        raise PipelineError(
            "the database's URL holds credentials; take them out, and set RAG_<SOURCE>_USER and RAG_<SOURCE>_PASSWORD, "
            "with the source's name in capital letters (--source gives it one)"
        )
    if bool(wish.table) == bool(wish.query):
        raise PipelineError(f"{place}: say what of the database is meant: --table schema.table, or --query 'SELECT …'")
    url = url.set(drivername=_SQL_DRIVERS.get(url.drivername, url.drivername))
    schema, _, table = wish.table.rpartition(".")
    what = {"table": wish.table, "query": wish.query, "cursor": wish.cursor}
    entry: dict[str, Any] = {"server": "database"}
    plain = url.host and url.database and not url.query
    if plain and url.drivername == "postgresql+psycopg" and "." not in schema:
        host = {"host": url.host, "port": url.port or 5432, "database": url.database, "schema": schema or "public"}
        entry |= {"type": "postgres", **host}
        what["table"] = table
    elif plain and url.drivername == "mysql+pymysql":
        entry |= {"type": "mysql", "host": url.host, "port": url.port or 3306, "database": url.database}
    else:
        if url.drivername.startswith("sqlite"):
            if not url.database or ":memory:" in url.database:
                raise PipelineError("a database in memory is gone when it is to be read; name a file: sqlite:///file.db")
            if not Path(url.database).is_file():
                raise PipelineError(
                    f"{url.database}: no such file; a file's URL is sqlite:///relative.db or sqlite:////absolute.db"
                )
            url = url.set(database=path_for_contract(Path(url.database), folder))
        entry |= {"type": "custom", "location": url.render_as_string(hide_password=False)}
        what = {"connector": "sql", **what}
    entry["customProperties"] = [_property(name, value) for name, value in what.items() if value]
    return Feed(entry, table or Path(url.database or "").stem or str(url.host), table or "rows")


def _property(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}
