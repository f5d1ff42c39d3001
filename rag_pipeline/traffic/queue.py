"""The queue: a golden set that nobody evaluates by, in which people judge what was asked in production.

It lies beside the golden sets, since what people said is kept with them, under a name that no evaluation reads. Questions
stand in it masked, and go with their days unless somebody judged them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.corpus.model import Encoder, Model
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.files import fingerprint, write_json, write_text
from rag_pipeline.golden import journal
from rag_pipeline.golden.read import FILE, readable_golden_sets
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.pairs import found_for
from rag_pipeline.traffic.rows import table
from rag_pipeline.traffic.strata import Draw, Line, Served, Stratum, draw, low, merged

QUEUE = "_queue"
"""Its folder below RAG_EVALS: one that begins so is no golden set."""
QUERIES, QRELS, DRAWN = "queries.jsonl", "qrels/test.tsv", "draw.json"

FAR = 0.6
"""Cosine to every golden question below which a question is far from them."""
_LOOKED_AT = 300
"""Questions that are embedded to see whether they are far from golden ones."""
_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue as it was drawn last. `reads`: what those who asked may read; others' questions are not in it."""

    folder: Path
    lines: tuple[Line, ...]
    reads: tuple[str, ...]
    until: float
    drawn: int
    of: int
    whole: bool
    """Whether the lines are those of the last draw: not where somebody edited them, or a draw was cut off."""


def queue_folder(settings: Settings) -> Path:
    return settings.evals / QUEUE


def draw_queue(
    settings: Settings,
    now: datetime,
    sizes: Mapping[Stratum, int],
    load: Callable[[], Encoder] | None = None,
    model: Model | None = None,
) -> Queue:
    """Draw again from all questions that are kept with their text, and write the queue; judged lines stay.

    `load`, `model`: what embeds questions, to find those that are far from every golden one; without it there are none.
    Raises `PipelineError` where no question is kept with its text.
    """
    home, folder = settings.home, queue_folder(settings)
    served, reads, bad = _served(home)
    if not served:
        raise PipelineError(
            "no question is kept with its text, so there is nothing to judge: start `rag serve` with RAG_QUERY_TEXT=masked, "
            "have it asked, and run `rag traffic ingest`"
        )
    differ, found_by_two = found_for(home, reads)
    odd: dict[Stratum, set[str]] = {"differs": differ, "not_useful": bad, "low": low(served)}
    if load is not None and model is not None:
        odd["far"] = _far(settings, served, load, model)
    with home.exclusive_golden_set(QUEUE, wait_s=_WAIT_S):
        found = draw(served, odd, sizes)
        since = f"{now.astimezone(UTC) - timedelta(days=settings.query_days):%Y-%m-%d}"
        judged = {said.query for said in journal.standing(folder, by_passage=False).values()}
        before = tuple(_lines(folder)) if (folder / QUERIES).is_file() else ()
        kept = tuple(line for line in before if line.asked >= since or line.query_id in judged)
        lines = merged(found, kept, judged)
        lines = tuple(replace(line, found=found_by_two.get(fold(line.text), ())) for line in lines)
        _write(folder, settings.owner, reads, found, lines)
    return read_queue(folder)


def read_queue(folder: Path) -> Queue:
    """Raises `GoldenSetError` when there is none, or what drew it cannot be read."""
    try:
        said: dict[str, Any] = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
        lines = tuple(_lines(folder))
        whole = said["lines"] == _mark(folder)
        return Queue(folder, lines, tuple(said["reads"]), said["until"], said["drawn"], said["of"], whole)
    except FileNotFoundError as error:
        raise GoldenSetError(f"{folder}: no question was drawn yet; `rag golden judge NAME --queue` draws some") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GoldenSetError(
            f"{folder}: cannot be read ({type(error).__name__}); draw again: `rag golden judge NAME --queue`"
        ) from error


def _served(home: Home) -> tuple[list[Served], tuple[str, ...], set[str]]:
    """Answered questions with their text, of those who read what most askers read; and which of them were of no use."""
    rows = (
        table(home, "queries")
        .scan()
        .filter(pl.col("user_query").is_not_null(), pl.col("status") == 200, ~pl.col("narrowed"))
    )
    columns = rows.select(
        "query_id", "user_query", "day", "release", "mode", "reads", pl.col("scores").list.first().alias("top")
    )
    found = collected(columns)
    if found.is_empty():
        return [], (), set()
    found = found.with_columns(alike=pl.col("reads").list.join("\n"))
    most = found.group_by("alike").len().sort("len", "alike", descending=True)["alike"][0]
    mine = found.filter(pl.col("alike") == most)
    served = [Served(row[0], row[1], row[2], (row[3], row[4]), row[6]) for row in mine.iter_rows()]
    said = collected(table(home, "feedback").scan().filter(pl.col("action_name") == "not_useful").select("query_id"))
    return served, tuple(mine["reads"][0]), set(said["query_id"])


def _far(settings: Settings, served: Sequence[Served], load: Callable[[], Encoder], model: Model) -> set[str]:
    """Ids of questions that are like no golden question, among the first that were looked at."""
    golden = [text for one in readable_golden_sets(settings.evals) for text in one.queries.values()]
    if not golden:
        return set()
    some = list({one.text: one for one in served}.values())[-_LOOKED_AT:]
    known = np.asarray(query_vectors(settings.home, model.fingerprint, load, golden))
    asked = np.asarray(query_vectors(settings.home, model.fingerprint, load, [one.text for one in some]))
    nearest = (asked @ known.T).max(axis=1)
    texts = {one.text for one, cosine in zip(some, nearest, strict=True) if cosine < FAR}
    return {one.query_id for one in served if one.text in texts}


def _lines(folder: Path) -> Iterator[Line]:
    for text in (folder / QUERIES).read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        about = row["metadata"]
        yield Line(
            row["_id"], row["text"], about["stratum"], about["weight"], about["asked"], tuple(about["events"]), _found(about)
        )


def _found(about: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((release, chunk) for release, chunk in about.get("found", ()))


def _write(folder: Path, owner: str, reads: tuple[str, ...], found: Draw, lines: tuple[Line, ...]) -> None:
    """What was drawn is written last, with the mark of the lines: a kill in between shows."""
    labels = [] if EVERYTHING in reads else list(reads)
    about = {
        "description": "Questions of production, to be judged. No evaluation reads them here.",
        "owner": owner,
        "made_by": "traffic",
        "labels": labels,
    }
    (folder / QRELS).parent.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).is_file():
        write_text(
            folder / FILE, "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in about.items())
        )
    if not (folder / QRELS).is_file():
        write_text(folder / QRELS, "query-id\tcorpus-id\tscore\n")
    rows = [
        {
            "_id": one.query_id,
            "text": one.text,
            "metadata": {name: asdict(one)[name] for name in ("stratum", "weight", "asked", "events", "found")},
        }
        for one in lines
    ]
    write_text(folder / QUERIES, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    said = {"until": found.until, "drawn": found.drawn, "of": found.of, "reads": list(reads), "lines": _mark(folder)}
    write_json(folder / DRAWN, said)


def _mark(folder: Path) -> str:
    return fingerprint((folder / QUERIES).read_text(encoding="utf-8"))
