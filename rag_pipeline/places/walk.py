"""Which files are below a folder: by a pattern, through links that stay inside, and never silently past a folder."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from rag_pipeline.errors import SourceUnavailable


def matches(key: PurePosixPath, pattern: str) -> bool:
    """Whether a relative path is one `Path.glob` finds by this pattern; `**` at its end means every file below."""
    return _match(key.parts, tuple(part for part in pattern.split("/") if part))


def _match(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _match(parts, pattern[1:]) or (bool(parts) and _match(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _match(parts[1:], pattern[1:])


def walk(folder: Path, pattern: str, root: Path | None) -> Iterator[tuple[Path, str]]:
    """Everything below a folder that a pattern matches and that is no folder, sorted, each with "".

    Folders that are links are gone into like others. One that leads out of `root` (if there is one), or back to a folder
    around it, is given instead, with what is wrong with it. `Path.glob` passes over all of them in silence.
    Raises `SourceUnavailable` when a folder cannot be read: what is below it would be taken for deleted.
    """
    wanted = tuple(part for part in pattern.split("/") if part)
    yield from sorted(_below(folder, (), wanted, root, (folder.resolve(),)))


def _below(
    folder: Path, parts: tuple[str, ...], pattern: tuple[str, ...], root: Path | None, around: tuple[Path, ...]
) -> Iterator[tuple[Path, str]]:
    """`around`: the folders this one lies in, as they really are, itself last."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except NotADirectoryError:
        return  # it was replaced a moment ago
    except FileNotFoundError:
        return
    except OSError as error:
        raise SourceUnavailable(f"{folder}: {error.strerror or error}; let this user read it, or remove it") from error
    for entry in entries:
        path, names = folder / entry.name, (*parts, entry.name)
        if not _is_folder(entry):
            if _match(names, pattern):
                yield path, ""
        elif _leads_to_matches(names, pattern):
            real = path.resolve() if entry.is_symlink() else around[-1] / entry.name
            if root is not None and not real.is_relative_to(root):
                yield path, "is a link to a folder outside; copy what it holds in, or make it a source of its own"
            elif real in around:
                yield path, "is a link to a folder around it; remove it"
            else:
                yield from _below(path, names, pattern, root, (*around, real))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _leads_to_matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether anything below a folder of this relative path can match."""
    if not pattern or not parts:
        return bool(pattern)
    if pattern[0] == "**":
        return True
    return fnmatchcase(parts[0], pattern[0]) and _leads_to_matches(parts[1:], pattern[1:])
