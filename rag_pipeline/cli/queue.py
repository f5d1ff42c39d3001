"""`rag golden judge --queue` and `rag traffic golden`: questions of production, judged, and the golden set they become."""

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rag_pipeline.cli.show import print_json
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.traffic.judged import Judged
    from rag_pipeline.traffic.queue import Queue
    from rag_pipeline.traffic.queue_session import QueueSession


def judge_queue(settings: Settings, name: str, judge: str, release: str, limit: int | None, *, as_json: bool) -> None:
    """Draw, ask at the terminal, and write what is judged into the golden set."""
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.golden.dialogue import KEYS, talk
    from rag_pipeline.traffic.queue import draw_queue
    from rag_pipeline.traffic.strata import SIZES_OF_A_DRAW

    model, printer = model_of(settings), Printer(stderr=as_json)
    queue = draw_queue(settings, datetime.now(UTC), SIZES_OF_A_DRAW, model.load, model)
    with _session(settings, queue, release, judge) as session:
        printer.say(
            f"{len(queue.lines)} questions of production, {queue.drawn} of them a uniform sample of {queue.of}, without a "
            f"sign of what found a document.\n{KEYS}."
        )
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        signal.siginterrupt(signal.SIGINT, True)  # noqa: FBT003  (as in `rag golden judge`)
        try:
            talk(session, printer, sys.stdin.readline, lambda: datetime.now(UTC), limit)
        except KeyboardInterrupt:
            printer = Printer(stderr=as_json)
        told = session.agreement
        judged = _written(settings, name, queue, session)
    counts = {"judged": len(session.judged), "second": session.seconds, "skipped": session.skipped}
    if as_json:
        print_json({"golden_set": name, "release": release, "judge": judge, **counts, **_told(judged), "agreement": told})
    else:
        printer.say(f"\n{len(session.judged)} judged, {session.seconds} of them a second time; {told}.")
        _say(judged, name, settings, printer)


def write_queue(settings: Settings, name: str, release: str, *, as_json: bool) -> None:
    """The golden set of what is judged already, by whatever way."""
    from rag_pipeline.traffic.queue import queue_folder, read_queue

    queue = read_queue(queue_folder(settings))
    with _session(settings, queue, release, "") as session:
        told, judged = session.agreement, _written(settings, name, queue, session)
    if as_json:
        print_json({"golden_set": name, "release": release, **_told(judged), "agreement": told})
    else:
        Printer().say(f"{told[0].upper()}{told[1:]}.")
        _say(judged, name, settings, Printer())


@contextmanager
def _session(settings: Settings, queue: "Queue", release: str, judge: str) -> Iterator["QueueSession"]:
    """The queue as somebody judges it who sees what its askers may read, of a release opened for it."""
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.golden.judging import Judging
    from rag_pipeline.index.retrieve import encoder_for, open_release, own_model
    from rag_pipeline.release.withdrawn import read_withdrawn
    from rag_pipeline.traffic.queue_session import QueueSession

    judging = Judging.open(queue.folder, settings.home)
    if judging.finish_last():
        judging = Judging.open(queue.folder, settings.home)
    with open_release(settings.home, release, ["hybrid"], device=settings.device) as opened:

        def load() -> Any:
            return encoder_for(settings.home, opened.manifest, own_model(opened.manifest, model_of(settings)))

        session = QueueSession.of(judging, opened.readable_by(queue.reads), load, judge, queue.lines)
        session.hidden = {one.document_id for one in read_withdrawn(settings.home)}
        yield session


def _written(settings: Settings, name: str, queue: "Queue", session: "QueueSession") -> "Judged":
    from rag_pipeline.golden.read import read_golden_set
    from rag_pipeline.traffic.judged import write_sets

    grades = read_golden_set(queue.folder, to_be_judged=True).qrels
    return write_sets(settings.evals, name, queue, grades, session.complete(), settings.home)


def _told(judged: "Judged") -> dict[str, Any]:
    return {
        "sets": judged.sets,
        "answered": judged.answered,
        "unanswered": judged.unanswered,
        "missing": judged.missing,
        "probes": judged.probes,
    }


def _say(judged: "Judged", name: str, settings: Settings, printer: Printer) -> None:
    printer.say(f"{judged.says[0].upper()}{judged.says[1:]}.")
    for written, questions in judged.sets.items():
        printer.say(f"{settings.evals / written} has {questions} questions.")
    if name in judged.sets:
        printer.say(f"Measure with it: rag evaluate. {judged.probes} questions that nobody judged are its probes.")
