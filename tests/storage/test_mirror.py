"""The copy and the bucket: what is written here is there, what is there comes here, and what was left half goes."""

import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline import mirrored
from rag_pipeline.errors import Overtaken, PipelineError
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.storage.locks import NoLocks
from rag_pipeline.storage.objects import StoredObjects, in_memory
from rag_pipeline.storage.releases import HomeMirror

SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture
def objects() -> StoredObjects:
    return in_memory()


def machine(folder: Path, objects: StoredObjects) -> Home:
    """A machine of its own, with a copy of the home."""
    home = Home(folder / "home", "memory://home")
    mirror = HomeMirror(home.root, objects, NoLocks(), poll_s=0)
    mirror.start()
    mirrored.keep(home.root, mirror)
    write_mark(home)
    return home


def write_mark(home: Home) -> None:
    if not home.mark.exists():
        write_json(home.mark, {"format": 1})


def restart(home: Home, objects: StoredObjects) -> None:
    """As another process of the machine begins."""
    mirror = HomeMirror(home.root, objects, NoLocks(), poll_s=0)
    mirror.start()
    mirrored.keep(home.root, mirror)


def numbers(home: Home) -> list[int]:
    return sorted(collected(Table(home.chunks, SCHEMA).scan())["n"].to_list())


def append(home: Home, *rows: int) -> None:
    Table(home.chunks, SCHEMA).append(pl.DataFrame({"n": list(rows)}, schema={"n": pl.Int64}))


def test_a_table_is_read_elsewhere_as_it_was_written_here(tmp_path: Path, objects: StoredObjects) -> None:
    one, two = machine(tmp_path / "one", objects), machine(tmp_path / "two", objects)
    append(one, 1, 2)
    append(one, 3)
    assert numbers(two) == [1, 2, 3]
    with two.exclusive_table(two.chunks, wait_s=0):
        append(two, 4)
    with one.exclusive_table(one.chunks, wait_s=0):
        assert numbers(one) == [1, 2, 3, 4]
    here = {path.relative_to(one.root).as_posix() for path in one.lake.rglob("*") if path.is_file() and path.name[0] != "."}
    assert here == {one.key for one in objects.list("lake")}


def test_a_commit_upon_an_older_version_is_refused_and_the_copy_is_as_the_bucket(
    tmp_path: Path, objects: StoredObjects
) -> None:
    one, two = machine(tmp_path / "one", objects), machine(tmp_path / "two", objects)
    append(one, 1)
    assert numbers(two) == [1]
    append(one, 2)
    with pytest.raises(Overtaken, match=r"lake/chunks was changed by another machine meanwhile"):
        append(two, 3)  # it does not know of the second
    assert numbers(two) == [1, 2] == numbers(one)
    append(two, 3)
    assert numbers(two) == [1, 2, 3]


def test_a_commit_that_never_reached_the_bucket_is_gone_when_the_machine_begins_again(
    tmp_path: Path, objects: StoredObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine(tmp_path / "one", objects)
    append(one, 1)

    def dies(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StoredObjects, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            append(one, 2)
    restart(one, objects)
    with one.exclusive_table(one.chunks, wait_s=0):
        assert numbers(one) == [1]
        append(one, 3)
    assert numbers(machine(tmp_path / "two", objects)) == [1, 3]


def test_what_tidying_removes_goes_from_the_bucket(tmp_path: Path, objects: StoredObjects) -> None:
    one = machine(tmp_path / "one", objects)
    for number in range(12):
        append(one, number)
    Table(one.chunks, SCHEMA).tidy(1)
    old = sorted(path for path in one.chunks.rglob("*.json"))
    assert old
    for path in one.chunks.rglob("*"):
        if path.is_file():
            os.utime(path, (1_600_000_000, 1_600_000_000))
    before = {one.key for one in objects.list("lake")}
    gone = Table(one.chunks, SCHEMA).tidy(1)
    after = {one.key for one in objects.list("lake")}
    assert gone and before - after
    assert not {f"lake/chunks/{name}" for name in gone} & after
    assert numbers(machine(tmp_path / "two", objects)) == list(range(12))


def test_a_small_file_is_replaced_by_whoever_knows_what_it_was(tmp_path: Path, objects: StoredObjects) -> None:
    one, two = machine(tmp_path / "one", objects), machine(tmp_path / "two", objects)
    write_json(one.candidate, {"release": "a"})
    with pytest.raises(Overtaken):
        write_json(two.candidate, {"release": "b"})  # it does not know of the first
    assert two.candidate.read_bytes() == one.candidate.read_bytes(), "what the other wrote is here now"
    write_json(two.candidate, {"release": "b"})
    mirrored.seen(one.candidate)
    assert one.candidate.read_bytes() == two.candidate.read_bytes()


def test_what_somebody_changes_in_the_copy_is_not_believed(tmp_path: Path, objects: StoredObjects) -> None:
    one = machine(tmp_path / "one", objects)
    write_json(one.channel("production"), {"release": "a"})
    whole = one.channel("production").read_bytes()
    one.channel("production").write_text('{"release": "b"}')
    mirrored.seen(one.channel("production"))
    assert one.channel("production").read_bytes() == whole
    one.channel("production").unlink()
    mirrored.seen(one.channel("production"))
    assert one.channel("production").read_bytes() == whole
    one.channel("staging").write_text('{"release": "c"}')
    mirrored.seen(one.channel("staging"))
    assert not one.channel("staging").exists()


def test_a_copy_that_is_lost_takes_nothing_from_the_bucket(tmp_path: Path, objects: StoredObjects) -> None:
    import shutil

    one = machine(tmp_path / "one", objects)
    append(one, 1)
    write_json(one.candidate, {"release": "a"})
    before = {one.key for one in objects.list("")}
    shutil.rmtree(one.lake)
    one.candidate.unlink()
    with one.exclusive("refresh", wait_s=0):
        assert numbers(one) == [1] and one.candidate.exists()
        append(one, 2)
    assert before <= {one.key for one in objects.list("")}


def test_what_is_of_this_machine_stays_here(tmp_path: Path, objects: StoredObjects) -> None:
    one = machine(tmp_path / "one", objects)
    for path in (
        one.views / "a",
        one.scratch / "b",
        one.models / "c",
        one.workshop.candidate,
        one.releases / ".staging-x" / "y",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {})
    with one.exclusive("refresh", wait_s=0):
        pass
    assert {one.key for one in objects.list("")} == {".rag-home.json"}
    assert (one.views / "a").exists()


def test_a_prefix_of_somebody_elses_is_refused(tmp_path: Path, objects: StoredObjects) -> None:
    objects.put("report.pdf", b"theirs")
    with pytest.raises(PipelineError, match=r"RAG_HOME=memory://home is not a pipeline's home: it holds report.pdf and no"):
        HomeMirror(tmp_path / "home", objects, NoLocks()).start()
