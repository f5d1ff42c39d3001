"""Hosts of a home in a bucket on one machine: network namespaces, each with a cable to where the store and PostgreSQL are.

On a host, as a process of its own, until stdin ends; a line of JSON for each thing that it did:

    python -m tests.support.bucket_hosts read subject…       # reads production, and counts its answers by release
    python -m tests.support.bucket_hosts promote             # moves production to the release of each line on stdin
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rag_pipeline.home import Home
from rag_pipeline.settings import load_settings
from tests.support.bucket_home import BucketHome
from tests.support.two_hosts import can_be

__all__ = ["Host", "can_be", "hosts_of", "passed_on"]

_NETWORK = "10.77.{}.{}"
_FIRST = 21
_TOLD = "TOLD_TO_THE_HOST"
"""The environment of its own: the tests' modules drop what is called RAG_…"""
_EVERY = 10
"""Answers between two reports of a reader."""


@dataclass
class Host:
    """One namespace. `environment`: of a process there that works on the home."""

    name: str
    cable: str
    environment: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def begun(self, *said: str) -> subprocess.Popen[str]:
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", "tests.support.bucket_hosts", *said]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.running.append(process)
        return process

    def cut(self, *, off: bool) -> None:
        """Pull the cable out, or put it in again: what is sent meanwhile is lost without an answer."""
        _ip("link", "set", self.cable, "down" if off else "up")


@contextmanager
def hosts_of(bucket: BucketHome, names: tuple[str, ...]) -> Iterator[list[Host]]:
    """Hosts that reach nothing but the servers of a home."""
    with ExitStack() as stack:
        yield [stack.enter_context(_host(bucket, name, _FIRST + place)) for place, name in enumerate(names)]


@contextmanager
def _host(bucket: BucketHome, name: str, number: int) -> Iterator[Host]:
    space, ends = f"rag{name}", (f"ragw{number}", f"rage{number}")
    _end(space, ends[0])
    here, there = _NETWORK.format(number, 1), _NETWORK.format(number, 2)
    _ip("netns", "add", space)
    _ip("-n", space, "link", "set", "lo", "up")
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", space)
    _ip("addr", "add", f"{here}/24", "dev", ends[0])
    _ip("link", "set", ends[0], "up")
    _ip("-n", space, "addr", "add", f"{there}/24", "dev", ends[1])
    _ip("-n", space, "link", "set", ends[1], "up")
    store_port = int(bucket.store.url.rpartition(":")[2])
    with passed_on(here, store_port) as store, passed_on(here, bucket.server.port) as locks:
        own = {"HOME": bucket.uri, "CACHE": str(bucket.folder / name), "CHANNEL_POLL_S": "0.2"}
        own["LOCKS"] = bucket.locks.replace(f"127.0.0.1:{bucket.server.port}", f"{here}:{locks}")
        told = {f"RAG_{key}": said for key, said in own.items()} | {"AWS_ENDPOINT_URL": f"http://{here}:{store}"}
        told["DAGSTER_HOME"] = str(bucket.folder / name / "dagster")
        host = Host(space, ends[0], {**os.environ, _TOLD: json.dumps(told)})
        try:
            yield host
        finally:
            for process in host.running:
                process.kill()
                process.wait()
            _end(space, ends[0])


def _end(space: str, cable: str) -> None:
    for said in (("link", "del", cable), ("netns", "del", space)):
        subprocess.run(["ip", *said], capture_output=True, check=False)


def _ip(*said: str) -> None:
    subprocess.run(["ip", *said], capture_output=True, check=True)


@contextmanager
def passed_on(address: str, port: int) -> Iterator[int]:
    """A port of an address of this machine that leads to one of its loopback."""
    server = socket.create_server((address, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with suppress(OSError):
                    inside = socket.create_connection(("127.0.0.1", port))
                    for ends in ((client, inside), (inside, client)):
                        threading.Thread(target=_pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(server.getsockname()[1])
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _home() -> Home:
    os.environ.update(json.loads(os.environ[_TOLD]))
    return load_settings().home


def _read(subjects: list[str]) -> None:
    import time

    from rag_pipeline.release.serving import ChannelReader
    from tests.support.small_releases import bag_of_words

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    answers: Counter[str] = Counter()
    longest = 0.0
    with ChannelReader(_home()) as reader:
        while not ended.is_set():
            for subject in subjects:
                began = time.monotonic()
                release, hits = reader.search(bag_of_words(f"about {subject} here"), 5)
                longest = max(longest, time.monotonic() - began)
                markers = sorted({hit.text.rpartition("marker-")[2].rstrip(".") for hit in hits})
                answers[f"{release} {' '.join(markers)}"] += 1
            if answers.total() % _EVERY < len(subjects):
                _say(answers=answers, longest_s=round(longest, 2))
    _say(answers=answers, longest_s=round(longest, 2))


def _promote() -> None:
    from rag_pipeline.channels.audit import move_and_record
    from rag_pipeline.channels.pointer import Channel, read_channel
    from rag_pipeline.index.manifest import read_manifest
    from tests.support.readers import BY_FORCE
    from tests.support.small_releases import NOW

    home = _home()
    for line in sys.stdin:
        release, at = line.strip(), read_channel(home, "production")
        number = (at.sequence if at else 0) + 1
        stands = {"release": release, "fingerprint": read_manifest(home.release(release)).fingerprint}
        moved = {"previous": at.release if at else None, "sequence": number, "at": NOW + timedelta(hours=number)}
        moved |= {"by": "tests", "why": "x", "run_id": "r", **BY_FORCE}
        move_and_record(home, "production", Channel.model_validate(stands | moved), expected=at)
        _say(moved=release)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        _read(sys.argv[2:])
    else:
        _promote()
