"""A value is found as a reader sees it, whatever marks, breaks and characters of no width stand in it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.privacy.normal_form import normal_form
from rag_pipeline.privacy.recognizers import finds
from tests.support.private_values import EXAMPLES

SEEN = [
    ("jane.\u00addoe@exam\u200bple.com", "EMAIL_ADDRESS", "jane.doe@example.com"),
    ("**jane**@example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane\\_doe@example.com", "EMAIL_ADDRESS", "jane_doe@example.com"),
    ("jane&#64;example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane&#x40;exam&shy;ple.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane@exam<wbr>ple.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("j<span class='x'>ane</span>@example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("`jane`@example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("<b>4111</b> 1111 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("41**11** 1111 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("4111\u200c1111\u200c1111\u200c1111", "CREDIT_CARD", "4111111111111111"),
    ("4111<br>1111<br/>1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("4111  1111   1111\t1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("DE89 3704 0044\n0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("DE89 3704 0044\r\n> 0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("+49 *30* 901820", "PHONE_NUMBER", "+49 30 901820"),
    ("+49 30\u00ad90\u00ad1820", "PHONE_NUMBER", "+49 30901820"),
    ("93.184.<em>216</em>.34", "IP_ADDRESS", "93.184.216.34"),
]


@pytest.mark.parametrize(("written", "entity", "value"), SEEN)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Write to ", " today."), ("| ", " | x |"), ("line\n", "\nline")])
def test_a_value_is_found_as_a_reader_sees_it_and_where_it_stands(
    written: str, entity: str, value: str, before: str, after: str
) -> None:
    text = before + written + after
    spans = [find for find in finds(text, [entity]) if find.value == value]
    assert spans
    assert any(written.strip("*`<b>").startswith(text[find.start : find.end][:3]) for find in spans)
    left = text[: min(find.start for find in spans)] + text[max(find.end for find in spans) :]
    assert finds(left, [entity]) == []


NESTED = [
    ("**_jane_**@example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("***jane***\\@**ex`ample`**.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane@[example.com](http://example.com)", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane&commat;example&period;com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane&#64example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane@\nexample.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane@mail.\n  example.com", "EMAIL_ADDRESS", "jane@mail.example.com"),
    ("jane@exam-\nple.com", "EMAIL_ADDRESS", "jane@exam-ple.com"),
    ("jane\u3164@\U000e0041example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("jane﹫example.com", "EMAIL_ADDRESS", "jane@example.com"),
    ("[+49 30](tel:1) 901820", "PHONE_NUMBER", "+49 30 901820"),
    ("+49 (30)\n901820", "PHONE_NUMBER", "+49 (30) 901820"),
    ("4111 1111\\\n1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("4111 \u2028 1111 1111\u2003 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("~~4111~~ **11<i>11</i>** 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("𝟒𝟏𝟏𝟏 1111 ११११ 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("5&#51;6-22-1234", "US_SSN", "536-22-1234"),
    ("DE89 3704 0044<br />\n  0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("GB82 WEST\n1234 5698 7654 32", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
    ("MT84 MALT 0110 0001 2345 MTLC AST0\n01S", "IBAN_CODE", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
    ("AB\n12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
    ("AB 12 34 56\nC", "UK_NINO", "AB 12 34 56 C"),
    ("2606:2800:220:1:248:**1893**:25c8:1946", "IP_ADDRESS", "2606:2800:220:1:248:1893:25c8:1946"),
    ("2a00:**abcd**::ab", "IP_ADDRESS", "2a00:abcd::ab"),
    ("1A1zP1eP5QGefi2**DMPTf**TL5SLmv7DivfNa", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("ABCPE`1234`F", "IN_PAN", "ABCPE1234F"),
]


@pytest.mark.parametrize(("written", "entity", "value"), NESTED)
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("word " * 90, " word" * 90), ("| 7 | ", " | 8 |"), ("- ", "\n- line"), ("> ", "\n\n> x")],
)
def test_nested_marks_cells_items_and_ends_of_lines_hide_no_value(
    written: str, entity: str, value: str, before: str, after: str
) -> None:
    text = before + written + after
    spans = [find for find in finds(text, [entity]) if find.value == value]
    assert spans, text
    first, last = min(find.start for find in spans), max(find.end for find in spans)
    assert (text[:first], text[last:]) != ("", "") or not before
    assert finds(text[:first] + text[last:], [entity]) == []
    assert first >= len(before) and last <= len(before) + len(written)


@given(
    st.sampled_from([entity for entity in sorted(EXAMPLES) if entity != "EMAIL_ADDRESS"]),
    st.data(),
    st.sampled_from(["**", "\u00ad", "<b>", "\u200b", "`"]),
)
@settings(max_examples=300, deadline=None)
def test_a_mark_at_any_place_of_any_value_hides_nothing(entity: str, data: st.DataObject, mark: str) -> None:
    value = data.draw(st.sampled_from(EXAMPLES[entity][0]))
    place = data.draw(st.integers(1, len(value) - 1))
    text = f"{'It is a word. ' * 20}{value[:place]}{mark}{value[place:]}{', and more of them' * 20}"
    assert any(value in find.value for find in finds(text, [entity])), text


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111\n\n1111 1111",
        "4111 | 1111 | 1111 | 1111",
        "4111*1111*1111*1111",
        "- 4111\n- 1111\n- 1111\n- 1111",
        "1990\n1991\n1992\n1990",
    ],
)
def test_what_a_reader_does_not_see_as_one_value_is_none(text: str) -> None:
    assert finds(text, ["CREDIT_CARD"]) == []


@given(st.text("ab@.*_`\\&;#<>/br\u00ad\u200b \n\t|é", max_size=60))
def test_every_character_of_the_normal_form_stands_somewhere_in_the_text(text: str) -> None:
    seen = normal_form(text)
    if seen is None:
        return
    ends = [seen.span(place, place + 1) for place in range(len(seen.text))]
    assert all(0 <= first < last <= len(text) for first, last in ends)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ends))
    for character, (first, last) in zip(seen.text, ends, strict=True):
        assert character == " " or last - first > 1 or text[first:last] == character


def test_a_list_of_numbers_a_line_each_is_as_many_values() -> None:
    numbers = [f"030 {901_820 + number}" for number in range(5)]
    for joint in ("\n", "\r\n", "<br>", " |\n"):
        text = joint.join(numbers)
        spans = {text[find.start : find.end] for find in finds(text, ["PHONE_NUMBER"], ["DE"])}
        assert spans == set(numbers), joint
