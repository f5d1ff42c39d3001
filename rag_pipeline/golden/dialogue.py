"""The terminal's side of judging: shows one thing at a time, takes one letter on each line. It works on a pipe too."""

from collections.abc import Callable
from datetime import datetime

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.pool import Pooled
from rag_pipeline.golden.session import Session
from rag_pipeline.terminal import Printer, one_line

KEYS = "2 answers it, 1 helps, 0 does not; s skip, f full text, u undo, q quit"
_SHOWN = 900
"""Characters of a passage shown before `f` is asked for: about twelve lines."""


def talk(
    session: Session, printer: Printer, read: Callable[[], str], now: Callable[[], datetime], limit: int | None
) -> None:
    """Ask until everything is judged, `limit` judgments are made, the person quits, or the input ends.

    `read` gives one line with its end, and nothing at the end of input.
    """
    shown: Pooled | None = None
    while (limit is None or len(session.judged) < limit) and (one := session.next()):
        if one is not shown:
            _show(one, session, printer, whole=False)
            shown = one
        printer.say("2 / 1 / 0 / s / f / u / q > ", end="")
        line = read()
        key = line.strip().lower()
        if key == "q" or not line:
            return
        if key in ("0", "1", "2"):
            session.grade(int(key), now())
        elif key == "s":
            session.skip()
        elif key == "f":
            _show(one, session, printer, whole=True)
        elif key == "u":
            shown = None
            _undo(session, printer, now)
        else:
            printer.say(KEYS)


def _undo(session: Session, printer: Printer, now: Callable[[], datetime]) -> None:
    try:
        if not session.undo(now()):
            printer.say("nothing to undo in this session")
    except GoldenSetError as error:
        printer.say(str(error))


def _show(one: Pooled, session: Session, printer: Printer, *, whole: bool) -> None:
    golden = session.judging.golden
    first = one.passages[0]
    text = (
        one.text
        if whole or len(one.text) <= _SHOWN
        else f"{one.text[:_SHOWN].rstrip()} … (f: all {len(one.text):,} characters)"
    )
    headings = " | ".join(dict.fromkeys(passage.heading for passage in one.passages if passage.heading))
    printer.say("")
    printer.say(f"query {session.place(one)} of {len(session.queries)}, {one.query}", style="dim")
    printer.say(one_line(golden.queries[one.query]), style="bold")
    printer.say(one_line(" · ".join(part for part in (one.document, first.title, headings) if part)), style="dim")
    printer.indented(text)
