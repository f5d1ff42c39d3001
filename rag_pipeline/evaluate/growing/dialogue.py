"""The terminal's side of judging: shows one thing at a time, takes one letter a line. Works on a pipe as on a terminal."""

from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.growing.pool import Pooled
from rag_pipeline.evaluate.growing.session import Session

KEYS = "2 answers it, 1 helps, 0 does not; s skip, f full text, u undo, q quit"
_SHOWN = 900
"""Characters of a passage shown before `f` is asked for: about twelve lines."""


def talk(
    session: Session, console: Console, read: Callable[[], str], now: Callable[[], datetime], limit: int | None
) -> None:
    """Ask until everything is judged, `limit` judgments are made, the person quits, or the input ends.

    `read` gives one line with its end, and nothing at the end of input.
    """
    shown: Pooled | None = None
    while (limit is None or len(session.judged) < limit) and (one := session.next()):
        if one is not shown:
            _show(one, session, console, whole=False)
            shown = one
        console.print("2 / 1 / 0 / s / f / u / q > ", end="")
        line = read()
        key = line.strip().lower()
        if key == "q" or not line:
            return
        if key in ("0", "1", "2"):
            session.grade(int(key), now())
        elif key == "s":
            session.skip()
        elif key == "f":
            _show(one, session, console, whole=True)
        elif key == "u":
            shown = None
            _undo(session, console, now)
        else:
            console.print(KEYS)


def _undo(session: Session, console: Console, now: Callable[[], datetime]) -> None:
    try:
        if not session.undo(now()):
            console.print("nothing to take back in this session")
    except GoldenSetError as error:
        console.print(str(error), markup=False)


def _show(one: Pooled, session: Session, console: Console, *, whole: bool) -> None:
    golden = session.judging.golden
    first = one.passages[0]
    text = (
        one.text
        if whole or len(one.text) <= _SHOWN
        else f"{one.text[:_SHOWN].rstrip()} … (f: all {len(one.text):,} characters)"
    )
    headings = " | ".join(dict.fromkeys(passage.heading for passage in one.passages if passage.heading))
    console.print()
    console.print(Text(f"query {session.place(one)} of {len(session.queries)}, {one.query}", style="dim"))
    console.print(Text(harmless(golden.queries[one.query]), style="bold"))
    console.print(Text(harmless(" · ".join(part for part in (one.document, first.title, headings) if part)), style="dim"))
    console.print(Padding(Text(harmless(text)), (0, 0, 0, 2), expand=False))


def harmless(text: str) -> str:
    """Without anything a terminal would act upon but line breaks: a passage is somebody else's text."""
    plain = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in plain)
