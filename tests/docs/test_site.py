"""The site of the documentation can be built, every page is in its navigation, and a broken link stops it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

pytest.importorskip("sphinx")
pytest.importorskip("furo")


def build(docs: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """As `make docs` does."""
    (words,) = re.findall(r"(?m)^\t\$\(BIN\)/python (-m sphinx .+) docs site$", (PROJECT / "Makefile").read_text("utf-8"))
    words = words.replace("site/.doctrees", str(site / ".doctrees"))
    command = [sys.executable, *words.split(), str(docs), str(site)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_every_page_is_built_without_a_warning_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    done = build(PROJECT / "docs", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    pages = [one.relative_to(PROJECT / "docs").with_suffix(".html") for one in (PROJECT / "docs").rglob("*.md")]
    assert not [page for page in pages if not (tmp_path / "site" / page).exists()]
    home = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+\.html)', home))
    assert not [
        str(page)
        for page in pages
        if page.parts[0] != "decisions" and page.name != "index.html" and page.as_posix() not in linked
    ]
    fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(http[^\"]+)|<link[^>]* href=\"(http[^\"]+)", home)
    assert not fetched
    drawn = [str(page) for page in (PROJECT / "docs").rglob("*.md") if "```mermaid" in page.read_text(encoding="utf-8")]
    assert not drawn, "Mermaid is shown as its text; a drawing is an SVG below docs/images"


def test_a_link_that_leads_nowhere_stops_it(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for page in ("index.md", "contracts.md"):
        shutil.copy(PROJECT / "docs" / page, docs)
    (docs / "glossary.md").write_text("# Words\n\n[lost](contracts.md#no-such-heading)\n", encoding="utf-8")
    done = build(docs, tmp_path / "site")
    assert done.returncode != 0 and "no-such-heading" in done.stderr
