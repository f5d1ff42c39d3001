"""Stores of objects (S3, Google Cloud Storage, Azure), opened in one way for sources and for a home.

Credentials come from the environment alone.
"""

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from rag_pipeline.limits import Limits
from rag_pipeline.urls import BUCKETS, WEB, BucketScheme

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config

SCHEMES: dict[str, BucketScheme] = {scheme: scheme for scheme in BUCKETS}
BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_ENDPOINTS: dict[BucketScheme, tuple[str, ...]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}

_LONGEST_TRANSFER = timedelta(hours=12)
"""The limit for one object from first byte to last. The contract's timeout, which is for one read, notices a standstill."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
"""The wait between two tries of a request."""

_CONNECT_S = 10.0


def open_store(
    kind: BucketScheme, bucket: str, endpoint: str, limits: Limits, *, checksums: bool = False
) -> S3Store | GCSStore | AzureStore:
    """A store of the library's, which takes from the environment what is not given here.

    `checksums`: send one with each object, where the kind of store can hold the bytes against it. Raises `ValueError`, and
    what the library raises.
    """
    address = endpoint or next((found for name in _ENDPOINTS[kind] if (found := os.environ.get(name))), "")
    if address and (urlsplit(address).scheme not in WEB or not urlsplit(address).hostname):
        raise ValueError(f"{address} is no address")
    wait = timedelta(seconds=limits.timeout_s)
    client: ClientConfig = {
        "connect_timeout": min(wait, timedelta(seconds=_CONNECT_S)),
        "read_timeout": wait,
        "timeout": _LONGEST_TRANSFER,
        "allow_http": urlsplit(address).scheme == "http",
    }
    retry: RetryConfig = {
        "max_retries": limits.retries,
        "retry_timeout": (limits.retries + 1) * (wait + timedelta(seconds=_LONGEST_WAIT_S)),
        "backoff": {
            "init_backoff": timedelta(seconds=_FIRST_WAIT_S),
            "max_backoff": timedelta(seconds=_LONGEST_WAIT_S),
            "base": 2,
        },
    }
    if kind == "s3":
        s3: S3Config = {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint} if endpoint else {}
        if checksums:
            s3["checksum_algorithm"] = "SHA256"
        return S3Store(bucket, config=s3, client_options=client, retry_config=retry)
    if kind == "gs":
        gs: GCSConfig = {"base_url": endpoint} if endpoint else {}
        return GCSStore(bucket, config=gs, client_options=client, retry_config=retry)
    az: AzureConfig = {"endpoint": endpoint} if endpoint else {}
    return AzureStore(bucket, config=az, client_options=client, retry_config=retry)
