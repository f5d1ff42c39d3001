"""The one file that knows the openai SDK: one question to one OpenAI-compatible endpoint, its text piece by piece.

Nothing an endpoint does may cost more than was agreed: time, bytes and tries have an end, and it leads to no other address.
"""

import asyncio
import importlib.util
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from rag_pipeline.answer.config import Endpoint
from rag_pipeline.errors import PipelineError

MOST_BYTES = 512 * 1024
"""An answer is no longer than this, as it comes over the network."""


class EndpointFailed(Exception):
    """An endpoint gave no whole answer. Says what kind of failure it was, and nothing that the endpoint said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the endpoint counts them."""

    tokens_in: int
    tokens_out: int


def check_installed() -> None:
    """Raises `PipelineError` where the extra is missing."""
    if not importlib.util.find_spec("openai"):
        raise PipelineError("models that write answers need openai, which is missing; pip install 'rag-pipeline[answers]'")


async def ask(endpoint: Endpoint, system: str, user: str, timeout_s: float) -> AsyncGenerator[str | Usage, None]:
    """The pieces of an answer as they come, and its usage at the end if the endpoint tells. Raises `EndpointFailed`."""
    import openai

    key = os.environ.get(endpoint.key, "") if endpoint.key else ""
    client = openai.AsyncOpenAI(
        api_key=key or "none", base_url=endpoint.url, max_retries=0, timeout=timeout_s, http_client=_bounded(endpoint.url)
    )
    until = asyncio.get_running_loop().time() + timeout_s
    try:
        async with client:
            async with asyncio.timeout_at(until):
                stream: Any = await client.chat.completions.create(
                    model=endpoint.model,
                    messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                    max_tokens=endpoint.tokens_out,
                    temperature=0,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ended = False
            async with aclosing(stream.__aiter__()) as parts:
                while True:
                    try:  # the clock runs while the endpoint is waited for, not while whoever reads is
                        async with asyncio.timeout_at(until):
                            part = await anext(parts)
                    except StopAsyncIteration:
                        break
                    for choice in part.choices or ():
                        ended = ended or bool(choice.finish_reason)
                        if isinstance(text := getattr(choice.delta, "content", None), str) and text:
                            yield text
                    if part.usage is not None:
                        yield Usage(_count(part.usage.prompt_tokens), _count(part.usage.completion_tokens))
            if not ended:
                raise EndpointFailed("its answer was cut off")
    except EndpointFailed:
        raise
    except TimeoutError:
        raise EndpointFailed("it took too long") from None
    except openai.APIStatusError as error:
        raise EndpointFailed(f"it answered with status {error.status_code}") from None
    except Exception as error:  # whatever a server can make a client raise; its text may hold a document
        raise EndpointFailed(f"it cannot be understood ({type(error).__name__})") from None


def _count(said: Any) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else -1


def _bounded(url: str) -> Any:
    """A client that follows no redirect, asks no proxy, and reads no more than `MOST_BYTES`."""
    import httpx2

    class Counted(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > MOST_BYTES:
                    raise EndpointFailed("its answer is too large")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Bounded(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            response = await super().handle_async_request(request)
            response.stream = Counted(response.stream)
            return response

    return httpx2.AsyncClient(transport=Bounded(verify=url.startswith("https")), follow_redirects=False, trust_env=False)
