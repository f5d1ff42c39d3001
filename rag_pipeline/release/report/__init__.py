"""The report a person looks at: one HTML file a release, complete in itself, that opens from disk without a network.

It shows what the gate decided and why; it decides nothing.
"""

import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.evaluate.golden import GoldenSet
from rag_pipeline.files import sync
from rag_pipeline.release.channels import PRODUCTION
from rag_pipeline.release.policy import Policy
from rag_pipeline.release.report import words
from rag_pipeline.release.report.gather import ReportFacts, gather
from rag_pipeline.release.report.view import page
from rag_pipeline.release.verdict import Verdict, invalid

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["ReportFacts", "not_evaluated", "render", "report_path", "write_report"]

_FILTERS = ("change", "counted", "hours", "milliseconds", "number", "percent", "says", "score", "signed")


def render(facts: ReportFacts) -> str:
    """The page. Pure: the same facts give the same text. Documents and queries are other people's text, and are escaped."""
    return _template().render(page(facts))


def write_report(
    home: Path,
    evidence: Evidence | None,
    verdict: Verdict,
    *,
    now: datetime,
    contracts: Sequence[Contract] = (),
    golden_sets: Sequence[GoldenSet] = (),
    policy: Policy | None = None,
    channel: str = PRODUCTION,
    problem: str = "",
) -> Path:
    """Write `reports/<release id>.html` from what is known now, in place of an earlier one; returns where it lies.

    Without `evidence` the page says that nothing was measured, and why: `problem` is the message of the error that
    stopped the evaluation (`not_evaluated` gives the verdict then). Raises `ReleaseError` for an id that is no file name.
    """
    facts = gather(
        home,
        with_texts(home, evidence) if evidence else None,
        verdict,
        now=now,
        contracts=contracts,
        golden_sets=golden_sets,
        policy=policy,
        channel=channel,
        problem=problem,
    )
    path = report_path(home, verdict.release)
    _write(path, render(facts))
    return path


def report_path(home: Path, release_id: str) -> Path:
    """Where the report of a release lies, written or not. Raises `ReleaseError` for an id that is no file name."""
    if not release_id or release_id.startswith(".") or Path(release_id).name != release_id:
        raise ReleaseError(f"{release_id!r} is not the id of a release; `rag releases` lists them")
    return home / "reports" / f"{release_id}.html"


def not_evaluated(release_id: str, problem: str) -> Verdict:
    """The verdict on a release that an error kept from being evaluated."""
    return Verdict(release_id, "could not be evaluated", (invalid(problem),))


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rag_pipeline.release.report", "."),
        autoescape=True,
        finalize=words.visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({name: getattr(words, name) for name in _FILTERS})
    return environment.get_template("page.html.j2")


def _write(path: Path, text: str) -> None:
    """Atomically, so that nobody opens half a page, and with the modes people's files have: others may look at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)
