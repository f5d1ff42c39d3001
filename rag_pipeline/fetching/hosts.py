"""Where the names of hosts lead: looked up once for each load and kept, and which of them lead inside a private network.

The addresses that were looked up are the ones that are connected to (`pinned`), so a name that leads elsewhere the second
time gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Sequence[str]]
"""The addresses of a name, as text. Raises `OSError` or `UnicodeError` when it has none."""

_INSIDE_NAMES = ("localhost", "local", "internal", "home.arpa", "intranet", "lan")
"""Last parts of names that no public name has, so that a proxy is not asked for them either (RFC 6761, 6762, 8375; cloud
metadata services are called so)."""

_CARRIES_IPV4 = [ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "::/96")]
"""Translated and old-style addresses, whose last 32 bits are one of IPv4 (RFC 6052, RFC 4291 2.5.5.1)."""


def look_up(host: str) -> list[str]:
    """The addresses of a host as the system gives them, for every spelling it takes (`127.1`, `0x7f.1`, `2130706433`)."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class Hosts:
    """The hosts of one load. `own`: those that the contract itself names, wherever they lead."""

    def __init__(self, own: Iterable[str] = (), resolve: Resolve = look_up) -> None:
        self._own, self._resolve = {_plain(host) for host in own}, resolve
        self._found: dict[str, tuple[Address, ...]] = {}

    def addresses(self, host: str) -> tuple[Address, ...]:
        """Where to connect to: the same for the whole load. Of a name that leads outside and inside, the outside only."""
        found = self._all(host)
        return tuple(one for one in found if not is_inside(one)) or found

    def leads_inside(self, host: str, origin: str) -> bool:
        """Whether `host`, reached from a page of `origin`, leads into this machine, its network or its cloud and may not.

        A page of the open web could have the pipeline read, and publish, what only the pipeline can reach. What the
        contract names may lie inside, and pages inside may lead to others inside. A host whose addresses cannot be looked
        up here (only a proxy knows it) leads nowhere inside, unless its name says so.
        """
        host, origin = _plain(host), _plain(origin)
        if host == origin:
            return host not in self._own and self._any_inside(host) and not any(map(self._wholly_inside, self._own))
        return self._any_inside(host) and not self._wholly_inside(origin)

    def _any_inside(self, host: str) -> bool:
        found = self._all(host)
        return any(map(is_inside, found)) if found else _named_inside(host)

    def _wholly_inside(self, host: str) -> bool:
        found = self._all(host)
        return all(map(is_inside, found)) if found else _named_inside(host)

    def _all(self, host: str) -> tuple[Address, ...]:
        host = _plain(host)
        if host not in self._found:
            try:
                self._found[host] = tuple(dict.fromkeys(map(ipaddress.ip_address, self._resolve(host))))
            except (OSError, UnicodeError, ValueError):
                if host in self._own:  # it may be back in a minute
                    return ()
                self._found[host] = ()  # what had no address when it was looked at gets none later
        return self._found[host]


def is_inside(address: Address) -> bool:
    """Whether an address is none of the open web, also where it is wrapped into one of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        if wrapped := address.ipv4_mapped or address.sixtofour or _carried(address):
            return is_inside(wrapped)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast or address.is_reserved


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(address in net for net in _CARRIES_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _named_inside(host: str) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in _INSIDE_NAMES)


def _plain(host: str) -> str:
    """A host's name without the dot of the root behind it."""
    return host.lower().removesuffix(".")
