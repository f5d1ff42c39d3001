"""What a contract chooses of the bundled sources: modules, methods, packages, sections. What is missing is told."""

from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.connectors.bundled.connector import InstalledPackages, PythonLanguage, PythonLibrary
from rag_pipeline.connectors.bundled.sections import without_sections
from rag_pipeline.connectors.bundled.selection import Selection
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import ContractError, SourceUnavailable, Unreadable
from rag_pipeline.feeds.base import Connector, Item
from rag_pipeline.feeds.server import ReadContext
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace, files_contract
from tests.support.feeds import whole
from tests.support.python_sources import distribution, library_of

DOC = '"""What this module is for."""\n'
MODULES = [
    "json/__init__.py",
    "json/tool.py",
    "asyncio/__init__.py",
    "asyncio/base_tasks.py",
    "asyncio/tasks.py",
    "queue.py",
]


def keys(connector: Connector) -> list[str]:
    return [item.key for item in connector.items(lambda key: None)]


def text_of(connector: Connector, key: str) -> str:
    (row,) = whole(connector.read(Item(key, "")))
    return str(row["text"])


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), ["asyncio", "asyncio.base_tasks", "asyncio.tasks", "json", "json.tool", "os", "queue"]),
        (("json", "queue"), (), ["json", "json.tool", "queue"]),
        (("json.tool",), (), ["json.tool"]),
        (("asyncio",), ("asyncio.base_*",), ["asyncio", "asyncio.tasks"]),
        ((), ("asyncio", "os"), ["json", "json.tool", "queue"]),
        (("j*",), (), ["json", "json.tool"]),
        (("jso",), ("json",), ["jso"]),
    ],
)
def test_a_package_takes_its_modules_along(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], taken: list[str]
) -> None:
    library = library_of(tmp_path, dict.fromkeys(MODULES, DOC))
    assert sorted(keys(PythonLibrary(library, Selection(include, exclude)))) == taken


def test_a_module_that_is_included_and_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    connector = PythonLibrary(library_of(tmp_path, {"json.py": DOC}), Selection(("json", "jsno", "no*")))
    assert keys(connector) == ["json", "jsno"]
    with pytest.raises(Unreadable, match="module jsno has no source below"):
        list(connector.read(Item("jsno", "")))


def test_a_topic_that_is_included_and_not_there_is_refused_with_its_name() -> None:
    connector = PythonLanguage({"if": "If.\n", "with": "With.\n"}, Selection(("if", "wiht")))
    assert keys(connector) == ["if", "wiht"]
    with pytest.raises(Unreadable, match="no topic wiht; correct it in the contract's include"):
        list(connector.read(Item("wiht", "")))


OWLS = (
    DOC
    + "class Owl(Bird):\n"
    + "    '''A bird of the night.\n\n    It hunts.\n    '''\n"
    + "    def hunt(self, prey='mouse'):\n        '''Hunt\n        it.\n\n        Slowly.\n        '''\n"
    + "    def silent(self): ...\n"
    + "    def _digest(self):\n        '''Hidden.'''\n"
    + "class Bare:\n    def told(self):\n        '''Told of a class that says nothing.'''\n"
    + "def count(n=1):\n    '''Count the owls.\n\n    All of them.\n    '''\n"
)
HEAD, COUNT = "# json\n\nWhat this module is for.\n\n", "## json.count(n=1)\n\nCount the owls.\n\nAll of them.\n"


def test_methods_are_told_in_a_line_each(tmp_path: Path) -> None:
    connector = PythonLibrary(library_of(tmp_path, {"json.py": OWLS}), methods="summaries")
    owl = "## class json.Owl(Bird)\n\nA bird of the night.\n\nIt hunts.\n\n- `Owl.hunt(self, prey='mouse')`: Hunt it.\n\n"
    bare = "## class json.Bare\n\n- `Bare.told(self)`: Told of a class that says nothing.\n\n"
    assert text_of(connector, "json") == HEAD + owl + bare + COUNT


def test_methods_are_left_out_and_a_class_that_says_nothing_with_them(tmp_path: Path) -> None:
    connector = PythonLibrary(library_of(tmp_path, {"json.py": OWLS}), methods="none")
    owl = "## class json.Owl(Bird)\n\nA bird of the night.\n\nIt hunts.\n\n"
    assert text_of(connector, "json") == HEAD + owl + COUNT


def packages(folder: Path, *requires: str) -> list[str]:
    """Three distributions; `house` requires what is given, as metadata writes it."""
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    distribution(folder, "house-1", f"Metadata-Version: 2.1\nName: house\nVersion: 1\n{needs}\n")
    for name in ("My.Owl", "mouse"):
        distribution(folder, f"{name}-1", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n\nOf {name}.\n")
    return [str(folder)]


def test_only_what_a_package_requires_itself_is_listed(tmp_path: Path) -> None:
    path = packages(tmp_path, "my-owl>=1", 'mouse; extra == "animals"', 'gone; python_version < "3"')
    assert keys(InstalledPackages(path, required_by="House")) == ["my-owl"]
    assert keys(InstalledPackages(path)) == ["house", "mouse", "my-owl"]


def test_a_requirement_that_is_not_installed_is_refused_with_its_name(tmp_path: Path) -> None:
    connector = InstalledPackages(packages(tmp_path, "my-owl", "cat", "mouse"), Selection(exclude=("mouse",)), "house")
    assert keys(connector) == ["cat", "my-owl"]
    with pytest.raises(Unreadable, match="cat is not installed here, and house requires it"):
        list(connector.read(Item("cat", "")))


def test_requirements_of_a_package_that_is_not_installed_hold_the_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="requiredBy: stable is not installed in this environment"):
        InstalledPackages(packages(tmp_path), required_by="stable")


CHANGES = "## ChangeLog\n\nOld.\n\n### 1.0\n\nOlder.\n\n"
TEXT = f"# owl\n\nIntro.\n\n## Usage\n\nCall it.\n\n```sh\n# Changelog\n```\n\n{CHANGES}## Help\n\nAsk.\n"


@pytest.mark.parametrize(
    ("headings", "gone"),
    [
        ((), ""),
        (("nothing here",), ""),
        (("change*",), CHANGES),
        (("1.*",), "### 1.0\n\nOlder.\n\n"),
        (("changelog", "help"), CHANGES + "## Help\n\nAsk.\n"),
        (("owl",), TEXT),
    ],
)
def test_sections_are_left_out_with_all_they_hold_and_code_is_no_heading(headings: tuple[str, ...], gone: str) -> None:
    assert without_sections(TEXT, headings) == TEXT.replace(gone, "")


def test_a_description_loses_the_sections_that_the_contract_leaves_out(tmp_path: Path) -> None:
    body = "Usage\n=====\n\nCall it.\n\nLicense\n=======\n\nFree.\n"
    distribution(tmp_path, "owl-1", f"Metadata-Version: 2.1\nName: owl\nVersion: 1\nSummary: Counts.\n\n{body}")
    connector = InstalledPackages([str(tmp_path)], leave_out=("licen[cs]e",))
    assert text_of(connector, "owl") == "# owl\n\nCounts.\n\n## Usage\n\nCall it.\n"


def contract(workspace: Workspace, connector: str, **properties: Any) -> Path:
    own = [{"property": name, "value": value} for name, value in ({"connector": connector} | properties).items()]
    return workspace.contract(
        "some", files_contract("x") | {"servers": [{"server": "x", "type": "custom", "customProperties": own}]}
    )


@pytest.mark.parametrize(
    ("connector", "properties", "says"),
    [
        ("python_library", {"methods": "sumaries"}, "unknown value of methods 'sumaries'; did you mean 'summaries'"),
        ("python_library", {"include": [1]}, "is not a list of texts"),
        ("python_language", {"methods": "none"}, "methods has no meaning for python_language; it is for python_library"),
        (
            "python_library",
            {"requiredBy": "x"},
            "requiredBy has no meaning for python_library; it is for installed_packages",
        ),
        ("installed_packages", {"leaveOutSections": {"a": 1}}, "is not a list of texts"),
        ("installed_packages", {"requiredBy": ["x"]}, r"\['x'\] is not text"),
    ],
)
def test_a_property_that_is_wrong_is_refused_with_its_line(
    workspace: Workspace, connector: str, properties: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        read_contract(contract(workspace, connector, **properties))


def test_what_shapes_a_row_reads_everything_again_and_what_only_chooses_does_not(workspace: Workspace) -> None:
    def fingerprint(connector: str, **properties: Any) -> str:
        return read_contract(contract(workspace, connector, **properties)).fingerprint

    library, packages = fingerprint("python_library"), fingerprint("installed_packages")
    assert fingerprint("python_library", include=["json"], exclude="json.tool", methods="whole") == library
    assert fingerprint("installed_packages", requiredBy="polars") == packages
    shaped = {fingerprint("python_library", methods=how) for how in ("whole", "summaries", "none")}
    assert len(shaped) == 3
    assert fingerprint("installed_packages", leaveOutSections="license") != packages


@pytest.mark.parametrize("source", ["python_language", "python_library", "installed_packages"])
def test_every_name_that_the_bundled_contracts_include_is_on_this_machine(source: str) -> None:
    connector = read_contract(PROJECT / f"contracts/{source}.odcs.yaml").server.connect(ReadContext(source))
    items = list(connector.items(lambda key: None))
    assert len(items) > 40
    assert "missing" not in {item.version for item in items}
    for item in items:
        assert source == "python_library" or list(connector.read(item))
