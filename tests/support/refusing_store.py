"""An address before a store that passes on what comes, counts the bytes, and refuses all of it while a test says so."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_AWAY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Door:
    """`sent`, `got`: bytes to the store and from it, as its clients see them. `refused`: connections that came in vain."""

    def __init__(self, store: str) -> None:
        at = urlsplit(store)
        self._store = (at.hostname or "", at.port or 0)
        self._refuses, self._open = False, set[socket.socket]()
        self.sent = self.got = self.refused = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def refuse(self, seconds: float) -> None:
        """From now on, for so long: what is under way is cut off."""
        self._refuses = True
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        timer = threading.Timer(seconds, self._let)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        self._server.close()

    def _let(self) -> None:
        self._refuses = False

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        if self._refuses:
            self.refused += 1
            with client, suppress(OSError):
                client.recv(65_536)
                client.sendall(_AWAY)
            return
        with client, socket.create_connection(self._store) as store:
            both = {client, store}
            self._open |= both
            back = threading.Thread(target=self._copy, args=(store, client, self._gets), daemon=True)
            back.start()
            self._copy(client, store, self._sends)
            back.join()
            self._open -= both

    def _copy(self, one: socket.socket, other: socket.socket, count: Callable[[int], None]) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                count(len(data))
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def _sends(self, count: int) -> None:
        self.sent += count

    def _gets(self, count: int) -> None:
        self.got += count


@contextmanager
def door_before(store: str) -> Iterator[Door]:
    door = Door(store)
    try:
        yield door
    finally:
        door.close()
