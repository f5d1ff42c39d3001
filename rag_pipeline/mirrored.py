"""Which folders of this machine are copies of what lies in a bucket, and who carries changes there.

A home in a bucket is worked on in a copy below `RAG_CACHE` (`rag_pipeline/storage/`, decision 56). Code that reads, writes
or removes in a home says so here. Where the folder is no copy, as on one machine, nothing happens, and nothing is imported.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol


class Exchange(Protocol):
    """A folder of files that any machine makes and one takes, all in the bucket. Raises `PipelineError`."""

    def send(self, path: Path) -> None:
        """A file of this machine is there by its name, and not here any more. To send it again changes nothing."""
        ...

    def waiting(self) -> dict[str, float]:
        """Name of each file there -> when it came, in seconds since 1970."""
        ...

    def bring(self, names: Iterable[str], into: Path) -> None:
        """Copies of some of them here, as old as they are there. One that is gone is left out."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """They are gone there; one that was gone before is no trouble."""
        ...


class Keeper(Protocol):
    """What keeps one folder and one bucket alike. Paths are absolute and lie in the folder. Raises `PipelineError`."""

    def everywhere(self, folder: Path, name: str, wait_s: float) -> AbstractContextManager[None]:
        """The lock of `files.exclusive`, for every machine."""
        ...

    def seen(self, path: Path) -> None:
        """Somebody is about to read it: what the bucket has of it is here, or is as old as readers may be."""
        ...

    def looked_up(self, folder: Path) -> None:
        """What is here of a folder is what the bucket has at this moment: somebody decides upon it."""
        ...

    def published(self, path: Path, new: Path) -> AbstractContextManager[None]:
        """`new` is carried to where `path` belongs; the block renames it to `path`. Refused if another machine was first."""
        ...

    def changing(self, folder: Path) -> AbstractContextManager[None]:
        """What the block adds to, changes in or removes from a table is carried over when it ends."""
        ...

    def removing(self, path: Path) -> AbstractContextManager[None]:
        """A file, or a folder with all that is in it, goes; the block removes or renames what is here."""
        ...

    def exchange(self, folder: Path) -> Exchange:
        """The files of a folder that no machine has a copy of."""
        ...

    def came(self, file: Path) -> None:
        """A data file that a worker put into the bucket is here too, for who commits it; not where the bucket has none."""
        ...

    def released(self, staging: Path, release: Path) -> None:
        """A release is complete: its files are carried over, its manifest last. It has its name here afterwards."""
        ...

    def brought(self, release: Path, parts: Sequence[str]) -> None:
        """The files of a release whose names begin so are here, held against its manifest."""
        ...

    def fetched_again(self, release: Path, name: str) -> bool:
        """One file of a release comes anew, as the copy here is not what it was; whether there was one to come."""
        ...

    def sweep(self, *, dry_run: bool) -> list[str]:
        """Remove what publications that died left of releases; their names."""
        ...

    def damage(self, release: Path) -> list[str] | None:
        """Files of a release that the bucket does not have as they were carried there; None where nobody can tell."""
        ...


_keepers: dict[Path, Keeper] = {}


def keep(folder: Path, keeper: Keeper) -> None:
    """Have a folder be the copy that `keeper` looks after."""
    _keepers[folder] = keeper


def keeper_of(path: Path) -> Keeper | None:
    if not _keepers:
        return None
    return next((_keepers[one] for one in (path, *path.parents) if one in _keepers), None)


def seen(path: Path) -> None:
    """As `Keeper.seen`. Nothing, where the folder is no copy."""
    if keeper := keeper_of(path):
        keeper.seen(path)


def looked_up(*folders: Path) -> None:
    """As `Keeper.looked_up`. Nothing, where they are no copies."""
    for one in folders:
        if keeper := keeper_of(one):
            keeper.looked_up(one)


@contextmanager
def published(path: Path, new: Path) -> Iterator[None]:
    """As `Keeper.published`."""
    if keeper := keeper_of(path):
        with keeper.published(path, new):
            yield
    else:
        yield


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """As `Keeper.changing`."""
    if keeper := keeper_of(folder):
        with keeper.changing(folder):
            yield
    else:
        yield


@contextmanager
def removing(path: Path) -> Iterator[None]:
    """As `Keeper.removing`."""
    if keeper := keeper_of(path):
        with keeper.removing(path):
            yield
    else:
        yield


def exchange(folder: Path) -> Exchange | None:
    """As `Keeper.exchange`; None where the folder itself is what machines share."""
    return keeper.exchange(folder) if (keeper := keeper_of(folder)) else None


def came(file: Path) -> None:
    """As `Keeper.came`. Nothing, where the folder is no copy."""
    if keeper := keeper_of(file):
        keeper.came(file)


def released(staging: Path, release: Path) -> None:
    """Give a complete release its name: as `Keeper.released`, and then here."""
    if keeper := keeper_of(release):
        keeper.released(staging, release)
    staging.rename(release)


def brought(release: Path, *parts: str) -> None:
    """As `Keeper.brought`; without `parts`, all of it."""
    if keeper := keeper_of(release):
        keeper.brought(release, parts)


def sound(release: Path, name: str, is_whole: Callable[[Path], bool]) -> bool:
    """Whether a file of a release is what it was; a copy that is not comes from the bucket again first."""
    path = release / name
    return is_whole(path) or (fetched_again(release, name) and is_whole(path))


def fetched_again(release: Path, name: str) -> bool:
    """As `Keeper.fetched_again`; False where there is no bucket."""
    keeper = keeper_of(release)
    return keeper is not None and keeper.fetched_again(release, name)


def elsewhere(release: Path, missing: Iterable[str], *, deep: bool) -> dict[str, bool]:
    """Tell of what is not here, and what the bucket has otherwise, whether it is whole there. Nothing without a bucket.

    `deep`: what is missing comes here, held against its checksum; so it does where the bucket cannot tell.
    """
    if (keeper := keeper_of(release)) is None or ((damaged := keeper.damage(release)) == [] and not missing):
        return {}
    whole = {name: not (deep or damaged is None) or keeper.fetched_again(release, name) for name in missing}
    return whole | dict.fromkeys(damaged or (), False)


def halves(releases: Path, *, dry_run: bool) -> list[str]:
    """As `Keeper.sweep`; nothing where there is no bucket."""
    return keeper.sweep(dry_run=dry_run) if (keeper := keeper_of(releases)) else []
