"""The project a command is about: the folder whose contracts, golden sets and `.env` it reads.

That is the working directory, or the nearest folder above it that holds a project, as with git. It is never the folder this
package is installed in.
"""

from pathlib import Path

from rag_pipeline.errors import PipelineError

CONTRACTS, EVALS, HOME, ENV = "contracts", "evals", ".rag", ".env"
"""Names below a project."""


def is_project(folder: Path) -> bool:
    """Whether a folder holds contracts and golden sets."""
    return (folder / CONTRACTS).is_dir() and (folder / EVALS).is_dir()


def project_folder() -> Path:
    """The project of the working directory; the working directory itself where there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if is_project(folder)), here)


def env_file() -> dict[str, str]:
    """What the project's `.env` says; nothing where there is no project, or no such file.

    Raises `PipelineError` for a line that names no value, and for a file that cannot be read.
    """
    file = project_folder() / ENV
    if not is_project(file.parent) or not file.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        found = dotenv_values(file, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{file} cannot be read ({error}); it holds lines such as RAG_SCHEDULES=on, in UTF-8") from error
    for name, value in found.items():
        if value is None:
            raise PipelineError(f"{file}: {name} has no value; write {name}=VALUE, or remove the line")
    return {name: value for name, value in found.items() if value is not None}
