"""The wall around Delta: commits are durable when the call returns, and what breaks off is one sentence."""

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import LakeError
from rag_pipeline.lake import OP, Table, collected, drop, examine, scan_file
from rag_pipeline.lake import notes as noting
from rag_pipeline.settings import PROJECT
from tests.support.release_damage import cut_in_half, flip_a_bit

ROWS = pa.schema([("key", pa.string()), ("kind", pa.string()), ("number", pa.int64())])


def rows(*numbers: int) -> pa.Table:
    return pa.Table.from_pylist([{"key": f"k{number}", "kind": "a", "number": number} for number in numbers], ROWS)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path / "lake" / "things", ROWS, partition_by=("kind",))
    made.append(rows(1, 2, 3))
    made.append(rows(4, 5))
    return made


def upserted(table: Table) -> None:
    table.merge(rows(2, 9).append_column(OP, pa.array(["delete", "upsert"])).to_reader(), "key")


COMMITS: dict[str, Callable[[Table], object]] = {
    "append": lambda table: table.append(rows(7)),
    "overwrite": lambda table: table.overwrite(rows(8)),
    "merge": upserted,
    "delete": lambda table: table.delete("number = 1"),
    "remove": lambda table: table.remove(rows(3).select(["key"]), ("key",)),
    "tidy": lambda table: table.tidy(1),
}


@pytest.mark.parametrize("how", COMMITS)
def test_every_file_of_a_commit_is_synced_before_the_call_returns(
    table: Table, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On b246836 nothing is. What the system was told to write down is watched; the order too: data before its entry."""
    before = {path for path in table.path.rglob("*") if path.is_file()}
    synced: list[Path] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    COMMITS[how](table)
    made = {path for path in table.path.rglob("*") if path.is_file()} - before
    durable = {path for path in made if noting.FOLDER not in path.parts}
    assert durable, "a commit writes something"
    assert durable <= set(synced)
    assert {path.parent for path in durable} <= set(synced), "and so are the names in their folders"
    entries = [place for place, path in enumerate(synced) if path.suffix == ".json"]
    data = [place for place, path in enumerate(synced) if path.suffix == ".parquet" and "_delta_log" not in path.parts]
    assert not data or min(data) < max(entries)


def test_the_folders_made_for_a_table_are_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda one: (synced.append(str(Path(f"/proc/self/fd/{one}").readlink())), real(one)))
    Table(tmp_path / "home" / "lake" / "documents" / "handbook", ROWS).append(rows(1))
    for folder in ("home/lake/documents/handbook", "home/lake/documents", "home/lake", "home"):
        assert str(tmp_path / folder) in synced


def emptied(file: Path) -> None:
    file.write_bytes(b"")


HARM: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": emptied,
    "half": cut_in_half,
    "flipped": lambda file: flip_a_bit(file, file.stat().st_size // 3),
}


@pytest.mark.parametrize("how", [how for how in HARM if how != "flipped"])
def test_a_file_that_cannot_be_read_is_one_sentence_wherever_the_frame_is_computed(table: Table, how: str) -> None:
    frame = table.scan().filter(pl.col("number") > 1).join(table.scan(), on="key").group_by("key").len()
    [first, *_] = table.files()
    HARM[how](first)
    for compute in (collected, lambda one: list(table.batches(one, 10))):
        with pytest.raises(LakeError) as told:
            compute(frame)
        says = str(told.value)
        assert says.startswith("the table lake/things cannot be read: ")
        assert first.name in says
        assert says.endswith("`rag verify` says what is damaged, `rag verify --repair` fixes it")
        assert "\n" not in says


@pytest.mark.parametrize("how", HARM)
def test_examining_finds_every_harm_to_every_file(table: Table, how: str) -> None:
    table.tidy(1)  # a checkpoint
    table.append(rows(11))
    assert examine(table) == []
    harmed = [
        *table.files(),
        max((table.path / "_delta_log").glob("*.json")),
        *(table.path / "_delta_log").glob("*.parquet"),
    ]
    assert len(harmed) >= 4
    for file in harmed:
        kept = file.read_bytes()
        HARM[how](file)
        found = examine(table)
        assert found, (how, file)
        assert file.name[:20] in str(found[0]) or file.name[:20].lstrip("0") in str(found[0])
        file.write_bytes(kept)
        assert examine(table) == []


@pytest.mark.parametrize("how", [how for how in HARM if how != "gone"])
@pytest.mark.parametrize("which", ["last", "middle"])
def test_a_log_entry_that_was_lost_is_an_error_for_readers_and_writers(table: Table, how: str, which: str) -> None:
    """delta-rs takes an empty one for a commit that changed nothing, and goes on upon it."""
    table.append(rows(6))
    entries = sorted((table.path / "_delta_log").glob("*.json"))
    lost = entries[-1] if which == "last" else entries[1]
    if how == "flipped":
        lost.write_bytes(lost.read_bytes() + b" \n")
    else:
        HARM[how](lost)
    for use in (Table.scan, Table.version, upserted, COMMITS["append"], COMMITS["tidy"], COMMITS["delete"]):
        with pytest.raises(LakeError, match=f"lost a commit: {lost.name} of its log"):
            use(table)
    if which == "middle":
        with pytest.raises(LakeError, match="until `rag verify --repair`"):
            table.heal()
        return
    told = table.heal()
    assert told is not None and "the table is version 1 again" in told
    assert sorted(table.scan().pipe(collected)["number"]) == [1, 2, 3, 4, 5]
    assert table.heal() is None
    table.append(rows(6))
    assert (table.version(), examine(table)) == (2, [])
    assert lost.with_name(f"{lost.name}.damaged").exists(), "kept for whoever finds out why"


def test_a_log_entry_that_vanished_is_noticed(table: Table) -> None:
    max((table.path / "_delta_log").glob("*.json")).unlink()
    with pytest.raises(LakeError, match="is gone from its log"):
        table.scan()
    assert "version 1" in str(table.heal())
    assert sorted(table.scan().pipe(collected)["number"]) == [1, 2, 3]


def test_the_very_first_commit_lost_leaves_a_table_that_was_never_written(tmp_path: Path) -> None:
    table = Table(tmp_path / "lake" / "things", ROWS)
    table.append(rows(1))
    emptied(table.path / "_delta_log" / f"{0:020d}.json")
    assert "the table is empty" in str(table.heal())
    assert not table.exists
    table.append(rows(2))
    assert table.scan().pipe(collected)["number"].to_list() == [2]


def test_a_table_whose_only_commit_was_given_up_is_intact_and_begins_anew(tmp_path: Path) -> None:
    """Else a repair looks again, finds no table, and breaks off setting aside what is not there."""
    table = Table(tmp_path / "lake" / "things", ROWS)
    table.append(rows(1))
    emptied(table.path / "_delta_log" / f"{0:020d}.json")
    [damage] = examine(table)
    assert "the table is empty" in drop(table, damage)
    assert examine(table) == []
    table.append(rows(2))
    assert examine(table) == []


def test_what_was_set_aside_goes_with_the_versions_of_its_time(table: Table) -> None:
    lost = max((table.path / "_delta_log").glob("*.json"))
    emptied(lost)
    table.heal()
    cut_in_half(table.files()[0])
    [damaged] = examine(table)
    assert "lost" in drop(table, damaged)
    aside = [lost.with_name(f"{lost.name}.damaged"), *(table.path / "_damaged").iterdir()]
    assert len(aside) == 2
    table.tidy(30)
    assert all(one.exists() for one in aside)
    for one in aside:
        os.utime(one, (1, 1))
    table.tidy(30)
    assert not any(one.exists() for one in aside)


def test_a_table_that_is_derived_from_nothing_is_not_gone_back_from(table: Table) -> None:
    record = Table(table.path, ROWS, table.partition_by, derived=False)
    emptied(max((table.path / "_delta_log").glob("*.json")))
    with pytest.raises(LakeError, match="nothing writes to it until `rag verify --repair`"):
        record.heal()


def test_a_damaged_checkpoint_loses_nothing_while_the_log_goes_back_to_the_beginning(table: Table) -> None:
    table.tidy(30)
    table.append(rows(6))
    [checkpoint] = (table.path / "_delta_log").glob("*.checkpoint.parquet")
    cut_in_half(checkpoint)
    with pytest.raises(LakeError, match="the checkpoint of version"):
        table.scan()
    assert "nothing is lost" in str(table.heal())
    assert sorted(table.scan().pipe(collected)["number"]) == [1, 2, 3, 4, 5, 6]


def test_a_damaged_file_is_not_joined_with_others_where_its_damage_would_look_whole(table: Table) -> None:
    flip_a_bit(table.files()[0], 40)
    with pytest.raises(LakeError, match=r"is not tidied: .* is not what was written"):
        table.tidy(1)


def test_a_table_of_before_there_were_notes_reads_writes_and_is_examined(table: Table) -> None:
    for note in (table.path / noting.FOLDER).iterdir():
        note.unlink()
    (table.path / noting.FOLDER).rmdir()
    assert examine(table) == []
    table.append(rows(6))
    assert sorted(table.scan().pipe(collected)["number"]) == [1, 2, 3, 4, 5, 6]
    cut_in_half(table.files()[-1])
    assert len(examine(table)) == 1


def test_a_full_disk_is_told_as_a_full_disk(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rag_pipeline.lake.durable.sync", full)
    with pytest.raises(LakeError, match="the table lake/things could not be written: no space left on device") as told:
        table.append(rows(6))
    assert storage_error(told.value)


def test_a_release_s_file_that_cannot_be_read_is_one_sentence_too(tmp_path: Path) -> None:
    file = tmp_path / "releases" / "one" / "chunks.parquet"
    file.parent.mkdir(parents=True)
    pl.DataFrame({"a": range(1000)}).write_parquet(file)
    frame = scan_file(file)
    cut_in_half(file)
    for use in (lambda: frame.pipe(collected), lambda: scan_file(file)):
        with pytest.raises(LakeError, match=r"the file releases/one/chunks.parquet cannot be read: chunks.parquet cannot"):
            use()


def test_nobody_computes_a_frame_or_opens_parquet_outside_the_wall() -> None:
    """`.collect()` of a frame over tables anywhere else would break off in a library's words, and panics pass through."""
    own = {
        "collect",
        "collect_batches",
        "collect_async",
        "sink_parquet",
        "scan_parquet",
        "read_parquet",
        "scan_delta",
        "fetch",
    }
    found = []
    for path in sorted((PROJECT / "rag_pipeline").rglob("*.py")):
        if path.parent.name == "lake":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import) and "deltalake" in ast.unparse(node).split():
                found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in own):
                continue
            if ast.unparse(node.func.value) not in ("gc", "run", "retention"):
                found.append(f"{path.name}:{node.lineno} {ast.unparse(node.func)}")
    assert found == [], "use rag_pipeline.lake: `frame.pipe(collected)`, `in_batches`, `written`, `scan_file`"
