"""Whether a YAML document is one that Kubernetes takes, by the models of its own Python client: no server is asked.

The client comes with chromadb, which requires it. It holds the names and the kinds of all fields of the API it is for, and
lets a wrong name pass when it reads a document; so we look ourselves.
"""

import re
from typing import Any

from kubernetes.client import models

_PLAIN: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object, "datetime": str}


def wrong(value: Any, kind: str, where: str = "") -> list[str]:
    """What of a value is not as `kind` says: `V1PodSpec`, `list[V1Container]`, `dict[str, str]`, `str`."""
    if value is None:
        return []
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [one for place, each in enumerate(value) for one in wrong(each, found[1], f"{where}[{place}]")]
    if found := re.fullmatch(r"dict[(\[](\w+), (.+)[)\]]", kind):
        if not isinstance(value, dict):
            return [f"{where} is no map"]
        return [one for name, each in value.items() for one in wrong(each, found[2], f"{where}.{name}")]
    if kind in _PLAIN:
        return [] if isinstance(value, _PLAIN[kind]) else [f"{where} is {value!r}, and should be {kind}"]
    model = getattr(models, kind)
    if not isinstance(value, dict):
        return [f"{where} is no {kind}"]
    fields = {model.attribute_map[name]: model.openapi_types[name] for name in model.attribute_map}
    found_wrong = [f"{where}.{name} is no field of {kind}" for name in value.keys() - fields.keys()]
    return found_wrong + [
        one for name, each in value.items() if name in fields for one in wrong(each, fields[name], f"{where}.{name}")
    ]
