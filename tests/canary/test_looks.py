"""When a canary is stopped, by counts alone: how often a harmless one is, and how soon a harmful one."""

import pytest

from benchmarks.canary import HARMFUL, HARMLESS, Kind, stopped_percent
from rag_pipeline.canary.arms import ArmCounts, Arms, bucket_of, summed
from rag_pipeline.canary.looks import ERRORS, FIRST, SLOW, look, spent


def counts(queries: int, errors: int = 0, ms: float = 15.0) -> ArmCounts:
    return ArmCounts(answered={bucket_of(ms): queries - errors}, errors=errors)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_release_is_hardly_ever_stopped(name: str) -> None:
    runs = 150
    bound = 2.0 + 100 * 2 * (0.02 * 0.98 / runs) ** 0.5
    assert stopped_percent(HARMLESS[name], runs, 5.0, 1_600) <= bound


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_release_is_stopped_within_400_of_its_queries(name: str) -> None:
    assert stopped_percent(HARMFUL[name], 150, 5.0, FIRST[-1]) >= 97


def test_all_looks_together_spend_no_more_than_two_percent() -> None:
    assert spent(0, ERRORS) == 0
    several = [spent(at, ERRORS) for at in (*FIRST, 800, 1_600, 10**9)]
    assert several == sorted(several) and several[4] == pytest.approx(ERRORS[0])
    assert sum(spent(10**9, one) for one in (ERRORS, SLOW)) <= 0.02


def test_a_look_is_taken_once_and_the_next_is_due_at_its_number_of_queries() -> None:
    stable = counts(2_000)

    def due(queries: int, looked: int) -> int | None:
        found = look(Arms(stable=stable, canary=counts(queries)), looked)
        return found.at if found else None

    assert [due(queries, 0) for queries in (0, 49, 50, 99, 100, 399, 400, 799, 800, 5_000)] == [
        None, None, 50, 50, 100, 300, 400, 400, 800, 3_200,
    ]  # fmt: skip
    assert due(399, 300) is None and due(400, 300) == 400


def test_why_it_is_stopped_names_both_arms() -> None:
    failed = look(Arms(stable=counts(7_600), canary=counts(400, 2)), 300)
    assert failed and failed.stop.startswith("errors: 2 of 400 queries failed, against 0 of 7,600 of the stable one")
    slow = look(Arms(stable=counts(7_600), canary=counts(400, ms=60)), 300)
    assert slow and slow.stop.startswith("p95: 400 of 400 answers took 3 times as long as the stable arm's p95 (15.")
    twice = look(Arms(stable=counts(7_600), canary=counts(400, ms=30)), 300)
    assert twice and not twice.stop


def test_the_same_trouble_in_both_arms_stops_nothing_and_trouble_of_an_arm_alone_does() -> None:
    both = look(Arms(stable=counts(950, 300), canary=counts(50, 16)), 0)
    assert both and not both.stop
    alone = look(Arms(stable=counts(10), canary=counts(50, 16)), 0)
    assert alone and "as the stable one has too few" in alone.stop
    few = look(Arms(stable=counts(10), canary=counts(50, 1)), 0)
    assert few and not few.stop


def test_nothing_is_said_of_times_before_200_answers() -> None:
    early = look(Arms(stable=counts(2_000), canary=counts(199, ms=150)), 0)
    assert early and not early.stop
    late = look(Arms(stable=counts(2_000), canary=counts(200, ms=150)), 100)
    assert late and late.stop


def test_what_replicas_counted_adds_up() -> None:
    one = Arms(stable=counts(10, 1), canary=counts(5), unopened=2)
    both = summed([one, one])
    assert both == Arms(stable=ArmCounts(answered={bucket_of(15.0): 18}, errors=2), canary=counts(10), unopened=4)
    assert (both.stable.queries, both.stable.errors_percent) == (20, 10)
    assert Arms.model_validate_json(both.model_dump_json()) == both
    assert summed([]) == Arms() and Arms().canary.quantile_ms(0.95) is None


def test_a_quantile_is_off_by_less_than_a_twentieth() -> None:
    times = [1.0, 5.0, 9.7, 40.0, 1_234.5]
    for ms in times:
        found = ArmCounts(answered={bucket_of(ms): 7}).quantile_ms(0.95)
        assert found and ms <= found * 1.0001 and found / ms < 1.051
    assert bucket_of(0) == 0 and bucket_of(float("inf")) > bucket_of(60_000)


def test_errors_of_a_split_in_halves_are_found_later() -> None:
    assert stopped_percent(Kind((0.0, 0.05)), 100, 50.0, FIRST[-1]) > 90
