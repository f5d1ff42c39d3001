import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.golden.known_items import A_DOCUMENT, KnownItem, Named, choose, clean, propose


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("3.2 How to apply for leave", "How to apply for leave"),
        ("2) Book a train", "Book a train"),
        ("Chapter 4: Booking a train", "Booking a train"),
        ("IV. The war of the roses", "The war of the roses"),
        ("3 ways to lose a disk", "3 ways to lose a disk"),
        ("A guide to leave", "A guide to leave"),
        ("[Paid leave](https://x.org/a) for `contractors`", "Paid leave for contractors"),
        ("**Paid** _leave_ ~~now~~ {#anchor}", "Paid leave now"),
        ("## Paid Time Off (PTO) ##", "Paid Time Off"),
        ("shutil.copy(src, dst[, mode])", "shutil.copy"),
        ("The `__init__` method and snake_case_names", "The __init__ method and snake_case_names"),
        ("Tom &amp; Jerry<br/> on  tour", "Tom & Jerry on tour"),
        ("![logo](a.png) Working from home", "Working from home"),
        ("  - What is C#? ", "What is C#?"),
        ("\\_underscored\\_ heading here", "_underscored_ heading here"),
        ("[]", ""),
    ],
)
def test_a_title_is_cleaned_of_numbering_markdown_and_brackets(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def named(document: str, title: str, *headings: str) -> Named:
    return Named(document.split("/")[0], document, title, tuple(tuple(path.split(" > ")) for path in headings))


def test_only_what_one_document_alone_has_is_a_query() -> None:
    found = propose(
        [
            named("hr/leave", "Leave", "How to apply for leave", "Contact us now please", "Overview", "For fathers"),
            named("hr/travel", "Travelling for the company", "contact us, now please!", "Travelling", "Overview"),
            named("hr/notes", "meeting-notes.md", "Agenda", "Agenda > Open points", "Later > Open points"),
            named("hr/empty", "", "2023-01-05 1.2.3 4.5.6", "https://example.com/a b c", " ".join(["word"] * 16)),
        ]
    )
    assert {(one.document, one.made_from, one.text) for one in found.usable} == {
        ("hr/leave", "heading", "How to apply for leave"),
        ("hr/leave", "heading", "Leave: For fathers"),
        ("hr/travel", "title", "Travelling for the company"),
    }
    assert found.left_out == {
        "under 3 words": 3,  # Leave, Agenda, the date
        "in several documents": 4,
        "part of its document's title": 1,
        "several times in its document": 1,
        "a file name or an address": 2,
        "blank": 1,
        "over 15 words": 1,
    }


def test_a_title_without_blanks_between_its_words_is_counted_by_its_characters() -> None:
    assert [one.text for one in propose([named("hr/a", "有給休暇の申請方法")]).usable] == ["有給休暇の申請方法"]


ITEMS = st.lists(
    st.builds(
        lambda source, document, text: KnownItem(source, f"{source}/{document}", "title", text),
        st.sampled_from("ab"),
        st.integers(0, 5),
        st.text("xyz", min_size=1, max_size=4),
    ),
    unique_by=lambda item: (item.document, item.text),
    max_size=40,
)


@given(ITEMS, st.integers(1, 30), st.integers(0, 3))
def test_a_draw_is_the_same_for_a_seed_and_spreads_over_sources_and_documents(
    items: list[KnownItem], count: int, seed: int
) -> None:
    chosen = choose(items, count, seed)
    assert chosen == choose(reversed(items), count, seed)
    assert set(chosen) <= set(items)
    assert len(set(chosen)) == len(chosen)
    room = {
        document: min(A_DOCUMENT, sum(one.document == document for one in items)) for document in {i.document for i in items}
    }
    taken = {document: sum(one.document == document for one in chosen) for document in room}
    assert len(chosen) == min(count, sum(room.values()))
    assert all(taken[document] <= room[document] for document in room)
    for one in room:  # within a source nobody is asked twice before everybody was asked once
        for other in room:
            if one[0] == other[0] and taken[other] < room[other]:
                assert taken[one] <= taken[other] + 1
    by_source = {
        s: [sum(t for d, t in taken.items() if d[0] == s), sum(r for d, r in room.items() if d[0] == s)] for s in "ab"
    }
    (a, all_a), (b, all_b) = by_source.values()
    assert abs(a - b) <= 1 or min((a, all_a), (b, all_b))[0] in (all_a, all_b)


def test_a_query_keeps_its_id_in_a_larger_draw() -> None:
    items = [KnownItem("a", f"a/{number}", "title", f"title number {number}") for number in range(50)]
    few, many = choose(items, 5, seed=1), choose(items, 50, seed=1)
    assert {one.query_id for one in few} < {one.query_id for one in many}
    assert len({one.query_id for one in many}) == 50
    assert choose(items, 5, seed=2) != few
