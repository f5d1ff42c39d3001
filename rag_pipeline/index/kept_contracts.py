"""The contracts of a release's sources, kept in its directory so that a later contract can be compared with them."""

from pathlib import Path

from rag_pipeline.home import CONTRACTS_FOLDER
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.mirrored import brought


def write_contracts(release: Path, contracts: dict[str, str]) -> None:
    """Write each contract's text under its file's name."""
    (release / CONTRACTS_FOLDER).mkdir()
    for name, text in sorted(contracts.items()):
        (release / CONTRACTS_FOLDER / name).write_text(text, encoding="utf-8")


def kept_contracts(release: Path, manifest: Manifest) -> dict[str, str]:
    """File name -> text, of those that are still what they were; none where all of them are damaged."""
    brought(release, CONTRACTS_FOLDER)
    kept = {name: entry for name, entry in manifest.files.items() if name.startswith(f"{CONTRACTS_FOLDER}/")}
    intact = {name for name, entry in kept.items() if (release / name).is_file() and entry.is_of(release / name)}
    return {Path(name).name: (release / name).read_text(encoding="utf-8") for name in sorted(intact)}
