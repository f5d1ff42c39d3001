"""What a contract promises and asks around its data: age, retention, schedule, people, privacy, changes."""

import re
from typing import Any, cast

from rag_pipeline.contracts.contract import PII_POLICIES, Column, PiiPolicy, Privacy, Support
from rag_pipeline.contracts.entities import ENTITIES, NEEDS_A_MODEL, needs_a_model
from rag_pipeline.contracts.page import At, Page, slug
from rag_pipeline.errors import given_twice, unknown_name

DEFAULT_ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "CREDIT_CARD", "IP_ADDRESS")
"""What is looked for where a contract names a policy but no entities."""

_AGE, _RETENTION, _FREQUENCY = ("latency", "freshness"), ("retention",), ("frequency",)
_SLA = (*_AGE, *_RETENTION, *_FREQUENCY)

_SCHEDULES = {15: "*/15 * * * *", 30: "*/30 * * * *", 60: "0 * * * *", 10_080: "0 3 * * 1", 43_800: "0 3 1 * *"}
_SCHEDULES |= {60 * hours: f"0 */{hours} * * *" for hours in (2, 3, 4, 6, 8, 12)}
_NIGHTLY = 1_440
_FREQUENCIES = "15 min, 30 min, 1, 2, 3, 4, 6, 8 or 12 h, 1 d (the nightly refresh), 1 w, 1 mo"
"""How often a source can be read, in minutes -> cron line."""


def read_age(page: Page, columns: tuple[Column, ...]) -> tuple[float | None, str | None]:
    """How old data may be, in hours, and the column that tells its age (None: the last load does)."""
    return _promise(page, _AGE, columns)


def read_retention(page: Page, columns: tuple[Column, ...]) -> tuple[float | None, str | None]:
    """How long data may be kept, in hours, and the column that tells its age (None: since it was refused)."""
    return _promise(page, _RETENTION, columns)


def read_schedule(page: Page) -> tuple[str, bool]:
    """The cron line of a source that is read at another pace than nightly (else empty), and whether that is rarer."""
    for at, promise in _promises(page, _FREQUENCY):
        minutes = round(60 * page.hours(at, promise))
        if promise.get("scheduler") == "cron" and promise.get("schedule"):
            return _cron(page, (*at, "schedule"), str(promise["schedule"])), minutes > _NIGHTLY
        if minutes != _NIGHTLY and minutes not in _SCHEDULES:
            wrong = f"{promise['value']!r} {promise.get('unit', 'h')} is not a pace that a schedule exists for"
            raise page.fail((*at, "value"), f"{wrong}; one of {_FREQUENCIES}, or give scheduler: cron and a schedule")
        return _SCHEDULES.get(minutes, ""), minutes > _NIGHTLY
    return "", False


def read_owners(page: Page) -> tuple[str, ...]:
    """Owners as Dagster knows them: the team, and members by e-mail address."""
    team = page.content.get("team") or {}
    members = team if isinstance(team, list) else team.get("members") or []
    owners = [f"team:{slug(team['name'])}"] if isinstance(team, dict) and team.get("name") else []
    owners += [member["username"] for member in members if "@" in member.get("username", "") and not member.get("dateOut")]
    if not owners and isinstance(team, list):
        raise page.fail(
            ("team",), "a list of members (v3.0) names no owner by e-mail; write team: {name: …, members: […]} as since v3.1"
        )
    if not owners:
        raise page.fail(("team",), "no owner; give the team a name, or a member whose username is an e-mail address")
    return tuple(owners)


def read_support(page: Page) -> tuple[Support, ...]:
    entries = page.content.get("support") or ()
    return tuple(Support(str(entry["channel"]), str(entry.get("url") or "")) for entry in entries)


def read_privacy(page: Page, at: At, holder: dict[str, Any], custom: dict[str, Any], outer: Privacy | None) -> Privacy:
    """What is said of private data in one place; what is not said there is as in `outer`, the contract around it."""
    outer = outer or Privacy(entities=DEFAULT_ENTITIES)
    policy = custom.get("piiPolicy", outer.policy)
    if policy not in PII_POLICIES:
        raise page.fail(page.custom_at(at, holder, "piiPolicy"), unknown_name("piiPolicy", str(policy), PII_POLICIES))
    entities, regions = outer.entities, outer.regions
    if "piiEntities" in custom:
        place = page.custom_at(at, holder, "piiEntities")
        for name in custom["piiEntities"] if isinstance(custom["piiEntities"], list) else ():
            if name in NEEDS_A_MODEL:
                raise page.fail(place, needs_a_model(name))
        entities = page.words(place, custom["piiEntities"], ENTITIES, "entity")
    if "piiRegions" in custom:
        place = page.custom_at(at, holder, "piiRegions")
        regions = page.words(place, custom["piiRegions"], None, "region")
        if wrong := [region for region in regions if not re.fullmatch("[A-Z]{2}", region)]:
            raise page.fail(place, f"{wrong[0]!r} is not a country code such as DE")
    if policy in ("scan-and-mask", "refuse") and not entities:
        raise page.fail(page.custom_at(at, holder, "piiEntities"), f"{policy} needs piiEntities to look for")
    return Privacy(cast(PiiPolicy, policy), entities, regions)


def read_changelog(page: Page, properties: dict[str, Any]) -> tuple[str, ...]:
    """Lines such as `1.1.0: latency from 2 d to 3 d, the feed is weekly now`."""
    at = page.custom_at((), page.content, "changelog")
    return page.words(at, properties.get("changelog") or [], None, "line")


def read_made_by(page: Page, properties: dict[str, Any]) -> tuple[str, ...]:
    """Keys of the Dagster assets the feed is made by, parts apart by slashes: `warehouse/articles`."""
    at = page.custom_at((), page.content, "madeBy")
    found = page.words(at, properties.get("madeBy") or [], None, "asset key")
    for key in found:
        if not re.fullmatch(_ASSET_KEY, key):
            raise page.fail(
                at, f"{key!r} is not the key of an asset; write its parts with slashes, such as warehouse/articles"
            )
        if found.count(key) > 1:
            raise page.fail(at, given_twice(repr(key)))
    return found


_ASSET_KEY = r"[^\s/\[\]]+(/[^\s/\[\]]+)*"


def _promises(page: Page, names: tuple[str, ...]) -> list[tuple[At, dict[str, Any]]]:
    found: list[tuple[At, dict[str, Any]]] = []
    for index, promise in enumerate(page.content.get("slaProperties") or []):
        if promise["property"] in names:
            found.append((("slaProperties", index), promise))
    if len(found) > 1:
        raise page.fail(found[1][0], f"{' or '.join(names)} is promised twice; keep one")
    return found


def _promise(page: Page, names: tuple[str, ...], columns: tuple[Column, ...]) -> tuple[float | None, str | None]:
    for at, promise in _promises(page, names):
        hours = page.hours(at, promise)
        column = str(promise["element"]).split(".")[-1] if promise.get("element") else None
        dated = [c.name for c in columns if c.logical_type in ("date", "timestamp")]
        if column and column not in dated:
            raise page.fail((*at, "element"), unknown_name("date or timestamp column", column, dated))
        if column and next(c for c in columns if c.name == column).privacy.policy in ("hash", "drop"):
            raise page.fail((*at, "element"), f"the piiPolicy of {column} leaves no date to tell its age by")
        return hours, column
    return None, None


def _cron(page: Page, at: At, line: str) -> str:
    if len(line.split()) != 5 or not all(set(field) <= set("0123456789*/,-") for field in line.split()):
        raise page.fail(at, f"{line!r} is not a cron line of five fields such as 0 6 * * 1")
    return line
