"""An S3-compatible store on loopback (moto), and a door before it that counts, and fails where a test says so."""

import http.client
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rag_pipeline.connectors import Connector, Item
from rag_pipeline.connectors.files import FilesServer
from rag_pipeline.connectors.table import TableServer
from rag_pipeline.limits import Limits

_ANYBODY = "AWS4-HMAC-SHA256 Credential=anybody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=any"
"""What the store, which checks no signature, wants to see before it hands out an object."""

SECRET = "sEcReT-never-to-be-told"
QUICK = Limits(timeout_s=5, retries=2)


@dataclass(frozen=True)
class Answer:
    """What the door says instead of the store. The last `cut` bytes of the body never come; `hang`: nothing ever does;
    `gone`: the connection ends instead. `after`: the store was asked all the same, and only its answer is lost."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    hang: bool = False
    gone: bool = False
    after: bool = False


Script = Callable[[str, str], Answer | None]
"""(method, path with query) -> what to answer, None to let the request through to the store."""


def pass_on(method: str, path: str) -> Answer | None:
    return None


class Door:
    """The address tests read from. `requests` and `headers` hold what came; `script` may be changed at any time."""

    def __init__(self, store: tuple[str, int] | None, script: Script) -> None:
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.script = script
        self._leaving = threading.Event()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door.requests.append((self.command, self.path))
                door.headers.append({name.lower(): value for name, value in self.headers.items()})
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = door.script(self.command, self.path)
                asked = self._ask(store, sent) if store and (said is None or said.after) else Answer(404)
                answer = said or asked
                self.close_connection = bool(answer.hang or answer.cut or answer.gone)
                if answer.gone:
                    return
                if answer.hang:
                    door._leaving.wait(60)
                    return
                body = b"" if self.command == "HEAD" else answer.body
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: len(body) - answer.cut])

            do_HEAD = do_PUT = do_GET  # noqa: N815

            def _ask(self, address: tuple[str, int], sent: bytes) -> Answer:
                connection = http.client.HTTPConnection(*address, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                if "Authorization" not in self.headers:  # in whatever case
                    headers["Authorization"] = _ANYBODY
                connection.request(self.command, self.path, sent or None, headers)
                response = connection.getresponse()
                body = response.read()
                connection.close()
                own = ("connection", "transfer-encoding", "server", "date", *(["content-length"] if body else []))
                return Answer(response.status, body, {k: v for k, v in response.getheaders() if k.lower() not in own})

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that gave up

        self._server = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def fetched(self) -> list[str]:
        """Paths of the objects whose content was asked for, in order."""
        return [path for method, path in self.requests if method == "GET" and "?" not in path]

    @property
    def listed(self) -> list[str]:
        return [path for _, path in self.requests if "list-type" in path]

    def close(self) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def open_door(store: tuple[str, int] | None = None, script: Script = pass_on) -> Iterator[Door]:
    door = Door(store, script)
    try:
        yield door
    finally:
        door.close()


@dataclass
class Bucket:
    """A bucket of the store, and the door through which it is read."""

    name: str
    door: Door

    def put(self, **objects: bytes) -> None:
        """Any key at all, also such as no client would let through."""
        for key, content in objects.items():
            _backend().put_object(self.name, key, content)

    def delete(self, *keys: str) -> None:
        for key in keys:
            _backend().delete_object(self.name, key)

    def drop(self) -> None:
        _backend().delete_bucket(self.name)

    def place(self, place: str = "") -> tuple[str, str, Limits]:
        """Where it is, through which door, and how patiently it is asked."""
        return f"s3://{self.name}/{place}".rstrip("/"), self.door.url, QUICK

    def server(self, place: str = "", **fields: Any) -> FilesServer:
        location, endpoint, limits = self.place(place)
        return FilesServer(**{"location": location, "endpoint": endpoint, "limits": limits, **fields})

    def table(self, place: str = "", form: str = "jsonl", **fields: Any) -> TableServer:
        location, endpoint, limits = self.place(place)
        given = {"location": location, "endpoint": endpoint, "limits": limits, "format": form}
        return TableServer(**{**given, **fields})


def _backend() -> Any:
    from moto.s3.models import s3_backends

    return s3_backends["123456789012"]["aws"]


@cache
def moto_address() -> tuple[str, int]:
    """Where the store listens, until the tests' process ends."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = server.get_host_and_port()
    return str(address[0]), int(address[1])


@contextmanager
def new_bucket() -> Iterator[Bucket]:
    with open_door(moto_address()) as door:
        bucket = Bucket(f"bucket{uuid.uuid4().hex[:12]}", door)
        _backend().create_bucket(bucket.name, "us-east-1")
        yield bucket


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for every store, and nothing else of the shell that runs the tests."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")


def listed(connector: Connector) -> list[Item]:
    return list(connector.items(lambda key: None))


def wait_until(holds: Callable[[], bool], within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
