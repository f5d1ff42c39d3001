"""Events reach a real receiver in order; one that is dead, slow or hostile costs little, and what is lost is counted."""

import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.lineage.facts import Dataset, Event, Kind, Name, Run
from rag_pipeline.lineage.send import HttpDelivery, Lost, Sender, receiver_of
from tests.support.alert_receivers import SECRET, Inbox, web_receiver
from tests.support.lineage_standard import held_to_the_standard


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with web_receiver() as inbox:
        yield inbox


def sender(inbox: Inbox, path: str = "", key: str = "", step_s: float = 30.0) -> Sender:
    receiver = receiver_of(f"http://user:{SECRET}@127.0.0.1:{inbox.port}{path}", key)
    assert receiver is not None
    return Sender(HttpDelivery(receiver), step_s=step_s)


def event(kind: Kind = "START") -> Event:
    job, run = Name("pipeline", "corpus.chunks"), str(uuid.uuid4())
    parent = Name("pipeline", "nightly_refresh")
    return Event(kind, datetime.now(UTC), Run(job, run, parent, run, "1.13"), (Dataset(Name("file", "/pages")),))


def test_events_come_in_order_and_as_the_standard_has_them(inbox: Inbox) -> None:
    sending = sender(inbox)
    kinds: list[Kind] = ["START", "COMPLETE", "START", "FAIL"]
    for kind in kinds:
        sending.send(event(kind))
    assert sending.flush() == Lost(0)
    assert [message["eventType"] for message in inbox.messages] == kinds
    for message in inbox.messages:
        held_to_the_standard(message)


@pytest.mark.parametrize(("path", "asked"), [("", "/api/v1/lineage"), ("/", "/api/v1/lineage"), ("/a/b", "/a/b")])
def test_an_address_without_a_path_means_the_standards_own(inbox: Inbox, path: str, asked: str) -> None:
    sending = sender(inbox, path)
    sending.send(event())
    assert sending.flush() == Lost(0)
    assert [one[0] for one in inbox.asked] == [asked]


def test_the_key_is_sent_as_a_bearer_token(inbox: Inbox) -> None:
    receiver = receiver_of(f"http://127.0.0.1:{inbox.port}", SECRET)
    assert receiver is not None
    sending = Sender(HttpDelivery(receiver))
    sending.send(event())
    assert sending.flush() == Lost(0)
    assert [one[1] for one in inbox.asked] == [f"Bearer {SECRET}"]


def test_what_a_receiver_answers_with_an_error_is_lost_and_counted_and_later_events_are_sent(inbox: Inbox) -> None:
    sending = sender(inbox)
    inbox.status = 500
    sending.send(event())
    sending.send(event())
    assert sending.flush() == Lost(2, "it answered 500")
    inbox.status = 200
    sending.send(event())
    assert sending.flush() == Lost(0)
    assert len(inbox.messages) == 1


def test_a_receiver_that_is_not_there_loses_what_is_sent() -> None:
    with web_receiver() as gone:
        sending = sender(gone)
    sending.send(event())
    assert sending.flush() == Lost(1, "it could not be reached")


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_never_ends_is_waited_for_once(inbox: Inbox, how: str) -> None:
    setattr(inbox, how, True)
    sending = sender(inbox, step_s=0.3)
    sending.send(event())
    sending.send(event())
    assert sending.flush() == Lost(2, "it did not take them within 0.3 s")
    assert not inbox.over.is_set(), "the receiver is at it still"
    sending.send(event())
    assert sending.flush() == Lost(1, "it did not take earlier ones in time")
    assert inbox.tried == 1


def test_without_the_package_events_are_lost_and_the_reason_says_what_to_install(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openlineage.client.transport.http", None)
    sending = sender(inbox)
    sending.send(event())
    lost = sending.flush()
    assert lost.count == 1
    assert "pip install 'rag-pipeline[openlineage]'" in lost.why


BAD = {
    "another scheme": f"kafka://{SECRET}@broker:9092",
    "no host": f"http:///{SECRET}",
    "no address": SECRET,
    "a port that is none": f"http://user:{SECRET}@host:port",
    "a query": f"https://host/api?token={SECRET}",
    "a fragment": f"https://host/api#{SECRET}",
}


@pytest.mark.parametrize("what", BAD)
def test_an_address_that_cannot_be_is_refused_and_not_quoted(what: str) -> None:
    with pytest.raises(PipelineError, match="RAG_OPENLINEAGE_URL") as refused:
        receiver_of(BAD[what])
    assert SECRET not in str(refused.value)


def test_a_key_that_no_header_can_carry_is_refused_and_not_quoted() -> None:
    with pytest.raises(PipelineError, match="RAG_OPENLINEAGE_API_KEY") as refused:
        receiver_of("https://host", f"{SECRET}\nX-Other: 1")
    assert SECRET not in str(refused.value)


def test_nothing_shows_an_address_or_a_key(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    assert receiver_of("") is None
    receiver = receiver_of(f"http://user:{SECRET}@127.0.0.1:{inbox.port}", SECRET)
    assert repr(receiver) == str(receiver) == f"http://127.0.0.1:{inbox.port}"
    assert receiver is not None
    with caplog.at_level(logging.DEBUG):
        sending = Sender(HttpDelivery(receiver))
        inbox.status = 403
        sending.send(event())
        assert SECRET not in sending.flush().why
    assert SECRET not in caplog.text
