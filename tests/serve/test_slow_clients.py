"""Clients that hold on to a replica and ask nothing: they are told and let go, others are answered, memory stays flat."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import Workspace
from tests.support.replicas import Running, replica

ASKED = {"query": "may I fly", "k": 1}


def connected(running: Running) -> socket.socket:
    place = urlsplit(running.url)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def told(connection: socket.socket) -> tuple[float, int, str]:
    """Seconds until the other side closed, the status it told before, and what kind of problem it is."""
    began, received = time.monotonic(), b""
    while part := connection.recv(65_536):
        received += part
    head, _, body = received.decode().partition("\r\n\r\n")
    return time.monotonic() - began, int(head.split(" ")[1]), str(json.loads(body)["type"])


def test_a_head_that_drips_in_is_ended_and_told(running: Running, key: str) -> None:
    with connected(running) as connection:
        connection.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(2)
        connection.sendall(b"X-More: 1\r\n")
        seconds, status, problem = told(connection)
    assert (status, problem) == (408, "/problems/slow-request")
    assert seconds < 30
    assert running.ask(key, ASKED).status_code == 200


def test_what_is_no_http_is_told_as_a_problem(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert told(connection)[1:] == (400, "/problems/invalid")


def test_a_connection_that_is_kept_may_wait_before_it_asks_again(running: Running, key: str) -> None:
    request = json.dumps(ASKED).encode()
    head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(request)}\r\nAuthorization: Bearer {key}\r\n\r\n".encode() + request
    with connected(running) as connection:
        for _ in range(3):
            connection.sendall(whole[:40])
            time.sleep(2)  # more than a head may take, all in all
            connection.sendall(whole[40:])
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200")
            time.sleep(0.5)


@pytest.fixture
def crowded(served_once: Workspace) -> Iterator[Running]:
    """A replica that has few files, and so few connections."""
    with replica(served_once, "--no-auth", files=300) as found:
        yield found


def test_more_connections_than_there_is_room_for_keep_nobody_out(crowded: Running) -> None:
    held = []
    try:
        for _ in range(400):
            held.append(connected(crowded))
            held[-1].sendall(b"POST /v1/search HTTP/1.1\r\n")
        assert crowded.ask(None, ASKED).status_code == 200
        assert told(held[0])[1:] == (503, "/problems/overloaded")
    finally:
        for one in held:
            one.close()


@pytest.mark.slow
def test_memory_stays_flat_under_clients_that_drip_bodies_and_take_no_answers(running: Running, key: str) -> None:
    """Five waves of 300 clients; what the process holds after the first is what it holds after the last."""
    place = urlsplit(running.url)
    head = f"Host: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"

    async def drips(number: int) -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(f"POST /v1/search HTTP/1.1\r\n{head}".encode())
        if number % 3:
            writer.write(b"Content-Length: 16000\r\n\r\n")
        for _ in range(8):
            writer.write(b" " * 100 if number % 3 else b"X-More: 1\r\n")
            await asyncio.sleep(1)
        if number % 3 == 2:
            await reader.read()
        writer.close()

    async def wave() -> None:
        await asyncio.gather(*(drips(number) for number in range(300)), return_exceptions=True)

    process, held = psutil.Process(running.process.pid), []
    for _ in range(5):
        asyncio.run(wave())
        assert running.ask(key, ASKED).status_code == 200
        held.append(process.memory_info().rss / 1e6)
    assert held[-1] < held[0] + 20, held
    assert process.num_fds() < 100
