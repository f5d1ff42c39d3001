from pathlib import Path

import pytest

from rag_pipeline.golden.resolve import UNSEEN, Corpus, ResolvedSet, corpus_for, resolve
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import Home
from tests.support.golden_sets import doc, golden, living, quote, quoting
from tests.support.small_releases import store_documents

LEAVE = "# Leave\n\nEvery person has thirty days off a year.\n\nDays that are left expire in March."
TRAVEL = "# Travel\n\nTrains are booked in second class."
DAYS, MARCH, TRAINS = "thirty days off", "left expire in March", "booked in second class"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    store_documents(home, "handbook", {"leave.md": LEAVE, "travel.md": TRAVEL})
    return home


def statuses(found: ResolvedSet) -> list[tuple[str, str, str, str]]:
    return [(one.query, one.document, one.status, one.quote) for one in found.unresolved]


def test_judgments_of_documents_that_are_gone_are_taken_out_and_listed() -> None:
    found = resolve(golden({"a": {"x": 1, "gone": 2}, "b": {"y": 1, "gone": 0}}), Corpus({"x", "y", "other"}, {}))
    assert found.unresolved == (
        Unresolved(query="a", document="gone", status="dead"),
        Unresolved(query="b", document="gone", status="dead"),
    )
    assert found.qrels == {"a": {"x": 1}, "b": {"y": 1}}
    assert (found.judgments, found.unresolved_percent, found.moved) == (4, 50.0, 0)


def test_a_query_left_without_a_relevant_document_is_taken_out() -> None:
    found = resolve(golden({"a": {"gone": 1}, "b": {"gone": 1, "x": 0}, "c": {"x": 1}}), Corpus({"x"}, {}))
    assert found.qrels == {"c": {"x": 1}}
    assert len(found.unresolved) == 2


def test_a_set_whose_documents_all_exist_is_as_it_was() -> None:
    one = golden({"a": {"x": 1, "y": 0}})
    found = resolve(one, Corpus({"x", "y"}, {}))
    assert (found.qrels, found.unresolved, found.unresolved_percent, found.references) == (one.qrels, (), 0.0, {})
    assert resolve(golden({}), Corpus(set(), {})).unresolved_percent == 0.0


def test_a_passage_that_stands_where_it_was_judged_is_unchanged(home: Home) -> None:
    references = {
        "days": [quote(doc("leave"), DAYS, LEAVE.index(DAYS)), quote(doc("leave"), MARCH)],
        "trains": [quote(doc("travel"), f"  {TRAINS}\n", TRAVEL.index(TRAINS) - 2)],
    }
    found = living(home, quoting(references))
    assert (found.moved, found.unresolved, found.judgments) == (0, (), 3)
    assert found.qrels == {"days": {doc("leave"): 1}, "trains": {doc("travel"): 1}}
    assert found.references == {query: tuple(quoted) for query, quoted in references.items()}


def test_a_passage_found_elsewhere_or_spelt_a_little_differently_has_moved_and_still_counts(home: Home) -> None:
    judged = {"days": [quote(doc("leave"), DAYS, LEAVE.index(DAYS))], "trains": [quote(doc("travel"), TRAINS)]}
    store_documents(
        home,
        "handbook",
        {"leave.md": f"A new first line.\n\n{LEAVE}", "travel.md": TRAVEL.replace("second class", "SECOND\nclass")},
    )
    found = living(home, quoting(judged))
    assert (found.moved, found.unresolved) == (2, ())
    assert found.qrels.keys() == {"days", "trains"}


def test_a_passage_whose_words_are_gone_is_stale_and_one_of_a_document_that_is_gone_is_dead(home: Home) -> None:
    judged = {
        "days": [quote(doc("leave"), "twenty days off"), quote(doc("leave"), MARCH)],
        "trains": [quote(doc("planes"), TRAINS)],
        "both": [quote(doc("travel"), "first class"), quote(doc("travel"), TRAINS, grade=0)],
    }
    found = living(home, quoting(judged))
    assert statuses(found) == [
        ("days", doc("leave"), "stale", "twenty days off"),
        ("trains", doc("planes"), "dead", TRAINS),
        ("both", doc("travel"), "stale", "first class"),
    ]
    assert found.qrels == {"days": {doc("leave"): 1}}, "of `both` only the passage that is not relevant is left"
    assert found.references["days"] == (judged["days"][1],)
    assert (found.judgments, found.unresolved_percent) == (5, 60.0)


def test_a_document_is_worth_no_more_than_its_best_passage_that_is_left(home: Home) -> None:
    best, good = quote(doc("leave"), "forty days off", grade=3), quote(doc("leave"), MARCH, grade=1)
    assert living(home, quoting({"q": [best, good]})).qrels == {"q": {doc("leave"): 1}}
    best = quote(doc("leave"), DAYS, grade=3)
    assert living(home, quoting({"q": [best, quote(doc("leave"), "forty", grade=1)]})).qrels == {"q": {doc("leave"): 3}}


def test_a_grade_given_to_the_whole_document_stays_while_its_best_passage_does(home: Home) -> None:
    """A set may quote and have a file of judgments too."""
    two = [quote(doc("leave"), DAYS), quote(doc("leave"), "gone")]
    assert living(home, quoting({"q": two}, {"q": {doc("leave"): 2}})).qrels == {"q": {doc("leave"): 2}}


def test_documents_judged_without_a_quote_beside_quoted_ones_live_and_die_as_documents(home: Home) -> None:
    qrels = {"q": {doc("leave"): 1, doc("travel"): 0, doc("planes"): 2}}
    found = living(home, quoting({"q": [quote(doc("leave"), DAYS)]}, qrels))
    assert statuses(found) == [("q", doc("planes"), "dead", "")]
    assert found.qrels == {"q": {doc("leave"): 1, doc("travel"): 0}}
    assert (found.judgments, found.unresolved_percent) == (3, pytest.approx(100 / 3))


def test_passages_that_are_not_relevant_are_kept_as_judged(home: Home) -> None:
    judged = [quote(doc("leave"), DAYS), quote(doc("travel"), TRAINS, grade=0)]
    found = living(home, quoting({"q": judged}))
    assert found.qrels == {"q": {doc("leave"): 1, doc("travel"): 0}}
    assert found.references == {"q": tuple(judged)}
    assert living(home, quoting({"q": judged[1:]})).qrels == {}, "nothing relevant is left"


def test_a_set_may_judge_documents_of_several_sources(home: Home) -> None:
    store_documents(home, "wiki", {"leave.md": "The wiki says thirty-one days off."})
    judged = {
        "both": [quote(doc("leave"), DAYS), quote(doc("leave", "wiki"), "thirty-one days")],
        "mixed up": [quote(doc("leave", "wiki"), DAYS)],
    }
    one = quoting(judged)
    found = living(home, one, ["handbook", "wiki"])
    assert found.qrels == {"both": {doc("leave"): 1, doc("leave", "wiki"): 1}}
    assert statuses(found) == [("mixed up", doc("leave", "wiki"), "stale", DAYS)]
    alone = living(home, one)
    assert {status for _, _, status, _ in statuses(alone)} == {"dead"}
    assert alone.qrels == {"both": {doc("leave"): 1}}


def test_only_documents_that_are_judged_are_looked_up_and_only_texts_that_are_quoted_are_read(home: Home) -> None:
    one = quoting({"q": [quote(doc("leave"), DAYS)]}, {"q": {doc("leave"): 1, doc("gone"): 1}})
    corpus = corpus_for(home, ["handbook", "not loaded yet"], (one,))
    assert corpus.documents == {doc("leave")}
    assert corpus.texts == {doc("leave"): LEAVE}


def test_what_another_document_of_the_query_was_worth_does_not_lower_a_grade(home: Home) -> None:
    """The whole document was judged above its best passage, and every passage of it is left."""
    quoted = [quote(doc("leave"), DAYS, grade=1), quote(doc("travel"), TRAINS, grade=3)]
    found = living(home, quoting({"q": quoted}, {"q": {doc("leave"): 2, doc("travel"): 3}}))
    assert found.qrels == {"q": {doc("leave"): 2, doc("travel"): 3}}


def test_a_passage_that_vanished_is_told_without_its_words(home: Home) -> None:
    """What vanished is kept with the evidence, and words that left the sources must not stay there."""
    one = quoting({"q": [quote(doc("leave"), "forty days off")]})
    [gone] = living(home, one).unresolved
    found = resolve(one, corpus_for(home, ["handbook"], (one,)), put_back=[gone.judgment])
    assert [(lost.document, lost.quote) for lost in found.unresolved] == [(doc("leave"), "forty days off")]
    assert [(lost.document, lost.status, lost.quote) for lost in found.vanished] == [(doc("leave"), "stale", "")]
    assert (found.qrels, found.references) == (one.qrels, one.references), "it counts on, as a lost answer"


def test_a_passage_that_stands_twice_is_the_one_that_was_judged(home: Home) -> None:
    text = f"{DAYS}, and again {DAYS}, and once more {DAYS}."
    store_documents(home, "handbook", {"leave.md": text})
    second = text.index(DAYS, 1)
    for start, moved in ((0, 0), (second, 0), (text.rindex(DAYS), 0), (second + 5, 1)):
        assert living(home, quoting({"q": [quote(doc("leave"), DAYS, start)]})).moved == moved


def test_a_document_that_vanished_counts_on_and_one_that_is_gone_does_not() -> None:
    one = golden({"a": {"x": 1, "lost": 2, "gone": 1}, "b": {"lost": 1}})
    lost = [Unresolved(query=query, document="lost", status="dead") for query in "ab"]
    found = resolve(one, Corpus({"x"}, {}), put_back=[judged.judgment for judged in lost])
    assert found.qrels == {"a": {"x": 1, "lost": 2}, "b": {"lost": 1}}
    assert found.vanished == tuple(lost)
    assert found.unresolved == (lost[0], Unresolved(query="a", document="gone", status="dead"), lost[1])


def test_a_document_that_lost_its_passage_is_retrieved_in_vain_for_that_query_alone() -> None:
    found = ResolvedSet(golden({}), {}, unseen=frozenset({("q", "x")}))
    assert found.seen({"q": ["x", "y"], "r": ["x"]}) == {"q": [f"{UNSEEN}x", "y"], "r": ["x"]}
    assert found.as_it_was.seen({"q": ["x"]}) == {"q": ["x"]}
