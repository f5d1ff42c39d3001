"""A Ray cluster of two hosts on one machine, and a third host that is no node of it: network namespaces and cables."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HEAD, NODE, BESIDE = "raghead", "ragnode", "ragbeside"
HEAD_IP, NODE_IP = "10.77.3.1", "10.77.3.2"
ADDRESS = f"{HEAD_IP}:6379"
_ALL = (BESIDE, NODE, HEAD)

TOLD = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_period_ms": "2000",
}
"""What every side is told: who may join, and how soon a node that says nothing is dead (6 s)."""


def can_be() -> bool:
    """Whether this account may make namespaces."""
    if not shutil.which("ip") or os.geteuid() != 0:
        return False
    try:
        _ip("netns", "add", "ragprobe")
        _ip("netns", "del", "ragprobe")
    except subprocess.CalledProcessError:
        return False
    return True


@dataclass
class TwoHosts:
    """The head with two CPUs, the node with two, and a host beside them."""

    folder: Path

    def start(self) -> None:
        Path("/tmp/ray").mkdir(exist_ok=True)
        for name in _ALL:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for name, ends, network in ((NODE, ("rag0", "rag1"), "10.77.3"), (BESIDE, ("rag2", "rag3"), "10.77.4")):
            _ip("link", "add", ends[0], "netns", HEAD, "type", "veth", "peer", "name", ends[1], "netns", name)
            for place, link, last in ((HEAD, ends[0], 1), (name, ends[1], 2)):
                _ip("-n", place, "addr", "add", f"{network}.{last}/24", "dev", link)
                _ip("-n", place, "link", "set", link, "up")
            _ip("-n", name, "route", "add", "default", "via", f"{network}.1")
        self.within(HEAD, "sysctl", "-q", "net.ipv4.ip_forward=1").check_returncode()
        self.run(
            HEAD,
            "start",
            "--head",
            f"--node-ip-address={HEAD_IP}",
            "--port=6379",
            *_SMALL,
            "--include-dashboard=false",
        )
        self.run(NODE, "start", f"--address={ADDRESS}", f"--node-ip-address={NODE_IP}", *_SMALL)

    def run(self, name: str, *said: str) -> None:
        """`ray …` on one of the hosts."""
        call = "from ray.scripts.scripts import main; main()"
        self.within(name, sys.executable, "-c", call, *said).check_returncode()

    def within(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        done = self.begun(name, *command)
        out, _ = done.communicate(timeout=400)
        return subprocess.CompletedProcess(command, done.returncode, out)

    def begun(self, name: str, *command: str) -> subprocess.Popen[str]:
        """A command on one of the hosts, which is at work."""
        log = (self.folder / f"{name}.log").open("a")
        # What Ray keeps on a host lies in /tmp/ray, and a driver looks there for a node of this machine.
        alone = 'mount -t tmpfs none /tmp/ray && exec "$@"'
        there = ["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", alone, "sh", *command]
        told, nothing, pipe = {**os.environ, **TOLD}, subprocess.DEVNULL, subprocess.PIPE
        return subprocess.Popen(there, env=told, stdin=nothing, stdout=pipe, stderr=log, text=True)

    def kill(self, name: str) -> int:
        """Every process of a host, as when its power goes; how many there were."""
        pids = _pids(name)
        for pid in pids:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        return len(pids)

    def end(self) -> None:
        for name in _ALL:
            self.kill(name)
        until = time.monotonic() + 10
        while any(map(_pids, _ALL)) and time.monotonic() < until:
            time.sleep(0.1)
        for name in _ALL:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


_SMALL = ("--num-cpus=2", "--object-store-memory=100000000")


@contextmanager
def two_hosts(folder: Path) -> Iterator[TwoHosts]:
    hosts = TwoHosts(folder)
    hosts.end()  # of a test that was killed
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.end()


def _ip(*said: str) -> None:
    subprocess.run(["ip", *said], capture_output=True, check=True)


def _pids(name: str) -> list[int]:
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]
