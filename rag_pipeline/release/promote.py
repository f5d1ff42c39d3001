"""Promotion: the one way to move a channel. It decides again, moves or refuses, and writes that down."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from rag_pipeline.channels.audit import audit_held, channel_now, move_and_record, record, settle
from rag_pipeline.channels.hold import resume
from rag_pipeline.channels.pointer import PRODUCTION, Channel, Hold, serving
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import Standing, read_lists, standing
from rag_pipeline.evaluate.recompute import contradictions, known_to_production
from rag_pipeline.files import file_sha256
from rag_pipeline.gate.accept import ChannelAnchor
from rag_pipeline.gate.answers import decide_answers
from rag_pipeline.gate.decide import Facts, decide
from rag_pipeline.gate.policy import Policy, read_policy
from rag_pipeline.gate.shrink import InProduction, documents_of, in_production
from rag_pipeline.gate.traffic import TrafficFacts, sought
from rag_pipeline.gate.verdict import Verdict, outcome_of
from rag_pipeline.golden.read import GoldenSet, read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, damaged_files, read_manifest
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.mirrored import looked_up
from rag_pipeline.release.answers import AnswersAsked, Situation, answers_asked
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.rollback import promoted_before
from rag_pipeline.release.served import traffic_facts
from rag_pipeline.settings import Settings, seal_key


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """What a decision is taken with: the policy, the golden sets and the contracts as they are now."""

    home: Home
    policy: Policy
    golden_sets: tuple[GoldenSet, ...]
    contracts: tuple[Contract, ...]
    now: datetime

    def reuse_hours(self, release_id: str) -> float:
        """How old evidence may be and still spare a measurement: any age when there is nothing to decide."""
        if serving(self.home) == release_id:
            return math.inf
        return min(demands.evidence_max_age_hours for demands in self.policy.channels.values()) / 2

    def anchor(self, channel: str) -> ChannelAnchor:
        """The anchor of a channel, to be asked about a release."""
        return ChannelAnchor(self.home, channel, self.policy, self.golden_sets)


def inputs_now(settings: Settings, contracts: tuple[Contract, ...], now: datetime) -> DecisionInputs:
    """The inputs as of now. Raises `GoldenSetError` when the policy or a golden set is malformed."""
    return DecisionInputs(settings.home, read_policy(settings.evals), read_golden_sets(settings.evals), contracts, now)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of it. `moved` is False when the channel pointed there already."""

    verdict: Verdict
    channel: Channel
    moved: bool


def judge(
    inputs: DecisionInputs, release_id: str, channel: str = PRODUCTION, *, named: bool = False
) -> tuple[Verdict, Evidence | None]:
    """The verdict on a release as of now, from what lies on disk. Changes nothing.

    `named` says that a person asks for this very release: then it does not matter that it was rolled back once, nor that
    somebody holds the channel.
    """
    request = PromotionRequest(release_id, by="", why="", channel=channel, named=named)
    current = channel_now(inputs.home, channel)
    facts, evidence = _facts(inputs, request, current, _asked(inputs, request, current))
    return decide(evidence, inputs.policy, channel, facts, inputs.now), evidence


def promote(inputs: DecisionInputs, request: PromotionRequest, *, run_id: str) -> Promotion:
    """Point a channel at a release, if the gate says yes, or a person takes it upon them.

    A release whose files are not the ones it was built with is refused in any case. Raises `PromotionRefused` with every
    reason; the channel is then as it was. Moves, overrides and refusals are written to the audit table.
    """
    if request.override and not request.signed:
        says = f"{request.release} was not promoted: an override needs a name (by) and a reason (why)"
        raise PromotionRefused(f"{says}; {request.how_to_override}")
    looked_up(inputs.home.evidence_heads, inputs.home.evidence, inputs.home.answers)
    expected = settle(inputs.home, request.channel)
    asked = _asked(inputs, request, expected)
    if expected and expected.release == request.release and asked.version != expected.version:
        return _answers_alone(inputs, request, expected, asked, run_id=run_id)
    facts, evidence = _facts(inputs, request, expected, asked)
    verdict = decide(evidence, inputs.policy, request.channel, facts, inputs.now)
    if expected and expected.release == request.release:
        if expected.hold and request.of_a_person and not request.withdraw:
            who = {"by": request.by, "why": request.why, "run_id": run_id}
            expected = resume(inputs.home, request.channel, **who, now=inputs.now)
        return Promotion(verdict, expected, moved=False)
    manifest = read_manifest(inputs.home.release(request.release))
    move = Channel(
        release=request.release,
        fingerprint=facts.release_fingerprint,
        withdrawn=_withdrawn(expected, (facts.release_fingerprint, asked.version), request, inputs.now),
        previous=expected.release if expected else None,
        sequence=(expected.sequence if expected else 0) + 1,
        at=inputs.now,
        by=request.by,
        why=request.why,
        run_id=run_id,
        action="promoted" if verdict.passed else "overridden",
        outcome=verdict.outcome,
        reasons=tuple(str(reason) for reason in (*verdict.reasons, *verdict.notes)),
        evidence=evidence.seal if evidence else None,
        hold=_hold(expected, facts.release_fingerprint, request, inputs.now),
        answers=asked.named(verdict.outcome),
    )
    if facts.damage:
        cannot = f"no override helps: `rag verify {request.release} --repair` builds it again"
        raise _refused(inputs, request.channel, move, verdict.outcome, cannot)
    if facts.hold:
        raise _refused(inputs, request.channel, move, "held", request.how_to_name, held=True)
    if not (verdict.passed or request.override):
        raise _refused(inputs, request.channel, move, verdict.outcome, request.how_to_override)
    anchor = inputs.anchor(request.channel)
    now = anchor.after(move, expected, facts.anchor, manifest, evidence, withdraw=request.withdraw)
    move = move.model_copy(update={"anchor": now})
    try:
        move_and_record(inputs.home, request.channel, move, expected=request.leaving or expected)
    except ReleaseError as faster:
        overtaken = move.model_copy(update={"reasons": (str(faster),)})
        raise _refused(inputs, request.channel, overtaken, "overtaken", "") from faster
    return Promotion(verdict, move, moved=True)


def _refused(
    inputs: DecisionInputs, channel: str, move: Channel, outcome: str, then: str, *, held: bool = False
) -> PromotionRefused:
    """Writes the refusal down. `then`: what a person can do about it."""
    with audit_held(inputs.home):
        record(inputs.home, channel, move.model_copy(update={"action": "refused", "outcome": outcome}))
    told = "" if held else f"{outcome}. "  # that it is held is the reason itself
    says = f"{move.release} was not promoted to {channel}: {told}{'; '.join(filter(None, (*move.reasons, then)))}"
    return PromotionRefused(says, move.reasons, held=held)


def _facts(
    inputs: DecisionInputs, request: PromotionRequest, current: Channel | None, asked: AnswersAsked
) -> tuple[Facts, Evidence | None]:
    release_id, channel = request.release, request.channel
    release = inputs.home.release(release_id)
    manifest = read_manifest(release)
    if manifest.id != release_id:  # a copy under another name: its files would not be the ones that are checked
        raise ReleaseError(f"{release_id} holds the manifest of {manifest.id}; promote that one, and remove the copy")
    production = current if channel == PRODUCTION else channel_now(inputs.home, PRODUCTION)
    moved = current if current and current.release != release_id else None
    going_back = request.withdraw and promoted_before(inputs.home, channel, manifest)
    found = standing(inputs.home, manifest.fingerprint)
    with ThreadPoolExecutor(4) as beside:  # half of a promotion's time is checksums, and they leave the interpreter free
        damage = beside.submit(damaged_files, release, manifest, deep=True)
        compared = beside.submit(inputs.anchor(channel).facts, current, found.evidence, manifest)
        sources = beside.map(lambda contract: source_state(contract, inputs.home, inputs.now), inputs.contracts)
        facts = Facts(
            release=release_id,
            release_fingerprint=manifest.fingerprint,
            manifest_sha256=file_sha256(inputs.home.manifest(release_id)),
            model_fingerprint=manifest.model.fingerprint,
            golden_fingerprints={golden.name: golden.fingerprint for golden in inputs.golden_sets},
            production=production.release if production else None,
            current=current.release if current else None,
            sources=tuple(_as_built(state, manifest) for state in sources),
            withdrawn=moved.withdrawn.get(manifest.fingerprint, "") if moved and not request.named else "",
            evidence_problems=_evidence_problems(inputs, found, manifest),
            production_unknown=_unknown(inputs.home, found.evidence),
            seal_key=seal_key(),
            damage=damage.result(),
            documents=documents_of(manifest),
            in_production=None if request.withdraw else _in_production(inputs.home, production, manifest),
            hold=moved.hold.says(channel) if moved and moved.hold and not request.of_a_person else "",
            anchor=compared.result(),
            going_back=going_back,
            sources_count=not (going_back and request.of_a_person),
            answers=asked.facts,
            traffic=_traffic(inputs, channel, manifest, alone=production is None),
            serves=bool(current and current.fingerprint == manifest.fingerprint),
        )
    return facts, found.evidence


def _traffic(inputs: DecisionInputs, channel: str, manifest: Manifest, *, alone: bool) -> TrafficFacts | None:
    wanted = sought(inputs.policy, channel, manifest.id, manifest.fingerprint)
    return traffic_facts(inputs.home, wanted, inputs.now, alone=alone) if wanted else None


def _evidence_problems(inputs: DecisionInputs, found: Standing, manifest: Manifest) -> tuple[str, ...]:
    """Why the newest evidence does not count: it is not what was kept, or its figures are not what its lists give."""
    computed = contradictions(inputs.home, found.evidence, inputs.golden_sets, manifest) if found.evidence else ()
    return (*([found.problem] if found.problem else []), *computed)


def _unknown(home: Home, evidence: Evidence | None) -> str:
    """Why nobody can tell any more which documents production has; empty where nothing hangs on it."""
    if evidence is None or not any(one.probes for one in evidence.golden_sets.values()):
        return ""
    return known_to_production(home, evidence, read_lists(home, evidence))[1]


def _in_production(home: Home, channel: Channel | None, candidate: Manifest) -> InProduction | None:
    """What is in production, None when nothing is. The same content under another id has the same documents."""
    if channel is None:
        return None
    if channel.fingerprint == candidate.fingerprint:
        return InProduction(documents_of(candidate))
    try:
        return in_production(home, read_manifest(home.release(channel.release)), candidate)
    except ReleaseError as error:
        return InProduction({}, unreadable=str(error))


def _as_built(state: SourceState, manifest: Manifest) -> SourceState:
    """A source's state without quality rules that broke on other data than the release was built from."""
    built = manifest.sources.get(state.source)
    return state if built and built.data_version == state.data_version else replace(state, broken=(), lost=0)


def _hold(expected: Channel | None, promoted: str, request: PromotionRequest, now: datetime) -> Hold | None:
    """A rollback holds. A person who names a release lifts that, but a twin of what serves only takes its place."""
    if request.withdraw:
        return Hold(at=now, by=request.by, why=request.why)
    return expected.hold if expected and expected.fingerprint == promoted else None


def _withdrawn(
    expected: Channel | None, promoted: tuple[str, str | None], request: PromotionRequest, now: datetime
) -> dict[str, str]:
    """What no refresh and no rollback may bring back: what was, and what is rolled back now, less what is promoted now.

    `promoted`: fingerprint of the release, id of the answer version."""
    withdrawn = dict(expected.withdrawn) if expected else {}
    if expected and request.withdraw:
        says = f"{request.by} at {now:%Y-%m-%d %H:%M} UTC ({request.why})"
        withdrawn |= {left: says for left in (expected.fingerprint, expected.version) if left and left not in promoted}
    return {one: says for one, says in withdrawn.items() if one not in promoted}


def _asked(inputs: DecisionInputs, request: PromotionRequest, current: Channel | None) -> AnswersAsked:
    """The answer version that is to be named, and what has to be shown of it."""
    return answers_asked(Situation(inputs.home, inputs.policy, inputs.golden_sets), request, current)


def _answers_alone(
    inputs: DecisionInputs, request: PromotionRequest, expected: Channel, asked: AnswersAsked, *, run_id: str
) -> Promotion:
    """Name another answer version beside the release that serves, which nothing is decided about: it stays."""
    reasons = decide_answers(inputs.policy, request.channel, asked.facts, inputs.now) if asked.facts else ()
    verdict = Verdict(expected.release, outcome_of(reasons), reasons)
    move = expected.model_copy(
        update={
            "sequence": expected.sequence + 1,
            "at": inputs.now,
            "by": request.by,
            "why": request.why,
            "run_id": run_id,
            "action": "answers",
            "withdrawn": _withdrawn(expected, (expected.fingerprint, asked.version), request, inputs.now),
            "answers": asked.named(verdict.outcome),
        }
    )
    if not (verdict.passed or request.override):
        against = move.model_copy(update={"reasons": tuple(map(str, reasons))})
        raise _refused(inputs, request.channel, against, verdict.outcome, request.how_to_override)
    try:
        move_and_record(inputs.home, request.channel, move, expected=request.leaving or expected)
    except ReleaseError as faster:
        overtaken = move.model_copy(update={"reasons": (str(faster),)})
        raise _refused(inputs, request.channel, overtaken, "overtaken", "") from faster
    return Promotion(verdict, move, moved=True)
