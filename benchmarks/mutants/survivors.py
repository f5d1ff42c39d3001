"""The survivors that docs/mutants.md explains: a function, its lines that were changed, and why no test can see that."""

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"


@dataclass(frozen=True)
class Mutant:
    """A function, and the lines of it that were changed: what stays the same when mutants are numbered anew."""

    function: str
    was: tuple[str, ...]
    becomes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.function, *(f"- {line}" for line in self.was), *(f"+ {line}" for line in self.becomes)])


def explained(text: str) -> dict[Mutant, str]:
    """Blocks of a page that start with a function and end in `=` and the reason."""
    found: dict[Mutant, str] = {}
    function, was, becomes = "", [], []
    for line in text.splitlines():
        if line.startswith("- ") and function:
            was.append(line[2:].strip())
        elif line.startswith("+ ") and function:
            becomes.append(line[2:].strip())
        elif line.startswith("= ") and was:
            found[Mutant(function, tuple(was), tuple(becomes))] = line[2:]
            function, was, becomes = "", [], []
        else:
            function, was, becomes = line.strip(), [], []
    return found
