"""What people said of answers: faithful or not, relevant or not, in `answer_judgments.jsonl` of a golden set.

Each is written at once and durably. The file names answers by a hash of what they say, and quotes nothing of them.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rag_pipeline.answer.opinions import Item, Opinion
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.question_lines import rows
from rag_pipeline.golden.set_files import append_line
from rag_pipeline.terminal import Printer, one_line

JUDGMENTS = "answer_judgments.jsonl"

_KEYS = "y yes, n no, s skip this answer, u take the last one back, q quit"


def read_judgments(folder: Path) -> dict[str, Opinion]:
    """Id of an answer -> what was said of it last, if that stands. Raises `GoldenSetError` with file and line."""
    file = folder / JUDGMENTS
    found: dict[str, Opinion] = {}
    for number, row in rows(file) if file.is_file() else ():
        answer, said = row.get("answer"), (row.get("faithful"), row.get("relevant"))
        if not isinstance(answer, str) or not (all(isinstance(one, bool) for one in said) or said == (None, None)):
            says = "expected `answer`, and `faithful` and `relevant` as true or false; delete the line, or fix it"
            raise GoldenSetError(f"{file}:{number}: {says}")
        found.pop(answer, None)
        if isinstance(said[0], bool) and isinstance(said[1], bool):
            found[answer] = Opinion(said[0], said[1])
    return found


def in_turn(items: Sequence[Item], judged: Collection[str]) -> list[Item]:
    """The answers that nobody judged, in an order that is by chance and always the same: any beginning of it is a sample."""
    return sorted({one.id: one for one in items if one.id not in judged}.values(), key=lambda one: one.id)


@dataclass(slots=True)
class AnswerSession:
    """One person judging the answers to one golden set, at a terminal or on a pipe. `read`: one line, nothing at the end."""

    folder: Path
    by: str
    items: Sequence[Item]
    printer: Printer
    read: Callable[[], str]
    now: Callable[[], datetime]
    judged: list[tuple[Item, Opinion]] = field(default_factory=list)
    skipped: int = 0

    def talk(self, limit: int | None) -> None:
        """Ask until everything is judged, `limit` answers are, the person quits, or the input ends."""
        waiting = list(self.items)
        while waiting and (limit is None or len(self.judged) < limit):
            one = waiting.pop(0)
            self._show(one)
            faithful = self._ask("Do its sentences say nothing that the quotes do not say? y / n / s / u / q > ")
            judges = faithful in ("y", "n")
            relevant = self._ask("Does it answer the question? y / n / s / u / q > ") if judges else faithful
            if relevant in ("y", "n"):
                self.judged.append((one, Opinion(faithful == "y", relevant == "y")))
                self._write(one, self.judged[-1][1])
            elif relevant == "u":
                waiting = [*self._taken_back(), one, *waiting]
            elif relevant == "s":
                self.skipped += 1
            else:
                return

    def _taken_back(self) -> Iterator[Item]:
        if self.judged:
            item, _ = self.judged.pop()
            self._write(item, None)
            yield item
        else:
            self.printer.say("nothing to take back in this session")

    def _write(self, item: Item, said: Opinion | None) -> None:
        faithful, relevant = (said.faithful, said.relevant) if said else (None, None)
        row = {"answer": item.id, "query": item.query, "faithful": faithful, "relevant": relevant, "judge": self.by}
        append_line(self.folder / JUDGMENTS, json.dumps(row | {"at": self.now().isoformat()}, ensure_ascii=False))

    def _ask(self, question: str) -> str:
        while True:
            self.printer.say(question, end="")
            line = self.read()
            key = line.strip().lower()
            if not line or key == "q":
                return "q"
            if key in ("y", "n", "s", "u"):
                return key
            self.printer.say(_KEYS)

    def _show(self, one: Item) -> None:
        self.printer.say(f"\n{one_line(one.question)}", style="bold")
        for sentence in one.sentences:
            self.printer.say(f"  {one_line(sentence.text)}")
            for place in sentence.citations:
                quote = "the same words" if place.quote == sentence.text else f"“{one_line(place.quote)}”"
                self.printer.say((f"    {quote}, {one_line(place.document_id)}", "dim"))
