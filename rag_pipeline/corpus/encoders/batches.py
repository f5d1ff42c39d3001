"""Cutting texts into batches of about as much text, and running several batches at once."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rag_pipeline.corpus.encoders.spec import ModelSpec, Vectors

TYPICAL_TOKENS = 200
"""Length of a text by which a batch is measured: it holds more texts that are shorter."""


def tokenizer_for(model: ModelSpec) -> Any:
    """The model's tokenizer, cutting off what it does not read."""
    tokenizer = model.tokenizer()
    tokenizer.enable_truncation(model.max_tokens)
    return tokenizer


def batches(lengths: Sequence[int], at_least: int) -> Iterator[list[int]]:
    """Places of texts, the longest first, so that a batch holds texts of one length and little is padding.

    `at_least` texts of `TYPICAL_TOKENS` tokens fill a batch; a hundred questions cost what eight chunks do.
    """
    order = sorted(range(len(lengths)), key=lambda place: lengths[place], reverse=True)
    start = 0
    while start < len(order):
        fit = max(at_least, at_least * TYPICAL_TOKENS // max(1, lengths[order[start]]))
        yield order[start : start + fit]
        start += fit


def run_batches(
    parts: Iterable[list[int]],
    run: Callable[[list[int]], Vectors],
    texts: int,
    dimensions: int,
    workers: int,
    prepare: Callable[[], None] | None = None,
) -> Vectors:
    """Vectors of all texts, shape (texts, dimensions), by `workers` threads; the runtimes leave the interpreter free.

    `prepare` is called once in each of them. A single batch is cut into one for each worker then: cores that share a batch
    wait for each other by counting, which on a busy machine took three times the CPU. A single text, such as a question, has
    a thread of its own for the same reason: 10 ms of CPU there instead of 70 to 420 by two cores.
    """
    vectors, todo = np.empty((texts, dimensions), dtype=np.float32), list(parts)
    if prepare and len(todo) == 1:
        todo = [part for start in range(max(1, workers)) if (part := todo[0][start::workers])]

    def one(places: list[int]) -> None:
        vectors[places] = run(places)

    if workers < 2 or len(todo) < (1 if prepare else 2):
        for places in todo:
            one(places)
        return vectors
    with ThreadPoolExecutor(min(workers, len(todo)), initializer=prepare) as pool:
        for _ in pool.map(one, todo):  # raises what a batch raised
            pass
    return vectors


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_core() -> None:
    """Limits a thread that runs batches beside others: cores that share a batch wait for each other at every layer."""
    import torch

    torch.set_num_threads(1)
