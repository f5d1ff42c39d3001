"""Real receivers on loopback: one that takes messages, one that fails, one that never answers, one that takes mail."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cr3t-t0ken"  # stands in every address, and must stand nowhere else


@dataclass
class Inbox:
    """What a receiver got, and what it answers from now on."""

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and authorization of each request."""
    status: int = 200
    hang: bool = False
    drip: bool = False
    tried: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def take(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        taken, self.messages[:] = list(self.messages), []
        return taken


@contextmanager
def web_receiver() -> Iterator[Inbox]:
    """A web hook, as any program that takes one."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.tried += 1
            inbox.asked.append((self.path, self.headers.get("Authorization", "")))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if inbox.hang:
                inbox.over.wait(60)
                return
            if inbox.drip:  # never silent long enough for a read to time out
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not inbox.over.wait(0.2):
                    self.wfile.write(b"X-More: x\r\n")
            elif inbox.status == 200:
                inbox.messages.append(json.loads(body))
            self.send_response(inbox.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    inbox.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield inbox
    finally:
        inbox.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mail_receiver() -> Iterator[Inbox]:
    """As much of a mail server as takes a mail. Its `messages` hold the mail as it came, with whom it was for."""
    inbox = Inbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            to: list[str] = []
            while line := self.rfile.readline().decode().strip():
                word = line[:4].upper()
                if word == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (text := self.rfile.readline()) != b".\r\n":
                        lines.append(text)
                    inbox.messages.append({"to": to, "mail": b"".join(lines)})
                elif word == "EHLO":
                    self.say("250-here")
                    self.say("250 AUTH PLAIN")
                    continue
                elif word == "AUTH":
                    self.say("235 welcome")
                    continue
                elif word == "RCPT":
                    to.append(line)
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                self.say("250 ok")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        inbox.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()


def dead_address() -> str:
    """Where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"json://user:{SECRET}@127.0.0.1:{free.getsockname()[1]}/"
