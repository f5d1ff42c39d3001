"""Work that is given up when whoever asked for it has closed the connection: what nobody waits for need not be paid for."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request

from rag_pipeline.door.problems import SLOW, Problem

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work. Ends it once the connection is closed, and raises `Problem`, which nobody gets to read."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_closed(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(SLOW, "the connection was closed before the answer was there")
    finally:
        for one in (working, gone):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await one


async def _closed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
