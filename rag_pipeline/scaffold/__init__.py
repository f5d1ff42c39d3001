"""A project of one's own: the files that `rag init` writes, from the templates in `files/`.

A folder that holds other things already is kept: no file that is there is written over.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from rag_pipeline import __version__
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import write_text
from rag_pipeline.home import Home
from rag_pipeline.project import CONTRACTS, ENV, EVALS, HOME

TEMPLATES = Path(__file__).with_name("files")

EXAMPLE_SET, FIRST_SET = "questions", "first_questions"
"""The golden set of the example, and the one that is made from titles where a source was named."""

_GATE = f"{EVALS}/gate.yaml"
_PAGES = "pages"
"""The example's pages, here and in the project."""

_EVERYWHERE = {
    "gitignore": ".gitignore",
    "env": ENV,
    "pyproject.txt": "pyproject.toml",  # tools would take a template of that name for one
    "workspace.yaml": "workspace.yaml",
    "definitions.txt": "pipeline/definitions.py",
    "package.txt": "pipeline/__init__.py",
    "README.md": "README.md",
}
_EXAMPLE = {
    "gate.yaml": _GATE,
    "handbook.odcs.yaml": f"{CONTRACTS}/handbook.odcs.yaml",
    "golden.yaml": f"{EVALS}/{EXAMPLE_SET}/golden.yaml",
    "queries.jsonl": f"{EVALS}/{EXAMPLE_SET}/queries.jsonl",
    "qrels.tsv": f"{EVALS}/{EXAMPLE_SET}/qrels/test.tsv",
}


@dataclass(frozen=True, slots=True)
class Project:
    """What was written. `kept`: files that were there, and stay as they are."""

    folder: Path
    golden_set: str
    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)

    @property
    def contracts(self) -> Path:
        return self.folder / CONTRACTS

    @property
    def evals(self) -> Path:
        return self.folder / EVALS

    @property
    def home(self) -> Path:
        return self.folder / HOME


def check_free(folder: Path) -> None:
    """Raises `PipelineError` where no project can be made: one is there, or a file is in the way.

    Empty folders of a command that was killed are no project, and it may be called again.
    """
    if any((folder / CONTRACTS).glob("*.odcs.yaml")) or (folder / _GATE).is_file():
        raise PipelineError(f"{folder} holds a project already; `rag contract new` adds a source to it")
    if folder.exists() and not folder.is_dir():
        raise PipelineError(f"{folder} is a file; name a folder, which may be new")


def new_project(folder: Path, *, example: bool, owner: str) -> Project:
    """Write a project below a folder; with an `example`, six pages, their contract and ten judged questions too.

    Raises `PipelineError` where a project is already, or the folder cannot be written.
    """
    check_free(folder)
    project = Project(folder, EXAMPLE_SET if example else FIRST_SET)
    return _written(project, _EVERYWHERE | (_example() if example else {}), owner)


def add_example(folder: Path, *, owner: str) -> Project:
    """Write the example alone, into a folder of somebody else's project: documents, contract, golden set and policy.

    Raises `PipelineError` where the folder cannot be written.
    """
    return _written(Project(folder, EXAMPLE_SET), _example(), owner)


def _example() -> dict[str, str]:
    pages = sorted((TEMPLATES / _PAGES).iterdir())
    return _EXAMPLE | {f"{_PAGES}/{page.name}": f"{_PAGES}/{page.name}" for page in pages}


def _written(project: Project, files: dict[str, str], owner: str) -> Project:
    folder = project.folder
    values = {
        "name": re.sub(r"[^A-Za-z0-9]+", "_", folder.name).strip("_").lower() or "index",
        "golden_set": project.golden_set,
        "owner": json.dumps(owner, ensure_ascii=False),
        "version": __version__,
        "dagster_home": str(Home(project.home).dagster).replace("\\", "\\\\").replace("'", "\\'"),
        "question": "how many days of vacation do I get" if project.golden_set == EXAMPLE_SET else "a question",
    }
    try:
        for inside in (project.contracts, project.evals):
            inside.mkdir(parents=True, exist_ok=True)
        for template, name in files.items():
            _write(project, folder / name, (TEMPLATES / template).read_text(encoding="utf-8"), values)
    except OSError as error:
        raise PipelineError(f"{folder} cannot be written ({error.strerror}); name another folder") from error
    return project


def name_in_gate(project: Project, *, later: bool = False) -> Path:
    """Have the gate hold the golden set against a floor; for when the set is there.

    `later`: there is no set yet, and a gate that names none stops every command. So the file has another name, which whoever
    writes the set takes off.
    """
    text = (TEMPLATES / "gate.yaml").read_text(encoding="utf-8")
    file = project.folder / (f"{_GATE}.later" if later else _GATE)
    write_text(file, Template(text).substitute(golden_set=project.golden_set))
    return file


def _write(project: Project, file: Path, text: str, values: dict[str, str]) -> None:
    if file.exists():
        project.kept.append(file)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, Template(text).substitute(values))
    project.written.append(file)
