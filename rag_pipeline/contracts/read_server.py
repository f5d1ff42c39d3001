"""The `servers` entry of a contract: where the feed is, and which connector reads it."""

import os
import re
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from rag_pipeline.contracts.contract import Column, Dialect, Limits, Server
from rag_pipeline.contracts.page import SERVER_PROPERTIES, At, Page
from rag_pipeline.contracts.secret_words import secret_in, without_secrets
from rag_pipeline.contracts.standard import unknown_name

FORMATS = ("documents", "jsonl", "csv", "parquet")
DATABASES = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "oracle": "oracle+oracledb",
    "sqlserver": "mssql+pymssql",
}
"""Types of server that are databases -> how SQLAlchemy calls them; others are reached as `custom` with a `location`."""

_BUCKETS = ("s3", "gs", "az")
_OWN = ("files", "table", "sql", "web")
_AT: At = ("servers", 0)


def read_server(page: Page, columns: tuple[Column, ...], *, table: str) -> Server:
    """The one server. `table` is the schema's `physicalName`, which names a database's table."""
    servers = page.content.get("servers") or []
    if len(servers) != 1:
        raise page.fail(("servers",), f"{len(servers)} servers found; say where this one feed is")
    entry = servers[0]
    for name, value in entry.items():
        if isinstance(value, str) and re.search(r"\$\{|\{\{", value):
            raise page.fail((*_AT, name), f"{value!r}: no variables are filled in here; write the value itself")
    custom = page.custom(_AT, entry, SERVER_PROPERTIES)
    kind = entry["type"]
    limits = _limits(page, entry, custom)
    if kind == "custom" and not custom.get("connector"):
        raise page.fail(_AT, "a custom server names its connector (customProperties: property: connector)")
    if kind == "custom" and custom["connector"] not in _OWN:
        return Server("bundled", bundled=str(custom["connector"]), limits=limits)
    _check_properties(page, entry, custom, kind)
    if kind == "local":
        local = replace(_local(page, entry), limits=limits, dialect=_dialect(page, entry, custom))
        return _chosen(page, entry, custom, local)
    if kind in DATABASES or custom.get("connector") == "sql":
        return replace(_database(page, entry, custom, kind, columns, table), limits=limits)
    if custom.get("connector") == "web":
        return replace(_web(page, entry, custom), limits=limits)
    if kind in ("s3", "azure") or custom.get("connector") in ("files", "table"):
        bucket = replace(_bucket(page, entry, custom), limits=limits, dialect=_dialect(page, entry, custom))
        return _chosen(page, entry, custom, bucket)
    known = ("local", "s3", "azure", *DATABASES, "custom")
    raise page.fail((*_AT, "type"), f"{kind!r} has no connector; use one of {', '.join(known)}")


_BELONG = {
    "query": ("sql",),
    "table": ("sql",),
    "cursor": ("sql",),
    "pages": ("web",),
    "include": ("files",),
    "exclude": ("files",),
    "delimiter": ("table",),
    "quoteCharacter": ("table",),
    "requestsPerSecond": ("web",),
    "maxMegabytes": ("web", "files", "table"),
}
"""Properties that only some connectors know."""


def _check_properties(page: Page, entry: dict[str, Any], custom: dict[str, Any], kind: str) -> None:
    in_files = "files" if entry.get("format") == "documents" else "table"
    connector = "sql" if kind in DATABASES else custom.get("connector") or in_files
    for name in custom:
        if name in _BELONG and connector not in _BELONG[name]:
            where = page.custom_at(_AT, entry, name)
            raise page.fail(where, f"{name} has no meaning for {connector}; it is for {', '.join(_BELONG[name])}")


def _chosen(page: Page, entry: dict[str, Any], custom: dict[str, Any], server: Server) -> Server:
    include, exclude = (_patterns(page, entry, custom, name) for name in ("include", "exclude"))
    return replace(server, include=include, exclude=exclude)


def _patterns(page: Page, entry: dict[str, Any], custom: dict[str, Any], name: str) -> tuple[str, ...]:
    """File patterns below the folder or prefix, such as `drafts/**` or `*.tmp`."""
    if name not in custom:
        return ()
    at, value = page.custom_at(_AT, entry, name), custom[name]
    patterns = page.words(at, [value] if isinstance(value, str) else value, None, "pattern")
    for pattern in patterns:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise page.fail(at, f"{pattern!r} leads out of the source; write it as below its folder, such as drafts/**")
        _check_pattern(page, at, "documents", pattern)
    return patterns


_SPELT = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Delimiters that are hard to see or to quote in YAML, by name."""


def _dialect(page: Page, entry: dict[str, Any], custom: dict[str, Any]) -> Dialect:
    """How a CSV file is written, where the contract says another way than RFC 4180."""
    default = Dialect()
    wanted = {"delimiter": default.delimiter, "quoteCharacter": default.quote}
    for name in wanted.keys() & custom.keys():
        at, value = page.custom_at(_AT, entry, name), custom[name]
        if entry.get("format") != "csv":
            raise page.fail(at, f"{name} is for format: csv, and this feed is {entry.get('format')}")
        value = _SPELT.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, str) or len(value) != 1 or value in "\r\n":
            raise page.fail(at, f"{value!r} is not one character; write it as ';', or as one of {', '.join(_SPELT)}")
        wanted[name] = value
    if wanted["delimiter"] == wanted["quoteCharacter"]:
        raise page.fail(page.custom_at(_AT, entry, "delimiter"), "delimiter and quoteCharacter are the same character")
    return Dialect(wanted["delimiter"], wanted["quoteCharacter"])


def _limits(page: Page, entry: dict[str, Any], custom: dict[str, Any]) -> Limits:
    def number(name: str, least: float, most: float, default: float) -> float:
        return page.number(
            page.custom_at(_AT, entry, name), custom.get(name, default), least=least, most=most, what="a number"
        )

    default = Limits()
    return Limits(
        timeout_s=number("timeoutSeconds", 0.1, 3_600, default.timeout_s),
        retries=int(number("retries", 0, 20, default.retries)),
        per_second=number("requestsPerSecond", 0.01, 1_000, default.per_second),
        max_mb=number("maxMegabytes", 0.001, 10_000, default.max_mb),
    )


def _local(page: Page, entry: dict[str, Any]) -> Server:
    form = _format(page, entry)
    path, pattern = _without_wildcards(page.document.path.parent, str(entry["path"]))
    _check_pattern(page, (*_AT, "path"), form, pattern)
    if form == "documents":
        return Server("files", form, path=path, pattern=pattern)
    return Server("table", form, path=path / pattern if pattern else path)


def _bucket(page: Page, entry: dict[str, Any], custom: dict[str, Any]) -> Server:
    form = _format(page, entry)
    if (wanted := custom.get("connector")) and wanted != ("files" if form == "documents" else "table"):
        raise page.fail((*_AT, "format"), f"the connector {wanted} does not read {form}")
    location = _location(page, entry, _BUCKETS)
    scheme, _, rest = location.partition("://")
    if entry.get("endpointUrl"):
        _refuse_secrets(page, (*_AT, "endpointUrl"), str(entry["endpointUrl"]))
    parts = rest.split("/")
    first = next((place for place, part in enumerate(parts) if any(mark in part for mark in "*?[")), len(parts))
    pattern = "/".join(parts[first:]) or None
    if first == 0:
        raise page.fail((*_AT, "location"), "the name of the bucket cannot be a pattern")
    _check_pattern(page, (*_AT, "location"), form, pattern)
    return Server(
        "files" if form == "documents" else "table",
        form,
        pattern=pattern,
        location=f"{scheme}://{'/'.join(parts[:first])}",
        endpoint=str(entry.get("endpointUrl") or ""),
    )


def _database(
    page: Page, entry: dict[str, Any], custom: dict[str, Any], kind: str, columns: tuple[Column, ...], table: str
) -> Server:
    if kind in DATABASES:
        port = f":{entry['port']}" if entry.get("port") else ""
        location = f"{DATABASES[kind]}://{entry['host']}{port}/{quote(str(entry.get('database') or ''), safe='')}"
        if entry.get("serviceName"):
            location += f"?service_name={quote(str(entry['serviceName']), safe='')}"
        _refuse_secrets(page, (*_AT, "host"), location)
    else:
        location = _location(page, entry, None)
        if location.startswith("sqlite:///") and not location.startswith("sqlite:////"):
            path = (page.document.path.parent / unquote(location.removeprefix("sqlite:///"))).absolute()
            location = f"sqlite:///{quote(str(path))}"
    query, named = str(custom.get("query") or ""), str(custom.get("table") or "")
    if query and named:
        raise page.fail(_AT, "give a query or a table, not both")
    if query and not re.match(r"\s*(select|with)\b", query, re.IGNORECASE):
        raise page.fail(page.custom_at(_AT, entry, "query"), "a query begins with SELECT or WITH; nothing else is run")
    if query and ";" in query.rstrip().rstrip(";"):
        raise page.fail(page.custom_at(_AT, entry, "query"), "one query only; remove the semicolon inside it")
    if not query and not named:
        named = table
    if not query and not named:
        raise page.fail(_AT, "say what to read: customProperties: property: table (or query), or the schema's physicalName")
    if named and "." not in named and entry.get("schema"):
        named = f"{entry['schema']}.{named}"
    cursor = str(custom.get("cursor") or "")
    return Server("sql", location=location, query=query.rstrip().rstrip(";"), table=named, cursor=cursor)


def _web(page: Page, entry: dict[str, Any], custom: dict[str, Any]) -> Server:
    pages: tuple[str, ...] = ()
    if "pages" in custom:
        at = page.custom_at(_AT, entry, "pages")
        pages = page.words(at, custom["pages"], None, "page")
        for url in pages:
            _check_url(page, at, url, ("http", "https"))
    location = _location(page, entry, ("http", "https")) if entry.get("location") else ""
    if not location and not pages:
        raise page.fail(_AT, "give a location (the URL of a sitemap), or pages (a list of URLs)")
    return Server("web", location=location, pages=pages)


def _format(page: Page, entry: dict[str, Any]) -> str:
    form = entry.get("format")
    if form not in FORMATS:
        raise page.fail((*_AT, "format"), unknown_name("format", str(form), FORMATS))
    return str(form)


def _location(page: Page, entry: dict[str, Any], schemes: tuple[str, ...] | None) -> str:
    if not entry.get("location"):
        raise page.fail(_AT, "the location is missing: the URL to read from")
    location = str(entry["location"])
    _check_url(page, (*_AT, "location"), location, schemes)
    return location


def _check_url(page: Page, at: At, url: str, schemes: tuple[str, ...] | None) -> None:
    _refuse_secrets(page, at, url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise page.fail(at, f"{without_secrets(url)!r} is not a URL") from error
    if schemes is not None and (parts.scheme not in schemes or not parts.netloc):
        raise page.fail(at, f"{url!r} is not a URL that begins with {', '.join(f'{scheme}://' for scheme in schemes)}")
    if "://" not in url:
        raise page.fail(at, f"{url!r} is not a URL")


def _refuse_secrets(page: Page, at: At, url: str) -> None:
    if secret := secret_in(url):
        raise page.fail(
            at,
            f"a contract holds no credentials, and this address holds one ({secret}), which would be shown in the UI and in "
            "every failure; take them out and set them in the environment",
        )


def _check_pattern(page: Page, at: At, form: str, pattern: str | None) -> None:
    try:
        next(Path().glob(pattern or "*"), None)
    except ValueError as error:
        raise page.fail(at, f"{pattern!r} is no file pattern ({error}); try **/*.md") from error
    if form != "documents" and pattern and "/" in pattern:
        raise page.fail(at, f"{pattern!r}: a table's wildcards stand in the file's name only")


def _without_wildcards(folder: Path, wanted: str) -> tuple[Path, str | None]:
    """`docs/**/*.md` -> (`docs`, `**/*.md`): the folder before the first wildcard, and the pattern below it.

    The contract's own `folder` is none, nor is what exists as it stands: `docs [2024]`, `export[1].csv`.
    """
    path, parts = folder.absolute(), PurePath(wanted).parts
    for place, part in enumerate(parts):
        if any(mark in part for mark in "*?[") and not os.path.lexists(path / part):
            return path, "/".join(parts[place:])
        path /= part  # an absolute path begins anew
    return path, None
