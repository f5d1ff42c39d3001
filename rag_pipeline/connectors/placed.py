"""What `files` and `table` have in common: a feed that is files in a folder or below a prefix of a bucket."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypedDict

from rag_pipeline.errors import unknown_name
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.server import Server
from rag_pipeline.places import has_wildcard
from rag_pipeline.urls import BUCKETS

DOCUMENTS = "documents"
FORMATS = (DOCUMENTS, "jsonl", "csv", "parquet")

TYPES, TYPES_BY_THEMSELVES = ("local",), ("s3", "azure")
"""Types of server whose format says whether they are documents or a table."""


@dataclass(frozen=True, slots=True)
class PlacedServer(Server):
    """Files below `path` (absolute by now) or, when that is None, below `location`, the URL of a bucket."""

    path: Path | None = None
    pattern: str | None = None
    location: str = ""
    endpoint: str = ""
    """The address of an S3-compatible store that is not Amazon's."""

    @property
    def says(self) -> str:
        return os.path.normpath(self.path) if self.path else self.location

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.location,) if self.location else ()


class PlaceFields(TypedDict):
    """The fields every such server has, as they are read."""

    path: Path | None
    pattern: str | None
    location: str
    endpoint: str


def read_format(entry: Entry) -> str:
    form = entry.fields.get("format")
    if form not in FORMATS:
        raise entry.fail(unknown_name("format", str(form), FORMATS), "format")
    return str(form)


def read_place(entry: Entry, form: str) -> PlaceFields:
    """Where the files are, and what their names look like."""
    return _local(entry, form) if entry.type == "local" else _bucket(entry, form)


def pattern_problem(pattern: str | None, form: str = DOCUMENTS) -> str:
    """Why no file can match a pattern; "" when one can."""
    try:
        next(Path().glob(pattern or "*"), None)
    except ValueError as error:
        return f"{pattern!r} is not a file pattern ({error}); try **/*.md"
    if form != DOCUMENTS and pattern and "/" in pattern:
        return f"{pattern!r}: a table's wildcards may be in the file's name only"
    return ""


def _check_pattern(entry: Entry, field: str, pattern: str | None, form: str) -> None:
    if problem := pattern_problem(pattern, form):
        raise entry.fail(problem, field)


def _local(entry: Entry, form: str) -> PlaceFields:
    path, pattern = _without_wildcards(entry.folder, str(entry.fields["path"]))
    _check_pattern(entry, "path", pattern, form)
    return {"path": entry.path(path), "pattern": pattern, "location": "", "endpoint": ""}


def _bucket(entry: Entry, form: str) -> PlaceFields:
    location = entry.location(BUCKETS)
    scheme, _, rest = location.partition("://")
    endpoint = str(entry.fields.get("endpointUrl") or "")
    entry.refuse_secrets("endpointUrl", endpoint)
    parts = rest.split("/")
    first = next((place for place, part in enumerate(parts) if has_wildcard(part)), len(parts))
    pattern = "/".join(parts[first:]) or None
    if first == 0:
        raise entry.fail("the name of the bucket cannot be a pattern", "location")
    _check_pattern(entry, "location", pattern, form)
    return {"path": None, "pattern": pattern, "location": f"{scheme}://{'/'.join(parts[:first])}", "endpoint": endpoint}


def _without_wildcards(folder: Path, wanted: str) -> tuple[Path, str | None]:
    """`docs/**/*.md` -> (`docs`, `**/*.md`): the folder before the first wildcard, and the pattern below it.

    The contract's own `folder` is none, nor is what exists as it stands: `docs [2024]`, `export[1].csv`.
    """
    path, parts = folder.absolute(), PurePath(wanted).parts
    for place, part in enumerate(parts):
        if has_wildcard(part) and not os.path.lexists(path / part):
            return path, "/".join(parts[place:])
        path /= part  # an absolute path begins anew
    return path, None
