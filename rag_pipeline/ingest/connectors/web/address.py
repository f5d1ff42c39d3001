"""Addresses of pages: which are plain ones, which belong to one site, which lead into a private network."""

import ipaddress
import socket

import httpx


def address(text: str) -> httpx.URL | None:
    """An absolute http or https address without its fragment; None when it is none, or holds credentials."""
    try:
        url = httpx.URL(text.strip())
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            return None
        return url.copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):
        return None


def site(url: httpx.URL) -> tuple[str, int | None]:
    """Host and port: what a sitemap may speak for. The same for http and https on their own ports."""
    return url.host, url.port


def leads_inside(origin: str, target: str) -> bool:
    """Whether a redirect goes from a public host to an address of a private network, of this machine or its cloud.

    A page of the open web could have the pipeline read, and publish, what only the pipeline can reach. A target whose
    addresses cannot be looked up here (only a proxy knows it) is no such one.
    """
    return target != origin and any(_private(target)) and not (_private(origin) and all(_private(origin)))


def _private(host: str) -> list[bool]:
    """For each address of a host, whether it is one the open web does not reach."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return []
    return [not ipaddress.ip_address(one).is_global for one in found]
