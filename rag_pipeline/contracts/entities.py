"""Names of the private data a contract may ask for (`piiEntities`), in Presidio's words. `privacy/` finds it."""

ENTITIES: dict[str, str] = {
    "EMAIL_ADDRESS": "An e-mail address whose domain has a public suffix; logins of version control (git@host) are not.",
    "PHONE_NUMBER": "A valid phone number: with its country prefix (+49 …), or as dialled in the countries of `piiRegions`.",
    "IBAN_CODE": "An international bank account number of the right length for its country and with right check digits.",
    "CREDIT_CARD": "A payment card number of 12 to 19 digits: an issuer's prefix and length, and the right check digit.",
    "IP_ADDRESS": "An IPv4 or IPv6 address of the public internet; private, loopback and example ranges name no one.",
    "MAC_ADDRESS": "The hardware address of a network card, in pairs (00:1b:44:…) or in Cisco's groups of four.",
    "CRYPTO": "A Bitcoin address with a right checksum.",
    "US_SSN": "A US social security number with separators (3-2-4); nine bare digits are not taken for one.",
    "US_ITIN": "A US individual taxpayer number with separators (9xx-5x-xxxx).",
    "US_MBI": "A US Medicare beneficiary identifier.",
    "CA_SIN": "A Canadian social insurance number in three groups; one in ten of three times three digits looks like it.",
    "UK_NHS": "A British NHS number; one in eleven numbers of ten digits looks like it.",
    "UK_NINO": "A British national insurance number.",
    "UK_DRIVING_LICENCE": "A British driving licence number.",
    "DE_TAX_ID": "A German tax identification number (eleven digits with a check digit).",
    "DE_SOCIAL_SECURITY": "A German pension insurance number.",
    "DE_HEALTH_INSURANCE": "A German health insurance number (a letter, nine digits with a check digit).",
    "ES_NIF": "A Spanish identity number (DNI, NIF) with the right check letter.",
    "ES_NIE": "A Spanish identity number of a foreigner with the right check letter.",
    "IT_FISCAL_CODE": "An Italian fiscal code, by its form.",
    "PL_PESEL": "A Polish identity number (PESEL): a date of birth and a check digit.",
    "FI_PERSONAL_IDENTITY_CODE": "A Finnish identity code: a date of birth and a check character.",
    "SE_PERSONNUMMER": "A Swedish identity number: a date of birth and a check digit.",
    "TR_NATIONAL_ID": "A Turkish identity number: eleven digits, two of them check digits.",
    "IN_AADHAAR": "An Indian Aadhaar number; one in ten numbers of twelve digits looks like it.",
    "IN_PAN": "An Indian tax account number (PAN), by its shape.",
    "SG_NRIC_FIN": "A Singaporean identity number, by its shape (S1234567D).",
    "KR_RRN": "A Korean resident number: a date of birth and seven digits.",
    "KR_FRN": "A Korean number of a foreign resident: a date of birth and seven digits.",
    "TH_TNIN": "A Thai identity number; one in twenty numbers of thirteen digits looks like it.",
    "AU_TFN": "An Australian tax file number; one in eleven numbers of nine digits looks like it.",
    "AU_MEDICARE": "An Australian Medicare number; one in twenty numbers of ten digits looks like it.",
    "NG_NIN": "A Nigerian identity number; one in ten numbers of eleven digits looks like it.",
    "ZA_ID_NUMBER": "A South African identity number: a date of birth and a check digit.",
}
"""Entity -> what it finds."""

_WORDS_ALONE = "only a language model tells it from other words, and this pipeline runs none over private data"
_DIGITS_ALONE = (
    "it is digits or letters without a check digit; only the words around it, which a model must read, tell what it is"
)

NEEDS_A_MODEL: dict[str, str] = {
    "PERSON": f"a name is a word like others; {_WORDS_ALONE}",
    "LOCATION": f"an address or a place is words like others; {_WORDS_ALONE}",
    "ORGANIZATION": f"a company is words like others; {_WORDS_ALONE}",
    "NRP": f"nationality, religion and politics are words like others; {_WORDS_ALONE}",
    "AGE": f"an age is a number like others; {_WORDS_ALONE}",
    "DATE_TIME": f"a date is easily found, whether it is a date of birth is not; {_WORDS_ALONE}",
    "ID": f"an id of no known form is a number like others; {_WORDS_ALONE}",
    "US_PASSPORT": _DIGITS_ALONE,
    "US_DRIVER_LICENSE": _DIGITS_ALONE,
    "US_BANK_NUMBER": _DIGITS_ALONE,
    "UK_PASSPORT": _DIGITS_ALONE,
    "DE_PASSPORT": _DIGITS_ALONE,
    "ES_PASSPORT": _DIGITS_ALONE,
    "IT_PASSPORT": _DIGITS_ALONE,
    "IT_IDENTITY_CARD": _DIGITS_ALONE,
    "IT_DRIVER_LICENSE": _DIGITS_ALONE,
    "IN_PASSPORT": _DIGITS_ALONE,
    "IN_VOTER": _DIGITS_ALONE,
    "KR_PASSPORT": _DIGITS_ALONE,
}
"""Entity Presidio knows -> why it cannot be found here."""


def needs_a_model(entity: str) -> str:
    """Why a kind of private data that is well known cannot be asked for."""
    return f"{entity} cannot be found here: {NEEDS_A_MODEL[entity]}"
