"""One word, one thing: every word of the glossary is used in the documentation, and no word that it rules out."""

import re
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

GLOSSARY = (PROJECT / "docs/glossary.md").read_text(encoding="utf-8")
KNOWN, RULED_OUT = GLOSSARY.split("## Words we do not use")
WORDS = re.findall(r"(?m)^\| \*\*(.+?)\*\* \|", KNOWN)
NOT_USED = [word for row in re.findall(r"(?m)^\| .+ \| (.+) \|$", RULED_OUT)[2:] for word in row.split(", ")]
PAGES = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += [page for page in sorted((PROJECT / "docs").glob("*.md")) if page.name != "glossary.md"]
PAGES += [*sorted((PROJECT / "docs/how-to").glob("*.md")), *sorted((PROJECT / "examples").rglob("*.md"))]


def prose(page: Path) -> str:
    """The page without what people type or read elsewhere: commands, names, code, the Dagster UI's own words in italics."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`|(?<!\*)\*[^*\n]+\*(?!\*)|\]\([^)]*\)", "", text)


@pytest.fixture(scope="module")
def everything() -> str:
    return "\n".join(prose(page) for page in PAGES)


def test_the_glossary_has_the_words_the_gate_is_explained_with() -> None:
    asked = {
        "release",
        "candidate",
        "channel",
        "gate",
        "evidence",
        "golden set",
        "judgment",
        "held",
        "quarantine",
        "slice",
        "margin",
    }
    assert asked <= set(WORDS)
    assert len(WORDS) == len(set(WORDS))


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_glossary_is_used(everything: str, word: str) -> None:
    assert re.search(rf"(?i)\b{word}", everything)


@pytest.mark.parametrize("word", NOT_USED)
def test_a_word_that_is_ruled_out_is_not_used(word: str) -> None:
    forms = word if " " in word else f"{word}(?:s|ed|ing|ment)?"
    found = [(page.name, match[0]) for page in PAGES for match in re.finditer(rf"(?i)\b{forms}\b.*", prose(page))]
    assert not found
