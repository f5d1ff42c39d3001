"""CONTRIBUTING.md leads to what is there: every file and name it sends somebody to exists, and no package is left out."""

import re
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT
from tests.support.code_names import PACKAGES, names_in

PAGE = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOMS = PAGE.split("## The rooms of the house")[1].split("\n## ")[0]
TABLE = PAGE.split("## To change X, go to Y")[1].split("\n## ")[0]
ROWS = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.*?) ?\|$", TABLE)[2:]
PLACES = sorted(set(re.findall(r"`([\w./]+(?:/|\.\w+)(?::\w+)?)`", PAGE)))


def file_of(path: str) -> Path:
    """Where a path of the page leads: below the package, or below the checkout."""
    inside = PROJECT / "rag_pipeline" / path
    return inside if inside.exists() else PROJECT / path


@pytest.mark.parametrize(
    "place", [place for place in PLACES if re.search(r"\.(py|j2)\b|/$", place) and not place.startswith(".")]
)
def test_a_place_the_page_names_exists(place: str) -> None:
    path, _, name = place.partition(":")
    assert file_of(path).exists(), f"CONTRIBUTING.md names {path}"
    if name:
        assert name in names_in(file_of(path)), f"CONTRIBUTING.md names {name} of {path}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_room_and_a_row(package: str) -> None:
    assert re.search(rf"(?m)^\| `{package}`", ROOMS), f"CONTRIBUTING.md does not say what belongs into {package}"
    assert any(f"`{package}/" in where for _, where, _ in ROWS), f"no row of CONTRIBUTING.md leads to {package}"


def test_every_row_leads_somewhere_or_says_that_nothing_has_to_change() -> None:
    assert len(ROWS) >= 25
    assert not [
        what for what, where, _ in ROWS if not re.search(r"`[\w/.]+(?:\.py|/)", where) and not where.startswith("nothing: ")
    ]


def test_the_rooms_stand_in_the_order_of_the_layers() -> None:
    layers = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").split("layers = [")[1].split("]")[0]
    depth = {name: row for row, line in enumerate(layers.splitlines()) for name in re.findall(r"rag_pipeline\.(\w+)", line)}
    rooms = [room for room in re.findall(r"(?m)^\| `(\w+)`", ROOMS) if room in depth]
    assert [depth[room] for room in rooms] == sorted(depth[room] for room in rooms)
