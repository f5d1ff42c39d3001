"""Private data in names, addresses and messages: masked as in the tables, and found percent-encoded too."""

import re

import pytest

from rag_pipeline.errors import ContractError
from rag_pipeline.privacy import masks as privacy
from tests.support.private_values import column, masked, shield


def test_a_name_in_a_message_is_the_one_in_the_tables_and_without_a_salt_masked_and_no_more() -> None:
    keyed = column("path", "scan-and-mask", "key")
    for name in ("guide.md", "to jane@example.com.md"):
        assert shield(keyed).shown(name) == shield(keyed).name(name)
    assert shield(keyed, salt="").shown("to jane@example.com") == "to <EMAIL_ADDRESS>"
    assert shield(column("path", "hash", "key")).shown("guide.md") == shield(column("path", "hash", "key")).name("guide.md")
    assert (
        shield(column("path", role="key"), column("text", "scan-and-mask")).shown("jane@example.com") == "jane@example.com"
    )


def test_a_name_whose_masking_has_no_end_is_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "_ROUNDS", 1)
    keyed = column("path", "scan-and-mask", "key")
    assert shield(keyed, salt="").shown("jane@example.com") == "(a name that cannot be masked)"
    assert re.fullmatch("[0-9a-f]{32}", shield(keyed).shown("jane@example.com"))
    with pytest.raises(ContractError, match="RAG_PII_SALT"):
        shield(keyed, salt="").name("jane@example.com")
    assert (
        shield(keyed).message("answered by jane@example.com") == "(not shown: it holds private data that cannot be masked)"
    )


def test_a_message_is_masked_by_what_any_column_looks_for() -> None:
    says = "redirects to 8.8.8.8, of jane@example.com"
    assert shield(column("path", role="key")).message(says) == says
    told = shield(column("path", role="key"), column("text", "scan-and-mask"), salt="").message(says)
    assert told == "redirects to <IP_ADDRESS>, of <EMAIL_ADDRESS>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://example.org/people/jane%40example.com/cv", "https://example.org/people/<EMAIL_ADDRESS>/cv"),
        ("file:///to%20jane%2540example.com.pdf", "file:///to%20<EMAIL_ADDRESS>.pdf"),
        ("see ?mail=jane%40example.com&tel=%2B49+30+901820345 there", "see ?mail=<EMAIL_ADDRESS>&tel=<PHONE_NUMBER> there"),
        ("/a+b/jane+news1+2%40example.com", "/a+b/<EMAIL_ADDRESS>"),
        ("/tel/%2B49%2030%20901820345", "/tel/<PHONE_NUMBER>"),
        ("/tel/%2B49%C2%A030%C2%A0901820345.html", "/tel/<PHONE_NUMBER>.html"),
        ("100% of %zz and 5 %40 off, %C3 %", "100% of %zz and 5 %40 off, %C3 %"),
        ("/caf%C3%A9/100%25", "/caf%C3%A9/100%25"),
    ],
)
def test_what_is_percent_encoded_is_found_where_it_stands(text: str, told: str) -> None:
    assert masked(text, salt="") == told


def test_a_value_has_the_same_mask_however_it_is_encoded() -> None:
    assert masked("jane%40example.com") == masked("jane@example.com") == masked("jane%2540example%2Ecom")
