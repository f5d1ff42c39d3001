"""The page that shows answers of a release beside those of the release before: `reports/answers-<release>.html`.

It decides nothing. What a document of it says is data: escaped, cut off where it is endless, and shown only while the
document is stored.
"""

import re
from collections.abc import Collection
from datetime import datetime
from html import unescape
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.evaluate.answers import AnswersOf
from rag_pipeline.files import write_text
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.ours import ANSWERS_REPORT, found, remove
from rag_pipeline.report import template
from rag_pipeline.report.answers_view import Shown, documents_of, sets_of

PREFIX = "answers-"
"""How the name of such a page begins, before the id of its release."""

_DOCUMENT = re.compile(r'data-document="([^"]*)"')


def render(shown: Shown) -> str:
    """The page. Pure."""
    return template("answers.html.j2").render(shown=shown)


def write_answers(
    home: Home,
    found_now: AnswersOf,
    before: AnswersOf | None,
    now: datetime,
    withdrawn: Collection[str] = (),
    **about: str,
) -> Path:
    """Write the page of a release, in place of an earlier one; returns where it lies. `about`: `channel`, `unread`, `judge`.

    A document that has no chunk any more, or is `withdrawn`, is not quoted. Raises `ReleaseError` for what is no id.
    """
    stored = _stored(home, documents_of(found_now, before)) - frozenset(withdrawn)
    shown = Shown(
        release=found_now.release,
        before=before.release if before else None,
        channel=about.get("channel", ""),
        written_at=now,
        refuses=found_now.bounds.says,
        sets=sets_of(found_now, before, stored.__contains__),
        unread=about.get("unread", ""),
        judge=about.get("judge", ""),
    )
    path = home.report(found_now.release, PREFIX)
    write_text(path, render(shown))
    return path


def quoted_on_pages(home: Home) -> dict[Path, frozenset[str]]:
    """Each such page -> the documents that it quotes."""
    pages = found(home.reports, ANSWERS_REPORT)
    return {path: frozenset(map(unescape, _DOCUMENT.findall(path.read_text(encoding="utf-8")))) for path in pages}


def remove_page(path: Path) -> None:
    remove(path, ANSWERS_REPORT)


def _stored(home: Home, documents: frozenset[str]) -> frozenset[str]:
    asked = pl.Series(sorted(documents), dtype=pl.String)
    rows = chunks_table(home).scan().filter(pl.col("document_id").is_in(asked.implode())).select("document_id")
    return frozenset(rows.unique().pipe(collected)["document_id"])
