"""`traffic/drift`: whether the questions of the last week differ from those of the weeks before, and which nobody judged.

It needs texts, so it tells nothing where they are not kept. Questions are embedded by the model of the settings, once each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.golden.read import readable_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.drift import Shift, far, shift, topics
from rag_pipeline.traffic.hourly import FEW
from rag_pipeline.traffic.rows import lake_of, table
from rag_pipeline.traffic.strata import order

WEEK, BEFORE = timedelta(days=7), timedelta(days=28)
MOST_NEW, MOST_EARLIER = 2_000, 4_000

_COLUMNS = {
    "day": (pa.string(), "When it was measured"),
    "new": (pa.int64(), "Questions of the last seven days that were looked at"),
    "earlier": (pa.int64(), "Questions of the 28 days before"),
    "auc": (
        pa.float64(),
        "How well a classifier tells new from earlier ones, .5 for not at all; null for too few",
    ),
    "bound": (pa.float64(), "What it reaches by chance in 95 of 100 tries"),
    "p": (pa.float64(), "How likely so much or more is by chance"),
    "far_percent": (pa.float64(), "Share of new questions that are like no golden question"),
}
DRIFT = pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()])
COLUMNS = {name: says for name, (_, says) in _COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Changes:
    """What was found. `topics`: of questions like no golden one: how many, and of how many principals, None for few."""

    new: int
    shift: Shift | None
    far_percent: float | None
    topics: tuple[tuple[int, int | None], ...] = ()


def drift_table(home: Home) -> Table:
    """A row a day on which it was measured."""
    return Table(lake_of(home) / "drift", DRIFT)


def look_for_changes(settings: Settings, model: Model, load: Callable[[], Encoder], now: datetime) -> Changes:
    """Compare the last week with the weeks before, and with the golden sets, and keep what was found."""
    home = settings.home
    new, earlier = _asked(home, now - WEEK, now, MOST_NEW), _asked(home, now - WEEK - BEFORE, now - WEEK, MOST_EARLIER)
    judged = [one for one in readable_golden_sets(settings.evals) if one.about.made_by != "traffic"]
    golden = [text for one in judged for text in one.queries.values()]

    def vectors(texts: Sequence[str]) -> Vectors:
        return np.asarray(query_vectors(home, model.fingerprint, load, list(texts)))

    if new.is_empty():
        return Changes(0, None, None)
    asked = vectors(new["user_query"].to_list())
    changed = shift(asked, vectors(earlier["user_query"].to_list())) if not earlier.is_empty() else None
    is_far = far(asked, vectors(golden))
    lonely = new.filter(pl.Series(is_far))
    groups = []
    for one in topics(asked[is_far]):
        principals = lonely[list(one.places)]["client_id"].n_unique()
        groups.append((len(one.places), principals if principals >= FEW else None))
    found = Changes(new.height, changed, 100 * float(is_far.mean()), tuple(groups))
    _keep(home, found, earlier.height, now)
    return found


def _asked(home: Home, since: datetime, until: datetime, most: int) -> pl.DataFrame:
    """A uniform sample of the answered questions between two times."""
    rows = (
        table(home, "queries")
        .scan()
        .filter(pl.col("user_query").is_not_null(), pl.col("timestamp") >= since, pl.col("timestamp") < until)
    )
    found = collected(rows.select("query_id", "user_query", "client_id"))
    turn = pl.Series("turn", [order(one) for one in found["query_id"]], dtype=pl.Float64)
    return found.with_columns(turn).sort("turn").head(most)


def _keep(home: Home, found: Changes, earlier: int, now: datetime) -> None:
    """One row a day: a second look on the same day replaces the first."""
    into, day, said = drift_table(home), f"{now:%Y-%m-%d}", found.shift
    row = {
        "day": day,
        "new": found.new,
        "earlier": earlier,
        "auc": said.auc if said else None,
        "bound": said.bound if said else None,
        "p": said.p if said else None,
        "far_percent": found.far_percent,
    }
    with home.exclusive_table(into.path, wait_s=60):
        into.heal()
        into.delete(f"day = '{day}'")
        into.append(pa.Table.from_pylist([row], schema=DRIFT))
