"""What a contract does with private data: what is stored of a row, and that no value goes anywhere else."""

import re
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.errors import ContractError
from rag_pipeline.privacy import masks as privacy
from rag_pipeline.privacy.recognizers import finds
from tests.support.private_values import EXAMPLES, SALT, column, masked, shield

EVERY = tuple(ENTITIES)


def test_a_mask_says_what_stood_there_and_is_the_same_for_the_same_value_however_it_is_written() -> None:
    first, second = (
        masked("a Jane@Example.com b DE89 3704 0044 0532 0130 00 c"),
        masked("DE89-37040044-0532013000, jane@example.com"),
    )
    masks = re.findall(r"<(\w+):[0-9a-f]{8}>", first)
    assert masks == ["EMAIL_ADDRESS", "IBAN_CODE"]
    assert sorted(re.findall("<.*?>", first)) == sorted(re.findall("<.*?>", second))
    assert re.sub("<.*?>", "", first) == "a  b  c"


def test_a_phone_number_has_one_mask_with_and_without_its_country_prefix() -> None:
    text = masked("+49 30 901820, 030/901820, 0049 30901820", regions=("DE",))
    assert re.fullmatch(r"(<PHONE_NUMBER:[0-9a-f]{8}>), \1, \1", text)


def test_without_a_salt_a_mask_has_nothing_by_which_a_value_could_be_tried_out() -> None:
    assert masked("jane@example.com or joe@example.com", salt="") == "<EMAIL_ADDRESS> or <EMAIL_ADDRESS>"


def test_another_salt_gives_other_masks_hashes_names_and_another_fingerprint() -> None:
    columns = (column("id", "hash", "key"), column("text", "scan-and-mask"))
    here, there = shield(*columns), shield(*columns, salt="another")
    row = {"id": "7", "text": "jane@example.com"}
    assert here.protect(row).row["id"] != there.protect(row).row["id"]
    assert here.protect(row).row["text"] != there.protect(row).row["text"]
    assert here.name("7") != there.name("7")
    assert here.fingerprint != there.fingerprint
    assert SALT not in here.fingerprint


def test_what_overlaps_is_masked_as_one_from_its_first_character_to_its_last() -> None:
    assert re.fullmatch(r"at <EMAIL_ADDRESS:\w{8}> now", masked("at +4930901820@example.com now"))
    assert re.fullmatch(r"<CREDIT_CARD:\w{8}>", masked("4111 1111 1111 1111", EVERY, regions=("US", "DE", "IN")))


def test_every_policy_does_what_it_says_and_counts_what_it_found() -> None:
    columns = (
        column("id", role="key"),
        column("open"),
        column("text", "scan-and-mask"),
        column("born", "hash"),
        column("gone", "drop"),
        column("never", "refuse"),
    )
    row = {
        "id": "1",
        "open": "jane@example.com",
        "text": "jane@example.com, joe@example.com, 93.184.216.34",
        "born": date(1970, 1, 1),
    }
    done = shield(*columns).protect({**row, "gone": 17, "never": "nothing", "__row": 4})
    assert done.reasons == []
    assert done.found == {"EMAIL_ADDRESS": 2, "IP_ADDRESS": 1}
    assert (done.row["open"], done.row["gone"], done.row["never"], done.row["__row"]) == (
        "jane@example.com",
        None,
        "nothing",
        4,
    )
    assert re.fullmatch("[0-9a-f]{32}", done.row["born"])
    assert done.row["born"] == shield(column("x", "hash")).protect({"x": "1970-01-01"}).row["x"]


def test_null_stays_null_under_every_policy() -> None:
    for policy in ("scan-and-mask", "hash", "drop", "refuse"):
        assert shield(column("a", policy)).protect({"a": None}).row == {"a": None}


def test_a_number_that_is_private_data_is_left_out_as_it_has_no_room_for_a_mask() -> None:
    done = shield(column("card", "scan-and-mask"), column("stars", "scan-and-mask")).protect(
        {"card": 4111111111111111, "stars": 5}
    )
    assert (done.row, done.found, done.reasons) == ({"card": None, "stars": 5}, {"CREDIT_CARD": 1}, [])
    other = {"a": True, "b": 1.5, "c": date(2024, 1, 31)}
    assert shield(*(column(name, "scan-and-mask") for name in other)).protect(other).row == other


def test_a_row_that_holds_what_the_contract_refuses_has_a_reason_that_holds_no_value() -> None:
    shielded = shield(
        column("id", role="key"), column("note", "refuse"), column("card", "refuse"), column("text", "scan-and-mask")
    )
    row = {"id": "1", "note": "jane@example.com, joe@example.com, 93.184.216.34", "card": 4111111111111111, "text": "a"}
    done = shielded.protect(row)
    assert done.reasons == [
        {
            "rule": "privacy",
            "column": "note",
            "message": "holds private data (EMAIL_ADDRESS, 2 found; IP_ADDRESS, 1 found), which the contract refuses",
        },
        {
            "rule": "privacy",
            "column": "card",
            "message": "holds private data (CREDIT_CARD, 1 found), which the contract refuses",
        },
    ]
    assert done.found == {"EMAIL_ADDRESS": 2, "IP_ADDRESS": 1, "CREDIT_CARD": 1}
    assert done.row == row


def test_a_masked_key_stays_one_of_its_own_and_is_the_name_of_its_item() -> None:
    keyed = shield(column("path", "scan-and-mask", "key"))
    names = [keyed.name(f"cv/{who}@example.com.docx") for who in ("jane", "joe")]
    assert re.fullmatch(r"cv/<EMAIL_ADDRESS:\w{8}>\.docx<KEY:\w{16}>", names[0])
    assert names[0] != names[1]
    assert keyed.name("guide/index.md") == "guide/index.md"
    assert keyed.protect({"path": "cv/jane@example.com.docx"}).row == {"path": names[0]}
    assert keyed.name(names[0]) == names[0]
    assert shield(column("path", "refuse", "key")).name("cv/jane@example.com.docx") == names[0]


def test_a_hashed_or_dropped_key_gives_every_item_a_name_that_says_nothing() -> None:
    for policy in ("hash", "drop"):
        name = shield(column("id", policy, "key")).name("jane")
        assert re.fullmatch("[0-9a-f]{32}", name)
    assert shield(column("id", role="key"), column("text", "hash")).name("jane@example.com") == "jane@example.com"


def test_what_needs_a_salt_says_so_with_the_contract_and_the_setting() -> None:
    for wrong in (column("text", "hash"), column("id", "drop", "key")):
        with pytest.raises(ContractError, match=r"people\.odcs\.yaml.*RAG_PII_SALT"):
            shield(wrong, salt="")
    keyed = shield(column("path", "scan-and-mask", "key"), salt="")
    assert keyed.name("guide.md") == "guide.md"
    for attempt in (lambda: keyed.name("jane@example.com"), lambda: keyed.protect({"path": "jane@example.com"})):
        with pytest.raises(ContractError, match=r"people\.odcs\.yaml.*RAG_PII_SALT") as caught:
            attempt()
        assert "jane" not in str(caught.value)


def test_a_region_nobody_can_dial_is_refused_with_the_contract_and_the_region() -> None:
    with pytest.raises(ContractError, match=r"people\.odcs\.yaml.*UK.*GB"):
        shield(column("text", "scan-and-mask", regions=("DE", "UK")))


def test_the_fingerprint_changes_with_policies_entities_and_regions_and_not_with_what_is_allowed() -> None:
    variants = [
        (column("a", "scan-and-mask"),),
        (column("a", "refuse"),),
        (column("b", "scan-and-mask"),),
        (column("a", "scan-and-mask", entities=("IBAN_CODE",)),),
        (column("a", "scan-and-mask", regions=("DE",)),),
        (column("a", "scan-and-mask", "key"),),
        (column("a"),),
    ]
    assert len({shield(*columns).fingerprint for columns in variants}) == len(variants)
    assert shield(column("a", "scan-and-mask"), column("b")).fingerprint == shield(*variants[0]).fingerprint
    assert shield(column("a")).fingerprint == shield(column("b"), salt="").fingerprint
    assert [shield(*columns).active for columns in variants] == [True] * 6 + [False]


def test_a_text_whose_masking_has_no_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "_ROUNDS", 1)
    done = shield(column("text", "scan-and-mask")).protect({"text": "jane@example.com"})
    assert [reason["message"] for reason in done.reasons] == [
        "holds private data that cannot be masked; correct it in the source"
    ]


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="=§"), max_size=60)  # before a version or section number
VALUES = st.sampled_from([(entity, value) for entity, (values, _) in EXAMPLES.items() for value in values])
ENDS = st.sampled_from([" ", "\n", ", ", "(", ") ", "\t", " | ", "**", "。", " 7, "])
TEXTS = st.lists(st.tuples(PLAIN, ENDS, VALUES, ENDS), max_size=4)


def joined(pieces: list[tuple[str, str, tuple[str, str], str]]) -> str:
    return "".join(plain + before + value + after for plain, before, (_, value), after in pieces)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_no_value_survives_and_masking_what_is_masked_changes_nothing(
    pieces: list[tuple[str, str, tuple[str, str], str]],
) -> None:
    text = joined(pieces)
    once = masked(text, EVERY, regions=("US", "DE"))
    for _, _, (_, value), _ in pieces:
        assert value not in once
    assert masked(once, EVERY, regions=("US", "DE")) == once
    assert masked(text, EVERY, regions=("US", "DE")) == once


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_text_without_finds_is_kept_to_the_letter(text: str) -> None:
    assume(not finds(text, EVERY, ("US", "DE")))
    done = shield(column("text", "scan-and-mask", entities=EVERY, regions=("US", "DE"))).protect({"text": text})
    assert done.row == {"text": text}
    assert (done.found, done.reasons) == ({}, [])


@given(
    st.lists(
        st.emails(domains=st.sampled_from(["example.com", "a-b.co.uk", "ab.co.uk"])),
        min_size=2,
        max_size=2,
        unique_by=str.casefold,
    )
)
@settings(max_examples=100, deadline=None)
def test_two_addresses_have_two_masks_and_neither_is_left(addresses: list[str]) -> None:
    assume(all(re.search(r"[A-Za-z0-9][^|?/{}`*!$%^=#]*@", address) for address in addresses))
    first, second = (masked(f"from <{address}>: hello") for address in addresses)
    assert first != second
    assert not any(address in text for address in addresses for text in (first, second))


@given(st.text(alphabet="<EMAIL_ADDRESS:KEYCRPTO0123456789abcdef>@. -+", max_size=80))
@settings(max_examples=150, deadline=None)
def test_text_that_looks_like_masks_is_masked_once_and_for_all(text: str) -> None:
    once = masked(text, EVERY, regions=("US", "DE"))
    assert masked(once, EVERY, regions=("US", "DE")) == once
