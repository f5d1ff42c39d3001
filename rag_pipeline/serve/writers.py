"""A replica answers each channel by the answer version that the channel names, and by no other.

What lies in the file of RAG_SERVE_ANSWERS writes nothing by itself: it says what models may cost here. A channel that names
no version, or one that cannot be believed, is answered in whole sentences, and that is told.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rag_pipeline.answer.bounds import Bounds, bounds_of
from rag_pipeline.answer.budget import Books
from rag_pipeline.answer.endpoint import check_installed
from rag_pipeline.answer.write import Writer
from rag_pipeline.channels.audit import standing
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.channels.proof import unproved_answers
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import ModelEntry
from rag_pipeline.settings import Settings
from rag_pipeline.versions.asking import books_of, writer_of
from rag_pipeline.versions.content import AnswerVersion, Configured, configured
from rag_pipeline.versions.kept import KeptVersion, read_version

log = logging.getLogger("rag_pipeline")

_TRY_AGAIN_S = 30.0
"""What could not be believed is looked at again after this long."""


@dataclass(frozen=True, slots=True)
class Served:
    """By what one channel answers out of one release."""

    version: AnswerVersion | None = None
    writer: Writer | None = None
    why_not: str = ""
    """Why no model writes where one should: for whoever may have models asked. Empty where none should, or it does."""
    model: str = ""
    """The model that should."""

    def bounds(self, home: Home, model: ModelEntry) -> Bounds:
        """From how little support on there is no answer."""
        if self.version:
            return self.version.bounds_of(model.fingerprint, model.name)
        return bounds_of(home, model.fingerprint, model.name)


class ServedVersions:
    """For any number of threads. A channel is read again when its file changed, by one of those who ask."""

    def __init__(self, settings: Settings) -> None:
        """Raises `PipelineError` for a file of models that is wrong, or where what asks them is not installed."""
        self._home = settings.home
        self._own: Configured = configured(settings)
        self._file = settings.serve_answers
        self._books: Books | None = None
        if self._own.config:
            check_installed()
            self._books = books_of(settings.home)
        self._known: dict[str, dict[str, Served]] = {}
        self._seen: dict[str, object] = {}
        self._again: dict[str, float] = {}
        self._writers: dict[str, Writer] = {}
        self._reading = threading.Lock()

    def look(self, channels: Iterable[str]) -> None:
        """Read channels before anybody asks, so that the log says at once by what each is answered."""
        with self._reading:
            for channel in channels:
                self._read(channel, self._file_of(channel))

    def of(self, channel: str, release: str) -> Served:
        """By what a channel answers out of the release that is leased: as the channel said when it named that release."""
        seen = self._file_of(channel)
        if seen != self._seen.get(channel) or time.monotonic() > self._again.get(channel, float("inf")):
            known = self._known.get(channel, {})
            if self._reading.acquire(blocking=release not in known):  # who has an answer does not wait for another one
                try:
                    if seen != self._seen.get(channel) or time.monotonic() > self._again.get(channel, float("inf")):
                        self._read(channel, seen)
                finally:
                    self._reading.release()
        found = self._known.get(channel, {}).get(release)
        return found or Served(why_not=f"{channel} names another release than the one that answers", model=self._model())

    def _read(self, channel: str, seen: object) -> None:
        served, release, sure = self._served(channel)
        before = self._known.get(channel, {})
        self._known[channel] = {**dict(list(before.items())[-1:]), release: served}
        self._seen[channel] = seen
        if sure:
            self._again.pop(channel, None)
        else:
            self._again[channel] = time.monotonic() + _TRY_AGAIN_S
        says = f"version {served.version.id} ({served.version.says})" if served.version else "no version: whole sentences"
        if served.why_not:
            log.warning("%s: answers are whole sentences: %s", channel, served.why_not)
        elif served != before.get(release):
            log.info("%s answers by %s", channel, says)
        if served.version and self._own.config and served.version.id != self._own.version.id:
            now = self._own.version.id
            log.warning("%s makes answer version %s, which %s does not name; %s", self._file, now, channel, _how(now))

    def _served(self, channel: str) -> tuple[Served, str, bool]:
        """What a channel says now, the release that it says it of, and whether that is the last word."""
        try:
            named = read_channel(self._home, channel)
        except PipelineError as error:
            return self._none(str(error)), "", False
        if named is None:
            return self._none(f"{channel} names nothing yet") if self._own.config else Served(), "", False
        if named.answers is None:
            if not self._own.config:
                return Served(), named.release, True
            says = (
                f"{channel} names no answer version, so what {self._file} says is not served; {_how(self._own.version.id)}"
            )
            return self._none(says), named.release, True
        problem = standing(self._home, channel).trouble or unproved_answers(self._home, channel, named)
        if problem:
            return self._none(problem), named.release, False
        try:
            kept = read_version(self._home, named.answers.version)
        except PipelineError as error:
            return self._none(str(error)), named.release, False
        if kept.version.too_different:
            says = f"version {kept.version.id[:12]}: {kept.version.too_different}; {_how(self._own.version.id)}"
            return self._none(says), named.release, True
        return self._by(kept), named.release, True

    def _by(self, kept: KeptVersion) -> Served:
        version = kept.version
        if not version.models:
            return Served(version)
        if not self._own.config or self._books is None:
            says = "RAG_SERVE_ANSWERS is not set on this replica, so nobody says what its models may cost"
            return Served(version, None, says, version.models[0].model)
        if version.id not in self._writers:
            self._writers[version.id] = writer_of(kept, self._own.config, self._books)
        return Served(version, self._writers[version.id])

    def _none(self, why: str) -> Served:
        return Served(why_not=why, model=self._model())

    def _model(self) -> str:
        models = self._own.version.models
        return models[0].model if models else "an answer version"

    def _file_of(self, channel: str) -> object:
        try:
            said = self._home.channel(channel).stat()
        except OSError as error:
            return error.errno
        return said.st_mtime_ns, said.st_ino, said.st_size


def _how(version: str) -> str:
    return f"to have it served: `rag answers version`, then `rag promote --answers {version} --by NAME --reason WHY`"
