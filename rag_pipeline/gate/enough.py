"""How many judged queries a golden set needs before it can pass a release, as a number and in words."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rag_pipeline.channels.pointer import PRODUCTION, serving
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.compare import answered_score, enough_for_margin, enough_for_share
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.gate.demands import compared
from rag_pipeline.gate.policy import NotWorse, Policy, SetPolicy
from rag_pipeline.golden.read import GoldenSet, read_golden_set
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest

_NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Enough:
    """What one golden set can show. `needed`: the largest of the rules that bind; infinite where a limit of 0 stands."""

    name: str
    queries: int
    needed: float
    because: str
    probes: int
    least: int | None
    """Probes from which they may answer; None where the policy asks none."""
    slices: tuple[str, ...] = ()
    """Critical slices with too few queries to pass on their own, in words."""
    measured: bool = True
    """False where nobody knows yet what answered queries score; then it is what they need at most."""

    @property
    def are_enough(self) -> bool:
        return self.queries >= self.needed

    @property
    def says(self) -> str:
        """The same in words, for people who judge."""
        about = "at most about" if not self.measured else "about"
        if self.are_enough:
            can = f"can pass a release that loses nothing ({about} {self.needed} can)"
            return f"{self.name}: its {self.queries} judged queries {can}"
        if self.needed == _NEVER:
            can = f"no number of them can pass one: {self.because}"
        else:
            can = f"on their own they cannot pass one ({about} {self.needed} can: {self.because})"
        return f"{self.name}: {self.queries} judged queries can refuse a release; {can}{self._probes()}"

    def _probes(self) -> str:
        if self.least is None:
            return ""
        if self.probes >= self.least:
            return f"; with its {self.probes} probes it passes one that changed nothing that matters"
        has = f"{self.probes} of the {self.least} probes" if self.probes else f"{self.least} probes"
        wanted = f"it has {has} with which" if self.probes else f"with {has}"
        return f"; {wanted} it would pass one that changed nothing that matters: `rag golden probes {self.name}`"


@dataclass(frozen=True, slots=True)
class SetSize:
    """How much a golden set asks. `slices`: (field, value) of a slice -> its queries."""

    name: str
    queries: int
    probes: int = 0
    slices: Mapping[tuple[str, str], int] = field(default_factory=dict)


def enough(
    size: SetSize,
    demands: SetPolicy,
    scores: Mapping[str, Sequence[float]] | None,
    *,
    spread: Mapping[str, float] | None = None,
) -> Enough | None:
    """None where nothing must be shown against production. `scores`: metric -> what production's queries score, None before
    any evaluation. `spread`: metric -> how much the differences of a comparison scatter, so that it is about that change.
    """
    wanted = demands.not_worse
    if wanted is None:
        return None
    needed, because = max(_rules(wanted, scores, spread or {}))
    return Enough(
        name=size.name,
        queries=size.queries,
        needed=needed,
        because=because,
        probes=size.probes,
        least=demands.probes.least if demands.probes else None,
        slices=tuple(_small_slices(demands, wanted, scores, size.slices)),
        measured=scores is not None,
    )


def _small_slices(
    demands: SetPolicy, wanted: NotWorse, scores: Mapping[str, Sequence[float]] | None, sizes: Mapping[tuple[str, str], int]
) -> Iterator[str]:
    """Critical ones whose own margin fewer queries cannot show. Others only warn, and need no number."""
    answered = answered_score(scores.get(wanted.metric, ())) if scores else 1.0
    for name, values in demands.slices.items():
        for value, one in values.items():
            needed = enough_for_margin(answered, one.margin, confidence=wanted.confidence)
            if one.critical and (name, value) in sizes and (needed is None or sizes[name, value] < needed):
                can = f"about {needed} can" if needed else "no number of queries can"
                yield (
                    f"slice {name} = {value} has {sizes[name, value]} queries, too few to show that it lost no more than "
                    f"{one.margin:g} ({can}); add queries, or make it no critical slice in gate.yaml"
                )


def _rules(
    wanted: NotWorse, scores: Mapping[str, Sequence[float]] | None, spread: Mapping[str, float]
) -> list[tuple[float, str]]:
    """(queries needed, why), for every demand of a comparison."""
    margins = {f"recall@{wanted.guard_k}": wanted.guard_margin, wanted.metric: wanted.margin}
    rules: list[tuple[float, str]] = []
    for metric, margin in margins.items():
        if margin is None:
            continue
        answered = answered_score(scores.get(metric, ())) if scores else 1.0
        found = enough_for_margin(answered, margin, sd=spread.get(metric, 0.0), confidence=wanted.confidence)
        because = f"that {metric} lost no more than {margin:g} is not shown by fewer"
        rules.append((_NEVER if found is None else found, because))
    if wanted.hit_to_miss_max_percent is not None:
        found = enough_for_share(wanted.hit_to_miss_max_percent / 100, confidence=wanted.confidence)
        because = f"that no more than {wanted.hit_to_miss_max_percent:g} % lost their answer is not shown by fewer"
        rules.append((_NEVER if found is None else found, because))
    return rules or [(1, "nothing else is asked")]


def enough_for(evidence: Evidence, policy: Policy, channel: str) -> dict[str, Enough]:
    """golden set -> what it can show, of those that are held against production: by what production scores, and by the
    scatter of this very comparison where there is one."""
    found = {}
    for name, one in evidence.golden_sets.items():
        if told := enough_of(name, one, policy.channel(channel).golden_sets.get(name, SetPolicy())):
            found[name] = told
    return found


def enough_of(name: str, one: SetEvidence, demands: SetPolicy) -> Enough | None:
    """The same of one set."""
    if one.made_by == "machine" or demands.not_worse is None:
        return None
    spread = {}
    for metric in demands.not_worse.metrics:
        with suppress(KeyError):
            sd = compared(one, metric, demands.not_worse.confidence).sd
            spread[metric] = sd if math.isfinite(sd) else 0.0
    probes = len(one.probes.ids) if one.probes else 0
    return enough(SetSize(name, one.queries, probes), demands, one.production or one.values, spread=spread)


def enough_in(folder: Path, home: Home, policy: Policy | None, channel: str = PRODUCTION) -> Enough | None:
    """What the golden set of a folder can show as it is now; by the default demands where there is no policy."""
    golden = read_golden_set(folder)
    named = policy.channel(channel).golden_sets if policy else {}
    return enough_now(home, golden, named.get(golden.name, SetPolicy()))


def enough_now(home: Home, golden: GoldenSet, demands: SetPolicy) -> Enough | None:
    """What a golden set as it is now can show, by what serves now; before anything serves, what it needs at most."""
    if golden.about.made_by == "machine":
        return None
    scores = None
    with suppress(PipelineError):
        release = serving(home)
        evidence = newest(home, read_manifest(home.release(release)).fingerprint) if release else None
        if evidence and golden.name in evidence.golden_sets:
            scores = evidence.golden_sets[golden.name].values
    sizes = Counter(found for values in golden.slices.values() for found in values.items())
    return enough(SetSize(golden.name, len(golden.queries), len(golden.probes), sizes), demands, scores)
