"""Old versions of tables: they can be read for as many days as the setting says, and what only they need goes then."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, all_tables
from rag_pipeline.release.retention import Collected, collect
from rag_pipeline.release.tables_verify import repair_tables, verify_tables
from tests.support.old_versions import grow_older, needed, on_disk
from tests.support.small_releases import NOW, SMALL, release_of


@pytest.fixture(scope="module")
def a_week(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Tables with several versions: a page edited on three days."""
    home = Home(tmp_path_factory.mktemp("week"))
    for day in range(3):
        pages = {"stays.md": "# Stays\n\nthis page stays", "today.md": f"# Today\n\nnews of day {day}"}
        release_of(home, pages, now=NOW + timedelta(days=day))
    return home


@pytest.fixture
def home(a_week: Home, tmp_path: Path) -> Home:
    return Home(shutil.copytree(a_week.root, tmp_path / "home"))


def clean(home: Home, days: int, *, dry_run: bool = False) -> Collected:
    return collect(home, keep=9, days=days, model=SMALL.fingerprint, dry_run=dry_run)


def versions(table: Table) -> dict[int, list[str]]:
    """Every version that can still be read, with its rows."""
    found = {}
    for version in range(table.version() + 1):
        try:
            rows = pl.scan_delta(DeltaTable(str(table.path), version=version)).collect()
        except Exception:
            continue
        found[version] = sorted(str(row) for row in rows.rows())
    return found


@pytest.mark.parametrize("age", [0, 10, 50])
def test_whatever_was_tidied_every_table_reads_as_before(home: Home, age: int) -> None:
    grow_older(home, age)
    tables = all_tables(home.lake)
    assert len(tables) >= 3
    before = {table.path: sorted(map(str, table.scan().collect().rows())) for table in tables}
    for _ in range(2):
        clean(home, days=30)
        assert {table.path: sorted(map(str, table.scan().collect().rows())) for table in tables} == before
    again = release_of(home, {"stays.md": "# Stays\n\nthis page stays", "new.md": "# New\n\nwritten after"})
    assert again.new, "the tables can still be written to"


@pytest.mark.parametrize(("age", "days"), [(0, 1), (10, 30), (20, 30), (40, 90)])
def test_a_version_younger_than_the_setting_can_still_be_read_after_a_collection(home: Home, age: int, days: int) -> None:
    grow_older(home, age)
    table = chunks_table(home)
    before = versions(table)
    assert len(before) > 3
    assert clean(home, days).table_files == 0
    clean(home, days)
    after = versions(table)
    assert {version: after.get(version) for version in before} == before


def test_files_that_only_older_versions_need_go(home: Home) -> None:
    grow_older(home, 35)
    table = chunks_table(home)
    old = on_disk(table) - needed(table)
    assert old, "edited pages left files behind"
    told = clean(home, days=30, dry_run=True)
    assert on_disk(table) >= old, "a dry run removes nothing"
    assert told.table_files >= len(old)
    done = clean(home, days=30)
    assert done.table_files >= len(old)
    assert not on_disk(table) & old


def test_files_that_killed_writers_left_go_when_they_are_old_enough(home: Home) -> None:
    """A process killed between writing a file and committing it leaves one that no version ever names."""
    table = vectors_table(home)
    [folder] = [path for path in table.path.iterdir() if path.name.startswith("model=")]
    left = folder / "part-00000-00000000-0000-0000-0000-000000000000-c000.snappy.parquet"
    shutil.copy(next(folder.glob("*.parquet")), left)
    clean(home, days=30)
    assert left.is_file(), "it may be a commit that is under way"
    grow_older(home, 35)
    clean(home, days=30)
    assert not left.is_file()


def test_many_small_files_become_few(tmp_path: Path) -> None:
    rows = {"at": NOW, "channel": "production", "action": "refused", "release": "r", "reasons": "[]"}
    table = audit_table(Home(tmp_path))
    for _ in range(8):
        table.append(pl.DataFrame([{**dict.fromkeys(table.schema.names), **rows}], infer_schema_length=None).to_arrow())
    assert len(needed(table)) == 8
    clean(Home(tmp_path), days=30)
    assert len(needed(table)) == 1
    assert table.scan().collect().height == 8


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_the_night_after_a_collection_that_removed_vectors_builds_a_release(home: Home, damaged: bool) -> None:
    """Delta writes a file again when it removes rows, in other types of the same kind (`string_view`)."""
    stays = {"stays.md": "# Stays\n\nthis page stays"}
    release_of(home, stays, now=NOW + timedelta(days=3))
    assert collect(home, keep=1, days=9, model=SMALL.fingerprint).vectors > 0
    if damaged:
        for path in vectors_table(home).files():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0x10
            path.write_bytes(content)
        repair_tables(home, verify_tables(home))
    built = release_of(home, {**stays, "new.md": "# New\n\na new page"}, now=NOW + timedelta(days=4)).manifest
    assert built.chunks == 2
    assert all(found.intact for found in verify_tables(home).values())
