"""The report a person looks at: one HTML file for each release, complete in itself, that opens from disk without a network.

It shows what the gate decided and why; it decides nothing.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag_pipeline.files import write_text
from rag_pipeline.gate.verdict import Verdict, invalid
from rag_pipeline.home import Home
from rag_pipeline.report import words
from rag_pipeline.report.gather import ReportFacts, ReportRequest, gather
from rag_pipeline.report.view import page

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["ReportFacts", "ReportRequest", "not_evaluated", "render", "template", "write_report"]

_FILTERS = ("change", "counted", "hours", "milliseconds", "number", "percent", "says", "score", "signed")


def render(facts: ReportFacts) -> str:
    """The page. Pure: the same facts give the same text. Documents and queries are other people's text, and are escaped."""
    return template("page.html.j2").render(page(facts))


def write_report(home: Home, asked: ReportRequest) -> Path:
    """Write `reports/<release id>.html` from what is known now, in place of an earlier one; returns where it lies.

    Without evidence the page says that nothing was measured, and why (`not_evaluated` gives the verdict then). Raises
    `ReleaseError` for an id that is no file name.
    """
    facts = gather(home, asked)
    path = home.report(asked.verdict.release)
    write_text(path, render(facts))
    return path


def not_evaluated(release_id: str, problem: str) -> Verdict:
    """The verdict on a release that an error kept from being evaluated."""
    return Verdict(release_id, "could not be evaluated", (invalid(problem),))


@cache
def template(name: str) -> "Template":
    """A template of this folder, with the filters of all of them; whatever is put into it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from rag_pipeline.report.compiled import beside_modules

    environment = Environment(
        loader=PackageLoader("rag_pipeline.report", "."),
        autoescape=True,
        finalize=words.visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=beside_modules(),
    )
    environment.filters.update({name: getattr(words, name) for name in _FILTERS})
    return environment.get_template(name)
