"""Whatever changed, night by night, a refresh ends in the release that building from nothing would give."""

import gc
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.tables import vectors_table
from tests.conftest import Workspace
from tests.support.pipeline_nights import (
    DEAD,
    DIFFERENCE,
    QUESTIONS,
    WHOLE,
    WORDS,
    Feeds,
    Ledger,
    Page,
    assert_embedded_today_they_are_the_same,
    night,
    refreshed,
)
from tests.support.small_releases import real_encoder

PLACES = st.integers(0, 99)
"""Which page, row or paragraph: counted round and round."""

PARAGRAPHS = st.integers(0, 59)
"""Sixty texts, so that some stand in several documents, or twice in one."""

OTHER = st.integers(1, 2)
"""How far on in a list of three."""

SHORTEST = [1, 120, 220]
"""Pages of a paragraph or two are refused by the others."""

ANSWER_COLUMNS = [("team",), ("team", "title"), ()]
TOKENS = [40, 24, 60]

T = TypeVar("T")


def other(values: list[T], now: T, step: int) -> T:
    return values[(values.index(now) + step) % len(values)]


class Nights(RuleBasedStateMachine):
    """Every rule is one change, followed by a refresh and by a build from nothing that it must equal."""

    def __init__(self, folder: Path, queries: Vectors, ledger: Ledger) -> None:
        super().__init__()
        pages = {
            f"page {number:02}.md": Page(WORDS[number], list(range(4 * number, 4 * number + 1 + number % 6)))
            for number in range(16)
        }
        answers = {f"row {number}": (3 * number, ["it", "hr", None][number % 3]) for number in range(12)}
        self.feeds = Feeds(Workspace(Path(tempfile.mkdtemp(dir=folder))), pages, answers)
        self.queries, self.ledger, self.names = queries, ledger, 0

    def refresh(self) -> None:
        night(self.feeds, self.queries, self.ledger)

    def name(self, place: int) -> str:
        return sorted(self.feeds.pages)[place % len(self.feeds.pages)]

    def numbers(self, place: int) -> list[int]:
        return self.feeds.pages[self.name(place)].numbers

    def new_name(self) -> str:
        self.names += 1
        return f"new page {self.names}.md"

    @initialize()
    def the_first_night(self) -> None:
        refreshed(self.feeds)

    @rule(page=PLACES, at=PLACES, to=PARAGRAPHS)
    def a_paragraph_is_edited(self, page: int, at: int, to: int) -> None:
        numbers = self.numbers(page)
        numbers[at % len(numbers)] = to if numbers[at % len(numbers)] != to else to + 1
        self.refresh()

    @rule(page=PLACES, at=PLACES, new=PARAGRAPHS)
    def a_paragraph_is_added(self, page: int, at: int, new: int) -> None:
        self.numbers(page).insert(at % (len(self.numbers(page)) + 1), new)
        self.refresh()

    @rule(page=PLACES, at=PLACES, to=PLACES)
    def a_paragraph_is_moved(self, page: int, at: int, to: int) -> None:
        numbers = self.numbers(page)
        moved = numbers.pop(at % len(numbers))
        numbers.insert(to % (len(numbers) + 1), moved)
        self.refresh()

    @rule(page=PLACES, title=st.sampled_from(WORDS))
    def a_page_gets_another_title(self, page: int, title: str) -> None:
        self.feeds.pages[self.name(page)].title = title
        self.refresh()

    @rule(numbers=st.lists(PARAGRAPHS, min_size=1, max_size=6), title=st.sampled_from(WORDS))
    def a_page_is_added(self, numbers: list[int], title: str) -> None:
        self.feeds.pages[self.new_name()] = Page(title, numbers)
        self.refresh()

    @rule(page=PLACES)
    def a_page_is_renamed(self, page: int) -> None:
        old, new = self.name(page), self.new_name()
        self.feeds.pages[new] = self.feeds.pages.pop(old)
        self.refresh()

    @rule(page=PLACES)
    def a_page_is_deleted(self, page: int) -> None:
        if len(self.feeds.pages) > 8:
            del self.feeds.pages[self.name(page)]
        self.refresh()

    @rule(row=st.integers(0, 15), text=PARAGRAPHS, team=st.sampled_from(["it", "hr", "", None]))
    def a_row_of_the_table_is_another(self, row: int, text: int, team: str | None) -> None:
        self.feeds.answers[f"row {row}"] = (text, team)
        self.refresh()

    @rule(row=st.integers(0, 11), team=st.sampled_from(["it", "hr", "", None]))
    def a_row_moves_to_another_team(self, row: int, team: str | None) -> None:
        """A payload and nothing else; no team at all is a key less."""
        self.feeds.answers[f"row {row}"] = (self.feeds.answers[f"row {row}"][0], team)
        self.refresh()

    @rule(step=OTHER)
    def the_contract_demands_another_length(self, step: int) -> None:
        self.feeds.shortest = other(SHORTEST, self.feeds.shortest, step)
        self.refresh()

    @rule(step=OTHER)
    def the_table_has_other_columns(self, step: int) -> None:
        self.feeds.answer_columns = other(ANSWER_COLUMNS, self.feeds.answer_columns, step)
        self.refresh()

    @rule()
    def the_pages_have_a_column_more_or_less(self) -> None:
        self.feeds.page_columns = () if self.feeds.page_columns else ("media_type",)
        self.refresh()

    @rule(step=OTHER)
    def documents_are_cut_another_way(self, step: int) -> None:
        self.feeds.tokens = other(TOKENS, self.feeds.tokens, step)
        self.refresh()

    def teardown(self) -> None:
        stored = vectors_table(self.feeds.workspace.home).scan().collect()
        shutil.rmtree(self.feeds.workspace.root)
        assert stored["text_hash"].n_unique() == stored.height, "a text was embedded twice"


@pytest.fixture(scope="module")
def queries() -> Iterator[Vectors]:
    """The questions' vectors, and all around made for many nights in one process on a shared machine."""
    memory, threads = Path("/dev/shm"), torch.get_num_threads()
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
    ):
        patch.setenv("DAGSTER_HOME", folder)  # hundreds of commits a night, and none of them is looked at here
        torch.set_num_threads(1)
        vectors = real_encoder().queries(QUESTIONS)
        gc.collect()
        gc.freeze()  # torch's million objects, through which every stage of a refresh would go
        yield vectors
        gc.unfreeze()
        torch.set_num_threads(threads)


def walk(folder: Path, queries: Vectors, *, walks: int, nights: int, **how: Any) -> Ledger:
    """Several histories, each of so many nights."""
    ledger = Ledger()
    run_state_machine_as_test(
        lambda: Nights(folder, queries, ledger),  # type: ignore[arg-type]  # hypothesis calls it, as it calls a class
        settings=hypothesis_settings(
            max_examples=walks,
            stateful_step_count=nights,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # shrinking would take hours
            suppress_health_check=list(HealthCheck),
            **how,
        ),
    )
    assert_embedded_today_they_are_the_same(ledger)
    return ledger


@pytest.mark.slow
def test_a_few_nights_end_in_the_releases_that_building_from_nothing_gives(
    tmp_path: Path, queries: Vectors, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = walk(tmp_path, queries, walks=3, nights=3, derandomize=True)
    tell(capsys, ledger)
    assert ledger.kinds[DIFFERENCE] >= 2


def test_one_night_of_each_costly_kind_ends_in_the_release_that_building_from_nothing_gives(
    tmp_path: Path, queries: Vectors, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a few random nights may not meet: rows that go to quarantine and come back, columns, another chunker."""
    ledger = Ledger()
    nights = Nights(tmp_path, queries, ledger)
    nights.the_first_night()
    nights.the_table_has_other_columns(1)
    nights.the_contract_demands_another_length(2)
    nights.documents_are_cut_another_way(1)
    nights.the_contract_demands_another_length(1)
    tell(capsys, ledger)
    nights.teardown()
    assert_embedded_today_they_are_the_same(ledger)
    assert ledger.kinds[DIFFERENCE] >= 1
    assert ledger.kinds[WHOLE] >= 1
    assert ledger.most_refused > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_nights_end_in_the_releases_that_building_from_nothing_gives(
    tmp_path: Path, queries: Vectors, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = walk(tmp_path, queries, walks=10, nights=11)
    tell(capsys, ledger)
    nights = ledger.kinds.total()
    assert nights >= 80
    assert ledger.kinds[DIFFERENCE] >= nights / 3, "most nights change little, so that many are built by difference"
    assert ledger.whole_because[DEAD] >= 3
    assert ledger.most_refused > 0


def tell(capsys: pytest.CaptureFixture[str], ledger: Ledger) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{ledger}\n")
