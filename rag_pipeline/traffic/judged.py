"""What was judged of the queue, as golden sets: one whose mean estimates traffic, one of questions that went wrong; probes.

The first holds the uniform sample alone, each question as often as it was asked, so its plain mean is the estimate and the
gate's paired test needs no weights. Questions that nothing answers are in no set, and counted.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.files import sync, write_text
from rag_pipeline.golden.question_lines import PROBES
from rag_pipeline.golden.read import FILE, read_about, read_golden_set
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home
from rag_pipeline.traffic.queue import QRELS, QUERIES, Queue
from rag_pipeline.traffic.strata import Line, order, turn_of

MOST_PROBES = 300
_HARD = "_hard"
"""How the name of the set ends whose questions went wrong."""

Grades = dict[str, dict[str, int]]
"""Query -> document -> grade."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the queue. `sets`: name of a golden set -> its questions."""

    sets: dict[str, int]
    answered: int
    """Questions of the uniform sample that are judged and have an answer."""
    unanswered: int
    """Questions of the uniform sample for which nothing that was found is relevant."""
    missing: int
    """Questions of the uniform sample, asked before the last judged one in its order, that are not wholly judged."""
    probes: int

    @property
    def says(self) -> str:
        done = self.answered + self.unanswered
        if not done:
            return "no question of the uniform sample is wholly judged yet"
        told = f"{done} questions of the uniform sample are judged; {self.unanswered} of them have no answer"
        told += f" ({self.unanswered / done:.0%})"
        return f"{told}; {self.missing} before the last of them are left" if self.missing else told


def write_sets(evals: Path, name: str, queue: Queue, grades: Grades, complete: Collection[str], home: Home) -> Judged:
    """Write what is judged of a queue into the golden sets `name` and `name_hard`. `complete`: ids of wholly judged lines.

    Raises `GoldenSetError` when the folder is a golden set that somebody else made, or the queue is not as it was drawn.
    """
    if not queue.whole:
        raise GoldenSetError(
            f"{queue.folder / QUERIES} is not what was drawn; draw again: `rag golden judge {name} --queue`"
        )
    for one in (name, name + _HARD):
        _check_ours(evals / one)
    uniform = [line for line in queue.lines if line.stratum == "uniform"]
    events = sorted((order(event), event, line) for line in uniform for event in line.events if order(event) <= queue.until)
    last = max((turn_of(line) for line in uniform if line.query_id in complete), default=-1.0)
    open_from = min((turn_of(line) for line in uniform if turn_of(line) > last), default=2.0)
    reached = [(event, line) for at, event, line in events if last >= 0 and at < open_from]
    done = [(event, line) for event, line in reached if line.query_id in complete]
    answered = [(event, line) for event, line in done if _has_answer(grades, line)]
    hard = [(line.query_id, line) for line in queue.lines if line.stratum != "uniform" and line.query_id in complete]
    hard = [(event, line) for event, line in hard if _has_answer(grades, line)]
    probes = _probes(uniform, {fold(line.text) for _, line in answered})
    judged = Judged({}, len(answered), len(done) - len(answered), len(reached) - len(done), len(probes) if answered else 0)
    if answered:
        says = f"A uniform sample of {queue.of} questions of production: {judged.says}. Its mean estimates what askers get."
        _replace(evals / name, _about(evals / name, queue, says, "traffic"), answered, grades, probes, home)
        judged.sets[name] = len(answered)
    if hard:
        says = "Questions of production that went wrong, or looked so: not useful, unlike golden questions, or little found."
        _replace(evals / (name + _HARD), _about(evals / (name + _HARD), queue, says, "people"), hard, grades, [], home)
        judged.sets[name + _HARD] = len(hard)
    return judged


def _has_answer(grades: Grades, line: Line) -> bool:
    return any(grade > 0 for grade in grades.get(line.query_id, {}).values())


def _probes(uniform: Iterable[Line], asked: Collection[str]) -> list[Line]:
    """Questions of the sample that no judged question asks, in its order."""
    mine = [line for line in uniform if fold(line.text) not in asked]
    return sorted(mine, key=lambda line: order(line.query_id))[:MOST_PROBES]


def _check_ours(folder: Path) -> None:
    """Raises `GoldenSetError` for a golden set that was not written from the queue."""
    if folder.exists() and not (folder / QUEUE_MARK).is_file():
        raise GoldenSetError(
            f"{folder} is a golden set that was not made from the queue, and stays as it is; choose another name"
        )


QUEUE_MARK = ".from_queue"
"""The file by which a golden set of this module is known: it is written anew each time."""


def _about(folder: Path, queue: Queue, says: str, made_by: str) -> str:
    """golden.yaml: what people changed in it stays, but for what is said of the sample."""
    if (folder / FILE).is_file():
        _, document = read_about(folder)
        said: dict[str, Any] = dict(document.content)
    else:
        owner = read_about(queue.folder)[0].owner
        said = {"owner": owner, "metrics": ["nDCG@10", "recall@10", "MRR@10"], "primary": "nDCG@10", "slices": ["stratum"]}
    labels = [] if EVERYTHING in queue.reads else list(queue.reads)
    said |= {"description": says, "made_by": made_by, "labels": labels, "judged": read_about(queue.folder)[0].judged}
    head = "# Written from the queue by `rag golden judge --queue`; questions are masked, and written anew each time.\n"
    return head + "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in said.items())


def _replace(
    folder: Path, about: str, asked: Sequence[tuple[str, Line]], grades: Grades, probes: Sequence[Line], home: Home
) -> None:
    """Put a whole set in the place of the one before. A kill in between leaves the old one, or none until the next time."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    with home.exclusive_golden_set(folder.name, wait_s=60):
        for one in (new, old):
            shutil.rmtree(one, ignore_errors=True)
        texts = {
            FILE: about,
            QUERIES: "".join(_row(event, line) for event, line in asked),
            QRELS: "query-id\tcorpus-id\tscore\n"
            + "".join(
                f"{event}\t{document}\t{grade}\n"
                for event, line in asked
                for document, grade in sorted(grades[line.query_id].items())
            ),
            QUEUE_MARK: "",
        }
        if probes:
            texts[PROBES] = "".join(_row(line.query_id, line) for line in probes)
        for name, text in texts.items():
            write_text(new / name, text)
        read_golden_set(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def _row(query_id: str, line: Line) -> str:
    about = {"stratum": line.stratum, "weight": line.weight, "asked": line.asked}
    return json.dumps({"_id": query_id, "text": line.text, "metadata": about}, ensure_ascii=False) + "\n"
