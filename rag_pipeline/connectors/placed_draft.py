"""Folders, files and buckets as a person types them, and as a contract's `servers` entry says them."""

import glob
import os
from pathlib import Path, PurePosixPath
from typing import Any

from rag_pipeline.connectors.placed import DOCUMENTS, PlacedServer
from rag_pipeline.errors import PipelineError, SourceUnavailable
from rag_pipeline.extraction.kinds import PARSED, TO_THE_LETTER
from rag_pipeline.feeds.draft import Address, Found, path_for_contract
from rag_pipeline.places import has_wildcard, place_of
from rag_pipeline.urls import BUCKETS, scheme_of, secret_in, without_secrets

TABLES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
"""How files of a table end -> their format."""

_NEARLY = {"file": "as a path, without file://", "s3a": "s3://…", "s3n": "s3://…", "gcs": "gs://…", "abfs": "az://…"}
_NEARLY |= {"abfss": "az://container/…", "azure": "az://container/…", "wasbs": "az://container/…"}

SCHEMES = ("", *BUCKETS, *_NEARLY)


def find_placed(address: Address, connector: str, *, documents: bool) -> Found | None:
    """The files at an address, if they are of the wanted sort.

    Raises `PipelineError` when there are none, or none that are read.
    """
    place = address.place
    if place is None:
        return None
    scheme = scheme_of(place)
    if scheme in _NEARLY:
        raise PipelineError(f"{without_secrets(place)}: write it {_NEARLY[scheme]}")
    found = _bucket(place, scheme) if scheme else _local(place, address.folder)
    if (found.entry["format"] == DOCUMENTS) != documents:
        return None
    return found.with_properties({"connector": connector}) if found.entry["type"] == "custom" else found


def tables_beside(server: PlacedServer, place: str) -> str:
    """A hint, if tables lie where documents were looked for."""
    if server.pattern:
        return ""
    where = place_of(server.path, server.location, server.endpoint, server.limits, confined=False)
    for suffix in TABLES:
        pattern = f"*{suffix}"
        try:
            found = next(where.entries(pattern, lambda _: True), None)
        except (SourceUnavailable, OSError):
            return ""
        if found:
            return f", but tables are; for those: rag contract new '{place.rstrip('/')}/{pattern}'"
    return ""


def _local(place: str, folder: Path) -> Found:
    path = Path(os.path.expanduser(place))  # noqa: PTH111  (Path's own raises where there is no such user)
    try:
        place.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PipelineError(f"{place!r} is not UTF-8, so no contract can name it; rename it") from error
    if path.is_dir():
        shown = path_for_contract(path, folder)
        pattern = f"{glob.escape(shown)}/**/*" if has_wildcard(shown) else shown
        return Found(_local_entry(pattern, DOCUMENTS), _last(path), "documents")
    if not path.exists() and not has_wildcard(place):
        raise PipelineError(f"{place}: no such file or folder; give a folder, a file, a pattern or a URL")
    form = TABLES.get(path.suffix.lower())
    if path.exists():
        if form is None:
            raise PipelineError(f"{place}: {_no_table(path.suffix.lower(), str(path.parent))}")
        return Found(_local_entry(glob.escape(path_for_contract(path, folder)), form), path.stem, "rows")
    first = next(number for number, part in enumerate(path.parts) if has_wildcard(part))
    if form and first < len(path.parts) - 1:
        raise PipelineError(f"{place}: wildcards of a table may be in the file's name only, all its files lie in one folder")
    root, pattern = Path(*path.parts[:first]), "/".join(path.parts[first:])
    entry = _local_entry(f"{glob.escape(path_for_contract(root, folder))}/{pattern}", form or DOCUMENTS)
    return Found(entry, _last(root), "rows" if form else "documents")


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


def _bucket(place: str, scheme: str) -> Found:
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
        raise PipelineError(f"{place}: wildcards of a table may be in the object's name only")
    before = [part for part in path.parts if not has_wildcard(part)]
    name = path.stem if form and not has_wildcard(path.name) else before[-1] if before else bucket
    entry: dict[str, Any] = {"server": "bucket", "type": {"s3": "s3", "gs": "custom", "az": "azure"}[scheme]}
    entry |= {"location": place, "format": form or DOCUMENTS}
    return Found(entry, name, "rows" if form else "documents")
