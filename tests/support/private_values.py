"""An example of every kind of private data, and a column in which it is looked for."""

from pathlib import Path
from typing import Any

from rag_pipeline.connectors.table import TableServer
from rag_pipeline.contracts.contract import Column, Contract, PiiPolicy, Privacy, Role
from rag_pipeline.privacy import PrivacyFilter

EXAMPLES: dict[str, tuple[list[str], list[str]]] = {
    "EMAIL_ADDRESS": (
        ["jane.doe@example.com", "o'brien+x@mail.example.co.uk"],
        ["jane@localhost", "x@app.route", "git@github.com"],
    ),
    "PHONE_NUMBER": (["+49 30 901820", "+1 (415) 761-1791", "+4930901820"], ["+49 30 9", "030 901820", "+1 000 000 0000"]),
    "IBAN_CODE": (
        ["DE89 3704 0044 0532 0130 00", "NO9386011117947", "gb29nwbk60161331926819"],
        ["DE88 3704 0044 0532 0130 00"],
    ),
    "CREDIT_CARD": (
        ["4111 1111 1111 1111", "5500005555555559", "3782 822463 10005", "2223003122003222", "6011-0009-9013-9424"],
        ["4111 1111 1111 1112", "1990 1991 1992 1990", "1700000000000"],
    ),
    "IP_ADDRESS": (
        ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"],
        ["127.0.0.1", "10.1.2.3", "1.3.6.1.4.1", "abc::def", "12:30:45"],
    ),
    "MAC_ADDRESS": (["00:1b:44:11:3a:b7", "001b.4411.3ab7"], ["00:1b:44:11:3a", "12:30:45"]),
    "CRYPTO": (["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"], ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"]),
    "US_SSN": (["536-22-1234", "536 22 1234"], ["536221234", "666-22-1234", "536-22 1234"]),
    "US_ITIN": (["912-70-1234"], ["912701234", "912-40-1234"]),
    "US_MBI": (["1EG4-TE5-MK73", "1EG4TE5MK73"], ["1EG4-TE5-M773"]),
    "CA_SIN": (["130 692 544", "130-692-544"], ["130692544", "130 692 545"]),
    "UK_NHS": (["943 476 5919", "9434765919"], ["943 476 5918"]),
    "UK_NINO": (["AB 12 34 56 C", "AB123456C"], ["AB 12 34 56 E", "BG123456C"]),
    "UK_DRIVING_LICENCE": (["MORGA657054SM9IJ"], ["MORGA677054SM9IJ"]),
    "DE_TAX_ID": (["86095742719"], ["86095742718"]),
    "DE_SOCIAL_SECURITY": (["15070649C103"], ["15070649C104"]),
    "DE_HEALTH_INSURANCE": (["A123456780"], ["A123456781"]),
    "ES_NIF": (["12345678Z"], ["12345678A"]),
    "ES_NIE": (["X1234567L"], ["X1234567M"]),
    "IT_FISCAL_CODE": (["RSSMRA85T10A562S"], ["RSSMRA85Z10A562S"]),
    "PL_PESEL": (["44051401359"], ["44051401358", "144051401359"]),
    "FI_PERSONAL_IDENTITY_CODE": (["131052-308T"], ["131052-308U"]),
    "SE_PERSONNUMMER": (["811218-9876", "198112189876"], ["811218-9875", "811318-9876"]),
    "TR_NATIONAL_ID": (["10000000146"], ["10000000147"]),
    "IN_AADHAAR": (["3123 4567 8909", "312345678909"], ["3123 4567 8908"]),
    "IN_PAN": (["ABCPE1234F"], ["ABCPE12345"]),
    "SG_NRIC_FIN": (["S1234567D"], ["X1234567D"]),
    "KR_RRN": (["960121-1234564"], ["961321-1234564"]),
    "KR_FRN": (["960121-5234567"], ["960121-1234567"]),
    "TH_TNIN": (["1101700230708"], ["1101700230709"]),
    "AU_TFN": (["876 543 210", "876543210"], ["876 543 211"]),
    "AU_MEDICARE": (["2123 45670 1", "2123456701"], ["2123 45671 1"]),
    "NG_NIN": (["12345678902"], ["12345678903"]),
    "ZA_ID_NUMBER": (["8001015009087"], ["8001015009088"]),
}
"""Entity -> values of its form, and values that only look like it."""


SALT = "a secret of this installation"


FEW = ("EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "CREDIT_CARD", "IP_ADDRESS")


def column(name: str, policy: PiiPolicy = "allow", role: Role | None = None, **privacy: Any) -> Column:
    looks_for = Privacy(policy, **{"entities": FEW, **privacy})
    return Column(name, "string", required=False, role=role, options={}, allowed=(), found_as=name, privacy=looks_for)


def shield(*columns: Column, salt: str = SALT) -> PrivacyFilter:
    contract = Contract(
        source="people",
        file=Path("contracts/people.odcs.yaml"),
        id="people",
        version="1.0.0",
        description="",
        owners=("us",),
        server=TableServer(format="jsonl"),
        columns=columns,
        quality=(),
        max_age_hours=None,
        age_column=None,
        quarantine_max_percent=10,
        volume_max_drop_percent=50,
        fingerprint="",
    )
    return PrivacyFilter(contract, salt)


def masked(text: str, entities: tuple[str, ...] = FEW, salt: str = SALT, regions: tuple[str, ...] = ()) -> str:
    row = shield(column("text", "scan-and-mask", entities=entities, regions=regions), salt=salt).protect({"text": text}).row
    assert isinstance(row["text"], str)
    return row["text"]
