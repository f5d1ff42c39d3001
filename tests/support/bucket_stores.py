"""The stores that a home in a bucket is tried on: processes on loopback, so that each outlives whoever is killed.

S3 is moto's server. Azure is Azurite, Microsoft's own server, an npm package: tests on it run after `make azure-env`, or
where `azurite-blob` is on the PATH or AZURITE_BLOB names it. For Google's store there is none that takes what is sent.
"""

import base64
import hashlib
import hmac
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.error import HTTPError

import pytest

from rag_pipeline.urls import BucketScheme

_MADE = Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"
AZURITE = os.environ.get("AZURITE_BLOB") or (str(_MADE) if _MADE.exists() else shutil.which("azurite-blob"))

STORES = [
    "s3",
    pytest.param(
        "az",
        marks=pytest.mark.skipif(
            not AZURITE, reason="needs Azurite: `make azure-env`, or azurite-blob on the PATH or in AZURITE_BLOB"
        ),
    ),
]

_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that Azurite comes with, and its key, which Microsoft publishes."""

_VERSION = "2023-11-03"
_REQUEST = re.compile(r"([A-Z]+) /\S* HTTP/")  # a refused one is colored


@dataclass
class Store:
    """A store on loopback; what it was asked stands in its log. `endpoint`: the variable that names its address."""

    url: str
    log: Path
    scheme: BucketScheme = "s3"
    endpoint: str = "AWS_ENDPOINT_URL"

    def requests(self) -> Counter[str]:
        """Method -> requests so far."""
        return Counter(_REQUEST.findall(self.log.read_text(encoding="utf-8")))

    def variables(self) -> dict[str, str]:
        """What the environment of whoever uses it says, besides the credentials of every test."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}

    def make(self, bucket: str) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{bucket}", method="PUT"), timeout=10).close()


class AzureStore(Store):
    """`url` has the account as its path, as Azurite wants it."""

    def variables(self) -> dict[str, str]:
        own = {"ACCOUNT_NAME": _ACCOUNT, "ACCOUNT_KEY": _KEY, "ENDPOINT": self.url}
        return {**{f"AZURE_STORAGE_{name}": said for name, said in own.items()}, "AZURE_SKIP_SIGNATURE": "false"}

    def make(self, bucket: str) -> None:
        """Signed by hand: the library makes no containers."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
        signed = "\n".join(
            ("PUT", *[""] * 11, *(f"{name}:{said}" for name, said in headers.items()), f"/{_ACCOUNT}/{_ACCOUNT}/{bucket}")
        )
        digest = hmac.new(base64.b64decode(_KEY), f"{signed}\nrestype:container".encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}"
        address = f"{self.url}/{bucket}?restype=container"
        urllib.request.urlopen(urllib.request.Request(address, method="PUT", headers=headers), timeout=10).close()


@contextmanager
def s3_store(folder: Path) -> Iterator[Store]:
    port, log = _free_port(), folder / "s3.log"
    with _running([sys.executable, "-m", "moto.server", "-p", str(port)], log, f"http://127.0.0.1:{port}/moto-api/"):
        yield Store(f"http://127.0.0.1:{port}", log)


@contextmanager
def azure_store(folder: Path) -> Iterator[Store]:
    """Objects in memory; requests of a newer API than it knows are served as those it knows."""
    port, log = _free_port(), folder / "azure.log"
    command = [str(AZURITE), "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    with _running(command, log, f"http://127.0.0.1:{port}/{_ACCOUNT}"):
        yield AzureStore(f"http://127.0.0.1:{port}/{_ACCOUNT}", log, "az", "AZURE_STORAGE_ENDPOINT")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(command: list[str], log: Path, answers: str) -> Iterator[None]:
    """A server, from when it answers anything at all there."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "RAG_"))}
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env=plain, cwd=log.parent)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(answers, timeout=1).close()
                break
            except HTTPError:
                break
            except OSError:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        server.kill()
        server.wait()
