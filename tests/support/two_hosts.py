"""A Ray cluster of two hosts on one machine, and a third host that is no node of it: network namespaces and cables."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HEAD, NODE, BESIDE = "raghead", "ragnode", "ragbeside"
HEAD_IP, NODE_IP = "10.77.3.1", "10.77.3.2"
ADDRESS = f"{HEAD_IP}:6379"
OUTSIDE_IP = "10.77.5.1"
"""This machine, as all hosts see it."""
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
    """The head with two CPUs, the node with two, and a host beside them.

    `told`: environment of a host's processes, beside that of all. `hidden`: folders that head and node do not see.
    """

    folder: Path
    hidden: Sequence[Path] = ()
    told: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def wire(self) -> None:
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

    def wire_outside(self) -> None:
        """A cable from the head to this machine, by which all hosts reach it."""
        _ip("link", "add", _CABLE, "type", "veth", "peer", "name", "rag5", "netns", HEAD)
        _ip("addr", "add", f"{OUTSIDE_IP}/24", "dev", _CABLE)
        _ip("link", "set", _CABLE, "up")
        _ip("-n", HEAD, "addr", "add", "10.77.5.2/24", "dev", "rag5")
        _ip("-n", HEAD, "link", "set", "rag5", "up")
        _ip("-n", HEAD, "route", "add", "default", "via", OUTSIDE_IP)
        for network in ("10.77.3.0/24", "10.77.4.0/24"):
            _ip("route", "add", network, "via", "10.77.5.2")

    def start(self) -> None:
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
        unseen = [Path("/tmp/ray"), *(self.hidden if name != BESIDE else ())]
        alone = " && ".join([*(f"mount -t tmpfs none '{folder}'" for folder in unseen), 'exec "$@"'])
        there = ["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", alone, "sh", *command]
        told = {**os.environ, **TOLD, **self.told.get(name, {})}
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
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
        subprocess.run(["ip", "link", "del", _CABLE], capture_output=True, check=False)


_CABLE = "rag4"
_SMALL = ("--num-cpus=2", "--object-store-memory=100000000")


Outside = Callable[[str], AbstractContextManager[Mapping[str, Mapping[str, str]]]]


@contextmanager
def two_hosts(folder: Path, *, outside: Outside | None = None, hidden: Sequence[Path] = ()) -> Iterator[TwoHosts]:
    """`outside`: what hosts reach on this machine at an address of it; gives what each host is told."""
    hosts = TwoHosts(folder, hidden)
    hosts.end()  # of a test that was killed
    with ExitStack() as stack:
        stack.callback(hosts.end)
        hosts.wire()
        if outside:
            hosts.wire_outside()
            hosts.told = stack.enter_context(outside(OUTSIDE_IP))
        hosts.start()
        yield hosts


def _ip(*said: str) -> None:
    subprocess.run(["ip", *said], capture_output=True, check=True)


def _pids(name: str) -> list[int]:
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]
