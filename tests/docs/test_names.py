"""Names of the code in the documentation exist: modules, functions, constants, files, and the order of the layers."""

import re
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT
from tests.support.code_names import LIBRARY, PACKAGES, exists

MODULES = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "SECURITY.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "docs/how-to").glob("*.md")),
]
NOT_CODE = {"json", "yaml", "yml", "parquet", "md", "html", "txt"}


def spoken_of(page: Path) -> list[str]:
    """What stands in backticks and begins with a package or module of ours: `gate.decide`, `ours.py`, `lake/table.py`."""
    found = []
    for quoted in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
        name = quoted.removeprefix("rag_pipeline/").removeprefix("rag_pipeline.")
        first = re.match(r"\w+", name)
        if not first or first[0] not in {*PACKAGES, *MODULES}:
            continue
        dotted = re.fullmatch(r"\w+(?:\.\w+)+(?:\(\))?", name) and name.split(".")[-1] not in NOT_CODE
        if dotted or re.fullmatch(r"\w+(?:/\w+)*(?:/|\.py)", name):
            found.append(name.removesuffix("()"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_name_of_the_code_on_a_page_exists(page: Path) -> None:
    assert not [name for name in spoken_of(page) if not exists(name)]


def test_names_are_found_and_a_wrong_one_is_noticed() -> None:
    assert len({name for page in PAGES for name in spoken_of(page)}) > 10
    assert exists("gate.decide.decide")
    assert exists("connectors/sql/")
    assert not exists("release.gate")
    assert not exists("gate.decide.decided")
    assert not exists("release/report/")


def test_the_architecture_gives_the_layers_in_the_order_that_is_checked() -> None:
    text = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8").split("## Layers")[1]
    drawn = [set(re.findall(r"\w+", layer)) for layer in text.split("```")[1].split("<")]
    layers = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").split("layers = [")[1].split("]")[0]
    checked = [set(re.findall(r"rag_pipeline\.(\w+)", line)) - {"definitions"} for line in layers.splitlines()]
    assert drawn == [layer for layer in reversed(checked) if layer]
