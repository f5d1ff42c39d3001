"""What `index/evaluation` shows of traffic before production."""

from rag_pipeline.host.served_shown import served_metadata
from tests.support.office import Office, office
from tests.support.served_before import evidence, few, tried

__all__ = ["few", "office", "tried"]


def test_a_row_says_what_was_served_for_each_channel_that_demands_it(office: Office, tried: str) -> None:
    made = evidence(office, tried)
    [row] = served_metadata({"production": made})["served_before"].value.records
    assert (row.data["channel"], row.data["served on"], row.data["hours"]) == ("production", "canary", 5)
    assert row.data["what was served"].startswith("618 questions that count, 618 answered, 0 failed")
    assert row.data["evidence"] == made.seal


def test_where_nothing_is_demanded_nothing_is_shown() -> None:
    assert served_metadata({}) == {}
