"""The gate's policy, `evals/gate.yaml`: what each channel demands, with the line every demand stands on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rag_pipeline.contracts.yaml_lines import Step, YamlFile, read_yaml
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.metrics import metric
from rag_pipeline.files import fingerprint
from rag_pipeline.release.channels import PRODUCTION

FILE = "gate.yaml"


Promotion = Literal["automatic", "manual"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NotWorse(_Strict):
    """The candidate must not be worse than production by more than `margin` (absolute) on `metric`."""

    metric: str = "nDCG@10"
    margin: float = Field(default=0.02, ge=0, le=1)


class SetPolicy(_Strict):
    """Demands on one golden set. Metrics are shares from 0 to 1."""

    floors: dict[str, float] = Field(default_factory=dict)
    not_worse: NotWorse | None = NotWorse()
    dead_judgments_max_percent: float = Field(default=2.0, ge=0, le=100)


class LatencyPolicy(_Strict):
    p50_ms: float | None = Field(default=None, gt=0)
    p95_ms: float | None = Field(default=None, gt=0)


class ChannelPolicy(_Strict):
    """Demands on a release before one channel may point at it."""

    promotion: Promotion | None = None
    """`manual`: the nightly run stops at the verdict, a person moves the channel. Left out: as RAG_PROMOTION says."""
    evidence_max_age_hours: float = Field(default=24.0, gt=0)
    sources_within_sla: bool = True
    sources_keep_quality: bool = True
    """Refuse a release built from data that breaks a quality rule of severity error of its contract."""
    latency: LatencyPolicy = LatencyPolicy()
    golden_sets: dict[str, SetPolicy] = Field(min_length=1)


_ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A file name, and the name of an asset beside the ones of the graph."""

_TAKEN = {"candidate", "evaluation", "production_evaluation", "kept_releases"}


class _File(_Strict):
    channels: dict[_ChannelName, ChannelPolicy] = Field(min_length=1)


@dataclass(frozen=True)
class Policy:
    """`gate.yaml`, and where each demand stands in it."""

    document: YamlFile
    channels: dict[str, ChannelPolicy]

    def fingerprint(self, channel: str) -> str:
        """Of one channel's demands: changing another channel's, or a comment, does not make evidence stale."""
        return fingerprint(self.channel(channel).model_dump(mode="json", exclude={"promotion"}))

    @property
    def fingerprints(self) -> dict[str, str]:
        """Channel -> fingerprint of its demands."""
        return {name: self.fingerprint(name) for name in self.channels}

    def channel(self, name: str) -> ChannelPolicy:
        if name not in self.channels:
            raise GoldenSetError(f"{self.document.path}: channel {name!r} has no policy; known: {', '.join(self.channels)}")
        return self.channels[name]

    def line(self, channel: str, *steps: Step) -> str:
        """`gate.yaml:12`: where a demand of a channel stands."""
        return f"{FILE}:{self.document.where(('channels', channel, *steps)).rpartition(':')[2]}"


def read_policy(evals: Path) -> Policy:
    """Read and validate `gate.yaml`. Raises `GoldenSetError` with file, line and field."""
    policy = _read(evals)
    for channel, demands in policy.channels.items():
        for name, one in demands.golden_sets.items():
            at = ("channels", channel, "golden_sets", name)
            for measure, floor in one.floors.items():
                _check_metric(policy.document, (*at, "floors", measure), measure)
                if not 0 <= floor <= 1:
                    raise GoldenSetError(
                        _problem(policy.document, (*at, "floors", measure), "a floor is a share from 0 to 1")
                    )
            if one.not_worse:
                _check_metric(policy.document, (*at, "not_worse", "metric"), one.not_worse.metric)
    return policy


def promotions(evals: Path, default: Promotion) -> dict[str, Promotion]:
    """Channel -> whether the nightly run moves it.

    A policy that cannot be read names production alone, whose gate will say what is wrong with it. Metrics are not
    looked at: the graph is loaded often, and their library is heavy.
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
        raise GoldenSetError(
            "\n".join(_problem(document, entry["loc"], entry["msg"]) for entry in error.errors())
        ) from error
    for name in channels.keys() & _TAKEN:
        raise GoldenSetError(_problem(document, ("channels", name), "an asset has this name; call the channel otherwise"))
    return Policy(document, channels)


def _check_metric(document: YamlFile, at: tuple[Step, ...], name: str) -> None:
    try:
        metric(name)
    except GoldenSetError as error:
        raise GoldenSetError(_problem(document, at, str(error))) from error


def _problem(document: YamlFile, at: tuple[Step, ...], message: str) -> str:
    return f"{document.where(at)}: {'.'.join(str(step) for step in at)}: {message}"
