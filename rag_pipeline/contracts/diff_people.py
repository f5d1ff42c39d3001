"""What changed for people between two versions of a contract: their private data, and who answers for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["breaking", "loosened", "tightened", "other"]

_STRICTNESS = {"allow": 0, "scan-and-mask": 1, "hash": 2, "drop": 3, "refuse": 3}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `breaking`: readers of the data must follow. `loosened`: less is promised than before."""

    kind: Kind
    field: str
    message: str


def privacy_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Changes of each column that is in both: another policy, and what is not looked for any more."""
    before, after = by_name(old), by_name(new)
    for name in sorted(before.keys() & after.keys()):
        was, now = _policy(old, before[name]), _policy(new, after[name])
        if was != now:
            step = _STRICTNESS.get(now, 0) - _STRICTNESS.get(was, 0)
            kind: Kind = "loosened" if step < 0 else "tightened" if step > 0 else "other"
            yield Change(kind, f"schema.{name}.piiPolicy", f"{was} became {now}")
        gone = _entities(old, before[name]) - _entities(new, after[name])
        came = _entities(new, after[name]) - _entities(old, before[name])
        if gone and now != "allow":
            yield Change("loosened", f"schema.{name}.piiEntities", f"not looked for any more: {', '.join(sorted(gone))}")
        if came and now != "allow":
            yield Change("tightened", f"schema.{name}.piiEntities", f"looked for now too: {', '.join(sorted(came))}")
    was_regions, now_regions = (set(properties(content).get("piiRegions") or ()) for content in (old, new))
    if was_regions != now_regions:
        kind = "loosened" if was_regions - now_regions else "tightened"
        says = f"{', '.join(sorted(was_regions)) or 'none'} became {', '.join(sorted(now_regions)) or 'none'}"
        yield Change(kind, "customProperties.piiRegions", says)


def people_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Owners, places to ask, and roles that may see the data."""
    for name in sorted(_members(old) - _members(new)):
        yield Change("loosened", "team", f"{name} does not answer for it any more")
    for name in sorted(_members(new) - _members(old)):
        yield Change("other", "team", f"{name} answers for it now")
    channels = [{str(entry["channel"]) for entry in content.get("support") or ()} for content in (old, new)]
    for name in sorted(channels[0] - channels[1]):
        yield Change("loosened", "support", f"nobody can be asked through {name} any more")
    for name in sorted(channels[1] - channels[0]):
        yield Change("other", "support", f"{name} is a place to ask now")
    roles = [{str(entry["role"]) for entry in content.get("roles") or ()} for content in (old, new)]
    for name in sorted(roles[1] - roles[0]):
        yield Change("loosened", "roles", f"{name} may see the data now")
    for name in sorted(roles[0] - roles[1]):
        yield Change("tightened", "roles", f"{name} may not see the data any more")


def by_name(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns of a contract."""
    return {column["name"]: column for table in content.get("schema") or [] for column in table.get("properties") or []}


def properties(holder: dict[str, Any]) -> dict[str, Any]:
    """Custom properties by name."""
    return {entry["property"]: entry["value"] for entry in holder.get("customProperties") or []}


def _policy(content: dict[str, Any], column: dict[str, Any]) -> str:
    return str(properties(column).get("piiPolicy") or properties(content).get("piiPolicy") or "allow")


def _entities(content: dict[str, Any], column: dict[str, Any]) -> set[str]:
    if _policy(content, column) == "allow":
        return set()
    return set(properties(column).get("piiEntities") or properties(content).get("piiEntities") or ())


def _members(content: dict[str, Any]) -> set[str]:
    team = content.get("team") or {}
    members = team if isinstance(team, list) else team.get("members") or []
    named = {str(team["name"])} if isinstance(team, dict) and team.get("name") else set()
    return named | {str(member.get("username")) for member in members if member.get("username")}
