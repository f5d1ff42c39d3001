"""The page of a try: one HTML file among the reports, complete in itself. It shows figures and decides nothing."""

from pathlib import Path

from rag_pipeline.attempts.figures import Attempt, SetFigures, Tried
from rag_pipeline.files import write_text
from rag_pipeline.home import Home
from rag_pipeline.report import template
from rag_pipeline.report.charts import Tone, Whisker, interval_chart

_TONES: dict[str, Tone] = {"better": "fine", "worse": "worse", "not shown to differ": "even"}


def write_page(home: Home, tried: Tried) -> Path:
    """Write `reports/try-<id>.html`; returns where it lies."""
    path = home.try_report(tried.id)
    write_text(path, render(tried))
    return path


def render(tried: Tried) -> str:
    """The page. Pure. Names and values of settings are other people's text, and are escaped."""
    names = [one.golden_set for one in tried.now.golden_sets]
    return template("tried.html.j2").render(
        tried=tried,
        tones=_TONES,
        lead=lead(tried),
        changed=sorted({variable for one in tried.attempts for variable in one.changed}),
        charts=[_chart(tried, place) for place in range(len(names))],
    )


def lead(tried: Tried) -> str:
    """What came of it, in a sentence or two."""
    first = [(one, one.golden_sets[0]) for one in tried.attempts[1:] if one.golden_sets]
    if not first:
        return "No attempt could be measured."
    better, worse = (
        [one.name for one, found in first if _reads(found) == reading and not _contradicted(one, reading)]
        for reading in ("better", "worse")
    )
    parts = [f"Better than the settings as they are: {'; '.join(better)}."] if better else []
    parts += [f"Worse: {'; '.join(worse)}."] if worse else []
    if not parts:
        return "No attempt is shown to be better or worse than the settings as they are."
    return " ".join(parts)


def _contradicted(attempt: Attempt, reading: str) -> bool:
    """Whether another golden set says the opposite."""
    opposite = {"better": "worse", "worse": "better"}[reading]
    return any(_reads(one) == opposite for one in attempt.golden_sets)


def _reads(found: SetFigures) -> str:
    return found.primary.difference.reads_as if found.primary.difference else ""


def _chart(tried: Tried, place: int) -> tuple[SetFigures, object]:
    """One golden set, and the differences of all attempts by it; an attempt is called by its number in the table."""
    rows = [
        Whisker(f"{number}", found.mean, found.lower, found.upper, None, _TONES[found.reads_as])
        for number, one in enumerate(tried.attempts)
        for found in [one.golden_sets[place].primary.difference if one.golden_sets else None]
        if found
    ]
    about = tried.now.golden_sets[place]
    return about, interval_chart(rows, title=f"{about.golden_set}: {about.primary.metric} against the settings as they are")
