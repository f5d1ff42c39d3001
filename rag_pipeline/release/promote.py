"""Promotion: the one door through which a channel moves. It decides again, moves or refuses, and writes that down."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import Standing, read_lists, standing
from rag_pipeline.evaluate.golden import GoldenSet, read_golden_sets
from rag_pipeline.evaluate.recompute import contradictions, known_to_production
from rag_pipeline.files import file_sha256
from rag_pipeline.index.manifest import FILE, Manifest, damaged_files, read_manifest
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.release.accept import anchor_facts, next_anchor
from rag_pipeline.release.audit import audit_held, channel_now, move_and_record, record, settle
from rag_pipeline.release.channels import PRODUCTION, Channel, Hold, option, serving
from rag_pipeline.release.gate import Facts, decide
from rag_pipeline.release.hold import resume
from rag_pipeline.release.policy import Policy, read_policy
from rag_pipeline.release.rollback import promoted_before
from rag_pipeline.release.shrink import InProduction, documents_of, in_production
from rag_pipeline.release.verdict import Verdict
from rag_pipeline.settings import Settings, seal_key


@dataclass(frozen=True, slots=True)
class Desk:
    """What a decision is taken with: the policy, the golden sets and the contracts as they are now."""

    home: Path
    policy: Policy
    golden_sets: tuple[GoldenSet, ...]
    contracts: tuple[Contract, ...]
    now: datetime

    def reuse_hours(self, release_id: str) -> float:
        """How old evidence may be and still spare a measurement: any age when there is nothing to decide."""
        if serving(self.home) == release_id:
            return math.inf
        return min(demands.evidence_max_age_hours for demands in self.policy.channels.values()) / 2


def desk_now(settings: Settings, contracts: tuple[Contract, ...], now: datetime) -> Desk:
    """The desk as of now. Raises `GoldenSetError` when the policy or a golden set is malformed."""
    return Desk(settings.home, read_policy(settings.evals), read_golden_sets(settings.evals), contracts, now)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of it. `moved` is False when the channel pointed there already."""

    verdict: Verdict
    channel: Channel
    moved: bool


def judge(desk: Desk, release_id: str, channel: str = PRODUCTION, *, named: bool = False) -> tuple[Verdict, Evidence | None]:
    """The verdict on a release as of now, from what lies on disk. Changes nothing.

    `named` says that a person asks for this very release: then it does not matter that it was rolled back once, nor that
    somebody holds the channel.
    """
    facts, evidence = _facts(desk, release_id, channel, channel_now(desk.home, channel), named=named, person=named)
    return decide(evidence, desk.policy, channel, facts, desk.now), evidence


def promote(
    desk: Desk,
    release_id: str,
    *,
    by: str,
    why: str,
    run_id: str,
    named: bool = False,
    override: bool = False,
    withdraw: bool = False,
    leaving: Channel | None = None,
    channel: str = PRODUCTION,
) -> Promotion:
    """Point a channel at a release, if the gate says yes, or a person takes it upon them (`override`).

    `named`: a person asks for this very release, which lifts a hold on the channel. `withdraw`: the release that serves now
    is bad (a rollback); no refresh may promote its content again by itself, and the channel is held until a person lifts
    that. `leaving`: the move it was decided to undo; what came after it is not undone. A release whose files are not the
    ones it was built with is refused in any case. Raises `PromotionRefused` with every reason; the channel is then as it
    was. Moves, overrides and refusals are written to the audit table.
    """
    way_out = _way_out(release_id, channel, withdraw=withdraw)
    if override and not (by.strip() and why.strip()):
        says = f"{release_id} was not promoted: an override needs a name (by) and a reason (why)"
        raise PromotionRefused(f"{says}; {way_out}")
    expected = settle(desk.home, channel)
    person = named or override
    facts, evidence = _facts(desk, release_id, channel, expected, named=named, person=person, withdraw=withdraw)
    verdict = decide(evidence, desk.policy, channel, facts, desk.now)
    if expected and expected.release == release_id:
        if expected.hold and person and not withdraw:
            expected = resume(desk.home, channel, by=by, why=why, run_id=run_id, now=desk.now)
        return Promotion(verdict, expected, moved=False)
    reasons = tuple(str(reason) for reason in (*verdict.reasons, *verdict.notes))
    manifest = read_manifest(desk.home / "releases" / release_id)
    move = Channel(
        release=release_id,
        fingerprint=facts.release_fingerprint,
        withdrawn=_withdrawn(
            expected, facts.release_fingerprint, f"{by} at {desk.now:%Y-%m-%d %H:%M} UTC ({why})", withdraw
        ),
        previous=expected.release if expected else None,
        sequence=(expected.sequence if expected else 0) + 1,
        at=desk.now,
        by=by,
        why=why,
        run_id=run_id,
        action="promoted" if verdict.passed else "overridden",
        outcome=verdict.outcome,
        reasons=reasons,
        evidence=evidence.seal if evidence else None,
        hold=_hold(expected, facts.release_fingerprint, Hold(at=desk.now, by=by, why=why) if withdraw else None),
    )
    if facts.damage:
        cannot = f"no override helps: `rag verify {release_id} --repair` builds it again"
        raise _refused(desk, channel, move, verdict.outcome, cannot)
    if facts.hold:
        raise _refused(desk, channel, move, "held", _way_out(release_id, channel, named=True), held=True)
    if not (verdict.passed or override):
        raise _refused(desk, channel, move, verdict.outcome, way_out)
    move = move.model_copy(
        update={
            "anchor": next_anchor(
                desk.home, desk.policy, channel, move, expected, facts.anchor, manifest, evidence, withdraw=withdraw
            )
        }
    )
    try:
        move_and_record(desk.home, channel, move, expected=leaving or expected)
    except ReleaseError as faster:
        overtaken = move.model_copy(update={"reasons": (str(faster),)})
        raise _refused(desk, channel, overtaken, "overtaken", "") from faster
    return Promotion(verdict, move, moved=True)


def _way_out(release_id: str, channel: str, *, withdraw: bool = False, named: bool = False) -> str:
    """The exact command for a person who wants it all the same."""
    command = f"rag rollback --to {release_id}" if withdraw else f"rag promote {release_id}"
    if named:
        return f"a person can promote it: `{command}{option(channel)} --by NAME --reason WHY`"
    return f"to do it all the same: `{command}{option(channel)} --override --by NAME --reason WHY`"


def _refused(desk: Desk, channel: str, move: Channel, outcome: str, then: str, *, held: bool = False) -> PromotionRefused:
    """Writes the refusal down. `then`: what a person can do about it."""
    with audit_held(desk.home):
        record(desk.home, channel, move.model_copy(update={"action": "refused", "outcome": outcome}))
    told = "" if held else f"{outcome}. "  # that it is held is the reason itself
    says = f"{move.release} was not promoted to {channel}: {told}{'; '.join(filter(None, (*move.reasons, then)))}"
    return PromotionRefused(says, move.reasons, held=held)


def _facts(
    desk: Desk,
    release_id: str,
    channel: str,
    current: Channel | None,
    *,
    named: bool,
    person: bool,
    withdraw: bool = False,
) -> tuple[Facts, Evidence | None]:
    release = desk.home / "releases" / release_id
    manifest = read_manifest(release)
    if manifest.id != release_id:  # a copy under another name: its files would not be the ones that are checked
        raise ReleaseError(f"{release_id} holds the manifest of {manifest.id}; promote that one, and remove the copy")
    production = current if channel == PRODUCTION else channel_now(desk.home, PRODUCTION)
    moved = current if current and current.release != release_id else None
    going_back = withdraw and promoted_before(desk.home, channel, manifest)
    found = standing(desk.home, manifest.fingerprint)
    with ThreadPoolExecutor(4) as beside:  # half of a promotion's time is checksums, and they leave the interpreter free
        damage = beside.submit(damaged_files, release, manifest)
        compared = beside.submit(
            anchor_facts, desk.home, desk.policy, channel, current, found.evidence, manifest, desk.golden_sets
        )
        sources = beside.map(lambda contract: source_state(contract, desk.home, desk.now), desk.contracts)
        facts = Facts(
            release=release_id,
            release_fingerprint=manifest.fingerprint,
            manifest_sha256=file_sha256(release / FILE),
            model_fingerprint=manifest.model.fingerprint,
            golden_fingerprints={golden.name: golden.fingerprint for golden in desk.golden_sets},
            production=production.release if production else None,
            current=current.release if current else None,
            sources=tuple(_as_built(state, manifest) for state in sources),
            withdrawn=moved.withdrawn.get(manifest.fingerprint, "") if moved and not named else "",
            evidence_problems=_evidence_problems(desk, found, manifest),
            production_unknown=_unknown(desk.home, found.evidence),
            seal_key=seal_key(),
            damage=damage.result(),
            documents=documents_of(manifest),
            in_production=None if withdraw else _in_production(desk.home, production, manifest),  # before, it may be smaller
            hold=moved.hold.says(channel) if moved and moved.hold and not person else "",
            anchor=compared.result(),
            going_back=going_back,
            sources_count=not (going_back and person),
        )
    return facts, found.evidence


def _evidence_problems(desk: Desk, found: Standing, manifest: Manifest) -> tuple[str, ...]:
    """Why the newest evidence does not count: it is not what was kept, or its figures are not what its lists give."""
    computed = contradictions(desk.home, found.evidence, desk.golden_sets, manifest) if found.evidence else ()
    return (*([found.problem] if found.problem else []), *computed)


def _unknown(home: Path, evidence: Evidence | None) -> str:
    """Why nobody can tell any more which documents production has; empty where nothing hangs on it."""
    if evidence is None or not any(one.probes for one in evidence.golden_sets.values()):
        return ""
    return known_to_production(home, evidence, read_lists(home, evidence))[1]


def _in_production(home: Path, channel: Channel | None, candidate: Manifest) -> InProduction | None:
    """What is in production, None when nothing is. The same content under another id has the same documents."""
    if channel is None:
        return None
    if channel.fingerprint == candidate.fingerprint:
        return InProduction(documents_of(candidate))
    try:
        return in_production(home, read_manifest(home / "releases" / channel.release), candidate)
    except ReleaseError as error:
        return InProduction({}, unreadable=str(error))


def _as_built(state: SourceState, manifest: Manifest) -> SourceState:
    """A source's state without quality rules that broke on other data than the release was built from."""
    built = manifest.sources.get(state.source)
    return state if built and built.data_version == state.data_version else replace(state, broken=(), lost=0)


def _hold(expected: Channel | None, promoted: str, new: Hold | None) -> Hold | None:
    """A rollback holds. A person who names a release lifts that, but a twin of what serves only takes its place."""
    if new is None and expected and expected.fingerprint == promoted:
        return expected.hold
    return new


def _withdrawn(expected: Channel | None, promoted: str, says: str, withdraw: bool) -> dict[str, str]:
    """Content that no refresh may bring back: what was, and what is rolled back now, less what is promoted now."""
    withdrawn = dict(expected.withdrawn) if expected else {}
    if expected and withdraw:
        withdrawn[expected.fingerprint] = says
    withdrawn.pop(promoted, None)
    return withdrawn
