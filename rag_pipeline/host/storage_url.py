"""Refuses a PostgreSQL storage of Dagster's that SQLAlchemy would open with another driver than Dagster is written for.

SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3. dagster-postgres is written for psycopg2: over the other one it
writes runs and events, and then leaves every run NOT_STARTED without a word. Reads `dagster.yaml`, never the database.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import DAGSTER_CONFIG

RIGHT = "postgresql+psycopg2"
"""What the address has to begin with."""

_SCHEME = "scheme"


def check_storage(dagster_home: Path) -> None:
    """Raises `PipelineError` that names file, field and fix where `dagster.yaml` names PostgreSQL by another driver.

    A file that is not there, or that Dagster cannot read either, is Dagster's to complain about.
    """
    file = dagster_home / DAGSTER_CONFIG
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if "postgres" not in text:  # nearly every home: nothing to import, nothing to parse
        return
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    for where, address, change in _addresses(content):
        scheme = address.partition("://")[0]
        if "://" in address and _driver(scheme) != "psycopg2":
            raise PipelineError(
                f"{file}: {where} begins with {scheme}://, which is not psycopg2, the only driver of PostgreSQL that "
                f"Dagster's storage works with: every run would stay NOT_STARTED. {change}"
            )


def _addresses(content: Any) -> Iterator[tuple[str, str, str]]:
    """Each address of PostgreSQL in an instance's configuration: where it stands, the address, what to write instead."""
    for where, config in _storages(content):
        if "postgres_url" in config:
            address, variable = _said(config["postgres_url"])
            field = f"{where}.postgres_url" + (f" (the variable {variable})" if variable else "")
            to = f"the variable {variable}" if variable else "it"
            yield field, address, f"Let {to} begin with {RIGHT}://"
        elif isinstance(parts := config.get("postgres_db"), Mapping):
            scheme, _ = _said(parts.get(_SCHEME, "postgresql"))
            yield f"{where}.postgres_db", f"{scheme}://", f"Add {_SCHEME}: {RIGHT} to it"


def _storages(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every section that configures a storage of dagster-postgres, in each of the forms that Dagster reads."""
    if not isinstance(content, Mapping):
        return
    storage = content.get("storage")
    if isinstance(storage, Mapping) and isinstance(config := storage.get("postgres"), Mapping):
        yield "storage.postgres", config
    custom = storage.get("custom") if isinstance(storage, Mapping) else None
    separate = ((name, content.get(name)) for name in ("run_storage", "event_log_storage", "schedule_storage"))
    for name, section in (("storage.custom", custom), *separate):
        if isinstance(section, Mapping) and str(section.get("module", "")).startswith("dagster_postgres"):
            config = section.get("config")
            if isinstance(config, Mapping):
                yield f"{name}.config", config


def _said(value: Any) -> tuple[str, str | None]:
    """A value of `dagster.yaml`, and the variable it is taken from where it says `env: NAME`."""
    if isinstance(value, Mapping) and isinstance(variable := value.get("env"), str):
        return os.environ.get(variable, ""), variable
    return (value if isinstance(value, str) else ""), None


def _driver(scheme: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return str(make_url(f"{scheme}://").get_dialect().driver)
    except SQLAlchemyError:  # no dialect of that name, `postgres` for one
        return ""
