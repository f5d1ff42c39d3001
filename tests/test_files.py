import os
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline import files
from rag_pipeline.files import absolute, file_sha256, fingerprint_lines, known_sha256
from rag_pipeline.lake import fingerprint_rows

values = st.lists(st.tuples(st.text("ab \néß🙂", max_size=5), st.text("xy", max_size=3)), max_size=12)


@given(values, st.integers(1, 4))
def test_rows_have_the_fingerprint_their_lines_have(rows: list[tuple[str, str]], at_once: int) -> None:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "two": pl.String}, orient="row")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag_pipeline.lake.fingerprints._ROWS_HASHED", at_once)
        assert fingerprint_rows(frame) == fingerprint_lines(f"{one} {two}" for one, two in rows)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were read to be hashed, in order."""
    seen: list[Path] = []

    def watched(path: Path) -> str:
        seen.append(path)
        return file_sha256(path)

    monkeypatch.setattr(files, "file_sha256", watched)
    return seen


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that nobody has written to for long."""
    path = tmp_path / "file"
    path.write_bytes(b"as it was")
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    return path


def test_a_file_nobody_wrote_to_is_read_once(settled: Path, read: list[Path]) -> None:
    assert known_sha256(settled) == known_sha256(settled) == file_sha256(settled)
    assert read == [settled]


@pytest.mark.parametrize("content", [b"as it is!", b"longer than it was"])
def test_a_file_changed_behind_our_back_is_read_again_though_its_time_was_set_back(
    settled: Path, read: list[Path], content: bytes
) -> None:
    known_sha256(settled)
    was = settled.stat()
    time.sleep(0.05)  # past the tick of the system's clock
    settled.write_bytes(content)
    os.utime(settled, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert settled.stat().st_mtime_ns == was.st_mtime_ns
    assert known_sha256(settled) == file_sha256(settled)
    assert read == [settled, settled]


def test_another_file_put_in_its_place_is_read(settled: Path, read: list[Path]) -> None:
    known_sha256(settled)
    other = settled.with_name("other")
    other.write_bytes(b"as it is!")
    other.replace(settled)
    assert known_sha256(settled) == file_sha256(settled)
    assert read == [settled, settled]


def test_a_file_written_just_now_is_read_every_time(tmp_path: Path, read: list[Path]) -> None:
    """Two writes may fall into one tick of the system's clock, and the second would not be seen."""
    path = tmp_path / "file"
    path.write_bytes(b"new")
    for _ in range(3):
        known_sha256(path)
    assert read == [path] * 3


def test_a_path_loses_its_dots_and_keeps_its_links(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "pages-7").mkdir()
    (tmp_path / "pages").symlink_to("pages-7")
    assert absolute(tmp_path / "contracts/../pages") == tmp_path / "pages"
    assert absolute(tmp_path / "contracts/../not there/yet") == tmp_path / "not there/yet"


def test_dots_that_count_from_a_link_lead_where_the_link_leads(tmp_path: Path) -> None:
    (tmp_path / "far/contracts").mkdir(parents=True)
    (tmp_path / "contracts").symlink_to("far/contracts")
    assert absolute(tmp_path / "contracts/../pages") == (tmp_path / "far/pages").resolve()
