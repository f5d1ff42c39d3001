"""A try: the attempts of a plan made one after the other on the same documents and the same questions, then compared.

What serves, the candidate and the gate never hear of it.
"""

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from rag_pipeline.attempts import figures
from rag_pipeline.attempts.attempt import Ground, PerSet, make
from rag_pipeline.attempts.figures import Attempt, SetFigures, Tried
from rag_pipeline.attempts.page import write_page
from rag_pipeline.attempts.plan import Planned, plan
from rag_pipeline.attempts.workshop import workshop
from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.files import fingerprint
from rag_pipeline.gate.policy import FILE, Policy, read_policy
from rag_pipeline.golden.read import GoldenSet, read_golden_sets, refuse_unquoted
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.settings import Settings

log = logging.getLogger("rag_pipeline")

_RECALL = "recall@"


def try_settings(settings: Settings, values: Mapping[str, Sequence[str]], *, run_id: str, now: datetime) -> Tried:
    """Try every combination of these values of settings, and keep what came of it, with a page for people.

    `values`: variable -> its values as text. An attempt that fails is told with its problem, and the others go on. Raises
    `PipelineError` when nothing can be tried, or the settings as they are cannot be measured.
    """
    started = time.monotonic()
    planned = plan(settings, values)
    policy, golden_sets = read_policy(settings.evals), read_golden_sets(settings.evals)
    if not golden_sets:
        raise GoldenSetError(
            f"{settings.evals} holds no golden set, so nothing can be compared; `rag golden new` proposes one from titles"
        )
    metrics = [_metrics(golden, policy) for golden in golden_sets]
    for golden, names in zip(golden_sets, metrics, strict=True):
        refuse_unquoted(golden, names, f"golden set {golden.name}, by {FILE}")
    sources = [contract.source for contract in planned[0].contracts]
    with workshop(settings, sources) as work:
        corpus = corpus_for(work, sources, golden_sets)
        living = [resolve(golden, corpus) for golden in golden_sets]
        asked = [place for place, one in enumerate(living) if one.qrels]
        if not asked:
            raise GoldenSetError(
                "no question of any golden set has an answer among the documents, so nothing can be compared; "
                f"`rag golden check {golden_sets[0].name}` says what is missing"
            )
        ground = Ground(
            home=settings.home,
            work=work,
            living=[living[place] for place in asked],
            metrics=[metrics[place] for place in asked],
            users=policy.channel(PRODUCTION).latency.concurrency,
            run_id=run_id,
            now=now,
        )
        confidence = figures.confidence_of(len(planned) - 1, len(asked))
        attempts = _attempts(ground, planned, confidence)
    tried = Tried(
        id=f"{now:%Y%m%d-%H%M%S}-{fingerprint(run_id, str(uuid.uuid4()), length=8)}",
        at=now,
        run_id=run_id,
        seconds=round(time.monotonic() - started, 1),
        confidence=confidence,
        attempts=attempts,
    )
    figures.keep(settings.home, tried)
    write_page(settings.home, tried)
    return tried


def _attempts(ground: Ground, planned: Sequence[Planned], confidence: float) -> list[Attempt]:
    """Every attempt with its figures; the first is what the others are compared with."""
    made: list[Attempt] = []
    now: PerSet | None = None
    for place, one in enumerate(planned):
        log.info("attempt %d of %d: %s", place + 1, len(planned), one.name)
        try:
            attempt, scores = make(ground, one)
        except PipelineError as error:
            if now is None:
                raise PipelineError(f"the settings as they are could not be measured: {error}") from error
            log.warning("%s could not be measured: %s", one.name, error)
            made.append(Attempt(name=one.name, changed=dict(one.changed), problem=str(error)))
            continue
        shown = tuple(
            _shown(living, mine, now[at] if now else None, confidence)
            for at, (living, mine) in enumerate(zip(ground.living, scores, strict=True))
        )
        made.append(attempt.model_copy(update={"golden_sets": shown}))
        now = now or scores
    return made


def _shown(
    living: ResolvedSet, mine: Mapping[str, list[float]], now: Mapping[str, list[float]] | None, confidence: float
) -> SetFigures:
    about = living.golden.about
    recall = next(name for name in mine if name.startswith(_RECALL))
    return SetFigures(
        golden_set=living.golden.name,
        made_by=about.made_by,
        questions=len(living.qrels),
        primary=figures.figure(about.primary, mine, now, confidence),
        recall=figures.figure(recall, mine, now, confidence),
        others={name: average(values) for name, values in mine.items() if name not in (about.primary, recall)},
    )


def _metrics(golden: GoldenSet, policy: Policy) -> list[str]:
    """The metrics of golden.yaml, those gate.yaml asks for, and recall."""
    named = dict.fromkeys([golden.about.primary, *golden.about.metrics, *policy.metrics(golden.name)])
    if not any(name.startswith(_RECALL) for name in named):
        named["recall@10"] = None
    return list(named)
