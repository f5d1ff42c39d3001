"""Installing small packages into a folder of a test, as pip installs them: the modules, and `.dist-info` beside them."""

import importlib
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rag_pipeline.connectors import GROUP

PLUGIN = Path(__file__).parents[1] / "connectors" / "plugin"
"""The package that docs/connectors.md builds."""


@dataclass(frozen=True)
class Site:
    """A folder of installed packages that this process imports from."""

    folder: Path

    def install(self, package: str, modules: Mapping[str, str], connectors: Mapping[str, str], version: str = "1.0") -> None:
        """A package of single modules. `connectors`: its entry points, name -> module:attribute."""
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        self._record(package, version, connectors)

    def install_folder(self, folder: Path) -> None:
        """A package as it lies in a folder with its `pyproject.toml`."""
        about = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for found in folder.glob("*/__init__.py"):
            shutil.copytree(found.parent, self.folder / found.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
        self._record(about["name"], about["version"], about["entry-points"][GROUP])

    def _record(self, package: str, version: str, connectors: Mapping[str, str]) -> None:
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n", encoding="utf-8")
        lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in connectors.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty one; what was imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
