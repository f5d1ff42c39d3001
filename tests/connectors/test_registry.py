"""The kinds of sources the library has itself: each a folder, known by one name, and light until a feed is opened."""

import importlib
import re
import subprocess
import sys

import pytest

from rag_pipeline.connectors import API, Address
from rag_pipeline.connectors.registry import BUILT_IN, kinds_for
from rag_pipeline.settings import PROJECT

FOLDER = PROJECT / "rag_pipeline/connectors"
KINDS = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))


def test_every_folder_is_in_the_registry_and_has_a_server_and_a_reader() -> None:
    folders = {kind.read.func.__module__ if hasattr(kind.read, "func") else kind.read.__module__ for kind in BUILT_IN}
    assert {name.split(".")[2] for name in folders} == set(KINDS)
    for kind in KINDS:
        assert (FOLDER / kind / "server.py").is_file()
        assert (FOLDER / kind / "connector.py").is_file()


def test_names_are_taken_once_and_are_names_a_package_could_have() -> None:
    names = [kind.name for kind in BUILT_IN]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)
    assert {kind.api for kind in BUILT_IN} == {API}


@pytest.mark.parametrize(
    ("schemes", "asked"),
    [
        ({""}, ["files", "table"]),
        ({"s3"}, ["files", "table"]),
        ({"s3a"}, ["files", "table"]),
        ({"https"}, ["web"]),
        ({"http", "https"}, ["web"]),
        ({"postgresql"}, ["sql"]),
        ({"", "https"}, ["sql"]),
    ],
)
def test_an_address_is_asked_of_the_kinds_that_have_such(schemes: set[str], asked: list[str]) -> None:
    kinds, broken = kinds_for(schemes)
    assert ([kind.name for kind in kinds], broken) == (asked, [])


def test_several_addresses_have_several_schemes() -> None:
    assert Address(("https://a/b", "HTTP://c", "d/e"), FOLDER).schemes == {"https", "http", ""}
    assert Address(("a", "b"), FOLDER).place is None


def test_reading_a_contract_imports_no_package_of_a_reader() -> None:
    """They take seconds, and many a command reads contracts only."""
    heavy = ("httpx", "sqlalchemy", "obstore", "kreuzberg", "pyarrow", "protego")
    code = f"import sys, rag_pipeline.connectors.registry; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_what_it_is(kind: str) -> None:
    assert importlib.import_module(f"rag_pipeline.connectors.{kind}").__doc__
