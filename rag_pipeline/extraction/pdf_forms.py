"""Values filled into a PDF form: a viewer draws them, but they are not text of a page, and kreuzberg reads none of them.

Source of the format: ISO 32000-1, section 12.7 (interactive forms). pypdf reads them.
"""

import io
import logging
from typing import Any


def form_values(content: bytes) -> dict[str, str]:
    """Field -> value of the filled fields, each called as the form calls it for people; empty where there is no form."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes what it could not parse
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {}
        fields = reader.get_fields() or {}
        return {_name(name, field): value for name, field in fields.items() if (value := _value(field.get("/V")))}
    except Exception:  # kreuzberg has read the file: a form that pypdf cannot read leaves its pages as they are
        return {}


def with_form_values(text: str, values: dict[str, str]) -> str:
    """The text of a PDF, and after it the form values that are not in it (they are where a form was flattened)."""
    shown = " ".join(text.split())
    missing = [(name, value) for name, value in values.items() if " ".join(value.split()) not in shown]
    if not missing:
        return text
    lines = [f"- {name}: {value}" for name, value in missing]
    return "\n".join([text.rstrip(), "", *lines, ""]).lstrip("\n")


def _name(name: str, field: Any) -> str:
    return " ".join(str(field.get("/TU") or name).split())


def _value(found: Any) -> str:
    """A text, the chosen entries of a list, or the state of a box; nothing for what is empty or not ticked."""
    if isinstance(found, list):
        return ", ".join(filter(None, map(_value, found)))
    text = str(found if found is not None else "").strip()
    return "" if text == "/Off" else text.removeprefix("/")
