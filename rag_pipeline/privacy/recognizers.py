"""Where private data is in a text: what is looked for, how, and which matches to believe. It never changes a text.

Patterns and check digits are Presidio's (`finders.py`). The rules here keep version numbers, decimals, dates, code and
example addresses from being taken for private data.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from rag_pipeline.privacy import finders
from rag_pipeline.privacy.escapes import unescaped
from rag_pipeline.privacy.normal_form import NormalForm, normal_form


@dataclass(frozen=True, slots=True)
class Find:
    """A span of a text. `start` and `end` count characters; `value` is what stands there, with ASCII digits and dashes.

    Where it stands there percent-encoded, or with marks in it, `value` is what that means to a reader.
    """

    start: int
    end: int
    entity: str
    score: float
    value: str


def finds(text: str, entities: Sequence[str], regions: Sequence[str] = ()) -> list[Find]:
    """Every span of a text that holds one of `entities`, overlapping ones too, in no order. Time grows with the length only.

    `regions` are the countries whose phone numbers are known without their prefix. A value that only a reader sees, because
    characters of no width, marks of emphasis, entities or the end of a line stand in it, is found where it stands.
    """
    found = list(_as_written(text, entities, regions))
    if seen := normal_form(text):
        whole = {(find.entity, find.start) for find in found if _LINE_ENDS.match(text, find.end)}
        found += [find for find in _as_seen(seen, entities, regions) if (find.entity, find.start) not in whole]
    for word, at in unescaped(text):
        meant = _as_written(word, entities, regions)
        found += [replace(find, start=at[find.start], end=at[find.end]) for find in meant]
    return found


def _as_seen(seen: NormalForm, entities: Sequence[str], regions: Sequence[str]) -> Iterator[Find]:
    """What a reader sees where something stands between the characters: elsewhere the text says the same as written."""
    addresses = [entity for entity in entities if entity == "EMAIL_ADDRESS" and _AT_SIGN.search(seen.text)]
    others = [entity for entity in entities if entity != "EMAIL_ADDRESS"]
    parts = [(0, seen.text, addresses), *((first, window, others) for first, window in seen.windows())]
    for first, part, wanted in parts:
        for find in _as_written(part, wanted, regions):
            if seen.touches(first + find.start, first + find.end):
                start, end = seen.span(first + find.start, first + find.end)
                yield replace(find, start=start, end=end)


def _as_written(text: str, entities: Sequence[str], regions: Sequence[str]) -> Iterator[Find]:
    folded = text if text.isascii() else text.translate(_FOLD)
    plain = ""
    for entity in entities:
        kind = KINDS[entity]
        if kind.hint.search(folded):
            plain = plain or _EMPHASIS.sub(" ", folded)
            for start, end, score in _finder(entity, tuple(regions))(folded if kind.hint is finders.AT else plain):
                if kind.holds(folded, start, end):
                    yield Find(start, end, entity, score, folded[start:end])


_LINE_ENDS = re.compile(r"[ \t|]*(?:[\n\r]|<br)")
"""Behind a value that is whole: then the number at the beginning of the next line is no part of it."""

_AT_SIGN = re.compile("[@\uff20\ufe6b]")


def unknown_regions(regions: Sequence[str]) -> list[str]:
    """Those whose phone numbers are not known."""
    if not regions:
        return []
    import phonenumbers

    return [region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS]


def international(number: str, regions: Sequence[str]) -> str:
    """A phone number as it is dialled from anywhere (E.164), so that all ways to write it are one."""
    import phonenumbers

    for region in (None, *sorted(regions)):
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return re.sub(r"\D", "", number)


_FOLD = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
_FOLD |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63), "-")
_FOLD |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_FOLD |= {0xFE52: ".", 0xFE6B: "@"}
_FOLD |= {ord(digit): str(unicodedata.digit(digit)) for digit in map(chr, range(0x80, 0x20000)) if digit.isdecimal()}
"""Spaces, dashes, wide characters and digits of other scripts -> the ASCII that patterns know, one for one."""


_EMPHASIS = re.compile(r"(?<!\d)_|_(?!\d)")
"""`_` around a number is emphasis in Markdown, and no part of it."""


def _alone(text: str, start: int, end: int) -> bool:
    """Whether it is not a piece of a longer word or number, of the fraction of a decimal number, or of a UUID."""
    before, after = text[max(0, start - 36) : start], text[end : end + 36]
    if _WITHIN_BEFORE.search(before) or _WITHIN_AFTER.match(after):
        return False
    if not before.endswith("-") and not after.startswith("-"):
        return True
    first = start - len(before)
    uuids = _UUID.finditer(text[first : end + 36])
    return not any(uuid.start() + first < end and start < uuid.end() + first for uuid in uuids)


_WITHIN_BEFORE, _WITHIN_AFTER = re.compile(r"(?:[A-Za-z0-9]|\d\.)\Z"), re.compile(r"[A-Za-z0-9]|\.\d")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


def _card(text: str, start: int, end: int) -> bool:
    return _alone(text, start, end) and bool(_ISSUED.fullmatch(re.sub(r"\D", "", text[start:end])))


_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[3-6])\d{14}|2(?:22[1-9]|2[3-9]\d|7[01]\d|720)\d{12}|3[47]\d{13}|3[0689]\d{12}"
    r"|35\d{14}|(?:5[0678]|6\d)\d{10,17}"
)
"""Visa; Mastercard (two rows); American Express; Diners; JCB; Maestro, Discover, UnionPay. Four years in a row are none."""


def _dialled(value: str) -> bool:
    """Whether it has at least seven digits and, without a country prefix, is no date, file number, version or decimal."""
    if sum(map(str.isdigit, value)) < 7:
        return False
    if re.match(r"[(\[]*\+", value):
        return True
    return not _DATED.search(value) and not _VERSION.fullmatch(value)


_DATED = re.compile(r"\d{4}-\d\d-\d\d|^\d{4}-\d{4}$|^(?:1[5-9]|20)\d\d-\d+$|^\d+\.\d+$|\.\.")
_VERSION = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){2,}")


def _dialled_abroad(value: str) -> bool:
    return "+" in value and _dialled(value)


def _phone(text: str, start: int, end: int) -> bool:
    """Whether it is a phone number; without a country prefix it must not be a piece of a path either."""
    value, before = text[start:end], text[max(0, start - 2) : start]
    if not _dialled(value) or ("+" not in value and re.search(r"[/_#][(\[]?\Z", before)):
        return False
    return _alone(text, start, end) if value[0].isdigit() else not _WITHIN_AFTER.match(text, end)


def _internet_address(text: str, start: int, end: int) -> bool:
    """An address someone on the internet has: not private, not an example, no version and no section number."""
    if _WITHIN_AFTER.match(text, end) or _NUMBERED.search(text[max(0, start - 16) : start]):
        return False
    address = ipaddress.ip_interface(text[start:end].partition("%")[0]).ip
    return address.is_global and not address.is_multicast and (address.version == 4 or address in _ALLOCATED)


_NUMBERED = re.compile(
    r"""(?:[A-Z0-9]|\d\.|[<>=~!]= ?|§ ?|\b(?:version|release|section|chapter)s?[ :"'-]*)\Z""", re.IGNORECASE
)
_ALLOCATED = ipaddress.ip_network("2000::/3")
"""All of IPv6 that was ever given out; `abc::def` is an address too, and mostly a name in C++ or Rust."""


def _mailbox(text: str, start: int, end: int) -> bool:
    """Somebody's: not the login every user of a version control system has, and no code (`{name}@host.com`)."""
    local = text[start:end].rpartition("@")[0]
    return local != "git" and any(map(str.isalnum, local))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one entity is found: by which recognizer of Presidio, and by which of its patterns.

    `least`: patterns to which Presidio gives a lower score are left out, even where check digits would raise it: they find
    numbers without separators, or inside of words. `holds`: what is asked beyond Presidio's checks. `hint`: what a text that
    holds one cannot lack, to be quick with most texts.
    """

    recognizer: str
    least: float
    holds: Callable[[str, int, int], bool] = _alone
    hint: re.Pattern[str] = re.compile(r"\d\D?\d\D?\d")


_DIGIT = re.compile(r"\d")
_HEX = re.compile(r"[0-9a-f][.:-][0-9a-f:]|::", re.IGNORECASE)

KINDS: dict[str, Kind] = {
    "EMAIL_ADDRESS": Kind("EmailRecognizer", 0.5, _mailbox, finders.AT),
    "PHONE_NUMBER": Kind("PhoneRecognizer", 0.4, _phone, finders.DIALLED),
    "IBAN_CODE": Kind("IbanRecognizer", 0.5),
    "CREDIT_CARD": Kind("CreditCardRecognizer", 0.3, _card),
    "IP_ADDRESS": Kind("IpRecognizer", 0.6, _internet_address, _HEX),
    "MAC_ADDRESS": Kind("MacAddressRecognizer", 0.6, _alone, _HEX),
    "CRYPTO": Kind("CryptoRecognizer", 0.5, _alone, _DIGIT),
    "US_SSN": Kind("UsSsnRecognizer", 0.5),
    "US_ITIN": Kind("UsItinRecognizer", 0.5),
    "US_MBI": Kind("UsMbiRecognizer", 0.3, _alone, _DIGIT),
    "CA_SIN": Kind("CaSinRecognizer", 0.5),
    "UK_NHS": Kind("NhsRecognizer", 0.5),
    "UK_NINO": Kind("UkNinoRecognizer", 0.5),
    "UK_DRIVING_LICENCE": Kind("UkDrivingLicenceRecognizer", 0.5),
    "DE_TAX_ID": Kind("DeTaxIdRecognizer", 0.5),
    "DE_SOCIAL_SECURITY": Kind("DeSocialSecurityRecognizer", 0.5),
    "DE_HEALTH_INSURANCE": Kind("DeHealthInsuranceRecognizer", 0.3),
    "ES_NIF": Kind("EsNifRecognizer", 0.5),
    "ES_NIE": Kind("EsNieRecognizer", 0.5),
    "IT_FISCAL_CODE": Kind("ItFiscalCodeRecognizer", 0.3, _alone, re.compile(r"[A-Za-z]{6}\w\w[A-Za-z]\w\w[A-Za-z]")),
    "PL_PESEL": Kind("PlPeselRecognizer", 0.4),
    "FI_PERSONAL_IDENTITY_CODE": Kind("FiPersonalIdentityCodeRecognizer", 0.5),
    "SE_PERSONNUMMER": Kind("SePersonnummerRecognizer", 0.5),
    "TR_NATIONAL_ID": Kind("TrNationalIdRecognizer", 0.3),
    "IN_AADHAAR": Kind("InAadhaarRecognizer", 0.01),
    "IN_PAN": Kind("InPanRecognizer", 0.5),
    "SG_NRIC_FIN": Kind("SgFinRecognizer", 0.5),
    "KR_RRN": Kind("KrRrnRecognizer", 0.5),
    "KR_FRN": Kind("KrFrnRecognizer", 0.5),
    "TH_TNIN": Kind("ThTninRecognizer", 0.5),
    "AU_TFN": Kind("AuTfnRecognizer", 0.01),
    "AU_MEDICARE": Kind("AuMedicareRecognizer", 0.01),
    "NG_NIN": Kind("NgNinRecognizer", 0.01),
    "ZA_ID_NUMBER": Kind("ZaIdNumberRecognizer", 0.2),
}
"""The entities of `contracts/entities.py`."""


@cache
def _finder(entity: str, regions: tuple[str, ...]) -> finders.Finder:
    name = KINDS[entity].recognizer
    match entity:
        case "EMAIL_ADDRESS":
            return finders.emails(finders.recognizer(name))
        case "PHONE_NUMBER":
            worth = _dialled if regions else _dialled_abroad
            return finders.phones(finders.recognizer(name, supported_regions=regions or (None,), leniency=1), worth)
        case "IBAN_CODE":
            return finders.ibans(finders.recognizer(name, exact_match=True))
        case "CREDIT_CARD":
            return finders.matches(finders.recognizer(name), KINDS[entity].least, finders.LONG_CARD)
    return finders.matches(finders.recognizer(name), KINDS[entity].least)
