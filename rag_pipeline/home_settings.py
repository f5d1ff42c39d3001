"""The settings of where a home lies: part of `settings.Settings`, in a file of their own."""

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core.core_schema import CoreSchema, is_instance_schema, no_info_after_validator_function, union_schema
from pydantic_settings import NoDecode

from rag_pipeline.door_settings import DoorSettings
from rag_pipeline.files import absolute
from rag_pipeline.home import Home
from rag_pipeline.project import HOME, project_folder
from rag_pipeline.urls import BUCKETS

LOCKS = "RAG_LOCKS"
"""`files`, or the URL of the PostgreSQL that gives locks to all machines. It holds a password: from the environment only."""

CACHE = Path("~/.cache/rag")

_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_IN_A_BUCKET = re.compile(rf"({'|'.join(BUCKETS)})://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+/?")


def is_absolute(path: Path) -> Path:
    if not str(path).strip():
        raise ValueError("the name of a folder is blank; name one, or unset the variable")
    return absolute(path.expanduser())


def on_this_machine(path: object) -> object:
    """The name of a folder, as it was said. Raises `ValueError` for a URL: as a path, it would be a folder of that name."""
    if _A_URL.match(text := str(path)):
        raise ValueError(f"{text} is a URL; name a folder on this machine")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8, so the libraries that write below it cannot take it") from error
    return path


AbsoluteFolder = Annotated[Path, AfterValidator(is_absolute)]


def _home(kind: Any, schema: GetCoreSchemaHandler) -> CoreSchema:
    folder = no_info_after_validator_function(lambda path: Home(is_absolute(path)), schema.generate_schema(Path))
    return union_schema([is_instance_schema(Home), folder])


HomeFolder = Annotated[Home, NoDecode, GetPydanticSchema(_home)]
"""Said as a path, as any folder is, or as the address of a bucket."""


class HomeSettings(DoorSettings):
    """Where tables, releases, evidence and channels are, and what this machine keeps of a home in a bucket."""

    cache: AbsoluteFolder = Field(
        default=CACHE,
        validate_default=True,
        description="For a home in a bucket: the folder of this machine's copies, views and scratch.",
    )
    cache_gb: float = Field(
        default=0.0, ge=0, description="For a home in a bucket: what copies of releases may take here; 0 for no limit."
    )
    channel_poll_s: float = Field(
        default=5.0, ge=0, le=3600, description="For a home in a bucket: how old a reader's idea of a channel may be."
    )
    home: HomeFolder = Field(
        default_factory=lambda: Home(project_folder() / HOME),
        description="Where tables, releases, evidence and channels live: a folder, or `s3://`, `gs://` or `az://`.",
    )

    @field_validator("cache", mode="before")
    @classmethod
    def _a_folder(cls, path: object) -> object:
        return on_this_machine(path)

    @field_validator("home", mode="before")
    @classmethod
    def _in_a_bucket(cls, said: object, info: ValidationInfo) -> object:
        """A home in a bucket is worked on in a copy, whose place follows from its address."""
        said = said.uri or said.root if isinstance(said, Home) else said
        if not _A_URL.match(str(said)):
            return on_this_machine(said)
        text = str(said).replace("://", ":/").replace(":/", "://", 1)  # a path has one slash of them
        scheme = text.partition(":")[0]
        if scheme not in BUCKETS:
            raise ValueError(f"{text} is a URL; name a folder on this machine, or a bucket by s3://, gs:// or az://")
        if not _IN_A_BUCKET.fullmatch(text):
            raise ValueError(
                f"that names no bucket and prefix; write {scheme}://bucket/prefix, of letters, digits, ., _ and -: a home "
                "is never a whole bucket"
            )
        uri = text.rstrip("/")
        cache: Path = info.data.get("cache", is_absolute(CACHE))
        return Home(copy_of(uri, cache), uri)

    @model_validator(mode="after")
    def _locks_of_a_bucket(self) -> Self:
        if self.home.uri and not locks_url():
            raise ValueError(
                f"RAG_HOME={self.home.uri} lies in a bucket, where two machines could write at once: set {LOCKS} to a "
                "PostgreSQL that all of them reach, such as postgresql://user:password@host/database"
            )
        return self


def copy_of(uri: str, cache: Path) -> Path:
    """The folder in which a machine works on a home in a bucket. `cache`: its RAG_CACHE."""
    return cache / hashlib.sha256(uri.encode()).hexdigest()[:16] / "home"


def locks_url() -> str:
    """The PostgreSQL that gives locks; empty for locks of files. Raises `ValueError` for what is neither."""
    said = os.environ.get(LOCKS, "").strip()
    if said in ("", "files"):
        return ""
    if not re.match(r"postgres(ql)?(\+\w+)?://", said):
        raise ValueError(f"{LOCKS} is neither `files` nor the address of a PostgreSQL (postgresql://…)")
    return said
