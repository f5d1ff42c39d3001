"""An identity provider on loopback: keys of its own, their public halves over HTTP, and tokens as it signs them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example", "https://rag.example"


@dataclass
class IdentityProvider:
    """What it publishes can be changed while it runs."""

    keys: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    away: bool = False
    url: str = ""

    def new_key(self, name: str, *, elliptic: bool = False) -> Any:
        made: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if elliptic
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        algorithm: Any = ECAlgorithm if elliptic else RSAAlgorithm
        public = json.loads(algorithm.to_jwk(made.public_key()))
        self.keys[name] = public | {"kid": name, "use": "sig", "alg": "ES256" if elliptic else "RS256"}
        return made

    def published(self) -> bytes:
        return json.dumps({"keys": list(self.keys.values())}).encode()


def token(private: Any, name: str, *, algorithm: str = "RS256", **changes: Any) -> str:
    """A good token but for `changes`; a claim that is None is left out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana@example.com", "exp": now + 300, "scope": "search read:all"}
    said = {claim: value for claim, value in (claims | changes).items() if value is not None}
    return jwt.encode(said, private, algorithm=algorithm, headers={"kid": name})


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            body = provider.published()
            self.send_response(503 if provider.away else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
