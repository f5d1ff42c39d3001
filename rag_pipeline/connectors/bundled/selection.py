"""Which of its items a bundled source offers: names and patterns that a contract lists."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Selection:
    """`include`, `exclude`: names, or patterns with `*`, `?` and `[…]`. A package's name takes all that lies in it too."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        return (not self.include or _matches(name, self.include)) and not _matches(name, self.exclude)

    def missing(self, names: Collection[str]) -> list[str]:
        """What is included by its plain name, and is not there: a name mistyped, or gone from this Python."""
        plain = (name for name in self.include if not any(mark in name for mark in "*?["))
        return [name for name in plain if not any(_matches(other, (name,)) for other in names)]


ALL = Selection()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    parts = name.split(".")
    within = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return any(fnmatchcase(one, pattern) for one in within for pattern in patterns)
