"""Promotion: the one door through which a channel moves. It decides again, moves or refuses, and writes that down."""

import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PromotionRefused, ReleaseError
from rag_pipeline.evaluate.evidence import Evidence, newest
from rag_pipeline.evaluate.golden import GoldenSet, read_golden_sets
from rag_pipeline.files import file_sha256
from rag_pipeline.index.manifest import FILE, Manifest, read_manifest
from rag_pipeline.ingest.state import source_state
from rag_pipeline.lake import Table
from rag_pipeline.release.channels import PRODUCTION, Channel, move_channel, read_channel, serving
from rag_pipeline.release.gate import Facts, Verdict, decide
from rag_pipeline.release.policy import Policy, read_policy
from rag_pipeline.settings import Settings

AUDIT = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("channel", pa.string()),
        ("action", pa.string()),  # promoted | overridden | refused
        ("release", pa.string()),
        ("previous", pa.string()),
        ("by", pa.string()),
        ("why", pa.string()),
        ("run_id", pa.string()),
        ("outcome", pa.string()),
        ("reasons", pa.string()),  # JSON list
        ("evidence", pa.string()),  # seal
    ]
)


def audit_table(home: Path) -> Table:
    """Every move of a channel and every refusal."""
    return Table(home / "lake" / "audit", AUDIT)


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
        return self.policy.channel(PRODUCTION).evidence_max_age_hours / 2


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

    `named` says that a person asks for this very release: then it does not matter that it was rolled back once.
    """
    manifest = read_manifest(desk.home / "releases" / release_id)
    if manifest.id != release_id:  # a copy under another name: its files would not be the ones that are checked
        raise ReleaseError(f"{release_id} holds the manifest of {manifest.id}; promote that one, and remove the copy")
    evidence = newest(desk.home, manifest.fingerprint)
    current = read_channel(desk.home, channel)
    withdrawn = current.withdrawn.get(manifest.fingerprint, "") if current and current.release != release_id else ""
    facts = Facts(
        release=release_id,
        release_fingerprint=manifest.fingerprint,
        manifest_sha256=file_sha256(desk.home / "releases" / release_id / FILE),
        model_fingerprint=manifest.model.fingerprint,
        golden_fingerprints={golden.name: golden.fingerprint for golden in desk.golden_sets},
        production=serving(desk.home),
        sources=tuple(source_state(contract, desk.home, desk.now) for contract in desk.contracts),
        withdrawn="" if named else withdrawn,
        damage=damaged_files(desk.home, manifest),
    )
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
    channel: str = PRODUCTION,
) -> Promotion:
    """Point a channel at a release, if the gate says yes, or a person takes it upon them (`override`).

    `named`: a person asks for this very release. `withdraw`: the release that serves now is bad (a rollback), and no
    refresh may promote its content again by itself. A release whose files are not the ones it was built with is
    refused in any case. Raises `PromotionRefused` with every reason; the channel is then as it was. Moves, overrides
    and refusals are written to the audit table.
    """
    if override and not (by.strip() and why.strip()):
        raise PromotionRefused(f"{release_id} was not promoted: an override needs a name (by) and a reason (why)")
    expected = read_channel(desk.home, channel)
    verdict, evidence = judge(desk, release_id, channel, named=named)
    if expected and expected.release == release_id:
        return Promotion(verdict, expected, moved=False)
    entry = {
        "at": desk.now,
        "channel": channel,
        "release": release_id,
        "previous": expected.release if expected else None,
        "by": by,
        "why": why,
        "run_id": run_id,
        "outcome": verdict.outcome,
        "reasons": json.dumps([str(reason) for reason in verdict.reasons]),
        "evidence": evidence.seal if evidence else None,
    }
    damaged = damaged_files(desk.home, read_manifest(desk.home / "releases" / release_id))
    if damaged or not (verdict.passed or override):
        _audit(desk.home, entry | {"action": "refused"})
        reasons = tuple(str(reason) for reason in verdict.reasons)
        raise PromotionRefused(f"{release_id} was not promoted: {verdict.outcome}. {'; '.join(reasons)}", reasons)
    fingerprint = read_manifest(desk.home / "releases" / release_id).fingerprint
    withdrawn = dict(expected.withdrawn) if expected else {}
    if expected and withdraw:
        withdrawn[expected.fingerprint] = f"{by} at {desk.now:%Y-%m-%d %H:%M} UTC ({why})"
    withdrawn.pop(fingerprint, None)
    target = Channel(
        release=release_id,
        fingerprint=fingerprint,
        withdrawn=withdrawn,
        previous=expected.release if expected else None,
        sequence=(expected.sequence if expected else 0) + 1,
        at=desk.now,
        by=by,
        why=why,
        run_id=run_id,
    )
    move_channel(desk.home, channel, target, expected=expected)
    _audit(desk.home, entry | {"action": "promoted" if verdict.passed else "overridden"})
    return Promotion(verdict, target, moved=True)


def damaged_files(home: Path, manifest: Manifest) -> tuple[str, ...]:
    """Files of a release that are missing, whose bytes are not the ones its manifest names, or that it does not name."""
    folder = home / "releases" / manifest.id
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    found.pop(FILE, None)
    return tuple(
        name
        for name in sorted(manifest.files.keys() | found.keys())
        if name not in manifest.files or name not in found or file_sha256(found[name]) != manifest.files[name].sha256
    )


def _audit(home: Path, entry: dict[str, object]) -> None:
    audit_table(home).append(pa.Table.from_pylist([entry], AUDIT))
