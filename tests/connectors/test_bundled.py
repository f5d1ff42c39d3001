"""The documents every machine with Python has: nothing is imported, private things stay out, the rest is there."""

import sys
from pathlib import Path

import pytest

from rag_pipeline.connectors import Connector, Item
from rag_pipeline.connectors.bundled.connector import InstalledPackages, PythonLanguage, PythonLibrary, atx_headings
from rag_pipeline.errors import SourceUnavailable, Unreadable
from tests.support.python_sources import distribution, library_of

DOC = '"""What this module is for."""\n'


def library(root: Path, **sources: str) -> PythonLibrary:
    """A standard library of one's own, module -> source."""
    return PythonLibrary(library_of(root, {f"{name}.py": source for name, source in sources.items()}))


def listed(connector: Connector) -> list[Item]:
    return list(connector.items(lambda key: None))


def text_of(connector: PythonLibrary, module: str) -> str:
    (row,) = connector.read(Item(module, ""))
    return str(row["text"])


def test_a_topic_is_one_document_with_markdown_headings() -> None:
    language = PythonLanguage({"assert": 'The "assert" statement\n**********************\n\nAssert statements are short.\n'})
    (item,) = listed(language)
    (row,) = language.read(item)
    assert row["topic"] == "assert"
    assert row["title"] == 'The "assert" statement'
    assert row["text"].startswith('# The "assert" statement\n')
    assert row["text"].endswith("Assert statements are short.\n")
    assert "****" not in row["text"]


def test_a_topic_without_a_heading_is_called_by_its_name() -> None:
    language = PythonLanguage({"in": "No heading here.\n"})
    assert next(iter(language.read(Item("in", ""))))["title"] == "in"


def test_the_version_of_a_topic_follows_its_text_alone() -> None:
    before = {item.key: item.version for item in listed(PythonLanguage({"a": "one", "b": "two"}))}
    after = {item.key: item.version for item in listed(PythonLanguage({"b": "two!", "a": "one"}))}
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


def test_this_interpreter_has_its_language_reference() -> None:
    language = PythonLanguage()
    items = listed(language)
    assert len(items) >= 60
    rows = {item.key: next(iter(language.read(item))) for item in items}
    assert "context manager" in rows["with"]["text"]
    assert all(row["text"].strip() and row["title"] for row in rows.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Title\n*****\nbody\n", "# Title\nbody\n"),
        ("Title\n=====\n", "## Title\n"),
        ("Title\n-----\n", "### Title\n"),
        ("Title\n~~~~~\n", "#### Title\n"),
        ("A long title indeed\n---\n", "A long title indeed\n---\n"),
        ("text\n\n---\n\nmore\n", "text\n\n---\n\nmore\n"),
        ("a --- b\n", "a --- b\n"),
    ],
)
def test_underlined_headings_become_markdown_and_rules_stay_rules(text: str, expected: str) -> None:
    assert atx_headings(text) == expected


def test_private_modules_and_tests_are_left_out(tmp_path: Path) -> None:
    public = ["json/__init__.py", "json/tool.py"]
    hidden = [
        "json/_private.py",
        "json/__main__.py",
        "json/tests/tool.py",
        "json/test_tool.py",
        "test/support.py",
        "_json.py",
    ]
    foreign = ["notstdlib.py", "site-packages/json.py", "idlelib/idle_test/htest.py"]
    connector = PythonLibrary(library_of(tmp_path, dict.fromkeys([*public, *hidden, *foreign], DOC)))
    assert [item.key for item in listed(connector)] == ["json", "json.tool", "os"]


def test_a_module_says_what_its_public_names_say(tmp_path: Path) -> None:
    source = (
        DOC
        + "class Owl(Bird, metaclass=Meta):\n"
        + "    '''A bird of the night.'''\n"
        + "    def hunt(self, prey: str = 'mouse', *, loud=False) -> bool:\n        '''Hunt it.'''\n"
        + "    async def sleep(self):\n        '''Sleep by day.'''\n"
        + "    def _digest(self):\n        '''Hidden method.'''\n"
        + "    def silent(self): ...\n"
        + "class _Hidden:\n    '''Hidden class.'''\n"
        + "def count(n=1):\n    '''Count the owls.\n\n        Indented example.\n    Back.\n    '''\n"
        + "async def listen():\n    '''Wait for a call.'''\n"
        + "def _helper():\n    '''Hidden function.'''\n"
        + "def bare(): ...\n"
    )
    text = text_of(library(tmp_path, json=source), "json")
    assert text.startswith("# json\n\nWhat this module is for.\n")
    assert "## class json.Owl(Bird)\n\nA bird of the night." in text
    assert "### Owl.hunt(self, prey: str='mouse', *, loud=False)\n\nHunt it." in text
    assert "### Owl.sleep(self)\n\nSleep by day." in text
    assert "## json.count(n=1)\n\nCount the owls.\n\n    Indented example." in text
    assert "## json.listen()\n\nWait for a call." in text
    for absent in ("Hidden", "silent", "bare"):
        assert absent not in text


def test_definitions_inside_if_and_try_are_found(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "if sys.platform == 'win32':\n    def here():\n        '''On Windows.'''\n"
        "else:\n    def there():\n        '''Elsewhere.'''\n"
        "try:\n    if True:\n        class Deep:\n            '''Nested twice.'''\n"
        "except ImportError:\n    pass\n"
        "else:\n    async def after():\n        '''In the else of a try.'''\n"
        "def outer():\n    '''Outer.'''\n    def inner():\n        '''Never public.'''\n"
    )
    text = text_of(library(tmp_path, json=source), "json")
    for told in ("On Windows.", "Elsewhere.", "Nested twice.", "In the else of a try.", "Outer."):
        assert told in text
    assert "Never public." not in text


def test_a_fallback_in_an_except_body_is_found(tmp_path: Path) -> None:
    source = (
        "try:\n    from _json import scan\n"
        "except ImportError:\n    def scan(text):\n        '''In plain Python.'''\n"
        "except OSError:\n    class Slow:\n        def scan(self):\n            '''In a second handler.'''\n"
    )
    text = text_of(library(tmp_path, json=source), "json")
    assert "## json.scan(text)\n\nIn plain Python." in text
    assert "### Slow.scan(self)\n\nIn a second handler." in text


def test_a_name_defined_twice_has_one_section_of_its_first_documented_definition(tmp_path: Path) -> None:
    source = (
        "try:\n    def scan(bare): ...\n"
        "except ImportError:\n    def scan(first):\n        '''First told.'''\n"
        "def scan(second):\n    '''Second told.'''\n"
        "if True:\n    class Owl:\n        '''First owl.'''\n"
        "else:\n    class Owl:\n        '''Second owl.'''\n        def hunt(self):\n            '''Hunt.'''\n"
    )
    text = text_of(library(tmp_path, json=source), "json")
    assert text == "# json\n\n## json.scan(first)\n\nFirst told.\n\n## class json.Owl\n\nFirst owl.\n"


def test_a_private_module_that_is_star_imported_is_folded_into_the_public_one(tmp_path: Path) -> None:
    public = DOC + "try:\n    from _decimal import *\nexcept ImportError:\n    from _pydecimal import *\n"
    private = "class Decimal:\n    '''A decimal number.'''\n\nfrom _deeper import *\n"
    deeper = "def getcontext():\n    '''The context of this thread.'''\nfrom _pydecimal import *\n"
    connector = library(tmp_path, decimal=public, _pydecimal=private, _deeper=deeper)
    text = text_of(connector, "decimal")
    assert "## class decimal.Decimal\n\nA decimal number." in text
    assert text.count("## decimal.getcontext()\n\nThe context of this thread.") == 1
    assert [item.key for item in listed(connector)] == ["decimal", "os"]


def test_a_public_module_that_is_star_imported_is_not_repeated(tmp_path: Path) -> None:
    connector = library(tmp_path, json=DOC + "from token import *\n", token="def tok():\n    '''A token.'''\n")
    assert "A token." not in text_of(connector, "json")


def test_a_module_without_documentation_yields_no_document(tmp_path: Path) -> None:
    assert list(library(tmp_path, json="x = 1\n").read(Item("json", ""))) == []


def test_a_module_with_a_side_effect_is_read_and_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    source = DOC + f"open({str(witness)!r}, 'w').close()\nraise SystemExit('boom')\n"
    connector = library(tmp_path / "lib", antigravity=source)
    assert "What this module is for." in text_of(connector, "antigravity")
    assert not witness.exists()


@pytest.mark.parametrize("source", [b"def broken(:\n", b"x = '\xff'\n", b"x = 1\x00\n", b"# coding: no-such-codec\nx = 1\n"])
def test_a_source_that_is_not_python_is_unreadable_and_the_others_go_on(tmp_path: Path, source: bytes) -> None:
    connector = library(tmp_path, json=DOC)
    (tmp_path / "token.py").write_bytes(source)
    connector = PythonLibrary(tmp_path)
    assert [item.key for item in listed(connector)] == ["json", "os", "token"]
    with pytest.raises(Unreadable, match=r"token\.py: not readable as Python source"):
        list(connector.read(Item("token", "")))
    assert text_of(connector, "json")


def test_a_module_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="module nowhere has no source below"):
        list(library(tmp_path).read(Item("nowhere", "")))


def test_a_machine_without_library_sources_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no standard library sources"):
        PythonLibrary(tmp_path / "absent")


def test_this_interpreter_has_its_library() -> None:
    loaded = set(sys.modules)
    connector = PythonLibrary()
    items = listed(connector)
    assert len(items) > 300
    assert len({item.key for item in items}) == len(items)
    text = text_of(connector, "json")
    assert "## json.dumps(obj, *, skipkeys=False" in text
    assert "Serialize ``obj`` to a JSON formatted ``str``." in text
    assert "class decimal.Decimal" in text_of(connector, "decimal")
    assert not any("test" in item.key.split(".") or "._" in item.key for item in items)
    assert "antigravity" in {item.key for item in items}
    assert "antigravity" not in set(sys.modules) - loaded


def test_a_distribution_is_one_document_under_its_normalised_name(tmp_path: Path) -> None:
    distribution(
        tmp_path,
        "My.Owl_Lib-1.0",
        "Metadata-Version: 2.1\nName: My.Owl__Lib\nVersion: 1.0\nSummary: Counts owls.\nLicense: MIT\n\n"
        "Usage\n=====\n\nCall `count()`. Ünicode too.\n",
    )
    connector = InstalledPackages([str(tmp_path)])
    (item,) = listed(connector)
    (row,) = connector.read(item)
    assert row["name"] == item.key == "my-owl-lib"
    assert row["text"] == "# my-owl-lib\n\nCounts owls.\n\n## Usage\n\nCall `count()`. Ünicode too.\n"
    assert row["uri"] == "https://pypi.org/project/my-owl-lib/"
    assert (row["version"], row["license"]) == ("1.0", "MIT")


def test_a_licence_expression_goes_before_a_licence_text(tmp_path: Path) -> None:
    head = "Metadata-Version: 2.4\nVersion: 1\n"
    distribution(tmp_path, "a-1", f"{head}Name: a\nLicense: other\nLicense-Expression: Apache-2.0\n\n")
    distribution(tmp_path, "b-1", f"{head}Name: b\nLicense: First line\n        second line\n\n")
    distribution(tmp_path, "c-1", f"{head}Name: c\n\n")
    connector = InstalledPackages([str(tmp_path)])
    licences = [next(iter(connector.read(item)))["license"] for item in listed(connector)]
    assert licences == ["Apache-2.0", "First line", None]


def test_a_distribution_that_was_half_removed_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone-1.dist-info").mkdir()
    distribution(tmp_path, "nameless-1", "Metadata-Version: 2.1\nVersion: 1\n\n")
    distribution(tmp_path, "whole-1", "Metadata-Version: 2.1\nName: whole\nVersion: 1\n\n")
    assert [item.key for item in listed(InstalledPackages([str(tmp_path)]))] == ["whole"]


def test_this_environment_holds_the_packages_this_project_needs() -> None:
    connector = InstalledPackages()
    items = {item.key: item for item in listed(connector)}
    assert {"polars", "pyarrow", "sentence-transformers"} <= items.keys()
    assert len(items) >= 50
    rows = [next(iter(connector.read(item))) for item in items.values()]
    assert all(row["name"] == item and row["text"] for row, item in zip(rows, items, strict=True))
    assert sum(row["version"] is not None for row in rows) == len(rows)
