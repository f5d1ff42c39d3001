"""`traffic/drift`: whether the questions of the last week differ from those of the weeks before, and from golden sets.

It needs texts, so it tells nothing where they are not kept. Questions are embedded by the model of the settings, once each.
Of a question that stands for others its id is kept here, not its text, which goes with its days.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

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
LEAST_NEW = 100
"""Questions of the last week below which golden sets are not held against them."""
MANY_FAR_PERCENT = 25
"""More questions than this that are like no golden question are too many."""
_EXAMPLES = 3
LEAST_ALIKE = 3
"""Fewer questions that are like each other are no topic."""

_SET = pa.struct(
    [
        ("name", pa.string()),
        ("questions", pa.int64()),
        ("auc", pa.float64()),
        ("bound", pa.float64()),
        ("p", pa.float64()),
        ("far_percent", pa.float64()),
    ]
)
_TOPIC = pa.struct([("questions", pa.int64()), ("principals", pa.int64()), ("examples", pa.list_(pa.string()))])
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
    "golden_sets": (
        pa.list_(_SET),
        "The same against each golden set: name (empty: all together), questions, auc, bound, p, far_percent",
    ),
    "topics": (
        pa.list_(_TOPIC),
        f"Groups of them: questions, principals (null for fewer than {FEW}), examples (ids of questions)",
    ),
    "unlike": (pa.bool_(), "Whether golden sets do not look like traffic; null where there were too few questions to tell"),
}
DRIFT = pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()])
COLUMNS = {name: says for name, (_, says) in _COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Held:
    """New questions against one golden set. `name` is empty for all sets together; `shift` is None for too few questions."""

    name: str
    questions: int
    shift: Shift | None
    far_percent: float


@dataclass(frozen=True, slots=True)
class Group:
    """New questions that are like each other, and like no golden one. `principals`: None for few; `examples`: ids."""

    questions: int
    principals: int | None
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What was found. `held`: all golden sets together first, then each; `since`: the first day of those without a break
    on which golden sets were unlike traffic."""

    new: int
    shift: Shift | None
    held: tuple[Held, ...] = ()
    topics: tuple[Group, ...] = ()
    since: date | None = None

    @property
    def far_percent(self) -> float:
        return self.held[0].far_percent if self.held else 0.0

    @property
    def unlike(self) -> bool | None:
        """None where there were too few questions to tell."""
        if self.new < LEAST_NEW:
            return None
        told = self.held[0].shift
        return self.far_percent > MANY_FAR_PERCENT or (told is not None and told.unlike)


def drift_table(home: Home) -> Table:
    """A row a day on which it was measured."""
    return Table(lake_of(home) / "drift", DRIFT)


def look_for_changes(settings: Settings, model: Model, load: Callable[[], Encoder], now: datetime) -> Changes:
    """Compare the last week with the weeks before, and with the golden sets, and keep what was found."""
    home = settings.home
    new, earlier = _asked(home, now - WEEK, now, MOST_NEW), _asked(home, now - WEEK - BEFORE, now - WEEK, MOST_EARLIER)
    if new.is_empty():
        return Changes(0, None)

    def vectors(texts: Sequence[str]) -> Vectors:
        return np.asarray(query_vectors(home, model.fingerprint, load, list(texts)))

    asked = vectors(new["user_query"].to_list())
    changed = shift(asked, vectors(earlier["user_query"].to_list())) if not earlier.is_empty() else None
    golden = {one.name: vectors([*one.queries.values()]) for one in readable_golden_sets(settings.evals) if len(one.queries)}
    held = _held(asked, golden)
    is_far = far(asked, _together(golden))
    found = Changes(new.height, changed, held, _groups(asked[is_far], new.filter(pl.Series(is_far))))
    return _kept(home, found, earlier.height, now)


def measured(home: Home) -> pl.DataFrame:
    """Every row there is, by day, with the columns of today: null where an older pipeline wrote none."""
    told = drift_table(home).scan()
    there = told.collect_schema().names()
    types = pl.DataFrame(DRIFT.empty_table()).schema
    whole = told.with_columns(pl.lit(None, kind).alias(name) for name, kind in types.items() if name not in there)
    return collected(whole.select(DRIFT.names).sort("day"))


def _together(golden: Mapping[str, Vectors]) -> Vectors:
    return np.concatenate([*golden.values()]) if golden else np.empty((0, 0), dtype=np.float32)


def _held(asked: Vectors, golden: Mapping[str, Vectors]) -> tuple[Held, ...]:
    sets = {"": _together(golden)} | (dict(golden) if len(golden) > 1 else {})
    found = []
    for name, vectors in sets.items():
        some = vectors[:MOST_NEW]
        told = shift(asked, some) if len(some) else None
        found.append(Held(name, len(vectors), told, 100 * float(far(asked, vectors).mean())))
    if len(golden) == 1:
        [name] = golden
        found.append(Held(name, found[0].questions, found[0].shift, found[0].far_percent))
    return tuple(found)


def _groups(asked: Vectors, lonely: pl.DataFrame) -> tuple[Group, ...]:
    found = []
    for one in topics(asked):
        if len(one.places) < LEAST_ALIKE:
            break
        mine = lonely[list(one.places)]
        principals = mine["client_id"].n_unique()
        typical = pl.concat([lonely[[one.center]], mine]).unique("user_query", keep="first", maintain_order=True)
        examples = tuple(typical["query_id"].head(_EXAMPLES))
        found.append(Group(len(one.places), principals if principals >= FEW else None, examples))
    return tuple(found)


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


def _kept(home: Home, found: Changes, earlier: int, now: datetime) -> Changes:
    """What was found, with the day since when golden sets are unlike. One row a day: a second look replaces the first."""
    into, day = drift_table(home), f"{now:%Y-%m-%d}"
    row = {
        "day": day,
        "new": found.new,
        "earlier": earlier,
        **_told(found.shift),
        "far_percent": found.far_percent if found.held else None,
        "golden_sets": [
            {"name": one.name, "questions": one.questions, "far_percent": one.far_percent, **_told(one.shift)}
            for one in found.held
        ],
        "topics": [asdict(one) | {"examples": list(one.examples)} for one in found.topics],
        "unlike": found.unlike,
    }
    with home.exclusive_table(into.path, wait_s=60):
        into.heal()
        into.delete(f"day = '{day}'")
        into.append(pa.Table.from_pylist([row], schema=DRIFT))
    since = None
    for each, unlike in measured(home).select("day", "unlike").sort("day", descending=True).iter_rows():
        if not unlike:
            break
        since = date.fromisoformat(each)
    return Changes(found.new, found.shift, found.held, found.topics, since)


def _told(said: Shift | None) -> dict[str, float | None]:
    return {name: getattr(said, name) if said else None for name in ("auc", "bound", "p")}
