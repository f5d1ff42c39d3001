"""Which answer version a channel names after a move, and what the gate is to know of it."""

from dataclasses import dataclass

from rag_pipeline.channels.audit import channel_now, moves
from rag_pipeline.channels.audit_rows import Row, channel_of
from rag_pipeline.channels.pointer import Answers, Channel
from rag_pipeline.channels.proof import proved_answers
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import file_sha256
from rag_pipeline.gate.answers import AnswerFacts
from rag_pipeline.gate.policy import Policy
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.versions.content import NONE, AnswerVersion
from rag_pipeline.versions.evidence_store import evidence_on
from rag_pipeline.versions.kept import read_version
from rag_pipeline.versions.measure import set_fingerprints


def wanted_version(home: Home, request: PromotionRequest, current: Channel | None) -> str | None:
    """Id of the version that the channel is to name; None for none."""
    if request.answers is not None:
        return None if request.answers == NONE else request.answers
    now = current.version if current else None
    if not request.withdraw or current is None:
        return now
    return version_beside(home, request.channel, request.release, current)


def version_beside(home: Home, name: str, release: str, current: Channel) -> str | None:
    """The version that a channel named with a release when it last did; what it names now where it never did.

    Of the release that it names now it is the one before: the last that is another, and was not rolled back.
    """
    for row in moves(home, name):
        version = version_of(row, name)
        same = release == current.release
        if row["release"] != release or (same and version == current.version) or version in current.withdrawn:
            continue
        return version
    return current.version


def version_of(row: Row, name: str) -> str | None:
    """The version of a row of the audit table; None too for a row that was changed."""
    try:
        return channel_of(row, name).version
    except ReleaseError:
        return None


def named_version(home: Home, name: str) -> AnswerVersion | None:
    """What the answer version that a channel names is made of; None where it names none, or one that cannot be believed."""
    try:
        channel = channel_now(home, name)
        return read_version(home, channel.version).version if channel and channel.version else None
    except PipelineError:
        return None


def passed_before(home: Home, name: str, version: str) -> Answers | None:
    """What a version was let pass on, when this channel's gate last did, if that is still there; no override counts."""
    for row in moves(home, name):
        try:
            channel = channel_of(row, name)
        except ReleaseError:
            continue
        said = channel.answers
        if said and said.version == version and proved_answers(home, channel):
            return said
    return None


@dataclass(frozen=True, slots=True)
class AnswersAsked:
    """The version that a move names: what the gate has to be shown of it, and what is written down where it passes."""

    version: str | None
    facts: AnswerFacts | None
    """None where nothing has to be shown."""
    carried: Answers | None
    """What it was let pass on before, where nothing has to be shown anew."""

    def named(self, outcome: str) -> Answers | None:
        """As the channel tells it. `outcome`: of the decision on it."""
        if self.version is None or self.facts is None:
            return self.carried
        found = self.facts.evidence.evidence
        seal = found.seal if found else None
        return Answers(version=self.version, evidence=seal, on=self.facts.release_fingerprint, outcome=outcome)


def _looked_at(home: Home, version: str) -> tuple[bool, str]:
    """Whether a version asks models, and why it cannot be believed or answered by."""
    try:
        kept = read_version(home, version).version
    except PipelineError as error:
        return True, str(error)
    says = (
        f"answer version {version[:12]}: {kept.too_different}; measure and promote the one that `rag answers version` shows"
    )
    return bool(kept.models), says if kept.too_different else ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a version is judged in."""

    home: Home
    policy: Policy
    golden_sets: tuple[GoldenSet, ...]


def answers_asked(at: Situation, request: PromotionRequest, current: Channel | None) -> AnswersAsked:
    """The version that a move names, and what has to be shown of it.

    A version that the channel does not name yet: always. One that it names, beside another release: where it asks models, or
    the policy demands something of answers. A rollback to one that this gate let pass: nothing, and what of it cannot be
    believed is not served.
    """
    version = wanted_version(at.home, request, current)
    if version is None:
        return AnswersAsked(None, None, None)
    manifest = read_manifest(at.home.release(request.release))
    models, damage = _looked_at(at.home, version)
    named = current.answers if current and current.version == version else None
    if request.withdraw and (before := passed_before(at.home, request.channel, version)):
        return AnswersAsked(version, None, before)
    stays = named is not None and current is not None and current.fingerprint == manifest.fingerprint
    if stays or (named and not models and at.policy.channel(request.channel).answers is None):
        return AnswersAsked(version, None, named)
    rival = evidence_on(at.home, current.fingerprint, current.version) if current and current.version else None
    evals = at.policy.document.path.parent
    facts = AnswerFacts(
        version=version,
        damage=damage,
        release=manifest.id,
        release_fingerprint=manifest.fingerprint,
        manifest_sha256=file_sha256(at.home.manifest(manifest.id)),
        evidence=evidence_on(at.home, manifest.fingerprint, version),
        golden_fingerprints=set_fingerprints(at.golden_sets, evals),
        rival=rival,
    )
    return AnswersAsked(version, facts, None)
