"""A folder of documents: what is listed, what is taken to the letter, what is refused and why."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from rag_pipeline.connectors import Item
from rag_pipeline.errors import SourceUnavailable, Unreadable
from tests.support.folders import files_in, listed, read, read_bytes, write


def keys(folder: Path, pattern: str | None = None) -> list[str]:
    return [item.key for item in listed(files_in(folder, pattern))]


def readable(folder: Path, pattern: str | None = None) -> set[str]:
    """Keys of what is listed and can be read."""
    files, found = files_in(folder, pattern), set()
    for item in listed(files):
        with contextlib.suppress(Unreadable):
            found |= {row["path"] for row in files.read(item)}
    return found


def test_hidden_files_and_files_of_other_kinds_are_not_listed(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{"a.md": b"a", ".b.md": b"b", ".git/c.md": b"c", "sub/.d/e.md": b"e", "f.png": b"f", "g": b"g", "h.py": b"h"},
    )
    (tmp_path / "folder.md").mkdir()
    assert keys(tmp_path) == ["a.md"]


def test_a_pattern_chooses_among_the_files(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a", "b.txt": b"b", "sub/c.md": b"c", "sub/deep/d.md": b"d"})
    assert keys(tmp_path) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert keys(tmp_path, "**/*.md") == ["a.md", "sub/c.md", "sub/deep/d.md"]
    assert keys(tmp_path, "*.md") == ["a.md"]
    assert keys(tmp_path, "sub/*") == ["sub/c.md"]


def test_links_that_lead_out_of_the_folder_are_told_and_never_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", **{"secret.md": b"secret"})
    inside = write(tmp_path / "inside", **{"real.md": b"real"})
    (inside / "link.md").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    (inside / "alias.md").symlink_to(inside / "real.md")
    (inside / "dangling.md").symlink_to(inside / "gone.md")
    assert readable(inside) == {"alias.md", "real.md"}
    assert keys(inside) == ["alias.md", "dangling.md", "folder", "link.md", "real.md"]
    assert readable(inside, "*/*.md") == readable(inside, "../outside/*.md") == set()
    with pytest.raises(Unreadable, match="lies outside the folder, or is a link that leads out of it"):
        read(inside / "link.md")
    with pytest.raises(Unreadable, match="is a link that leads nowhere"):
        read(inside / "dangling.md")
    files = files_in(inside)
    (folder,) = [item for item in listed(files) if item.key == "folder"]
    with pytest.raises(Unreadable, match="is a link to a folder outside"):
        next(files.read(folder))


def test_a_loop_of_links_does_not_hang(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a", "sub/b.md": b"b"})
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "self.md").symlink_to(folder / "self.md")
    (folder / "one.md").symlink_to(folder / "two.md")
    (folder / "two.md").symlink_to(folder / "one.md")
    assert readable(folder) == {"a.md", "sub/b.md"}
    assert keys(folder) == ["a.md", "one.md", "self.md", "sub/b.md", "sub/up", "two.md"]


def test_a_folder_that_is_a_link_inside_the_source_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"v1/inner.md": b"inner", "v1/deep/more.md": b"more"})
    (folder / "current").symlink_to("v1")
    assert readable(folder) == {"v1/inner.md", "v1/deep/more.md", "current/inner.md", "current/deep/more.md"}
    assert keys(folder, "current/*.md") == ["current/inner.md"]
    assert keys(folder, "*.md") == []


def test_two_folders_that_link_to_each_other_are_read_once_on_each_way(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a/a.md": b"a", "b/b.md": b"b"})
    (folder / "a" / "b").symlink_to("../b")
    (folder / "b" / "a").symlink_to("../a")
    assert readable(folder) == {"a/a.md", "a/b/b.md", "b/b.md", "b/a/a.md"}


@pytest.mark.parametrize("way", ["the same size and time of change", "another file in its place"])
def test_a_file_that_changed_in_place_has_another_version(tmp_path: Path, way: str) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"the old text"})
    path, (before,) = folder / "a.md", listed(files_in(folder))
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(0.02)  # the system's clock ticks a hundred times a second
    if way == "another file in its place":
        (folder / "b.tmp").write_bytes(b"the new text")
        os.utime(folder / "b.tmp", ns=times)
        (folder / "b.tmp").replace(path)
    else:
        path.write_bytes(b"the new text")
        os.utime(path, ns=times)
    (after,) = listed(files_in(folder))
    assert after.version != before.version


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_inside_that_cannot_be_read_makes_the_source_unavailable(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a", "sub/b.md": b"b"})
    (folder / "sub").chmod(0)
    try:
        with pytest.raises(SourceUnavailable, match="sub: Permission denied; let this user read it"):
            listed(files_in(folder))
    finally:
        (folder / "sub").chmod(0o700)


def test_a_folder_that_is_itself_a_link_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "real", **{"a.md": b"a"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert keys(tmp_path / "link") == ["a.md"]


def test_a_name_that_is_not_utf_8_is_listed_and_read(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_bytes(b"text\n")
    files = files_in(tmp_path)
    (item,) = listed(files)
    item.key.encode("utf-8")
    (row,) = files.read(item)
    assert row["text"] == "text\n"
    assert row["uri"].endswith("/caf%E9.md")


@pytest.mark.parametrize("what", ["absent", "file.md"])
def test_a_folder_that_is_none_makes_the_source_unavailable(tmp_path: Path, what: str) -> None:
    write(tmp_path, **{"file.md": b"text"})
    with pytest.raises(SourceUnavailable, match=f"{what} is not a folder that can be read; check `path` in the contract"):
        listed(files_in(tmp_path / what))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_makes_the_source_unavailable(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a"})
    folder.chmod(0)
    try:
        with pytest.raises(SourceUnavailable, match="permission denied"):
            listed(files_in(folder))
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a"})
    (tmp_path / "a.md").chmod(0)
    with pytest.raises(Unreadable, match="cannot be read: Permission denied"):
        read(tmp_path / "a.md")


def test_a_file_that_vanishes_after_listing_is_unreadable(tmp_path: Path) -> None:
    files = files_in(write(tmp_path, **{"a.md": b"a"}))
    (item,) = listed(files)
    (tmp_path / "a.md").unlink()
    with pytest.raises(Unreadable, match="cannot be read: No such file or directory"):
        list(files.read(item))


def test_a_file_over_the_size_limit_is_unreadable_and_one_at_the_limit_is_not(
    tmp_path: Path,
) -> None:
    limit = 1 / 1024
    assert len(read_bytes(tmp_path, "at.md", b"x" * 1024, max_mb=limit)["text"]) == 1024
    with pytest.raises(Unreadable, match=r"larger than .* \(1,025 bytes\); split it"):
        read_bytes(tmp_path, "over.md", b"x" * 1025, max_mb=limit)


def test_an_edit_changes_the_version_of_its_file_alone(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a", "b.md": b"b"})
    before = listed(files_in(tmp_path))
    assert listed(files_in(tmp_path)) == before
    write(tmp_path, **{"a.md": b"longer"})
    after = listed(files_in(tmp_path))
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_an_edit_that_keeps_the_size_changes_the_version(tmp_path: Path) -> None:
    path = write(tmp_path, **{"a.md": b"a"}) / "a.md"
    os.utime(path, ns=(1, 1))
    (before,) = listed(files_in(tmp_path))
    os.utime(path, ns=(1, 2))
    (after,) = listed(files_in(tmp_path))
    assert isinstance(after, Item)
    assert (before.key, before.version) != (after.key, after.version)
