"""The promoted index, from a program: `from rag_pipeline import Index`. It reads a home and changes nothing in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, overload

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.home_mark import no_home_says
from rag_pipeline.index.asked import mode_of, number_of_hits, question_of
from rag_pipeline.index.manifest import Mode
from rag_pipeline.index.retrieve import Hit
from rag_pipeline.release.leases import Leases, State
from rag_pipeline.settings import Settings, load_settings, settings_of

__all__ = ["Answer", "Hit", "Index", "Mode", "State"]


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The hits of one question, best first, as a sequence, and which release gave them in which mode."""

    release: str
    mode: Mode
    hits: tuple[Hit, ...]

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


class Index:
    """The release a channel names, open for as many threads as a program has, for as long as it runs.

        with Index.open("~/handbook/.rag") as index:
            for hit in index.search("how do I copy a folder", k=5):
                print(hit.rank, hit.score, hit.document_id, hit.uri)

    It follows the channel: within about a second after a promotion or a rollback the other release answers, which was opened
    meanwhile, so no search waits for it. It embeds questions itself, with the model of the release that answers, after that
    gave the vectors of the release's control texts again. One `Index` in each process serves all its threads. A process that
    forks opens its own afterwards.
    """

    def __init__(self, leases: Leases) -> None:
        """Use `Index.open`."""
        self._leases = leases

    @classmethod
    def open(cls, home: str | Path | None = None, channel: str = PRODUCTION) -> Self:
        """Open what a channel of a home serves, the model included; this takes seconds, and no search after it does.

        `home`: what RAG_HOME names, a folder or a bucket; `~` is the user's. None: that of the project
        which the working directory lies in, its `.env` read, as a command does. The device is that of RAG_DEVICE.

        Raises `PipelineError` when the folder is no home, and `ReleaseError` when the channel names no release, or that is
        damaged. Close it, or use it as a context manager.
        """
        settings = load_settings() if home is None else settings_of({"home": home}, lambda name: name)
        if nothing := no_home_says(settings):
            raise PipelineError(nothing)
        return cls(Leases(settings.home, channel, model=_Configured(settings), device=settings.device))

    def search(self, question: str, k: int = 10, *, mode: Mode | None = None) -> Answer:
        """The `k` best chunks for a question, best first; the same as `rag query` gives. Safe between threads.

        `question`: 1 to 2,000 characters. `k`: 1 to 1,000. `mode`: by meaning (`dense`), by words (`lexical`) or both
        (`hybrid`); None is as the release serves, which is what was evaluated.

        Raises `QueryError`, which is a `ValueError` too, for what cannot be asked, and `ReleaseError` when the release
        cannot answer that way, or this is closed.
        """
        text, wanted, asked = question_of(question), number_of_hits(k), mode_of(mode)
        with self._leases.lease() as leased:
            hits = leased.search(text, wanted, asked)
            return Answer(leased.manifest.id, asked or leased.manifest.retrieval.mode, tuple(hits))

    @property
    def state(self) -> State:
        """Which release serves, which one the channel wants, and why that does not serve yet."""
        return self._leases.state

    def close(self) -> None:
        """End: searches that run are waited for, later ones raise `ReleaseError`."""
        self._leases.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Configured:
    """The configured model, looked up when the first text is to be embedded: a release that serves by words needs none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: Model | None = None

    def __call__(self) -> Model:
        if self._model is None:
            self._model = model_of(self._settings)
        return self._model
