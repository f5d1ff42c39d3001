"""Answer versions measured for a move: what the gate will ask for is measured before it does, and what it says is told."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from rag_pipeline.channels.audit import channel_now
from rag_pipeline.corpus.model import model_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.gate.answers import answer_policies, decide_answers
from rag_pipeline.gate.verdict import Verdict, outcome_of
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import own_model
from rag_pipeline.release.answers import Situation, answers_asked
from rag_pipeline.release.promote import DecisionInputs
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import Settings
from rag_pipeline.versions.content import NONE, configured
from rag_pipeline.versions.evidence import AnswerEvidence
from rag_pipeline.versions.kept import keep_version, read_version
from rag_pipeline.versions.measure import AnswersWork, measure_version

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class AnswersBench:
    """What versions are measured with, as of now."""

    settings: Settings
    inputs: DecisionInputs
    run_id: str

    def measure(self, release: str, version: str, *, reuse: bool = True) -> AnswerEvidence:
        """Evidence on a version and a release. `reuse`: where it is younger than half its allowed age, that.

        Keeps the version that is configured here, too. Raises `PipelineError` as `measure_version` and `read_version`, and
        for a file of models that is wrong.
        """
        mine = configured(self.settings)
        keep_version(self.settings.home, mine.version, mine.config)
        policy, home = self.inputs.policy, self.inputs.home
        hours = min(one.evidence_max_age_hours for one in policy.channels.values()) / 2 if reuse else 0.0
        manifest = read_manifest(home.release(release))
        work = AnswersWork(
            home=home,
            evals=policy.document.path.parent,
            golden_sets=self.inputs.golden_sets,
            model=own_model(manifest, model_of(self.settings)),
            policies=answer_policies(policy),
            own=mine.config,
            run_id=self.run_id,
            now=self.inputs.now,
            reuse_hours=hours,
        )
        return measure_version(work, release, read_version(home, version))

    def for_channels(self, release: str, channels: Iterable[str], version: str, *, reuse: bool) -> None:
        """Measure what each channel's gate will want to see of answers out of a release.

        `version`: one that is to be named; empty: what each channel names.

        What cannot be measured stands in the log, and is refused for want of evidence.
        """
        for name in channels:
            try:
                self._for_channel(
                    PromotionRequest(release, by="", why="", channel=name, answers=version or None), reuse=reuse
                )
            except PipelineError as error:
                log.warning("%s: its answers cannot be measured: %s", name, error)

    def _for_channel(self, request: PromotionRequest, *, reuse: bool) -> None:
        inputs, now = self.inputs, channel_now(self.inputs.home, request.channel)
        asked = answers_asked(Situation(inputs.home, inputs.policy, inputs.golden_sets), request, now)
        if asked.version is None or asked.facts is None:
            return
        self.measure(request.release, asked.version, reuse=reuse)
        rival = asked.facts.rival
        if now is None or now.version is None or rival is None:
            return
        sets = {name: one.fingerprint for name, one in rival.evidence.golden_sets.items()} if rival.evidence else {}
        if rival.problem or sets != asked.facts.golden_fingerprints:
            self.measure(now.release, now.version)


def judge_answers(inputs: DecisionInputs, release: str, channel: str, version: str) -> Verdict:
    """What a channel's gate says of a version beside a release now. Changes nothing."""
    request = PromotionRequest(release, by="", why="", channel=channel, named=True, answers=version or NONE)
    at = Situation(inputs.home, inputs.policy, inputs.golden_sets)
    current = channel_now(inputs.home, channel)
    if current and current.version == version:  # as if it was not named yet
        current = current.model_copy(update={"answers": None})
    asked = answers_asked(at, request, current)
    reasons = decide_answers(inputs.policy, channel, asked.facts, inputs.now) if asked.facts else ()
    return Verdict(release, outcome_of(reasons), reasons)
