"""Which columns may hold private data, by their names and by what is found in the sampled rows. No value leaves here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.drafting.profile import ColumnProfile, words_of
from rag_pipeline.errors import Unreadable
from rag_pipeline.privacy.recognizers import Find, finds
from rag_pipeline.progress import Advance

LOOKED_FOR = (*DEFAULT_ENTITIES, "US_SSN", "UK_NINO", "IT_FISCAL_CODE", "FI_PERSONAL_IDENTITY_CODE")
"""What a contract looks for anyway, and what has so much of a form that other texts are hardly taken for it."""

_SCANNED = 16_000_000
"""Characters looked through in all columns together, the short columns first: a million of them take about a second."""

_ALL_OF_IT, _MOSTLY = 0.8, 0.9
"""Share of a value that is a find, and of a column's values, from which on the column is nothing but private data."""

Named = Literal["", "perhaps", "surely"]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What speaks for private data in a column. `found`: entity -> how many, in `rows` of the rows looked through."""

    named: Named = ""
    found: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    looked_through: int = 0
    wholly: bool = False
    """Whether its values are nothing but what was found."""

    @property
    def column_itself(self) -> bool:
        """Whether the column is about persons, rather than a text that mentions some."""
        return bool(self.named) or self.wholly

    @property
    def nothing_else(self) -> bool:
        """Whether nothing would be left of it without the private data."""
        return self.named == "surely" or self.wholly


def suspect(columns: Sequence[ColumnProfile], *, by_name: bool, advance: Advance) -> dict[str, Suspicion]:
    """What speaks for private data, by column. `by_name`: whether the feed's maker named the columns."""
    room = _SCANNED
    found = {}
    for column in sorted(columns, key=lambda column: column.mean_length * column.rows):
        found[column.name] = suspicion = _suspicion(column, room, by_name=by_name)
        room -= min(room, sum(len(text or "") for text in column.texts[: suspicion.looked_through]))
        advance()
    return found


def names_a_person(column: ColumnProfile) -> Named:
    """Whether a column's name says that it is about persons. What only tells of a mail (`mail_sent_at`) is not."""
    words = set(words_of(column.name))
    together = "".join(words_of(column.name))
    if words & _BORN or together in _BORN:
        return "surely"
    if column.logical_type in ("boolean", "date", "timestamp") or words & _ABOUT:
        return ""
    if together in _SURELY or {word.rstrip("s") for word in words} & _SURELY or words & _SURELY:
        return "surely"
    if words & _PERSONS or together in _PERSONS:
        return "surely" if words & _PARTS else "perhaps"
    return "perhaps" if together == "name" else ""


_BORN = {"birth", "birthday", "birthdate", "dob", "geburtsdatum", "geburtstag"}
_SURELY = {
    *("email", "mail", "mailbox", "phone", "telephone", "telefon", "tel", "mobile", "cellphone", "fax", "msisdn"),
    *("ssn", "iban", "bic", "passport", "nationalid", "taxid", "personnummer", "nino", "creditcard", "cardnumber"),
    *("address", "addresses", "street", "postcode", "zipcode", "salary", "gender", "religion", "password"),
    *("firstname", "lastname", "surname", "fullname", "forename", "givenname", "familyname", "middlename", "maidenname"),
    *("vorname", "nachname"),
}
_PERSONS = {
    *("user", "username", "login", "author", "owner", "customer", "client", "employee", "person", "patient", "contact"),
    *("recipient", "assignee", "reporter", "reviewer", "manager", "member", "student", "guest", "subscriber", "creator"),
    *("editor", "sender"),
}
_PARTS = {"name", "names"}
_ABOUT = {
    *("count", "sent", "verified", "status", "type", "template", "subject", "body", "text", "content", "domain", "web"),
    *("url", "site", "page", "guide", "agent", "manual"),
}


def _suspicion(column: ColumnProfile, room: int, *, by_name: bool) -> Suspicion:
    named = names_a_person(column) if by_name else ""
    found: Counter[str] = Counter()
    rows = looked = whole = 0
    for text in column.texts:
        room -= len(text or "")
        if room < 0:
            break
        looked += 1
        if text and (held := _settled(held_in(text))):
            rows += 1
            found.update(find.entity for find in held)
            whole += sum(find.end - find.start for find in held) >= _ALL_OF_IT * len(text.strip())
    there = sum(bool(text) for text in column.texts[:looked])
    return Suspicion(named, dict(found), rows, looked, wholly=there > 0 and whole >= _MOSTLY * there)


def held_in(text: str) -> list[Find]:
    """What is found in a text; nothing in a heap of digits that the search gives up on, as it will say when it is loaded."""
    try:
        return finds(text, LOOKED_FOR)
    except Unreadable:
        return []


def _settled(found: list[Find]) -> list[Find]:
    """Keeps one of the finds that overlap: the one that a person would count."""
    settled: list[Find] = []
    for find in sorted(found, key=lambda find: (find.start, -find.end)):
        if not settled or find.start >= settled[-1].end:
            settled.append(find)
    return settled
