"""Contracts of today against those the promoted release was built under: no promise is loosened in silence."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.diff import Difference, compare_files
from rag_pipeline.home import Home
from rag_pipeline.index.kept_contracts import kept_contracts
from rag_pipeline.index.manifest import read_manifest


@dataclass(frozen=True, slots=True)
class Promises:
    """What became of the contracts since a release was built. `release` is None when no channel points at one."""

    release: str | None
    changed: dict[str, Difference]
    """Source -> what changed; sources without a change are left out."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    comparable: bool = True
    """False when the release keeps no contract that is still what it was."""

    @property
    def announced(self) -> bool:
        return all(difference.announced for difference in self.changed.values())


def compare_with_promoted(home: Home, contracts: tuple[Contract, ...], channel: str) -> Promises:
    """Every contract against the one the release in a channel was built under.

    Raises `ReleaseError` when the release cannot be read, `ContractError` when a contract or its version cannot.
    """
    pointer = read_channel(home, channel)
    if pointer is None:
        return Promises(None, {})
    release = home.release(pointer.release)
    kept = kept_contracts(release, read_manifest(release))
    if not kept:
        return Promises(pointer.release, {}, comparable=False)
    now = {contract.file.name: contract for contract in contracts}
    changed = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(kept.keys() & now.keys()):
            old = Path(folder) / name
            old.write_text(kept[name], encoding="utf-8")
            difference = compare_files(old, now[name].file)
            if difference.changes:
                changed[now[name].source] = difference
    added, removed = sorted(now.keys() - kept.keys()), sorted(kept.keys() - now.keys())
    return Promises(pointer.release, changed, tuple(added), tuple(removed))
