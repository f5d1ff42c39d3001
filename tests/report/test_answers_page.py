"""The page of answers: how each question ended, worst first, beside the release before; what is data stays text."""

import re
from typing import Any

import pytest

from rag_pipeline.answer.bounds import Bounds
from rag_pipeline.answer.cited import Citation, Cited
from rag_pipeline.answer.select import Selected
from rag_pipeline.evaluate.answers import Answered, AnswersOf, Measured, Spent, figures_of
from rag_pipeline.report.answers import render
from rag_pipeline.report.answers_view import MOST, Shown, ending_of, sets_of
from tests.support.report_pages import Page
from tests.support.small_releases import NOW

BOUNDS = Bounds(meaning=0.4, words=0.3)
EVIL = [
    "<script>alert(1)</script>",
    "<img src=https://evil.example/x onerror=alert(1)>",
    "![p](https://evil.example/p.png) [click](javascript:alert(1))",
    "\"><a href='https://evil.example'>go</a>",
    "</details></section><h1>Passed</h1>",
    "\u202eright to left\u0000 {{ 7 * 7 }} {% raw %}",
]


def answer(query: str = "q", sentence: str = "Cats purr.", support: float = 0.9, **changes: Any) -> Answered:
    citation = Citation("c1", "handbook/pets.md", changes.pop("quote", sentence), 10, 10 + len(sentence))
    fields: dict[str, Any] = {
        "query": query,
        "text": f"question {query}",
        "selected": Selected((Cited(sentence, 0.5, (citation,)),), support, support),
        "answerable": True,
        "found": True,
        "wanted": (("handbook/pets.md", 10, 20),),
        "said": ("Cats purr.",),
        "valid": 1,
    }
    return Answered(**fields | changes)


def of(*answers: Answered, release: str = "new") -> AnswersOf:
    return AnswersOf(release, BOUNDS, (Measured("pets", answers, figures_of(answers, BOUNDS, Spent())),))


def page(now: AnswersOf, before: AnswersOf | None = None, gone: str = "") -> str:
    sets = sets_of(now, before, lambda document: document != gone)
    return render(Shown(now.release, before.release if before else None, "production", NOW, now.bounds.says, sets))


NOTHING: dict[str, Any] = {"answerable": False, "found": False, "wanted": (), "said": ()}
ELSEWHERE: dict[str, Any] = {"wanted": (("handbook/dogs.md", 0, 9),), "said": ("Dogs bark.",)}
DOCUMENT: dict[str, Any] = {"wanted": (), "said": ()}


@pytest.mark.parametrize(
    ("one", "rank", "says"),
    [
        (answer(**NOTHING), 0, "answered, though nothing answers it"),
        (answer(**ELSEWHERE), 1, "no sentence is a judged one"),
        (answer(support=0.1), 2, "refused, though its passage was retrieved"),
        (answer(found=False), 3, "answered from other passages: its own was not retrieved"),
        (answer(found=False, support=0.1), 4, "refused: its passage was not retrieved"),
        (answer(**DOCUMENT, references=("they meow",)), 5, "from a judged document, without the reference answer"),
        (answer(**DOCUMENT), 6, "from a judged document"),
        (answer(**NOTHING, support=0.1), 7, "refused, as it should be"),
        (answer(), 8, "a right sentence"),
        (answer(**DOCUMENT, references=("the cats",)), 8, "a right sentence"),
    ],
)
def test_every_answer_has_one_ending(one: Answered, rank: int, says: str) -> None:
    ending = ending_of(one, refused=BOUNDS.refuse(one.selected))
    assert (ending.rank, ending.says) == (rank, says)
    assert says in Page(page(of(one))).says


def test_worst_comes_first_and_what_got_worse_before_all() -> None:
    now = of(answer("right"), answer("wrong", **ELSEWHERE), answer("fell", support=0.1), answer("none", **NOTHING))
    before = of(answer("right"), answer("wrong", **ELSEWHERE), answer("fell"), answer("none", **NOTHING), release="old")
    says = Page(page(now, before)).says
    assert [says.index(f"question {name}") for name in ("fell", "none", "wrong", "right")] == sorted(
        says.index(f"question {name}") for name in ("right", "wrong", "fell", "none")
    )
    assert "Against the release before, 1 answer ended worse and 0 better." in says
    assert "▼ worse than before" in says and "old , the release before" in says
    fell = says[says.index("question fell") : says.index("question none")]
    assert "No sentence: no passage supports an answer." in fell and "support 0.10, bound 0.40" in fell
    assert "The release before a right sentence support 0.90, bound 0.40 Cats purr. ✓ right" in fell
    assert "Both releases give this answer." in says[says.index("question right") :]


def test_a_sentence_stands_with_its_quote_its_document_and_its_characters() -> None:
    told = Page(page(of(answer("q", "Cats purr", quote="**Cats** purr.", references=("purr",))))).says
    assert "Cats purr ✓ right **Cats** purr. handbook/pets.md , characters 10 to 19" in told
    assert "Reference answer purr Judged passage Cats purr." in told


@pytest.mark.parametrize("evil", EVIL)
def test_what_is_data_stays_text(evil: str) -> None:
    hostile = answer(evil, evil, quote=f"{evil}!", text=evil, references=(evil,), said=(evil,), found=False)
    text = page(of(hostile), of(hostile, release="old"))
    read = Page(text)
    assert read.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "img", "base", "form"})
    assert not read.handlers and {one[0] for one in read.addresses} == {"#"}
    assert text.count("<h1>") == 1 and ("{{" in evil) == ("{{ 7 * 7 }} {% raw %}" in text)
    assert not re.search("[\u202e\x00]", text)


def test_a_document_that_is_stored_no_more_is_not_quoted() -> None:
    text = page(of(answer("q", "Secret.")), gone="handbook/pets.md")
    assert "Secret" not in Page(text).says
    assert "stored no more" in Page(text).says


def test_the_page_has_a_size_that_ends() -> None:
    long = "word " * 1_000
    many = of(*(answer(f"q{number}", long, quote=long, **ELSEWHERE, references=(long,) * 3) for number in range(MOST + 40)))
    text = page(many, many)
    assert "… and 40 questions that ended no worse" in Page(text).says
    assert len(text) < 4_000_000


def test_without_golden_sets_or_a_release_before_the_page_says_so() -> None:
    says = Page(page(AnswersOf("new", BOUNDS, ()))).says
    assert "There is no golden set, so nothing was asked." in says and "there is no release before" in says
