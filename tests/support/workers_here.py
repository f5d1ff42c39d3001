"""Real workers that answer in this process, in place of those of a Ray cluster; a test may change what they say."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from rag_pipeline.corpus.engines import on_ray
from rag_pipeline.corpus.engines.ray_process import Answer, RayProcess
from rag_pipeline.corpus.engines.worker import Worker

Change = Callable[[list[Answer]], list[Answer]]
Around = Callable[[], AbstractContextManager[None]]


class Here:
    """What a worker says, by default what it did. Call it to have it say something else."""

    def __init__(self) -> None:
        self.change: Change = lambda answers: answers
        self.around: Around = nullcontext
        """What is so while the worker works."""

    def __call__(self, change: Change) -> None:
        self.change = change


def in_this_process(how: Here) -> type[RayProcess]:
    """What takes the place of Ray. Nothing more comes once a worker said all."""

    class InThisProcess(RayProcess):
        def __init__(self, told: Answer) -> None:
            super().__init__(told)
            with how.around():
                worker = Worker(told["orders"])
                answers = [worker.embed(part) for part in told["parts"]]
            for one in how.change(answers):
                self._lines.put(one)

        def __enter__(self) -> "InThisProcess":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    return InThisProcess


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Have a worker in this process answer."""
    how = Here()
    monkeypatch.setattr(on_ray, "RayProcess", in_this_process(how))
    monkeypatch.setattr(on_ray, "check_installed", lambda: None)
    monkeypatch.setattr(on_ray, "_LOOK_S", 0.01)
    return how
