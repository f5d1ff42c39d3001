"""The turn of one step, where its run is executed by somebody else's executor.

In a project of other people's, a person or the automation sensor may start our assets together with theirs, in runs that
their executor works on: several steps at a time, and without the lock that a run of our own jobs holds from its first step
to its last (`worker.py`). There each step takes the lock for itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

from rag_pipeline.home_mark import claim_home
from rag_pipeline.host.at_work import is_at_work
from rag_pipeline.host.worker import taken, wait_for_turn
from rag_pipeline.process import prepare
from rag_pipeline.settings import Settings


def turn(settings: Settings) -> Callable[[dg.AssetExecutionContext, dg.AssetsDefinition], Any]:
    """What surrounds a step there: the refresh lock, unless its own run holds it."""

    @contextmanager
    def surrounding(context: dg.AssetExecutionContext, _: dg.AssetsDefinition) -> Iterator[Callable[[Any], None]]:
        prepare()
        claim_home(settings)
        with ExitStack() as held:
            if not is_at_work(settings.home, context.run.run_id) and not taken(held, settings.home, 0):
                context.log.info("Another run of this pipeline is at work; this step waits for it.")
                wait_for_turn(held, settings.home)
            yield lambda _: None

    return surrounding
