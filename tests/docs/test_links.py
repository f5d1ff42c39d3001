"""Links between the pages, those at the top of the checkout included, lead to a file, and to a heading that is there."""

import re
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

PAGES = [
    page for folder in ("", "docs", "examples") for page in sorted((PROJECT / folder).glob("**/*.md" if folder else "*.md"))
]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page: lower case, blanks as hyphens, no other punctuation."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#{1,6} (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        leads_to = (page.parent / path).resolve() if path else page
        if not leads_to.exists() or (anchor and anchor not in anchors(leads_to)):
            wrong.append(target)
    assert not wrong


def test_anchors_are_those_of_github() -> None:
    assert "to-change-x-go-to-y" in anchors(PROJECT / "CONTRIBUTING.md")
    assert "what-changed-cannot-matter-probes" in anchors(PROJECT / "docs/evaluation.md")
