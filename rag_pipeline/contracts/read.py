"""Reading contracts: YAML in the Open Data Contract Standard v3.2 -> `Contract`.

A contract is validated against the standard (`contracts/standard.py`), then against what this pipeline needs besides. Every
message names file, line, field and what to write instead. docs/contracts.md says what each field becomes.
"""

import re
from pathlib import Path
from typing import Any

from rag_pipeline.contracts import read_terms as terms
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.functions import FILE as CHECKS
from rag_pipeline.contracts.functions import source_of
from rag_pipeline.contracts.page import CONTRACT_PROPERTIES, Page
from rag_pipeline.contracts.read_chunks import read_cut
from rag_pipeline.contracts.read_columns import read_columns
from rag_pipeline.contracts.read_quality import read_quality, read_row_checks
from rag_pipeline.contracts.read_server import read_server
from rag_pipeline.contracts.standard import check_standard
from rag_pipeline.contracts.yaml_lines import read_yaml
from rag_pipeline.errors import ContractError
from rag_pipeline.files import fingerprint

SUFFIX = ".odcs.yaml"
NAMED = f"a contract's file is named <source>{SUFFIX}"
RESERVED = ("corpus", "evals", "index")
"""Groups of the asset graph that a source, which is a group of its own there, may not be called after."""


def read_contracts(folder: Path) -> tuple[Contract, ...]:
    """Every contract of a folder, by source name. Raises `ContractError` when there is none, or one is invalid."""
    if not folder.is_dir():
        raise ContractError(f"{folder}: no such folder; RAG_CONTRACTS must name a folder of *{SUFFIX} files")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    for file in sorted(folder.glob("*.y*ml")):
        if file not in files:
            raise ContractError(f"{file}: {NAMED}; rename it")
    if not files:
        raise ContractError(f"{folder}: no *{SUFFIX} file, so there is no source to read; add a contract")
    return tuple(read_contract(file) for file in files)


def read_contract(file: Path) -> Contract:
    """One contract. Raises `ContractError` with file, line, field and a suggestion."""
    source = file.name.removesuffix(SUFFIX)
    if problem := source_name_problem(source):
        raise ContractError(f"{file}: {problem}")
    document = read_yaml(file, ContractError)
    check_standard(document)
    return _contract(Page(document, source))


def source_name_problem(source: str) -> str | None:
    """Why a source cannot have this name, None when it can."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,62}", source):
        return "the file's name is the source's name; use 3 to 63 lower-case letters, digits and underscores"
    if source in RESERVED:
        return f"{source!r} is the name of another group of the graph; give the source another name"
    return None


def _contract(page: Page) -> Contract:
    content, file = page.content, page.document.path
    if not str(content["apiVersion"]).startswith("v3."):
        raise page.fail(("apiVersion",), f"{content['apiVersion']} is not supported; use v3.2.0")
    tables = content.get("schema") or []
    if len(tables) != 1:
        raise page.fail(("schema",), f"{len(tables)} tables found; a source's contract describes exactly one")
    properties = page.custom((), content, CONTRACT_PROPERTIES)
    columns = read_columns(page, tables[0], terms.read_privacy(page, (), content, properties, None))
    _check_roles(page, columns)
    server = read_server(page, table=str(tables[0].get("physicalName") or ""))
    row_checks = read_row_checks(page, tables[0], columns)
    age_hours, age_column = terms.read_age(page, columns)
    schedule, rare = terms.read_schedule(page)
    retention_hours, retention_column = terms.read_retention(page, columns)
    judged = [
        [c.name, c.found_as, c.logical_type, c.required, c.role, c.unique, c.options, c.allowed, _plain(c.privacy)]
        for c in columns
    ]
    functions = source_of(file.parent / CHECKS) if row_checks else ""
    return Contract(
        source=page.source,
        file=file,
        id=str(content["id"]),
        version=str(content["version"]),
        description=_description(content),
        owners=terms.read_owners(page),
        server=server,
        columns=columns,
        quality=tuple(read_quality(page, tables[0], columns)),
        max_age_hours=age_hours,
        age_column=age_column,
        quarantine_max_percent=_percent(page, properties, "quarantineMaxPercent", 10.0),
        volume_max_drop_percent=_percent(page, properties, "volumeMaxDropPercent", 50.0),
        text_lost_max_percent=_percent(page, properties, "textLostMaxPercent", 5.0),
        fingerprint=fingerprint(
            content["id"],
            judged,
            server.judged,
            [[check.name, check.function] for check in row_checks],
            functions,
            [retention_hours, retention_column],
        ),
        row_checks=row_checks,
        schedule=schedule,
        comes_less_than_nightly=rare,
        retention_hours=retention_hours,
        retention_column=retention_column,
        support=terms.read_support(page),
        roles=tuple(str(role["role"]) for role in content.get("roles") or ()),
        tags=tuple(str(tag) for tag in content.get("tags") or ()),
        changelog=terms.read_changelog(page, properties),
        made_by=terms.read_made_by(page, properties),
        cut=read_cut(page, properties),
        text=page.document.text,
    )


def _check_roles(page: Page, columns: tuple[Any, ...]) -> None:
    at = ("schema", 0, "properties")
    if not any(column.role == "key" for column in columns):
        raise page.fail(
            at,
            "no column has the role 'key'; mark it with primaryKey: true, or customProperties: property: role, value: key",
        )
    for role in ("text", "title", "uri", "modified_at", "access"):
        count = sum(column.role == role for column in columns)
        if count > 1 or (role == "text" and count == 0):
            one = "exactly one column must have" if role == "text" else "at most one column may have"
            raise page.fail(at, f"{one} the role {role!r} (customProperties: property: role, value: {role})")


def _percent(page: Page, properties: dict[str, Any], name: str, default: float) -> float:
    at = page.custom_at((), page.content, name)
    return page.number(at, properties.get(name, default), least=0, most=100, what=f"{name}, a percentage")


def _plain(value: Any) -> list[Any]:
    return [value.policy, list(value.entities), list(value.regions)]


def _description(content: dict[str, Any]) -> str:
    description = content.get("description")
    if isinstance(description, dict):
        return str(description.get("purpose") or "")
    return str(description or "")
