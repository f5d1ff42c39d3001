"""What is taken for private data and what is not, wherever it stands in a text and however long the text is."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.entities import ENTITIES, NEEDS_A_MODEL
from rag_pipeline.errors import Unreadable
from rag_pipeline.privacy import finders
from rag_pipeline.privacy.recognizers import KINDS, finds
from tests.support.private_values import EXAMPLES

EVERYDAY = """
Version 2.10.3.1 of 2024-01-31 (was: v1.2.3, >=4.10.0.2, section 8.2.4.44, §1.3.6.1) runs on http://127.0.0.1:3000/a?b=1#c.
$ ssh admin@build-host; git clone git@github.com:org/repo.git; pip install package@2.0.1
    @app.route("/users/<int:id>")    def f(a: "np.ndarray", b=x@y.T): return std::fe::add(a@b)
commit d670460b4b4aece5915caf5c68d12f560a9fe3e4, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,
id 550e8400-e29b-41d4-a716-446655440000, build 20240131.4, image@2x.png, order 10023, invoice 2024-000187, 1,234,567.89,
3.14159265358979, 192.168.178.24/24, fe80::1, 00:12:45, 2024-01-31T10:00:00+00:00, 1641–1679, 1.38435736E+12, ISBN
978-3-16-148410-0
"""


def found(text: str, entity: str, *regions: str) -> set[str]:
    return {text[find.start : find.end] for find in finds(text, [entity], regions)}


def test_every_entity_of_the_contracts_has_a_recognizer_and_examples_and_none_needs_a_model() -> None:
    assert set(ENTITIES) == set(KINDS) == set(EXAMPLES)
    assert not set(ENTITIES) & set(NEEDS_A_MODEL)
    assert all(said.endswith(".") for said in ENTITIES.values())


@pytest.mark.parametrize("entity", EXAMPLES)
def test_an_entity_is_found_in_a_sentence_and_its_look_alikes_are_not(entity: str) -> None:
    values, others = EXAMPLES[entity]
    for value in values:
        for text in (
            value,
            f"It is {value}.",
            f"({value}), 7\n",
            f"**{value}**",
            f"_{value}_ and",
            f"是{value}。",
            f"a|{value}|b",
            f"1 {value}",
        ):
            assert any(value in span for span in found(text, entity)), text
    for other in others:
        assert found(f"It is {other}, is it", entity) == set(), other


def test_everyday_numbers_code_and_addresses_of_machines_hold_no_private_data() -> None:
    assert [(find.entity, find.value) for find in finds(EVERYDAY, list(KINDS), ["US", "DE"])] == []


def test_a_value_is_found_with_the_spaces_dashes_and_digits_of_other_scripts() -> None:
    assert found("card 4111\u00a01111\u20091111\u202f1111!", "CREDIT_CARD") == {"4111\u00a01111\u20091111\u202f1111"}
    assert found("ssn 536\u201322\u20111234", "US_SSN") == {"536\u201322\u20111234"}
    assert found("卡４１１１１１１１１１１１１１１１", "CREDIT_CARD") == {"４１１１１１１１１１１１１１１１"}
    assert found("至jane＠example．com，", "EMAIL_ADDRESS") != set()


def test_numbers_beside_a_value_do_not_hide_it() -> None:
    assert "4111 1111 1111 1111" in found("order 1234 4111 1111 1111 1111 1234", "CREDIT_CARD")
    assert "ES91 2100 0418 4502 0005 1332" in found("to AB12 CDEF ES91 2100 0418 4502 0005 1332 2024 and", "IBAN_CODE")
    assert "+1 415-761-1791" in found("call +1 415-761-1791 24 hours", "PHONE_NUMBER")
    assert "+1 415-761-1791" in found("+1 415-761-1791 1 2 3 4 5 6 7 8 9 10 11 12 2125552368", "PHONE_NUMBER", "US")
    assert "(212) 555-2368" in found("call 7 (212) 555-2368 24 hours", "PHONE_NUMBER", "US")


def test_an_address_is_cut_out_of_names_of_files_addresses_of_pages_and_sentences() -> None:
    for text in (
        "jane@example.com.txt",
        "https://x.org/?mail=jane@example.com&b",
        "jane@example.com.Then we",
        "a/jane@example.com",
    ):
        assert found(text, "EMAIL_ADDRESS") == {"jane@example.com"}


def test_a_number_without_its_country_prefix_is_known_in_the_regions_of_the_contract_only() -> None:
    text = "Tel. 030 901820, fax (212) 555-2368, or +44 20 8366 1177"
    assert found(text, "PHONE_NUMBER") == {"+44 20 8366 1177"}
    assert found(text, "PHONE_NUMBER", "DE") == {"+44 20 8366 1177", "030 901820"}
    assert found(text, "PHONE_NUMBER", "US", "DE") == {"+44 20 8366 1177", "030 901820", "(212) 555-2368"}


JUNK = (
    "a",
    ".",
    "7",
    "@",
    "a@",
    "a@a.",
    "a.",
    "1-",
    "1 ",
    "1.",
    "1/",
    "(1",
    "4111 ",
    "AA11 ",
    "123-45-6789-",
    "1::1%a",
    "2012-01-02 08 ",
    "_1",
    "+49 ",
    "0 ",
    "0/",
    "00 000 ",
    "0000000 ",
    "030 901820 ",
    "<a ",
    "[a](",
    "__",
    "&#4",
    "%40",
    "\n>",
)


@pytest.mark.parametrize("junk", JUNK)
def test_a_long_line_of_anything_neither_hides_what_stands_in_it_nor_takes_for_ever(junk: str) -> None:
    line = junk * (30_000 // len(junk))
    values = "jane@example.com, +49 30 901820, 536-22-1234, DE89370400440532013000, 93.184.216.34"
    entities = [
        "EMAIL_ADDRESS",
        "PHONE_NUMBER",
        "US_SSN",
        "IBAN_CODE",
        "IP_ADDRESS",
        "CREDIT_CARD",
        "CRYPTO",
        "IT_FISCAL_CODE",
    ]
    text = f"{line}\n{values}; {line}"
    spans = {text[find.start : find.end] for find in finds(text, entities, ["DE"])}
    assert set(values.split(", ")) <= spans


@given(st.integers(0, 2_000), st.sampled_from(["x", "é ", "12 ", "a-", "7\n"]), st.sampled_from(sorted(EXAMPLES)))
@settings(max_examples=60, deadline=None)
def test_no_place_in_a_long_text_is_one_where_a_value_is_missed(before: int, filler: str, entity: str) -> None:
    value = EXAMPLES[entity][0][0]
    text = filler * before + ". " + value + ". " + filler * 2_000
    assert any(value in span for span in found(text, entity))


WATCHED = """
import json, sys
asked = []
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "urllib.Request") or event == "open" and "w" in str(arguments[1]):
        asked.append([event, str(arguments[0])])
sys.addaudithook(watch)
from rag_pipeline.process import prepare
prepare()
from rag_pipeline.errors import Unreadable
from rag_pipeline.privacy import finders
from rag_pipeline.privacy.normal_form import normal_form
from rag_pipeline.privacy.recognizers import KINDS, finds
loaded = "presidio_analyzer" in sys.modules
found = finds("jane@example.com +49 30 901820 DE89370400440532013000", list(KINDS), ["DE"])
heavy = [name for name in ("torch", "spacy", "transformers", "thinc", "dagster") if name in sys.modules]
json.dump({"asked": asked, "loaded": loaded, "heavy": heavy, "found": sorted({find.entity for find in found})}, sys.stdout)
"""


def test_finding_asks_no_other_machine_writes_no_file_and_loads_no_language_model(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", WATCHED], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["found"] == ["EMAIL_ADDRESS", "IBAN_CODE", "PHONE_NUMBER"]
    assert (said["asked"], said["heavy"], said["loaded"]) == ([], [], False)
    assert list(tmp_path.iterdir()) == []


def test_the_same_candidates_are_tried_once_and_a_heap_of_them_ends_the_search() -> None:
    recognizer, asked = finders.recognizer("PhoneRecognizer", supported_regions=("DE",), leniency=1), list[str]()
    analyze = recognizer.analyze

    def counted(window: str, entities: list[str]) -> Any:
        asked.append(window)
        return analyze(window, entities)

    recognizer.analyze = counted
    find = finders.phones(recognizer, lambda number: sum(map(str.isdigit, number)) >= 7)
    for unit, most in (("0 ", 20), ("0/", 20), ("00 000 ", 60), ("+49 30 901820 ", 60)):
        asked.clear()
        list(find(unit * 5_000))
        assert len(asked) <= most, unit
    digits = random.Random(3)
    heap = "".join(f"0{digits.randrange(10)}/" for _ in range(20_000))
    for length in (4_000, 40_000):
        asked.clear()
        with pytest.raises(Unreadable, match="heap of digits"):
            list(find(heap[:length]))
        assert len(asked) <= 200 + length
    listed = "\n".join(f"Tel. 030 {901_820 + number}" for number in range(2_000))
    assert len(set(find(listed))) == 2_000, "a list of numbers is no heap"
