"""Whether two people judge alike: a tenth of what one has judged is asked of another, and Cohen's kappa says how they agree.

The first judgment is the one that counts. The second is kept beside it and changes nothing: it measures.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.set_files import append_line
from rag_pipeline.metrics.agreement import kappa

SECONDS = "second_judgments.jsonl"
SHARE = 10
"""One of so many is judged twice."""

Item = tuple[str, str]
"""Question and document."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`kappa`: 1 for full agreement, 0 for what chance gives, None where it cannot be told (nothing, or one grade alone)."""

    twice: int
    agreed: int
    kappa: float | None

    @property
    def says(self) -> str:
        if not self.twice:
            return "nothing was judged by two people yet"
        told = "cannot be told: both gave one grade only" if self.kappa is None else f"{self.kappa:.2f}"
        return f"{self.twice} were judged by two people, who agreed on {self.agreed}; Cohen's kappa {told}"


def wants_a_second(item: Item) -> bool:
    """Whether this one is of the tenth; it hangs on nothing but what it is."""
    return hashlib.sha256("\0".join(item).encode("utf-8", "surrogatepass")).digest()[0] * 256 < 65_536 // SHARE


def keep_second(folder: Path, judgment: Judgment) -> None:
    append_line(folder / SECONDS, json.dumps(asdict(judgment), ensure_ascii=False))


def seconds(folder: Path) -> dict[Item, Judgment]:
    """The last second judgment on each; one that was taken back is not in it."""
    found: dict[Item, Judgment] = {}
    file = folder / SECONDS
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else ():
        try:
            one = Judgment(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found.pop((one.query, one.document), None)
        if one.grade is not None:
            found[one.query, one.document] = one
    return found


def agreement(first: Mapping[Item, Judgment], second: Mapping[Item, Judgment]) -> Agreement:
    """How alike two people judged what both did. J. Cohen, "A coefficient of agreement for nominal scales", 1960."""
    pairs = [
        (first[item].grade, one.grade) for item, one in second.items() if item in first and first[item].judge != one.judge
    ]
    agreed = sum(one == other for one, other in pairs)
    return Agreement(len(pairs), agreed, kappa(pairs))
