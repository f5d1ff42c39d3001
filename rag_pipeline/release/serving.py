"""Answering from a channel, query after query, while releases are promoted, rolled back and collected: one thread's reader.

`opened_next` is the rule by which everybody follows a channel. A program whose threads ask at once uses `leases`.
"""

from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Self

from rag_pipeline.channels.pointer import PRODUCTION, Channel, read_channel
from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, encoder_for, open_release, own_model

_TRIES = 5


def channel_of(home: Home, name: str) -> Channel:
    """The channel. Raises `ReleaseError` when it names no release yet, or its file is damaged."""
    channel = read_channel(home, name)
    if channel is None:
        raise ReleaseError(f"channel {name} of {home} points at nothing yet; run `rag refresh`")
    return channel


def opened_next(
    home: Home, channel: str, serving: str | None, modes: Literal["readable"] | None = None, *, device: str = "cpu"
) -> tuple[OpenRelease, ExitStack] | None:
    """The release a channel names now, open, with what closes it; None where that is `serving`, which is open already.

    `modes`: as for `open_release`.
    A release that was collected while it was being opened sends the caller to the one that the channel names by then.
    Raises `ReleaseError` when the channel names none, or its release cannot be opened.
    """
    for attempt in range(1, _TRIES + 1):
        named = channel_of(home, channel)
        if named.release == serving:
            return None
        opening = ExitStack()
        try:
            return opening.enter_context(open_release(home, named.release, modes, device=device)), opening
        except ReleaseError:
            if attempt == _TRIES or read_channel(home, channel) == named:
                raise
    raise AssertionError("unreachable")


class ChannelReader:
    """A reader that follows a channel: each answer comes from exactly one release, the one it names at that moment.

    It holds a private copy of the release, so that collecting it disturbs nobody, and moves over to the next release
    with the first query after the channel moved, which waits until that is open. One small file is read a query. It
    serves one thread at a time; `leases.Leases` serves many, and none of them waits.
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
        serving = self._open.manifest.id if self._open else None
        if moved := opened_next(self._home, self._channel, serving, device=self._device):
            self._stack.close()
            self._open, self._stack = moved
        if self._open is None:
            raise AssertionError("unreachable")
        return self._open

    def encoder(self, model: Model) -> Encoder:
        """What embeds questions to the release the channel names now, after it gave the vectors of its control texts again.

        Ask again when a search names another release. `model`: the configured one. Raises as `encoder_for` does.
        """
        manifest = self.current().manifest
        return encoder_for(self._home, manifest, own_model(manifest, model))

    def search(self, query: Query | Vectors, k: int) -> tuple[str, list[Hit]]:
        """Release id, and its `k` best chunks in the mode it serves; a bare vector does for dense mode."""
        release = self.current()
        return release.manifest.id, release.search(query, k)
