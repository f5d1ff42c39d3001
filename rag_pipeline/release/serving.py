"""Answering from a channel, query after query, while releases are promoted, rolled back and collected."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rag_pipeline.channels.pointer import PRODUCTION, read_channel
from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, encoder_for, open_release, own_model

_TRIES = 5


class ChannelReader:
    """A reader that follows a channel: each answer comes from exactly one release, the one it names at that moment.

    It holds a private copy of the release, so that collecting it disturbs nobody, and moves over to the next release
    with the first query after the channel moved. One small file is read a query.
    """

    def __init__(self, home: Home, channel: str = PRODUCTION, *, device: str = "cpu") -> None:
        self._home, self._channel, self._device = home, channel, device
        self._stack = ExitStack()
        self._open: OpenRelease | None = None

    def __enter__(self) -> Self:
        self.current()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        self._open = None

    def current(self) -> OpenRelease:
        """The release the channel names now, open. Raises `ReleaseError` when it names none or it cannot be opened."""
        for attempt in range(1, _TRIES + 1):
            channel = read_channel(self._home, self._channel)
            if channel is None:
                raise ReleaseError(f"channel {self._channel} of {self._home} points at nothing yet; run `rag refresh`")
            if self._open and self._open.manifest.id == channel.release:
                return self._open
            opening = ExitStack()
            try:
                opened = opening.enter_context(open_release(self._home, channel.release, device=self._device))
            except ReleaseError:
                if attempt == _TRIES or read_channel(self._home, self._channel) == channel:
                    raise
                continue  # the channel moved on, and what it pointed at was collected meanwhile
            self._stack.close()
            self._stack, self._open = opening, opened
            return opened
        raise AssertionError("unreachable")

    def encoder(self, model: Model) -> Encoder:
        """What embeds questions to the release the channel names now, after it gave the vectors of its canary again.

        Ask again when a search names another release. `model`: the configured one. Raises as `encoder_for` does.
        """
        manifest = self.current().manifest
        return encoder_for(self._home, manifest, own_model(manifest, model))

    def search(self, query: Query | Vectors, k: int) -> tuple[str, list[Hit]]:
        """Release id, and its `k` best chunks in the mode it serves; a bare vector does for dense mode."""
        release = self.current()
        return release.manifest.id, release.search(query, k)
