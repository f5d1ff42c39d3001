"""docs/connectors.md builds the package that the tests install, file by file, and lists all a connector is asked."""

import dataclasses
import re

import pytest

from rag_pipeline.connectors import API, Connector, Kind, Server
from rag_pipeline.settings import PROJECT
from tests.support.installed_packages import PLUGIN

PAGE = (PROJECT / "docs/connectors.md").read_text(encoding="utf-8")


def test_its_blocks_of_code_are_the_files_of_the_package() -> None:
    blocks = dict(re.findall(r"(?m)^`([\w./]+)`:\n\n```(?:python|toml)\n(.*?)```$", PAGE, flags=re.DOTALL))
    files = [path for path in PLUGIN.rglob("*") if path.suffix in (".py", ".toml")]
    assert blocks == {path.relative_to(PLUGIN).as_posix(): path.read_text(encoding="utf-8") for path in files}


@pytest.mark.parametrize("owner", [Kind, Server, Connector], ids=["Kind", "Server", "Connector"])
def test_every_name_of_the_interface_is_on_the_page_and_no_other(owner: type) -> None:
    rows = re.search(rf"\| of a `{owner.__name__}` \| \|\n\| --- \| --- \|\n((?:\| .*\n)+)", PAGE)
    assert rows
    listed = {name for row in rows[1].splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    fields = {field.name for field in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else set()
    assert listed == {
        name for name in fields | vars(owner).keys() | owner.__annotations__.keys() if not name.startswith("_")
    }


def test_the_version_it_tells_is_the_librarys() -> None:
    assert f"as a number: {API} |" in PAGE
