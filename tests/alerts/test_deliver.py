"""Messages reach real receivers, and what a receiver does costs time that is counted, never an error."""

import logging
import time

import pytest

from rag_pipeline.alerts.deliver import deliver, receivers_of
from rag_pipeline.alerts.message import Message, plain
from tests.support.alert_receivers import SECRET, dead_address, mail_receiver, web_receiver

MESSAGE = Message("[rag] production: refused", "What: it was refused\n  - *floor* of 1 & <more>\nNext: rag status")


def test_a_message_arrives_as_it_was_written_and_one_failure_stops_no_other_receiver() -> None:
    with web_receiver() as web, mail_receiver() as mail:
        to = "to=b@example.com&from=a@example.com&mode=insecure"
        address = f"mailto://user:{SECRET}@127.0.0.1:{mail.port}?{to}"
        receivers = receivers_of(f"{web.url}, {dead_address()};\n{address} slack://{SECRET}")
        assert [receiver.label for receiver in receivers] == [
            "receiver 1 (json)",
            "receiver 2 (json)",
            "receiver 3 (mailto)",
            "receiver 4 (slack)",
        ]
        results = deliver({receiver: [MESSAGE] for receiver in receivers})
        assert results == {1: ["sent"], 2: ["not reached"], 3: ["sent"], 4: ["no such address"]}
        assert [(one["title"], one["message"], one["type"]) for one in web.messages] == [
            (MESSAGE.title, MESSAGE.body, "failure")
        ]
        [sent] = mail.messages
        assert [line.partition("<")[2] for line in sent["to"]] == ["b@example.com>"]
        assert b"Subject: [rag] production: refused\r\n" in sent["mail"]
        assert b"  - *floor* of 1 & <more>\r\nNext: rag status\r\n" in sent["mail"]


def test_a_receiver_that_answers_with_an_error_gets_no_second_message_at_once() -> None:
    with web_receiver() as web:
        web.status = 500
        [receiver] = receivers_of(web.url)
        assert deliver({receiver: [MESSAGE, MESSAGE]}) == {1: ["answered 500"]}
        assert web.tried == 1


def test_a_receiver_that_never_ends_costs_the_time_it_is_given_and_no_more() -> None:
    """Also one that sends a byte now and then, which no time limit of a library ends."""
    with web_receiver() as hangs, web_receiver() as drips, web_receiver() as good:
        hangs.hang, drips.drip = True, True
        one, two, three = receivers_of(f"{hangs.url} {drips.url} {good.url}")
        started = time.monotonic()
        results = deliver({one: [MESSAGE, MESSAGE], two: [MESSAGE], three: [MESSAGE]}, timeout_s=8)
        assert time.monotonic() - started < 14
        late = ["did not take it within 8 s"]
        assert results == {1: late, 2: late, 3: ["sent"]}


def test_no_address_is_shown_by_anything(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with web_receiver() as web:
        web.status = 403
        receivers = receivers_of(f"{web.url} {dead_address()} nonsense://{SECRET} slack://{SECRET}/{SECRET}")
        results = deliver({receiver: [MESSAGE] for receiver in receivers})
    assert results[1] == ["answered 403"]
    shown = [repr(receivers), str(receivers), str(results), caplog.text, *capfd.readouterr()]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("setting", ["", "  ", ",", " ; \n"])
def test_an_empty_setting_names_nobody(setting: str) -> None:
    assert receivers_of(setting) == ()


def test_an_address_without_a_kind_shows_nothing_of_itself() -> None:
    [receiver] = receivers_of(SECRET)
    assert receiver.label == "receiver 1 (not an address)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nBcc: x@example.com", "a Bcc: x@example.com"),
        ("<!channel> <b>x</b>", "‹!channel› ‹b›x‹/b›"),
        ("[click](http://evil)", "[click] (http://evil)"),
        ("@everyone and @Here", "@\u200beveryone and @\u200bHere"),
        ("nDCG@10 of docs@example.com", "nDCG@10 of docs@example.com"),
        ("a\u202eb\x00c\x1b[31m", "a b c [31m"),
        ("x" * 500, "x" * 400 + "…"),
    ],
)
def test_names_of_files_are_text_in_a_message_and_nothing_else(text: str, shown: str) -> None:
    assert plain(text) == shown
