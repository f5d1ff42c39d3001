"""Quotes go with their document: removes what evidence and reports quote of a document that is not indexed any more.

What is gone is derived from what is stored, every time anew, so a killed run never leaves a quote behind for good.
"""

import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_texts import SUFFIX, forget_quotes, with_texts
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.mirrored import removing
from rag_pipeline.report.answers import quoted_on_pages, remove_page

log = logging.getLogger("rag_pipeline")

_QUOTES_NOTHING = f'"format": {Evidence.model_fields["format"].default},'.encode()
"""Evidence of this format and what it quotes are files of their own."""


def forget_gone(home: Home) -> frozenset[str]:
    """Remove what is quoted of documents that have no chunk any more; returns the documents.

    A report that quotes one goes as a whole, and before the quotes do: `rag report` writes it again without them. So does a
    page of answers.
    """
    quoted = _quotes(home) | quoted_on_pages(home)
    asked = pl.Series(sorted(frozenset().union(*quoted.values())), dtype=pl.String)
    rows = chunks_table(home).scan().filter(pl.col("document_id").is_in(asked.implode())).select("document_id")
    gone = frozenset(asked) - frozenset(rows.unique().pipe(collected)["document_id"])
    _forget(home, quoted, gone)
    return gone


def forget(home: Home, documents: Collection[str]) -> None:
    """Remove what is quoted of some documents, whether they are stored or not."""
    _forget(home, _quotes(home) | quoted_on_pages(home), frozenset(documents))


def as_it_stands(home: Home, evidence: Evidence) -> Evidence:
    """Evidence just measured, with the passages that may be shown: production retrieves what was removed until it moves."""
    sets = {
        name: one.model_copy(
            update={"examples": [], "unresolved": [gone.model_copy(update={"quote": ""}) for gone in one.unresolved]}
        )
        for name, one in evidence.golden_sets.items()
    }
    forget_gone(home)
    return with_texts(home, evidence.model_copy(update={"golden_sets": sets}))


def _forget(home: Home, quoted: dict[Path, frozenset[str]], gone: frozenset[str]) -> None:
    touched = [path for path, documents in quoted.items() if documents & gone]
    for path in touched:
        if path.parent == home.reports:
            remove_page(path)
        elif release := _release(path):
            with removing(home.report(release)):
                home.report(release).unlink(missing_ok=True)
    if touched:
        count = forget_quotes(home, gone)
        log.info("removed %d quotes of documents that are gone from evidence, and the reports that show them", count)


def _quotes(home: Home) -> dict[Path, frozenset[str]]:
    """File below the evidence -> the documents it quotes."""
    files = sorted(path for path in home.evidence.glob("*/[!.]*.json") if path.is_file())
    return {path: frozenset(_quoted(_read(path))) for path in files if path.name.endswith(SUFFIX) or _may_quote(path)}


def _may_quote(path: Path) -> bool:
    return _QUOTES_NOTHING not in path.read_bytes()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None  # `forget_quotes` says so


def _release(path: Path) -> str:
    """The release of the evidence that a file holds, or that it belongs to."""
    content = _read(path.with_name(path.name.replace(SUFFIX, ".json")))
    return str(content.get("release", "")) if isinstance(content, dict) else ""


def _quoted(content: Any) -> Iterator[str]:
    """Documents of which a text stands somewhere in a file: a passage, a quote by itself, or quotes by document."""
    if isinstance(content, list):
        for one in content:
            yield from _quoted(one)
    elif isinstance(content, dict):
        if isinstance(document := content.get("document"), str) and (content.get("text") or content.get("quote")):
            yield document
        if isinstance(by_document := content.get("quotes"), dict):
            yield from (document for document, quotes in by_document.items() if quotes)
        for one in content.values():
            yield from _quoted(one)
