"""`rag golden judge NAME --answers`: people say of answers whether they are faithful and relevant."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rag_pipeline.cli.show import print_json
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.settings import Settings


def judge_answers(settings: "Settings", name: str, by: str, release: str, limit: int | None, *, as_json: bool) -> None:
    """Show answers that nobody judged, by chance, and keep what is said of each at once. Raises `GoldenSetError`."""
    from rag_pipeline.answer.judged_by_people import AnswerSession, in_turn, read_judgments
    from rag_pipeline.golden.read import read_golden_set
    from rag_pipeline.release.answered import answers_of
    from rag_pipeline.release.judged import items_of

    folder, printer = settings.evals / name, Printer(stderr=as_json)
    found = answers_of(settings, release, (read_golden_set(folder),))
    items = items_of(found, found.sets[0])
    waiting = in_turn(items, read_judgments(folder))
    printer.say(
        f"{name}: {len(items)} answers of {release}, {len(waiting)} not judged. Each is kept at once; go on at any time."
    )
    session = AnswerSession(folder, by, waiting, printer, sys.stdin.readline, lambda: datetime.now(UTC))
    session.talk(limit)
    left = len(waiting) - len(session.judged)
    if as_json:
        counts = {"judged": len(session.judged), "skipped": session.skipped, "left": left}
        print_json({"golden_set": name, "release": release, "judge": by, **counts})
        return
    printer.say(f"\n{len(session.judged)} judged, {left} left. A judge model is held against them: docs/answers.md.")
