"""Asking a replica from the cores that it is measured on: an open and a closed loop, and a server that does nothing."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Web:
    """Connections to a replica that are kept and used again. A client library takes 8 ms of CPU a question at this rate, of
    the cores that the replica is measured on; this takes a tenth of it."""

    def __init__(self, url: str, key: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port, self._key = int(port), key
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes) -> int:
        """The status of the answer, which is read whole. Raises `OSError` and `asyncio.IncompleteReadError`."""
        reader, writer = self._kept() or await asyncio.open_connection(self._host, self._port)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        said = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(said.split(b"content-length:")[1].split(b"\r\n")[0]))
        if b"connection: close" in said:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(said.split(b" ", 2)[1])

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that the replica has not closed meanwhile, because nobody used it."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def open_loop(web: Web, questions: list[str], rate: float, seconds: float) -> list[tuple[int, float]]:
    """Ask at a rate, whatever comes back: status and milliseconds of each."""
    tasks, began = [], time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(web, questions[number % len(questions)])))
    return list(await asyncio.gather(*tasks))


async def closed_loop(web: Web, questions: list[str], clients: int, seconds: float) -> float:
    """Answers a second, of clients that ask again as soon as they have an answer."""
    answered, until = 0, time.perf_counter() + seconds

    async def client(first: int) -> None:
        nonlocal answered
        place = first
        while time.perf_counter() < until:
            status, _ = await one(web, questions[place % len(questions)])
            answered += status == 200
            place += clients

    await asyncio.gather(*(client(number) for number in range(clients)))
    return answered / seconds


async def one(web: Web, text: str) -> tuple[int, float]:
    began = time.perf_counter()
    try:
        status = await web.post("/v1/search", json.dumps({"query": text, "k": 10}).encode())
    except (OSError, asyncio.IncompleteReadError):
        status = 0
    return status, 1000 * (time.perf_counter() - began)


_BARE = """
import asyncio
class Bare(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 503 Busy\\r\\ncontent-length: 0\\r\\n\\r\\n")
async def main():
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""Refuses whatever it is asked, at once: what the machine, its kernel and this client add to a refusal."""


@contextmanager
def bare_server() -> Iterator[int]:
    """Its port, on loopback."""
    process = subprocess.Popen([sys.executable, "-c", _BARE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
