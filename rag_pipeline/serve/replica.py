"""A replica: a process that holds what its channels name open, and goes on with what it has when something is gone."""

import threading
from contextlib import ExitStack

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.corpus.model import model_of
from rag_pipeline.door.problems import NO_RELEASE, Problem
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.index.manifest import Manifest, Mode
from rag_pipeline.release.followed import FIRST_TRY_S, Followed, NothingServes
from rag_pipeline.release.leased import Leased
from rag_pipeline.replicas.standing import replica_name
from rag_pipeline.serve.asked import Degraded, Measured
from rag_pipeline.serve.note import Note
from rag_pipeline.serve.splitting import Splitting
from rag_pipeline.settings import Settings

_OTHER_RELEASE = "the release this channel names cannot be opened here, so the last one that could be opened answers"


_Worth = tuple[frozenset[str], dict[str, tuple[str, float]]]
"""Whom a golden set stands for; mode -> its primary metric and the mean of it."""


class Replica:
    """The channels of one process. The first answers whoever names none."""

    def __init__(self, settings: Settings, channels: tuple[str, ...]) -> None:
        self.channels, self._home, self.name = channels, settings.home, replica_name()

        def follow(channel: str) -> Followed:
            return Followed(settings.home, channel, lambda: model_of(settings), settings.device)

        self._followed = {name: follow(name) for name in channels}
        shadow = settings.serve_shadow_channel if settings.serve_shadow_percent else ""
        self.splitting = Splitting(settings.home, self._followed, follow, self.name, shadow)
        self._worth: dict[str, dict[str, _Worth]] = {}
        self._reading = threading.Lock()

    def channel(self, name: str) -> Followed:
        """One of its channels."""
        return self._followed[name]

    def stable(self, stack: ExitStack, name: str) -> Leased:
        """What one of its channels names, until the stack is closed. Raises `Problem` when nothing is open."""
        try:
            return stack.enter_context(self._followed[name].lease())
        except NothingServes:
            raise Problem(NO_RELEASE, retry_after_s=FIRST_TRY_S) from None

    def lease(self, stack: ExitStack, note: Note, who: str) -> Leased:
        """The release that answers somebody who asks `note.channel`, until the stack is closed: that of the canary, which
        `note` says then, or the stable one. Raises `Problem` when there is none."""
        return self.splitting.lease(stack, note, who) or self.stable(stack, note.channel)

    def last_good(self, channel: str, release: str) -> list[Degraded]:
        """What an answer from `release` has to say where the channel names another one that cannot be opened."""
        state = self._followed[channel].state if channel in self._followed else None
        if state is None or not state.why_not or state.wanted in (None, release):
            unreadable = state is not None and state.wanted is None and state.why_not
            wanted = "unknown" if unreadable else ""
        else:
            wanted = str(state.wanted)
        if not wanted:
            return []
        return [Degraded(kind="last-good-release", instead_of=wanted, by=release, why=_OTHER_RELEASE)]

    def measured(self, manifest: Manifest, to: Mode, instead_of: Mode, reads: frozenset[str]) -> list[Measured]:
        """What answering in another mode is worth, from the newest evidence on the release; empty where nobody measured.

        Of a release that is divided, only golden sets that stand for readers of nothing else than may be read.
        """
        with self._reading:
            if manifest.fingerprint not in self._worth:
                other = dict(list(self._worth.items())[-1:])  # two releases answer by turns while one is tried
                self._worth = other | {manifest.fingerprint: self._evidence(manifest)}
            worth = self._worth[manifest.fingerprint]
        return [
            Measured(golden_set=name, metric=modes[to][0], value=modes[to][1], instead_of=modes[instead_of][1])
            for name, (labels, modes) in worth.items()
            if not manifest.scopes or EVERYTHING in reads or (labels and labels <= reads)
            if to in modes and instead_of in modes
        ]

    def _evidence(self, manifest: Manifest) -> dict[str, "_Worth"]:
        """golden set -> what it says of each mode."""
        try:
            found = newest(self._home, manifest.fingerprint)
        except (PipelineError, OSError):
            return {}
        worth: dict[str, _Worth] = {}
        for name, one in (found.golden_sets if found else {}).items():
            of_mode = {mode: (one.primary, round(means[one.primary], 4)) for mode, means in one.modes.items()}
            served = round(average(one.values[one.primary]), 4)
            worth[name] = frozenset(one.labels), {**of_mode, manifest.retrieval.mode: (one.primary, served)}
        return worth

    def close(self) -> None:
        self.splitting.close()
        for followed in self._followed.values():
            followed.close()


def first_release(replica: Replica) -> str:
    """The release that the first channel answers from. Raises `ReleaseError` when none does."""
    followed = replica.channel(replica.channels[0])
    if followed.state is None:
        raise ReleaseError(followed.why or "it is being opened")
    return followed.state.serving
