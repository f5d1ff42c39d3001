"""The Open Data Contract Standard's own JSON Schema, applied so that every message says where and what to write instead.

Unknown keys are errors. Source of the format: https://bitol-io.github.io/open-data-contract-standard/
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from rag_pipeline.contracts.older_forms import RENAMED, UNSUPPORTED, other_form
from rag_pipeline.contracts.yaml_lines import Step, YamlFile
from rag_pipeline.errors import ContractError, not_text, unknown_name


def check_standard(document: YamlFile) -> None:
    """Hold a document to the standard's JSON Schema. Raises `ContractError` with every problem, each with its place."""
    if not isinstance(document.content, dict):
        raise ContractError(f"{document.path}: a contract is a mapping of fields; see the ones beside it")
    if problem := other_form(document.content):
        raise ContractError(f"{document.where((problem[0],))}: {problem[0]}: {problem[1]}")
    errors = sorted(_validator().iter_errors(document.content), key=lambda error: (len(error.absolute_path), str(error)))
    if not errors:
        return
    leaves = list(_leaves(errors))
    messages = [
        f"{document.where(steps)}: {dotted(steps)}: {message}"
        for error in leaves
        for steps, message in _explained(error, alone=len(leaves) == 1)
    ]
    raise ContractError("\n".join(dict.fromkeys(messages)))


def _explained(error: Any, *, alone: bool) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Where one error of the standard's schema is, and what to write instead."""
    steps: tuple[Step, ...] = tuple(error.absolute_path)
    unknown = re.findall(r"'([^']+)'", error.message) if "ropert" in error.message and "unexpected" in error.message else []
    always, sometimes = _known_keys(error.schema), _known_keys(error.schema, branches=True)
    for name in unknown:
        if name not in sometimes and name in RENAMED:
            yield (*steps, name), f"an older form of the standard; {RENAMED[name]}"
        elif name not in sometimes:
            yield (*steps, name), unknown_name("field", name, sorted(sometimes))
        elif alone:  # beside other errors it is an echo: the branch that allows this field has failed for their sake
            yield (*steps, name), unknown_name("field", name, sorted(always))
    if unknown:
        return
    if error.validator == "required":
        yield from _missing(error, steps)
    elif error.validator == "enum":
        yield steps, unknown_name("value", str(error.instance), [str(value) for value in error.validator_value])
    elif error.validator == "type" and error.validator_value == "array":
        dash = "write each entry on lines of its own that begin with a dash"
        named = isinstance(error.instance, dict) and steps == ("servers",)
        yield steps, f"is not a list; {dash}" + (", its name as `server`" if named else "")
    elif error.validator == "type" and error.validator_value == "string":
        nested = isinstance(error.instance, dict | list)
        yield steps, "is not text" if nested else not_text(error.instance)
    elif error.validator == "type" and error.validator_value == "object":
        yield steps, f"{error.instance!r} is not a mapping of fields; write it as `name: value` lines"
    elif _is_choice_of_fields(error):
        yield steps, f"give exactly one of {', '.join(branch['required'][0] for branch in error.validator_value)}"
    else:
        yield steps, error.message


def _missing(error: Any, steps: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], str]]:
    """The fields that are missing; a field that has an older name is reported under that name."""
    instance = error.instance
    if (kind := instance.get("logicalType")) in UNSUPPORTED:  # which may need fields of its own
        yield (*steps, "logicalType"), f"{kind!r} is not supported; {UNSUPPORTED[kind]}"
        return
    for name in re.findall(r"^'([^']+)' is a required property", error.message):
        older = [old for old, now in RENAMED.items() if old in instance and f"`{name}`" in now]
        for old in older:
            yield (*steps, old), f"an older form of the standard; {RENAMED[old]}"
        if not older:
            yield (*steps, name), "is missing"


def _leaves(errors: Iterable[Any]) -> Iterator[Any]:
    for error in errors:
        inner = list(_leaves(error.context or ()))
        if _is_choice_of_fields(error):
            inner = [leaf for leaf in inner if leaf.validator != "required"]
        yield from inner or [error]


def _is_choice_of_fields(error: Any) -> bool:
    """Whether exactly one of several fields must be given, as among the operators of a quality rule."""
    return error.validator == "oneOf" and all("required" in branch for branch in error.validator_value)


def _known_keys(schema: Any, *, branches: bool = False) -> set[str]:
    """Every field a schema allows, through `$ref` and `allOf`; with `branches`, also those allowed in some cases only."""
    if not isinstance(schema, dict):
        return set()
    keys = set(schema.get("properties", {}))
    parts = list(schema.get("allOf", []))
    if branches:
        parts += [*schema.get("oneOf", []), *schema.get("anyOf", []), schema.get("then")]
    for part in parts:
        keys |= _known_keys(part, branches=branches)
    if "$ref" in schema:
        target: Any = _schema()
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        keys |= _known_keys(target, branches=branches)
    return keys


@cache
def _schema() -> Any:
    schema = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))
    _require_what_conditions_ask_for(schema)
    return schema


def _require_what_conditions_ask_for(node: Any) -> None:
    """Make each `if: {properties: {x: …}}` of the schema need an x.

    As published, such a condition also holds where x is absent: a column without `logicalType` is then held to what only
    a map, a vector and every other type need, all at once.
    """
    if isinstance(node, list):
        for part in node:
            _require_what_conditions_ask_for(part)
    elif isinstance(node, dict):
        condition = node.get("if", {})
        for one in (condition, *condition.get("anyOf", ())):
            if "properties" in one:
                one.setdefault("required", sorted(one["properties"]))
        for part in node.values():
            _require_what_conditions_ask_for(part)


@cache
def _validator() -> Any:
    from jsonschema.validators import Draft201909Validator

    return Draft201909Validator(_schema())


def dotted(steps: tuple[Step, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return text or "contract"
