"""What to say about an error of object storage: what kind it is and what to do, in words of our own.

The library's text holds addresses, which may be signed, and answers of the store. Nothing of it is passed on except the
name of a badly named object.
"""

import re
from dataclasses import dataclass

from obstore.exceptions import BaseError, InvalidPathError

from rag_pipeline.limits import Limits
from rag_pipeline.urls import BucketScheme

CREDENTIALS: dict[BucketScheme, str] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where they are temporary), or "
    "AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to the path of a key file, or "
    "GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or "
    "AZURE_SKIP_SIGNATURE=true for a public container",
}
"""Environment variables a store reads its credentials from."""

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_AWAY = (429, 500, 502, 503, 504)
_KIND = re.compile(r"\bkind: (Timeout|Connect|Request|Interrupted)\b")
_NAME = re.compile(r'Path "([^"]*)"')
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "/latest/api/token", "/metadata/identity")
"""Where the library looks for credentials when the environment has none."""

_NO_BUCKET = ("<Code>NoSuchBucket</Code>", "<Code>ContainerNotFound</Code>", "The specified container does not exist")


def is_trouble(error: BaseException) -> bool:
    """Whether an error is one of the library's, which also gives up (a Rust panic) on what cannot stand in a request."""
    return isinstance(error, BaseError | FileNotFoundError | ValueError) or _is_panic(error)


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ == "PanicException"  # of a module that cannot be imported


def status_of(error: BaseException) -> int | None:
    """The HTTP status the store refused a request with, None when it gave none."""
    if found := _STATUS.search(str(error)):
        return int(found[1])
    return 404 if isinstance(error, FileNotFoundError) else None


def no_bucket(error: BaseException) -> bool:
    """Whether the store says that not only the object is not there."""
    return any(sign in str(error) for sign in _NO_BUCKET)


def alone(error: BaseException) -> str | None:
    """What to tell when this one object cannot be had, None when the whole source is in trouble."""
    text, status = str(error), status_of(error)
    if no_bucket(error) or any(sign in text for sign in _METADATA):
        return None
    if status == 404:
        return "cannot be read: it is gone since it was listed"
    if status == 403:
        return "cannot be read: access to this object is denied; let the pipeline's credentials read it"
    return None


def may_pass(error: BaseException) -> bool:
    """Whether the store is away, or too busy, and may be back soon."""
    text, status = str(error), status_of(error)
    if any(sign in text for sign in _METADATA):
        return False
    return status in _AWAY if status is not None else bool(_KIND.search(text))


def bad_name(error: BaseException) -> str | None:
    """The name of the object that has one the library cannot work with, None when that is not the trouble."""
    found = _NAME.search(str(error)) if isinstance(error, ValueError | InvalidPathError) else None
    return found[1] if found else None


BAD_NAME = "has an empty part (//), a part . or .., or a control character; rename the object"


@dataclass(frozen=True, slots=True)
class Where:
    """What a message calls the place where an address stands: in a contract, or in a setting."""

    location: str = "`location` in the contract"
    endpoint: str = "endpointUrl in the contract"
    may: str = "list and read what lies there"


OF_A_SOURCE = Where()
_ENDPOINTS: dict[BucketScheme, str] = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}


def of_a_home(kind: BucketScheme) -> Where:
    return Where("RAG_HOME", _ENDPOINTS[kind], "list, read, write and delete what lies there")


def told(error: BaseException, kind: BucketScheme, limits: Limits, named: Where = OF_A_SOURCE) -> str:
    """What is wrong with the store or its answer, and what to do about it."""
    text, status = str(error), status_of(error)
    if _is_panic(error):
        return (
            "the address or a credential holds a character that cannot be sent, such as a line break at its end; look at "
            f"{named.endpoint} and {CREDENTIALS[kind]}"
        )
    if isinstance(error, ValueError | InvalidPathError):
        return f"the name of an object {BAD_NAME}"
    if any(sign in text for sign in _METADATA):
        return f"no credentials found; set {CREDENTIALS[kind]}"
    tries = f"also after {limits.retries} more tries" if limits.retries else "and was asked once"
    if status in (401, 403):
        return f"access denied ({status}); set {CREDENTIALS[kind]}, of somebody who may {named.may}"
    if status == 404:
        return f"there is no such bucket or object (404); check {named.location}"
    if status == 400:
        return f"the store refuses the request (400); expired credentials, or another region? Set {CREDENTIALS[kind]}"
    if "incorrectly configured region" in text or status in (301, 307, 308):
        return f"the bucket lies in another region or at another address; set AWS_REGION, or {named.endpoint}"
    if status is not None:
        return f"the store answers {status}, {tries}; nothing is lost, the next refresh reads on"
    reason = found[1] if (found := _KIND.search(text)) else ""
    if reason == "Timeout":
        return f"the store does not answer within {limits.timeout_s:g} s, {tries}; check the address and the network"
    if reason:
        return f"the store cannot be reached, {tries}; check the address and the network"
    return f"the store's answer is not of its kind ({type(error).__name__}); check the address"
