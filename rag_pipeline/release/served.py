"""Evidence of traffic, made and held against its tables: what the gate asks for where gate.yaml says `after`."""

from datetime import datetime

from rag_pipeline.channels.audit import channel_now
from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.errors import PipelineError
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.traffic import TrafficFacts, on_traffic, sought
from rag_pipeline.gate.verdict import Reason
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.settings import load_secrets, seal_key
from rag_pipeline.traffic.evidence import Sought, TrafficEvidence, Window, measured, window_now
from rag_pipeline.traffic.evidence_store import keep, missing_rows, newest
from rag_pipeline.traffic.marks import marks_of


def keep_traffic(home: Home, policy: Policy, manifest: Manifest, now: datetime, run_id: str) -> dict[str, TrafficEvidence]:
    """Make evidence of what a release served, for every channel that demands it; channel -> what was made."""
    made = {}
    for channel in policy.channels:
        if wanted := sought(policy, channel, manifest.id, manifest.fingerprint):
            made[channel] = _measured(home, wanted, window_now(home, now), run_id)
            keep(home, made[channel])
    return made


def traffic_facts(home: Home, wanted: Sought, now: datetime, *, alone: bool) -> TrafficFacts:
    """The newest evidence of traffic on a release, and what its tables say of it now. Changes nothing.

    `alone`: nothing is in production yet.
    """
    evidence, damage = newest(home, wanted.fingerprint, wanted.channel)
    if evidence is None:
        return TrafficFacts(None, (damage,) if damage else ())
    problems = [one for one in (evidence.seal_problem(seal_key()),) if one]
    try:
        then = _measured(home, wanted, Window(evidence.since, evidence.until, now), evidence.run_id)
        as_of_now = _measured(home, wanted, window_now(home, now), evidence.run_id)
        if evidence.policy == wanted.policy and not evidence.same_rows(_named(then, evidence)):
            problems.append("the table of questions says otherwise than the evidence of traffic that was made of it")
        if gone := missing_rows(home, as_of_now):
            problems.append(f"{gone}; where somebody knows why, an override by name passes it")
    except PipelineError as error:
        problems.append(f"the table of questions cannot be held against the evidence of traffic: {error}")
        return TrafficFacts(evidence, tuple(problems))
    return TrafficFacts(evidence, tuple(problems), as_of_now, alone=alone)


def lacking(home: Home, policy: Policy, channel: str, manifest: Manifest, now: datetime) -> list[Reason]:
    """What the traffic of a release lacks for a channel, as its gate would say it."""
    wanted = sought(policy, channel, manifest.id, manifest.fingerprint)
    if wanted is None:
        return []
    facts = traffic_facts(home, wanted, now, alone=channel_now(home, PRODUCTION) is None)
    return on_traffic(policy, channel, facts, wanted, now)


def _named(again: TrafficEvidence, evidence: TrafficEvidence) -> TrafficEvidence:
    """The same content may be asked about under another id."""
    return again.model_copy(update={"release": evidence.release})


def _measured(home: Home, wanted: Sought, window: Window, run_id: str) -> TrafficEvidence:
    return measured(home, marks_of(home, load_secrets().salt), wanted, window, run_id)
