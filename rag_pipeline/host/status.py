"""How things are now, as plain values for the command line. Reads, never writes, and loads no Dagster."""

from datetime import datetime
from typing import Any

from rag_pipeline.alerts.freeze import frozen
from rag_pipeline.alerts.tell import told_now
from rag_pipeline.alerts.verdicts import last_words
from rag_pipeline.channels.health import damage_in_use, damaged_channels, readable_channels, unfinished_channels
from rag_pipeline.channels.pointer import PRODUCTION, all_channels
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.errors import LakeError, PipelineError, ReleaseError
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.gate.anchor import anchor_of
from rag_pipeline.host.unfinished import runs_now
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.ingest.clock import clock_now
from rag_pipeline.ingest.state import source_state, unknown_state
from rag_pipeline.release.erase import may_hold_erased
from rag_pipeline.release.listing import listed
from rag_pipeline.release.promote import DecisionInputs, inputs_now, judge
from rag_pipeline.release.tables_verify import lost_commits
from rag_pipeline.settings import Settings, load_secrets


def status_now(settings: Settings, now: datetime) -> dict[str, Any]:
    """Channels, sources against their SLA, and the candidate's verdict as the gate would give it now."""
    contracts = read_contracts(settings.contracts)
    sources, states = [], []
    for contract in contracts:
        try:
            state = source_state(contract, settings.home, now)
        except LakeError as error:  # a table that lost a commit: the rest is told all the same
            state = unknown_state(contract, str(error))
        states.append(state)
        sources.append(
            {
                "source": state.source,
                "outcome": state.outcome,
                "reason": state.reason,
                "documents": state.documents,
                "refused": state.refused,
                "version": state.data_version,
                "as_of": state.as_of,
                "age_hours": round(state.age_hours, 1) if state.age_hours is not None else None,
                "max_age_hours": state.max_age_hours,
                "within_sla": state.within_sla,
                "late_because": state.late_because,
                "values_from_the_future": state.from_the_future,
                "broken_rules": list(state.broken),
                "contract": f"{state.contract_id} {state.contract_version}",
            }
        )
    channels = readable_channels(settings.home)
    anchors = {name: anchor_of(settings.home, name, one) for name, one in channels.items()}
    freezes = {name: frozen(settings.home, name, one, states, now) for name, one in channels.items()}
    return {
        "home": str(settings.home),
        "channels": {name: one.model_dump(mode="json") for name, one in channels.items()},
        "anchors": {name: anchor.model_dump(mode="json") for name, anchor in anchors.items() if anchor},
        "frozen": {name: found.says for name, found in freezes.items() if found},
        "damaged_channels": damaged_channels(settings.home),
        "unfinished_channels": unfinished_channels(settings.home),
        "sources": sources,
        "lost_commits": lost_commits(settings.home),
        "damaged": [
            {"channel": one.channel, "release": one.release, "what": list(one.what)} for one in damage_in_use(settings.home)
        ],
        "clock_doubt": clock_now(settings.home, now).doubt,
        "may_hold_erased": list(may_hold_erased(settings.home)),
        "candidate": _candidate(settings, now),
        "runs": runs_now(settings),
        "alerts": told_now(settings.home, load_secrets().alerts),
    }


def _candidate(settings: Settings, now: datetime) -> dict[str, Any] | None:
    try:
        release = read_candidate(settings.home).release
    except ReleaseError:
        return None
    try:
        verdict, _ = judge(_desk(settings, now), release)
    except PipelineError as error:
        return {"release": release, "verdict": "could not be evaluated", "reasons": [str(error)]}
    told = {"reasons": verdict.reasons, "notes": verdict.notes}
    return {"release": release, "verdict": verdict.outcome, **{name: list(map(str, of)) for name, of in told.items()}}


def releases_now(settings: Settings) -> list[dict[str, Any]]:
    """Every kept release, newest first: the channels that point at it, the last word on it, and who promoted it."""
    channels = all_channels(settings.home)
    anchors = {name: anchor_of(settings.home, name, one) for name, one in channels.items()}
    found = []
    for one in listed(settings.home, PRODUCTION, last_words(settings.home, PRODUCTION)):
        manifest = one.manifest
        found.append(
            {
                "release": manifest.id,
                "fingerprint": manifest.fingerprint,
                "created_at": f"{manifest.created_at:%Y-%m-%d %H:%M:%S}",
                "documents": manifest.documents,
                "chunks": manifest.chunks,
                "bytes": manifest.size_bytes,
                "channels": [name for name, channel in channels.items() if channel.release == manifest.id],
                "anchor_of": [name for name, its in anchors.items() if its and its.fingerprint == manifest.fingerprint],
                "verdict": one.verdict,
                "primary": {name: {"metric": metric, "value": value} for name, (metric, value) in one.primary.items()},
                "figures": one.figures,
                "promoted_by": one.promoted_by,
            }
        )
    return found


def evaluation_now(settings: Settings, release: str, now: datetime) -> dict[str, Any]:
    """The newest evidence on a release and the verdict on it."""
    manifest = read_manifest(settings.home.release(release))
    evidence = newest(settings.home, manifest.fingerprint)
    verdict, _ = judge(_desk(settings, now), release)
    latency = evidence.latency[0] if evidence else None
    return {
        "release": release,
        "golden_sets": {name: one.metrics for name, one in evidence.golden_sets.items()} if evidence else {},
        "modes": {name: one.modes for name, one in evidence.golden_sets.items()} if evidence else {},
        "mode": evidence.mode if evidence else None,
        "latency_ms": {"p50": latency.p50_ms, "p95": latency.p95_ms, "concurrency": latency.concurrency} if latency else {},
        "verdict": verdict.outcome,
        "reasons": [str(reason) for reason in verdict.reasons],
        "warnings": [str(warning) for warning in verdict.warnings],
        "notes": [str(note) for note in verdict.notes],
    }


def _desk(settings: Settings, now: datetime) -> DecisionInputs:
    return inputs_now(settings, read_contracts(settings.contracts), now)
