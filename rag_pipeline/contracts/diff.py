"""What changed between two versions of a contract: what breaks its readers, and which promises were loosened."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.version import InvalidVersion, Version

from rag_pipeline.contracts.contract import HOURS, secrecy
from rag_pipeline.contracts.diff_people import Change, Kind, by_name, people_changes, privacy_changes, properties
from rag_pipeline.contracts.page import CUT_PROPERTIES
from rag_pipeline.contracts.standard import check_standard
from rag_pipeline.contracts.yaml_lines import YamlFile, read_yaml
from rag_pipeline.errors import ContractError

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum")
_SEVERITY = ("warning", "error")
_LIMITS = ("quarantineMaxPercent", "volumeMaxDropPercent")
_CUT = dict(zip(CUT_PROPERTIES, ("as the settings say", "as the settings say", "markdown"), strict=True))
"""How a source is cut -> what holds where its contract does not say it."""

_ELSEWHERE = ("piiPolicy", "piiEntities", "piiRegions", "changelog")
"""Properties that are compared by what they come to for each column, or not at all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Every change from an old to a new version of a contract."""

    old_version: str
    new_version: str
    changes: tuple[Change, ...]
    told: bool = False
    """Whether the new contract's changelog has a line about its version."""

    @property
    def needs(self) -> Literal["major", "minor", "nothing"]:
        """The part of the version that must grow: major for what breaks readers, minor for a loosened promise."""
        kinds = {change.kind for change in self.changes}
        return "major" if "breaking" in kinds else "minor" if "loosened" in kinds else "nothing"

    @property
    def announced(self) -> bool:
        """Whether version and changelog say what the changes need. Raises `ContractError` when a version is none."""
        try:
            old, new = Version(self.old_version), Version(self.new_version)
        except InvalidVersion as error:
            raise ContractError(f"{error}; write a contract's version as 1.2.3") from error
        if self.needs == "nothing":
            return True
        grown = {"major": new.major > old.major, "minor": new.release[:2] > old.release[:2]}
        return grown[self.needs] and self.told

    @property
    def demand(self) -> str:
        """What is missing, for people; empty when nothing is."""
        if self.announced:
            return ""
        return (
            f"the version went from {self.old_version} to {self.new_version}; these changes need a new {self.needs} "
            "version, and a line about it in the contract's changelog (customProperties: property: changelog, value: "
            f'["{self.new_version}: what changed and why"])'
        )


def compare_files(old: Path, new: Path) -> Difference:
    """Compare two contract files. Raises `ContractError` when one is not valid ODCS."""
    documents = [read_yaml(path, ContractError) for path in (old, new)]
    for document in documents:
        check_standard(document)
    return compare(*documents)


def compare(old: YamlFile, new: YamlFile) -> Difference:
    """Compare two documents that are valid ODCS."""
    before, after = old.content, new.content
    changes = [
        *_identity(before, after),
        *_keys(before, after),
        *_columns(before, after),
        *privacy_changes(before, after),
        *_quality(before, after),
        *_sla(before, after),
        *_custom(before, after),
        *people_changes(before, after),
    ]
    if before.get("servers") != after.get("servers"):
        changes.append(Change("other", "servers", "the data comes from another place, or is read in another way"))
    lines = properties(after).get("changelog") or []
    told = any(str(line).strip().startswith(f"{after.get('version')}:") for line in lines)
    return Difference(str(before.get("version")), str(after.get("version")), tuple(changes), told)


def _identity(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    if old.get("id") != new.get("id"):
        yield Change(
            "breaking", "id", f"{old.get('id')} became {new.get('id')}: another contract for everybody who refers to it"
        )


def _keys(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    if (was := _key(old)) != (now := _key(new)):
        yield Change(
            "breaking", "schema", f"the key {', '.join(was)} became {', '.join(now)}: every document gets another id"
        )


def _key(content: dict[str, Any]) -> list[str]:
    named = list(by_name(content).values())
    keys = [column for column in named if column.get("primaryKey") or properties(column).get("role") == "key"]
    return [column["name"] for column in sorted(keys, key=lambda one: one.get("primaryKeyPosition", named.index(one)))]


def _columns(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = by_name(old), by_name(new)
    for name in before.keys() - after.keys():
        yield Change("breaking", f"schema.{name}", "the column was removed")
    for name in after.keys() - before.keys():
        yield Change("tightened" if after[name].get("required") else "other", f"schema.{name}", "the column is new")
    for name in sorted(before.keys() & after.keys()):
        yield from _column(f"schema.{name}", before[name], after[name])


def _column(field: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    if (was := old.get("logicalType", "string")) != (now := new.get("logicalType", "string")):
        yield Change("breaking", f"{field}.logicalType", f"{was} became {now}")
    was, now = properties(old).get("role"), properties(new).get("role")
    if was != now and "key" not in (was, now):
        yield Change("breaking", f"{field}.role", f"{was or 'none'} became {now or 'none'}")
    for promise in ("required", "unique"):
        if bool(old.get(promise)) != bool(new.get(promise)):
            kept = bool(new.get(promise))
            yield Change("tightened" if kept else "loosened", f"{field}.{promise}", f"{not kept} became {kept}".lower())
    if (was := old.get("classification")) != (now := new.get("classification")):
        stricter = secrecy(str(now or "").lower()) > secrecy(str(was or "").lower())
        yield Change("tightened" if stricter else "loosened", f"{field}.classification", f"{was} became {now or 'none'}")
    yield from _allowed(field, old.get("enum"), new.get("enum"))
    before, after = old.get("logicalTypeOptions") or {}, new.get("logicalTypeOptions") or {}
    for option in sorted(before.keys() | after.keys()):
        if before.get(option) != after.get(option):
            says = f"{before.get(option, 'none')} became {after.get(option, 'none')}"
            yield Change(_option(option, before.get(option), after.get(option)), f"{field}.{option}", says)


def _option(option: str, old: Any, new: Any) -> Kind:
    """Another pattern or format cannot be shown to be stricter, so it counts as loosened."""
    if old is None or new is None:
        return "tightened" if old is None else "loosened"
    if option in _LOWER_BOUNDS:
        return "tightened" if new > old else "loosened"
    if option in _UPPER_BOUNDS:
        return "tightened" if new < old else "loosened"
    return "loosened"


def _allowed(field: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    before = {str(entry["value"]) for entry in old or ()}
    after = {str(entry["value"]) for entry in new or ()}
    if before and (not after or after - before):
        yield Change("loosened", f"{field}.enum", f"now allowed too: {', '.join(sorted(after - before)) or 'anything'}")
    if after and (not before or before - after):
        yield Change("tightened", f"{field}.enum", f"not allowed any more: {', '.join(sorted(before - after)) or 'others'}")


def _quality(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = _rules(old), _rules(new)
    for name in sorted(before.keys() - after.keys()):
        yield Change("loosened", f"quality.{name}", "the rule was removed")
    for name in sorted(after.keys() - before.keys()):
        yield Change("tightened", f"quality.{name}", "the rule is new")
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        severities = was.get("severity", "error"), now.get("severity", "error")
        if severities[0] != severities[1]:
            milder = severities[1] not in _SEVERITY or _SEVERITY.index(severities[1]) == 0
            says = f"{severities[0]} became {severities[1]}"
            yield Change("loosened" if milder else "tightened", f"quality.{name}.severity", says)
        bounds = [{key: value for key, value in rule.items() if key.startswith("must")} for rule in (was, now)]
        judged = ("metric", "implementation", "engine", "arguments", "unit")
        if other := [name for name in judged if was.get(name) != now.get(name)]:
            says = f"{other[0]}: {was.get(other[0], 'none')} became {now.get(other[0], 'none')}"
            yield Change("loosened", f"quality.{name}", says)
        elif bounds[0] != bounds[1]:
            yield Change(_bound(*bounds), f"quality.{name}", f"{_told(bounds[0])} became {_told(bounds[1])}")


def _rules(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Quality rules by name, the column's before it; a rule without a name is called after its metric."""
    found = {}
    for table in content.get("schema") or []:
        places = [("", table), *((f"{column['name']}.", column) for column in table.get("properties") or [])]
        for prefix, holder in places:
            for rule in holder.get("quality") or []:
                if rule.get("type", "library") != "text":
                    found[prefix + str(rule.get("name") or rule.get("metric"))] = rule
    return found


def _bound(old: dict[str, Any], new: dict[str, Any]) -> Kind:
    """Stricter only where the same comparison can be seen to be; anything else counts as loosened."""
    if old.keys() != new.keys() or len(old) != 1:
        return "loosened"
    [(operator, was)], [now] = old.items(), new.values()
    if isinstance(was, list) or isinstance(now, list) or operator in ("mustBe", "mustNotBe"):
        return "loosened"
    stricter = now > was if "Greater" in operator else now < was
    return "tightened" if stricter else "loosened"


def _told(bound: dict[str, Any]) -> str:
    return ", ".join(f"{operator} {value}" for operator, value in bound.items()) or "nothing"


def _sla(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before = {entry["property"]: entry for entry in old.get("slaProperties") or []}
    after = {entry["property"]: entry for entry in new.get("slaProperties") or []}
    for name in sorted(before.keys() - after.keys()):
        yield Change("loosened", f"slaProperties.{name}", "the promise was removed")
    for name in sorted(after.keys() - before.keys()):
        yield Change("tightened", f"slaProperties.{name}", "the promise is new")
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        if (was.get("value"), was.get("unit"), was.get("element")) != (
            now.get("value"),
            now.get("unit"),
            now.get("element"),
        ):
            says = f"{was.get('value')} {was.get('unit', '')} became {now.get('value')} {now.get('unit', '')}".strip()
            shorter = was.get("element") == now.get("element") and _hours(now) <= _hours(was)
            yield Change("tightened" if shorter else "loosened", f"slaProperties.{name}", says)


def _hours(entry: dict[str, Any]) -> float:
    try:
        return float(entry["value"]) * HOURS[str(entry.get("unit", "h"))]
    except (TypeError, ValueError, KeyError):
        return float("inf")


def _custom(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = properties(old), properties(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now and name in _CUT:
            says = f"{_CUT[name] if was is None else was} became {_CUT[name] if now is None else now}"
            yield Change("other", f"customProperties.{name}", f"{says}: all documents of the source are cut anew")
        elif was != now and name not in _ELSEWHERE:
            stricter = name in _LIMITS and was is not None and now is not None and now < was
            kind: Kind = "tightened" if stricter else "loosened" if name in _LIMITS else "other"
            yield Change(kind, f"customProperties.{name}", f"{was} became {now}")
