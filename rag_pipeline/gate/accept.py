"""When a channel's anchor moves: by a person, by a gain that is shown, back with a rollback; and a release beside it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.channels.audit import move_and_record, settle
from rag_pipeline.channels.pointer import Anchor, Channel
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.evaluate.against import against
from rag_pipeline.evaluate.evidence import Evidence, average
from rag_pipeline.gate.anchor import FIRST, accepted, anchor_of, anchored, before, kept, reference
from rag_pipeline.gate.anchored import AnchorFacts, anchor_demands, gained
from rag_pipeline.gate.policy import Policy
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class ChannelAnchor:
    """The anchor of one channel, and all that says how a release does against it and when it moves."""

    home: Home
    channel: str
    policy: Policy
    golden_sets: Sequence[GoldenSet]

    def facts(self, now: Channel | None, evidence: Evidence | None, manifest: Manifest) -> AnchorFacts | None:
        """How a release does against the anchor; None where there is none, or it is the anchor's own content."""
        anchor = anchor_of(self.home, self.channel, now)
        if anchor is None or evidence is None or anchor.fingerprint == manifest.fingerprint:
            return None
        metrics: dict[str, list[str]] = {}
        for golden in self.golden_sets:
            machine = golden.about.made_by == "machine"
            wanted = anchor_demands(self.policy, self.channel, golden.name, by_machine=machine)
            if golden.name in evidence.golden_sets and wanted:
                metrics[golden.name] = list(dict.fromkeys([wanted.metric, f"hit@{wanted.guard_k}"]))
        if not metrics:
            return AnchorFacts(anchor)
        try:
            earlier = reference(self.home, anchor)
            sets = against(self.home, evidence, earlier, self.golden_sets, list(manifest.sources), metrics)
        except PipelineError as error:
            return AnchorFacts(anchor, problem=str(error))
        return AnchorFacts(anchor, sets)

    def after(
        self,
        move: Channel,
        expected: Channel | None,
        facts: AnchorFacts | None,
        manifest: Manifest,
        evidence: Evidence | None,
        *,
        withdraw: bool,
    ) -> Anchor | None:
        """The anchor after a move. It moves with the first release, with a person's override, with a gain that is shown;
        and back with a rollback from the anchor itself. What is no acceptance leaves it where it is."""
        now = anchor_of(self.home, self.channel, expected)
        because = ""
        if withdraw:
            if now and now.fingerprint in move.withdrawn:
                now = before(self.home, self.channel, move.release, move.withdrawn)
                because = "" if now else "what the anchor was before the rollback is not known"
        elif now is None:
            because = FIRST if move.action == "promoted" else move.why
        elif now.fingerprint == manifest.fingerprint:
            pass  # a twin
        elif move.action == "overridden":
            because = move.why
        elif facts and (gain := gained(self.policy, self.channel, facts)):
            because = f"shown to be better than {now.release}: {gain}"
        try:
            if because and evidence:
                now = anchored(self.home, manifest, evidence, by=move.by, why=because, now=move.at)
                log.info("%s: the anchor that later releases are held against is now %s", self.channel, now.says)
            return kept(self.home, now) if now else None
        except ReleaseError as error:
            log.warning("%s: the documents of its anchor could not be written down: %s", self.channel, error)
            return now

    def name(self, release_id: str, *, by: str, why: str, run_id: str, now: datetime) -> Channel:
        """A person accepts a release: from now on later ones are held against it. The channel stays where it is.

        The row tells what it gains or loses against the anchor before, so that no anchor is worse in silence. Raises
        `PipelineError` when nobody says who accepts it and why, or the release is not kept, not measured, or the anchor
        already.
        """
        if not (by.strip() and why.strip()):
            raise PipelineError(f"the anchor of {self.channel} was not moved: it needs a name (by) and a reason (why)")
        channel = settle(self.home, self.channel)
        if channel is None:
            raise ReleaseError(f"{self.channel} points at nothing yet; the first release that is promoted is its anchor")
        manifest, evidence = accepted(self.home, release_id)
        if channel.anchor and channel.anchor.fingerprint == manifest.fingerprint:
            raise ReleaseError(f"{release_id} is the anchor of {self.channel} already: {channel.anchor.says}")
        facts = self.facts(channel, evidence, manifest)
        moved = channel.model_copy(
            update={
                "at": now,
                "by": by,
                "why": why,
                "run_id": run_id,
                "action": "anchored",
                "reasons": tuple(differences(facts)) if facts else (),
                "sequence": channel.sequence + 1,
                "anchor": anchored(self.home, manifest, evidence, by=by, why=why, now=now),
            }
        )
        move_and_record(self.home, self.channel, moved, expected=channel)
        return moved


def differences(facts: AnchorFacts) -> list[str]:
    """What a release gains or loses against an anchor, a sentence a golden set."""
    if facts.problem:
        return [f"nothing can be said about the difference to the earlier anchor: {facts.problem}"]
    return [
        f"{name}: {metric} {average(one.differences(metric)):+.4f} against the anchor before, {facts.anchor.release}, over "
        f"{len(one.queries)} queries"
        for name, one in facts.sets.items()
        for metric in list(one.mine)[:1]
        if one.queries
    ]
