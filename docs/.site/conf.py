"""How the site of the documentation is built (`make docs`): Sphinx over the pages as they are; a broken link is an error.

Nothing is fetched from elsewhere, neither while it is built nor by whoever reads it.
"""

import re
from pathlib import Path
from typing import Any

from rag_pipeline import __version__

project = "rag-pipeline"
release = version = __version__
extensions = ["myst_parser"]
exclude_patterns = [".site"]
root_doc = "index"

html_theme = "furo"
html_title = f"rag-pipeline {__version__}"
html_show_sphinx = False

myst_heading_anchors = 6  # GitHub's, so that one link works in both places
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)")
_NAVIGATION = {
    "Do something": (
        "how-to/your-own-documents",
        "how-to/sixty-questions",
        "how-to/try-a-chunk-size-or-a-model",
        "how-to/promote-and-roll-back",
        "how-to/every-night",
        "read-from-a-program",
        "connectors",
        "dagster",
        "troubleshooting",
        "runbook",
    ),
    "Look something up": ("commands", "contracts", "evaluation", "answers", "lineage", "glossary"),
    "Understand it": ("architecture", "performance", "mutants", "decisions/README"),
}


def _as_the_site_needs_it(app: Any, page: str, source: list[str]) -> None:
    """A link to a file of the repository that is no page becomes its name, and the first pages get their navigation.

    On GitHub the pages work as they are; they hold nothing that is for Sphinx alone.
    """
    docs = Path(app.srcdir).resolve()
    here = (docs / page).parent

    def inside(found: "re.Match[str]") -> str:
        return found[0] if (here / found[2].partition("#")[0]).resolve().is_relative_to(docs) else found[1]

    source[0] = _LINK.sub(inside, source[0])
    known = {one.stem for one in (docs / "how-to").glob("*.md")} | {one.stem for one in docs.glob("*.md")}
    if page == root_doc:
        named = {Path(entry).name for entries in _NAVIGATION.values() for entry in entries}
        trees = dict(_NAVIGATION)
        trees["More"] = tuple(
            sorted(f"how-to/{one}" if (docs / f"how-to/{one}.md").exists() else one for one in known - named - {root_doc})
        )
        source[0] += "".join(_tree(caption, entries) for caption, entries in trees.items() if entries)
    if page == "decisions/README":
        source[0] += _tree("", sorted(one.stem for one in (docs / "decisions").glob("0*.md")))


def _tree(caption: str, entries: Any) -> str:
    lines = [":hidden:", *([f":caption: {caption}"] if caption else []), "", *entries]
    return "\n\n```{toctree}\n" + "\n".join(lines) + "\n```\n"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _as_the_site_needs_it)
