"""Connections to exactly the addresses that were looked up, with the name kept where servers want it: `Host`, and TLS.

httpx would look names up again for each connection, and the name of a hostile owner leads elsewhere the second time.
"""

import ssl
from urllib.request import getproxies, proxy_bypass

import httpx

from rag_pipeline.fetching.hosts import Hosts

_TRIED = 4
"""Addresses of a host tried one after the other, until one answers."""


class Pinned(httpx.BaseTransport):
    """One pool of connections a host: two hosts at one address share none, as the certificate is one name's.

    Where the environment names a proxy for an address, the proxy looks the name up, and is asked.
    """

    def __init__(self, hosts: Hosts, authorities: ssl.SSLContext) -> None:
        self._hosts, self._authorities = hosts, authorities
        self._pools: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if proxy := _proxy_for(request.url):
            return self._pool(f"proxy {proxy}", proxy).handle_request(request)
        addresses = self._hosts.addresses(request.url.host)[:_TRIED]
        if not addresses:
            raise httpx.ConnectError("its name leads to no address", request=request)
        for address in addresses[:-1]:
            try:
                return self._at(str(address), request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self._at(str(addresses[-1]), request)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _at(self, address: str, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # `Host` among them
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return self._pool(host).handle_request(pinned)

    def _pool(self, name: str, proxy: str | None = None) -> httpx.HTTPTransport:
        if name not in self._pools:
            self._pools[name] = httpx.HTTPTransport(verify=self._authorities, proxy=proxy)
        return self._pools[name]


def _proxy_for(url: httpx.URL) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for an address."""
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
