"""No page of the open web leads the pipeline into a private network: what was looked at is what is connected to."""

import datetime
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from rag_pipeline.connectors.web import WebServer
from rag_pipeline.connectors.web.connector import Web
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.fetching.hosts import Hosts, is_inside, look_up
from rag_pipeline.fetching.pinned import Pinned
from rag_pipeline.limits import Limits
from tests.support.web_site import Reader, Site, html, moved

INSIDE = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "::1",
    "fd00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:db8::1",
]
SPELLED = ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0177.1", "127.1", "127.0.1", "0", "2852039166", "localhost"]
NAMED_INSIDE = ["localhost.", "a.localhost", "printer.local", "metadata.google.internal", "METADATA.google.internal."]
OUTSIDE = ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1", "::ffff:8.8.8.8", "2002:808:808::1"]


def names(**known: str | Sequence[str]) -> Callable[[str], list[str]]:
    """A resolver that knows a few names, and addresses in every spelling."""

    def resolve(host: str) -> list[str]:
        if host in known:
            found = known[host]
            return [found] if isinstance(found, str) else list(found)
        if host.endswith((".example", ".internal", ".local", "localhost")):
            raise OSError("no such name")
        return look_up(host)

    return resolve


@pytest.mark.parametrize("target", [*INSIDE, *SPELLED, *NAMED_INSIDE])
def test_a_public_page_leads_to_nothing_inside(target: str) -> None:
    hosts = Hosts(["public.example", "8.8.8.8"], names())
    assert hosts.leads_inside(target, "8.8.8.8")
    assert not Hosts([target], names()).leads_inside(target, target), "what the contract names may lie inside"


@pytest.mark.parametrize("target", [*OUTSIDE, "no-such-host.example"])
def test_a_public_page_leads_to_another(target: str) -> None:
    assert not Hosts(["8.8.8.8"], names()).leads_inside(target, "8.8.8.8")


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_open_web_are_no_others(address: str) -> None:
    assert not is_inside(ip_address(address))


def test_a_page_inside_may_lead_to_another_inside_and_a_public_one_of_the_same_contract_may_not() -> None:
    hosts = Hosts(["intranet", "8.8.8.8"], names(intranet="10.0.0.1", wiki="10.0.0.2"))
    assert not hosts.leads_inside("wiki", "intranet")
    assert hosts.leads_inside("wiki", "8.8.8.8")
    assert hosts.leads_inside("intranet", "8.8.8.8"), "what lies there beside the page that the contract names is private"


def test_a_host_that_leads_outside_and_inside_is_reached_outside() -> None:
    hosts = Hosts(["both"], names(both=["10.0.0.1", "1.1.1.1"]))
    assert [str(one) for one in hosts.addresses("both")] == ["1.1.1.1"]
    assert hosts.leads_inside("both", "8.8.8.8")


def test_a_name_is_looked_up_once() -> None:
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    hosts = Hosts(["8.8.8.8"], rebinding)
    hosts.leads_inside("evil", "evil")
    for name in ("evil", "EVIL", "evil."):
        assert [str(one) for one in hosts.addresses(name)] == ["1.1.1.1"]
    assert asked == ["evil"]


def web(*pages: str, resolve: Callable[[str], Sequence[str]]) -> Web:
    limits = Limits(timeout_s=2, retries=0, per_second=1_000, max_mb=1)
    return Web(WebServer(pages=tuple(pages), limits=limits), resolve)


def under(site: Site, name: str, path: str) -> str:
    return site(path).replace("127.0.0.1", name)


def test_the_name_is_kept_where_the_server_wants_it(site: Site) -> None:
    site.pages |= {"/a": html("owls")}
    page = under(site, "handbook.example", "/a")
    reader = Reader(lambda: web(page, resolve=names(**{"handbook.example": "127.0.0.1"})))
    assert reader.night().rows[page]["uri"] == page
    (asked,) = site.of("/a")
    assert asked.headers["host"] == page.split("/")[2]


def test_a_redirect_to_a_name_that_leads_elsewhere_the_second_time_never_gets_inside(site: Site) -> None:
    """The first answer is a public address, which is looked at; the second would be this machine, where a server waits."""
    evil, asked = "evil.example", []

    def rebinding(host: str) -> list[str]:
        if host != evil:
            return names(**{"public.example": "127.0.0.1"})(host)
        asked.append(host)
        return ["203.0.113.7"] if len(asked) == 1 else ["127.0.0.1"]

    site.pages |= {"/a": moved(under(site, evil, "/inside")), "/inside": html("secret")}
    page = under(site, "public.example", "/a")
    reader = Reader(lambda: web(page, resolve=rebinding))
    with suppress(SourceUnavailable):
        reader.night()
    assert site.of("/inside") == []
    assert asked == [evil]


@pytest.mark.parametrize("first", [[], ["203.0.113.7"]])
def test_what_was_looked_at_is_what_is_connected_to(site: Site, first: list[str]) -> None:
    """Also of a name that has no address when it is looked at, and this machine's when it is connected to."""
    evil, asked = "evil.example", []

    def late(host: str) -> list[str]:
        asked.append(host)
        if asked.count(host) > 1:
            return ["127.0.0.1"]
        if not first:
            raise OSError("no such name")
        return first

    hosts = Hosts(["8.8.8.8"], late)
    hosts.leads_inside(evil, "8.8.8.8")
    transport = Pinned(hosts, httpx.create_ssl_context())
    with httpx.Client(transport=transport, timeout=0.2) as client, pytest.raises(httpx.TransportError):
        client.get(under(site, evil, "/inside"))
    assert site.asked == []
    assert asked.count(evil) == 1


@pytest.mark.parametrize("spelled", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "localhost"])
def test_no_spelling_of_a_redirect_leads_a_public_page_inside(site: Site, spelled: str) -> None:
    """The public page is one by its address; a test cannot have one, so its name is looked up differently to connect."""

    class Public(Hosts):
        def leads_inside(self, host: str, origin: str) -> bool:
            known = names(**{"public.example": "8.8.8.8"})
            return Hosts(["public.example"], known).leads_inside(host, origin)

    site.pages |= {"/a": moved(site("/inside").replace("127.0.0.1", spelled)), "/inside": html("secret")}
    page = under(site, "public.example", "/a")
    connector = web(page, resolve=names(**{"public.example": "127.0.0.1"}))
    connector._fetcher._hosts = Public(["public.example"])
    reader = Reader(lambda: connector)
    reader.night()
    assert "inside a private network" in reader.problems[page]
    assert site.of("/inside") == []


def test_a_proxy_is_asked_where_the_environment_names_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    page = "http://only-the-proxy-knows.example/a"
    site.pages |= {page: html("owls")}
    reader = Reader(lambda: web(page, resolve=names()))
    assert set(reader.night().rows) == {page}
    assert {asked.headers["host"] for asked in site.asked} == {"only-the-proxy-knows.example"}


def test_tls_is_held_to_the_name_and_not_to_the_address(tmp_path: Path) -> None:
    seen: list[str | None] = []
    server, authorities = _tls_server(tmp_path, "handbook.example", seen)
    port = server.server_address[1]
    hosts = Hosts(["handbook.example"], names(**{"handbook.example": "127.0.0.1", "other.example": "127.0.0.1"}))
    try:
        with httpx.Client(transport=Pinned(hosts, authorities)) as client:
            assert client.get(f"https://handbook.example:{port}/").text == f"handbook.example:{port}"
            with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
                client.get(f"https://other.example:{port}/")
    finally:
        server.shutdown()
        server.server_close()
    assert seen == ["handbook.example", "other.example"]


def _tls_server(folder: Path, name: str, seen: list[str | None]) -> tuple[ThreadingHTTPServer, ssl.SSLContext]:
    """A server on loopback with a certificate for a name, and the context that believes it; `seen`: the names asked for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, who = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "both.pem").write_bytes(secret + pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.headers["Host"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that breaks off is what the test is about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    context.sni_callback = lambda _, asked, __: seen.append(asked)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server, ssl.create_default_context(cadata=pem.decode())
