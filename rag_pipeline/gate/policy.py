"""The gate's policy, `evals/gate.yaml`: what each channel demands, with the line that holds every demand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.contracts.yaml_lines import Step, YamlFile, read_yaml
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.files import fingerprint
from rag_pipeline.gate.answers_policy import AnswersPolicy
from rag_pipeline.gate.traffic_policy import AfterPolicy, ServingPolicy, Strict, said, strange_demands
from rag_pipeline.metrics.documents import known_metric

FILE = "gate.yaml"

Promotion = Literal["automatic", "manual"]


class AnchorPolicy(Strict):
    """What many releases together may lose against the one a person last accepted, the channel's anchor."""

    margin: float = Field(default=0.02, ge=0, le=1)
    """The margin of the metric of not_worse, on lists without documents that the anchor could not have."""


_FOR_A_GAIN = 1.5
"""By how much more answers may be lost where the gain is beyond doubt."""


class NotWorse(Strict):
    """The candidate must not be worse than production on the same queries. Margins are absolute, from 0 to 1."""

    metric: str = "nDCG@10"
    margin: float = Field(default=0.02, ge=0, le=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """The confidence of every one-sided bound: 0.95 lets one release in twenty pass that is exactly at the margin."""
    guard_k: int = Field(default=10, ge=1, le=1000)
    """How many documents consumers read: recall and hits are guarded at this depth."""
    guard_margin: float | None = Field(default=0.03, ge=0, le=1)
    """Margin of recall@guard_k; null for no guard."""
    hit_to_miss_max_percent: float | None = Field(default=5.0, ge=0, le=100)
    """Queries answered in production's first guard_k and not in the candidate's; needs 59 queries. null: no limit.
    Half as many again may, where the metric's gain is beyond doubt: see `lost_max_percent`."""
    vanished_max_percent: float | None = Field(default=1.0, ge=0, le=100)
    """Judgments that production can meet and whose document or passage left the sources since, of all; null: no limit.
    Each counts as a lost answer in any case, until it is taken out of the set or the release is promoted by override."""
    judged_drop_max: float | None = Field(default=0.1, ge=0, le=1)
    """Drop of judged@10 beyond which figures may fall for want of judgments; null: no limit."""

    anchor: AnchorPolicy | None = AnchorPolicy()
    """Small losses must not add up; null: each release is compared with the one before alone."""

    def lost_max_percent(self, *, gain: bool) -> float | None:
        """The share of queries that may lose their answer, in percent. `gain`: the metric's lower bound is above 0.

        No great gain comes without a query lost, so then the limit is wider. How much was measured (gate_power.py, 180 and
        300 questions): real gains of .08 and .13 that lose 2 % of the queries pass in 94 % and more, and a tenth of the
        questions ruined while the mean rises in 2 %. Twice the limit would let 22 % of those pass; without one, 52 %.
        """
        limit = self.hit_to_miss_max_percent
        return limit * _FOR_A_GAIN if gain and limit is not None else limit

    @property
    def metrics(self) -> list[str]:
        """What must be measured on both sides."""
        return [self.metric, f"recall@{self.guard_k}", f"hit@{self.guard_k}"]


class ProbesPolicy(Strict):
    """What unjudged questions (`probes.jsonl` of the golden set) may show where the judged ones are too few to tell."""

    least: int = Field(default=200, ge=60, le=100_000)
    """Probes from which they may pass a release that changed nothing that matters."""
    margin: float | None = Field(default=None, gt=0, le=1)
    """How much their expected loss may be, by the metric of not_worse; null: as its margin."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much of a metric may be lost, how surely that must be shown, and where gate.yaml says so."""

    metric: str
    margin: float
    confidence: float
    line: str


class SlicePolicy(Strict):
    """Demands on the queries of one slice. A critical slice must be not worse on its own, an advisory one only warns."""

    critical: bool = True
    margin: float = Field(default=0.05, ge=0, le=1)
    floors: dict[str, float] = Field(default_factory=dict)


class SetPolicy(Strict):
    """Demands on one golden set. Metrics are shares from 0 to 1."""

    critical: bool = True
    """An advisory set warns where a critical one refuses."""
    floors: dict[str, float] = Field(default_factory=dict)
    not_worse: NotWorse | None = NotWorse()
    probes: ProbesPolicy | None = ProbesPolicy()
    """null: however few the judged queries are, they alone decide."""
    dead_judgments_max_percent: float = Field(default=2.0, ge=0, le=100)
    """Judgments whose document or quoted passage is gone."""
    slices: dict[str, dict[str, SlicePolicy]] = Field(default_factory=dict)
    """Field of the queries' metadata -> value -> demands."""

    @property
    def metrics(self) -> list[str]:
        floors = [*self.floors, *(name for values in self.slices.values() for one in values.values() for name in one.floors)]
        return [*floors, *(self.not_worse.metrics if self.not_worse else ())]


class LatencyPolicy(Strict):
    """Milliseconds a query may take, embedding included, with `concurrency` users asking at a time."""

    concurrency: int = Field(default=1, ge=1, le=64)
    p50_ms: float | None = Field(default=None, gt=0)
    p95_ms: float | None = Field(default=None, gt=0)


class WatchPolicy(Strict):
    """What production is watched for between promotions, and whether the release before comes back by itself."""

    rollback: bool = False
    """Go back to the release before, through the gate, when production got worse. Only where it passes."""
    slower_factor: float | None = Field(default=3.0, gt=1)
    """How many times the latency p95 of its promotion production may take; null: as long as the policy allows."""
    vanished_max_percent: float = Field(default=0.0, ge=0, le=100)
    """Judgments that resolved at promotion and do not any more, of all."""


class ChannelPolicy(Strict):
    """Demands on a release before one channel may point at it."""

    promotion: Promotion | None = None
    """`manual`: the nightly run stops at the verdict, a person moves the channel. Left out: as RAG_PROMOTION says."""
    evidence_max_age_hours: float = Field(default=24.0, gt=0)
    sources_within_sla: bool = True
    sources_keep_quality: bool = True
    """Refuse a release built from data that breaks a quality rule of severity error of its contract."""
    sources_may_shrink_percent: float | None = Field(default=20.0, ge=0, le=100)
    """Documents of each source in production that the candidate may lack; one document always may. null: no limit."""
    approximate_recall_min: float | None = Field(default=None, ge=0, le=1)
    """Share of the ten truly nearest chunks that the index finds, by exact search."""
    overlap_at_10_min: float | None = Field(default=None, ge=0, le=1)
    """Share of production's first ten documents that the candidate retrieves too, judged or not."""
    latency: LatencyPolicy = LatencyPolicy()
    watch: WatchPolicy = WatchPolicy()
    after: AfterPolicy | None = None
    """What must have been served from the release before, on another channel; left out: nothing."""
    serving: ServingPolicy = ServingPolicy()
    answers: AnswersPolicy | None = None
    golden_sets: dict[str, SetPolicy] = Field(min_length=1)


_ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A file name, and the name of an asset beside the ones of the graph."""

_NOT_MEASURED = {"promotion", "watch", "after", "serving", "answers", "sources_may_shrink_percent"}
"""Demands that evidence holds nothing of."""

_TAKEN = {"candidate", "evaluation", "production_evaluation", "kept_releases"}


class _File(Strict):
    channels: dict[_ChannelName, ChannelPolicy] = Field(min_length=1)


@dataclass(frozen=True)
class Policy:
    """`gate.yaml`, and where each demand stands in it."""

    document: YamlFile
    channels: dict[str, ChannelPolicy]

    def fingerprint(self, channel: str) -> str:
        """Fingerprint of one channel's demands: changing another channel's, or a comment, does not make evidence stale.

        Nor does what nothing has to be measured for.
        """
        told = self.channel(channel).model_dump(mode="json", exclude=_NOT_MEASURED)
        for one in told["golden_sets"].values():
            del one["probes"]
            for later in ("anchor", "vanished_max_percent") if one["not_worse"] else ():
                del one["not_worse"][later]
        return fingerprint(told | self._of_traffic(channel))

    def traffic_fingerprint(self, channel: str) -> str:
        """Fingerprint of what a channel demands of traffic: evidence of traffic is about just that."""
        return fingerprint(self._of_traffic(channel))

    def _of_traffic(self, channel: str) -> dict[str, object]:
        """Nothing where nothing is demanded, so that the fingerprints of before stay."""
        demands = self.channel(channel)
        told = demands.model_dump(mode="json", include={"after", "serving"})
        return told if demands.after else {}

    @property
    def fingerprints(self) -> dict[str, str]:
        """Channel -> fingerprint of its demands."""
        return {name: self.fingerprint(name) for name in self.channels}

    def metrics(self, golden_set: str) -> list[str]:
        """What some channel's demands need of a golden set; one that no channel names is held to the defaults."""
        demands = [one.golden_sets.get(golden_set, SetPolicy()) for one in self.channels.values()]
        return list(dict.fromkeys(metric for one in demands for metric in one.metrics))

    @property
    def concurrencies(self) -> tuple[int, ...]:
        """How many users at a time latency must be measured with."""
        return tuple(sorted({demands.latency.concurrency for demands in self.channels.values()}))

    def channel(self, name: str) -> ChannelPolicy:
        if name not in self.channels:
            raise GoldenSetError(f"{self.document.path}: channel {name!r} has no policy; known: {', '.join(self.channels)}")
        return self.channels[name]

    def demands_on(self, golden_set: str, channel: str, *, made_by: str = "people") -> SetPolicy:
        """A channel's demands on a golden set: the defaults where it names none; of a machine's queries, the floors only."""
        demands = self.channel(channel).golden_sets.get(golden_set, SetPolicy())
        return demands.model_copy(update={"not_worse": None}) if made_by == "machine" else demands

    def line(self, channel: str, *steps: Step) -> str:
        """`gate.yaml:12`: where a demand of a channel stands."""
        return f"{FILE}:{self.document.where(('channels', channel, *steps)).rpartition(':')[2]}"


def read_policy(evals: Path) -> Policy:
    """Read and validate `gate.yaml`. Raises `GoldenSetError` with file, line and field."""
    policy = _read(evals)
    for steps, strange in strange_demands({name: (one.after, one.serving) for name, one in policy.channels.items()}):
        raise GoldenSetError(_problem(policy.document, ("channels", *steps), strange))
    for channel, demands in policy.channels.items():
        for name, one in demands.golden_sets.items():
            at = ("channels", channel, "golden_sets", name)
            floors: dict[tuple[str, ...], float] = {(*at, "floors", measure): floor for measure, floor in one.floors.items()}
            floors |= {
                (*at, "slices", field, value, "floors", measure): floor
                for field, values in one.slices.items()
                for value, demanded in values.items()
                for measure, floor in demanded.floors.items()
            }
            for where, floor in floors.items():
                _check_metric(policy.document, where, where[-1])
                if not 0 <= floor <= 1:
                    raise GoldenSetError(_problem(policy.document, where, "a floor is a share from 0 to 1"))
            if one.not_worse:
                _check_metric(policy.document, (*at, "not_worse", "metric"), one.not_worse.metric)
    return policy


def promotions(evals: Path, default: Promotion) -> dict[str, Promotion]:
    """Channel -> whether the nightly run moves it.

    A policy that cannot be read names production alone, whose gate will say what is wrong with it.
    """
    try:
        return {name: demands.promotion or default for name, demands in _read(evals).channels.items()}
    except GoldenSetError:
        return {PRODUCTION: default}


def _read(evals: Path) -> Policy:
    path = evals / FILE
    if not path.is_file():
        raise GoldenSetError(f"{path}: no such file; it says what production must meet, and without it nothing is promoted")
    document = read_yaml(path, GoldenSetError)
    try:
        channels = _File.model_validate(document.content).channels
    except ValidationError as error:
        raise GoldenSetError("\n".join(_problem(document, entry["loc"], said(entry)) for entry in error.errors())) from error
    if PRODUCTION not in channels:
        says = f"no channel is called {PRODUCTION}, which is what users are answered from; found: {', '.join(channels)}"
        raise GoldenSetError(_problem(document, ("channels",), says))
    for name in channels.keys() & _TAKEN:
        raise GoldenSetError(_problem(document, ("channels", name), "an asset has this name; give the channel another name"))
    return Policy(document, channels)


def _check_metric(document: YamlFile, at: tuple[Step, ...], name: str) -> None:
    try:
        known_metric(name)
    except GoldenSetError as error:
        raise GoldenSetError(_problem(document, at, str(error))) from error


def _problem(document: YamlFile, at: tuple[Step, ...], message: str) -> str:
    return f"{document.where(at)}: {'.'.join(str(step) for step in at)}: {message}"
