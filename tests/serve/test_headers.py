"""Tricks with headers and addresses: none lets anybody in, none has a request believed about itself."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from tests.support.replicas import Running

BODY = b'{"query": "may I fly", "k": 1}'


def raw(running: Running, *lines: str, body: bytes = BODY, target: str = "/v1/search") -> tuple[int, str]:
    """Send a request byte by byte as it stands; status and body of what comes back."""
    place = urlsplit(running.url)
    head = "\r\n".join([f"POST {target} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "Connection: close", "", ""])
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(head.encode("latin-1") + body)
        received = b""
        while part := connection.recv(65_536):
            received += part
    head_back, _, rest = received.decode().partition("\r\n\r\n")
    return int(head_back.split(" ")[1]), rest


HOST, JSON = "Host: localhost", "Content-Type: application/json"

TRICKS: dict[str, tuple[list[str], int]] = {
    "a foreign host": (["Host: evil.example", JSON, "Authorization: Bearer {key}"], 421),
    "two hosts": ([HOST, "Host: evil.example", JSON, "Authorization: Bearer {key}"], 400),
    "a host that begins like ours": (["Host: localhost.evil.example", JSON, "Authorization: Bearer {key}"], 421),
    "a proxy's word for the host": (
        ["Host: evil.example", "X-Forwarded-Host: localhost", JSON, "Authorization: Bearer {key}"],
        421,
    ),
    "a page of another site": ([HOST, "Origin: https://evil.example", JSON, "Authorization: Bearer {key}"], 421),
    "an origin that is null": ([HOST, "Origin: null", JSON, "Authorization: Bearer {key}"], 421),
    "no key": ([HOST, JSON], 401),
    "two keys": ([HOST, JSON, "Authorization: Bearer {key}", "Authorization: Bearer rag_" + "x" * 43], 401),
    "two keys in one": ([HOST, JSON, "Authorization: Bearer {key}, Bearer {key}"], 401),
    "another scheme": ([HOST, JSON, "Authorization: Basic {key}"], 401),
    "a key without a scheme": ([HOST, JSON, "Authorization: {key}"], 401),
    "a key in a cookie": ([HOST, JSON, "Cookie: authorization=Bearer {key}"], 401),
    "a key in a header of another name": ([HOST, JSON, "X-Api-Key: {key}"], 401),
    "a word for who one is": (
        [HOST, JSON, "X-Principal: local", "X-Forwarded-User: admin", "X-Forwarded-For: 127.0.0.1"],
        401,
    ),
    "a key with more behind it": ([HOST, JSON, "Authorization: Bearer {key}x"], 401),
    "half a key": ([HOST, JSON, "Authorization: Bearer {half}"], 401),
    "an endless key": ([HOST, JSON, "Authorization: Bearer " + "A" * 9000], 401),
    "a text": ([HOST, "Content-Type: text/plain", "Authorization: Bearer {key}"], 415),
    "no type": ([HOST, "Authorization: Bearer {key}"], 415),
    "another charset": ([HOST, JSON + "; charset=utf-16", "Authorization: Bearer {key}"], 415),
    "something packed": ([HOST, JSON, "Content-Encoding: gzip", "Authorization: Bearer {key}"], 415),
    "two lengths": ([HOST, JSON, "Content-Length: 5", "Authorization: Bearer {key}"], 400),
    "a length that is negative": ([HOST, JSON, "Content-Length: -1", "Authorization: Bearer {key}"], 400),
    "a length and pieces": ([HOST, JSON, "Transfer-Encoding: chunked, identity", "Authorization: Bearer {key}"], 400),
    "a method in a header": ([HOST, JSON, "X-HTTP-Method-Override: DELETE", "Authorization: Bearer {key}"], 200),
    "another case": (["hOST: LOCALHOST:80", JSON.upper(), "authorization: bEARER {key}"], 200),
    "a name that the settings list": (["Host: rag.example.com", JSON, "Authorization: Bearer {key}"], 200),
}


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_with_headers_comes_to_what_it_should(running: Running, key: str, name: str) -> None:
    lines, status = TRICKS[name]
    filled = [line.replace("{key}", key).replace("{half}", key[:-1]) for line in lines]
    found, body = raw(running, *filled)
    assert found == status, body
    assert key not in body


@pytest.mark.parametrize("query", ["key={key}", "access_token={key}", "Token=abc", "x={key}", "q=1&API_KEY="])
def test_a_key_in_the_address_is_refused_even_beside_a_good_one(running: Running, key: str, query: str) -> None:
    target = f"/v1/search?{query.replace('{key}', key)}"
    status, body = raw(running, HOST, JSON, f"Authorization: Bearer {key}", target=target)
    assert (status, '"type": "/problems/key-in-address"' in body) == (401, True)
    assert key not in "".join(running.raw)


@pytest.mark.parametrize(
    "target", ["//v1/search", "/v1/search/", "/V1/search", "/v1/../v1/search", "/mcp/", "/healthz/x", "/%2e/x"]
)
def test_another_spelling_of_a_path_is_nothing(running: Running, key: str, target: str) -> None:
    assert raw(running, HOST, JSON, target=target)[0] in (401, 404)
    assert raw(running, HOST, JSON, f"Authorization: Bearer {key}", target=target)[0] == 404


def test_a_body_that_never_comes_is_a_problem_and_others_are_answered_meanwhile(running: Running, key: str) -> None:
    async def slow() -> bytes:
        place = urlsplit(running.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        head = f"POST /v1/search HTTP/1.1\r\n{HOST}\r\n{JSON}\r\nAuthorization: Bearer {key}\r\nContent-Length: 400\r\n\r\n"
        writer.write(head.encode() + b'{"query"')
        await writer.drain()
        return await reader.read()

    async def all_of_them() -> list[bytes]:
        slow_ones = [asyncio.create_task(slow()) for _ in range(40)]
        await asyncio.sleep(0.5)
        told = await asyncio.to_thread(running.ask, key, BODY)
        assert told.status_code == 200
        assert not any(one.done() for one in slow_ones)
        return await asyncio.gather(*slow_ones)

    for received in asyncio.run(all_of_them()):
        assert received.startswith(b"HTTP/1.1 408")
        assert b"/problems/slow-request" in received
