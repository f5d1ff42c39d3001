"""A standard library and distributions of one's own, for the bundled sources to read."""

from pathlib import Path


def library_of(root: Path, sources: dict[str, str]) -> Path:
    """A folder that is read as the standard library; path of a module's file -> its source."""
    for name, source in {"os.py": '"""What this module is for."""\n', **sources}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def distribution(folder: Path, name: str, metadata: str) -> None:
    """An installed distribution: `name` with its version, as its folder is called."""
    path = folder / f"{name}.dist-info" / "METADATA"
    path.parent.mkdir(parents=True)
    path.write_text(metadata, encoding="utf-8")
