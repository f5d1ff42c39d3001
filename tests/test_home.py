"""What lies below RAG_HOME is named in one place, and everything else asks a `Home` for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag_pipeline
from rag_pipeline import home as module
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home

PACKAGE = Path(rag_pipeline.__file__).parent
OWNER = PACKAGE / "home.py"
AT_ALL = {"files.py": "it makes the lock", "defs/home.py": "DAGSTER_HOME may lie elsewhere"}
"""Modules beside the owner that may take a lock of a folder by its name, and why."""

HOME = Home(Path("/home"))
PATHS = {
    name: getattr(HOME, name)
    for name, what in vars(Home).items()
    if isinstance(what, property) and isinstance(getattr(HOME, name), Path)
}
FOLDERS = {path.name for path in PATHS.values() if not path.suffix and not path.name.startswith(".")} | {"golden"}
FILES = {path.name for path in PATHS.values() if path.suffix or path.name.startswith(".")} | {
    value for name, value in vars(module).items() if name.endswith("_FILE") and isinstance(value, str)
}


def joined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every literal that a path is made with: `folder / "name"`, `Path(…, "name")`, `glob`, `joinpath`, `exclusive`."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found = [node.right]
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("Path", "PurePath", "joinpath", "glob", "rglob", "with_name"):
                found = node.args
        for one in found:
            parts = one.values if isinstance(one, ast.JoinedStr) else [one]
            texts = (part.value for part in parts if isinstance(part, ast.Constant))
            yield from ((one.lineno, text) for text in texts if isinstance(text, str))


def named(source: str) -> list[str]:
    """Literals of a module that name something below RAG_HOME."""
    tree = ast.parse(source)
    said = [f"{line}: {text}" for line, text in joined(tree) if text.split("/")[0] in FOLDERS]
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return said + [f"{node.lineno}: {node.value}" for node in texts if isinstance(node.value, str) and node.value in FILES]


def test_no_other_module_names_a_file_or_a_folder_below_the_home() -> None:
    found = {path: named(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py") if path != OWNER}
    assert {str(path): names for path, names in found.items() if names} == {}, "ask a Home for it"


def test_no_other_module_takes_a_lock_by_a_folder_and_a_name() -> None:
    takers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path != OWNER and re.search(r"(?<![.\w])exclusive\(", path.read_text(encoding="utf-8"))
    }
    assert takers == AT_ALL.keys(), "a lock below RAG_HOME is the Home's: home.exclusive(...), home.exclusive_table(...)"


@pytest.mark.parametrize(
    "code",
    [
        'home.root / "releases" / name',
        'folder / "lake/chunks"',
        'Path("lake", "quarantine")',
        'home.root.glob("evidence/*.json")',
        'folder / f"channels/{name}.json"',
        'FILE = "candidate.json"',
        'release / "manifest.json"',
    ],
)
def test_what_joins_a_name_of_the_home_is_found(code: str) -> None:
    assert named(code)


def test_a_home_lies_where_it_always_did() -> None:
    told = {name: path.relative_to("/home").as_posix() for name, path in PATHS.items()}
    assert told == {
        "mark": ".rag-home.json",
        "lake": "lake",
        **{name: f"lake/{name}" for name in ("documents", "quarantine", "listings", "loads", "erased", "chunks", "vectors")},
        "withdrawals": "lake/withdrawals",
        "withdrawn": "withdrawn.json",
        **{name: f"lake/{name}" for name in ("query_vectors", "evaluations", "audit")},
        "evidence_heads": "lake/evidence",
        "candidate": "candidate.json",
        "chosen_retrieval": "retrieval.json",
        "answer_bounds": "answers.json",
        "spent": "spent.sqlite",
        "alerts": "alerts.json",
        "keys": "keys.json",
        "clock": "clock.json",
        **{name: name for name in ("releases", "reports", "evidence", "anchors", "answers", "channels", "verdicts")},
        **{name: name for name in ("scratch", "views", "models", "runs", "dagster", "tries", "replicas", "traffic")},
    }
    assert HOME.manifest("r") == Path("/home/releases/r/manifest.json")
    assert (HOME.channel("production"), HOME.verdict("watch")) == (
        Path("/home/channels/production.json"),
        Path("/home/verdicts/watch.json"),
    )
    assert (HOME.anchor("f"), HOME.evidence_on("f")) == (Path("/home/anchors/f.txt"), Path("/home/evidence/f"))
    assert (HOME.report("r"), HOME.run_lock("r")) == (Path("/home/reports/r.html"), Path("/home/runs/r.lock"))


def test_the_locks_lie_where_an_older_process_looks_for_them(home: Home) -> None:
    """A command of the version before may run beside one of this."""
    locks = {
        ".home.lock": home.exclusive("home", wait_s=0),
        ".refresh.lock": home.exclusive("refresh", wait_s=0),
        ".alerts.lock": home.exclusive("alerts", wait_s=0),
        "releases/.build.lock": home.exclusive("releases", wait_s=0),
        "evidence/.keep.lock": home.exclusive("evidence", wait_s=0),
        "channels/.move.lock": home.exclusive("channels", wait_s=0),
        "models/.export.lock": module.exporting(home.models, wait_s=0),
        "lake/.chunks.lock": home.exclusive_table(home.chunks, wait_s=0),
        "lake/.evidence.lock": home.exclusive_table(home.evidence_heads, wait_s=0),
        "lake/.source-handbook.lock": home.exclusive_table(home.loads / "handbook", wait_s=0),
        "golden/.questions.lock": home.exclusive_golden_set("questions", wait_s=0),
    }
    for name, held in locks.items():
        assert not (home.root / name).exists()
        with held:
            assert (home.root / name).is_file()
    (home.lake / ".source-handbook.lock").unlink(missing_ok=True)
    with home.exclusive_source("handbook", wait_s=0):
        assert (home.lake / ".source-handbook.lock").is_file()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden"])
def test_a_report_is_of_a_release_and_lies_nowhere_else(name: str) -> None:
    with pytest.raises(ReleaseError, match="not the id of a release"):
        HOME.report(name)
