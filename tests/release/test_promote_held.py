"""A channel that somebody holds, and a rollback in the night in which a source is late: to the word and to the row."""

import json
from datetime import timedelta

import pytest

from rag_pipeline.channels.audit import channel_now
from rag_pipeline.channels.pointer import Channel
from rag_pipeline.errors import PromotionRefused
from tests.support.held_channel import asked, held, second
from tests.support.office import PAGES, Office
from tests.support.small_releases import NOW

__all__ = ["held", "second"]

LATE = NOW + timedelta(hours=60)
"""The contract of the office allows 48."""


def test_a_held_channel_refuses_what_nobody_named_and_says_how_a_person_can(
    office: Office, second: str, held: Channel
) -> None:
    now, third = NOW + timedelta(hours=3), office.second({**PAGES, "new.md": "# New\n\nnews"})
    office.evaluate(third, now)
    with pytest.raises(PromotionRefused) as refused:
        office.promote(third, now)
    assert held.hold is not None
    reason = held.hold.says("production")
    says = f"{reason}; a person can promote it: `rag promote {third} --by NAME --reason WHY`"
    assert str(refused.value) == f"{third} was not promoted to production: {says}"
    assert refused.value.held
    row = office.audit_in_order()[-1]
    assert (row["action"], row["outcome"], json.loads(str(row["reasons"]))) == ("refused", "held", [reason])


def test_a_person_who_names_what_serves_lifts_the_hold_in_their_name_and_nothing_moves(
    office: Office, held: Channel
) -> None:
    now = NOW + timedelta(hours=3)
    for alike in (asked(office, office.first, now, named=False), asked(office, office.first, now, withdraw=True)):
        assert (alike.moved, alike.channel) == (False, held)
    lifted = asked(office, office.first, now)
    assert not lifted.moved
    said = {"at": now, "by": "ben", "why": "fixed", "run_id": "by hand", "action": "resumed"}
    assert lifted.channel == held.model_copy(update={**said, "sequence": held.sequence + 1, "hold": None})
    assert channel_now(office.home, "production") == lifted.channel
    assert asked(office, office.first, now).channel == lifted.channel, "there is nothing more to lift"


def test_a_person_may_go_back_while_a_source_is_late_but_not_forward_and_nothing_automatic_may(
    office: Office, second: str
) -> None:
    office.evaluate(office.first, LATE)
    for named, withdraw in ((True, False), (False, True)):
        with pytest.raises(PromotionRefused, match=r"source handbook is 60\.0 h old, its contract allows 48 h"):
            asked(office, office.first, LATE, named=named, withdraw=withdraw)
    back = asked(office, office.first, LATE, withdraw=True)
    assert (back.moved, back.channel.release, back.channel.previous) == (True, office.first, second)
