"""Keys: what is stored of them, who gets in with one, and how soon one that was revoked is refused."""

import base64
import hashlib
import json
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.door.keys import KeyRing, KeyToMake, make_key, read_keys, revoke_key
from rag_pipeline.door.problems import CLOSED, UNAUTHENTICATED, Problem
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.conftest import Workspace
from tests.support.replicas import Running, key_for

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WANTED = KeyToMake(name="intranet", may=("search",), reads=("all",), days=90)


def refused(ask: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        ask()
    return caught.value


def test_what_is_stored_is_the_hash_in_a_file_for_this_account_alone(home: Home) -> None:
    made, text = make_key(home, WANTED, AT)
    assert text.startswith("rag_")
    assert len(base64.urlsafe_b64decode(text.removeprefix("rag_") + "=")) == 32
    stored = home.keys.read_text(encoding="utf-8")
    assert text not in stored
    assert hashlib.sha256(text.encode()).hexdigest() in stored
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o600
    assert made.expires_at == AT + timedelta(days=90)
    assert len({make_key(home, WANTED, AT)[1] for _ in range(20)}) == 20


def test_a_key_says_who_has_it_and_what_they_may(home: Home) -> None:
    made, text = make_key(home, WANTED.model_copy(update={"may": ("search", "channel:staging")}), AT)
    who = KeyRing(home).principal(text, AT)
    assert (who.id, who.may, who.reads) == (made.id, {"search", "channel:staging"}, {"all"})


def test_expired_revoked_unknown_and_half_keys_are_told_alike(home: Home) -> None:
    ring = KeyRing(home)
    _, old = make_key(home, WANTED, AT - timedelta(days=90))
    gone, revoked = make_key(home, WANTED, AT)
    _, good = make_key(home, WANTED, AT)
    revoke_key(home, gone.id, AT)
    tried = (old, revoked, good[:-1], good + "x", good.upper(), "rag_" + "A" * 43, "", "rag_", good + "\n", "\u00e9" * 43)
    found = [refused(lambda text=text: ring.principal(text, AT)) for text in tried]  # type: ignore[misc]
    assert {(one.kind, one.detail) for one in found} == {(UNAUTHENTICATED, UNAUTHENTICATED.advice)}
    assert ring.principal(good, AT + timedelta(days=89)).may == {"search"}
    assert refused(lambda: ring.principal(good, AT + timedelta(days=90))).kind is UNAUTHENTICATED


def test_a_ring_sees_a_new_key_and_a_revocation_at_the_next_question(home: Home) -> None:
    ring = KeyRing(home)
    for _ in range(30):
        made, text = make_key(home, WANTED, AT)
        assert ring.principal(text, AT).id == made.id
        revoke_key(home, made.id, AT)
        assert refused(lambda text=text: ring.principal(text, AT)).kind is UNAUTHENTICATED  # type: ignore[misc]


def test_keys_that_cannot_be_read_let_nobody_in_until_they_can(home: Home) -> None:
    _, text = make_key(home, WANTED, AT)
    ring, good = KeyRing(home), home.keys.read_bytes()
    assert ring.principal(text, AT)
    home.keys.write_bytes(good[:-20])
    assert refused(lambda: ring.principal(text, AT)).kind is CLOSED
    with pytest.raises(PipelineError, match=r"keys\.json is damaged .* `rag key new`"):
        read_keys(home)
    home.keys.write_bytes(good)
    assert ring.principal(text, AT)
    home.keys.unlink()
    assert refused(lambda: ring.principal(text, AT)).kind is UNAUTHENTICATED


def test_keys_that_are_made_at_once_are_all_there(home: Home) -> None:
    threads = [threading.Thread(target=make_key, args=(home, WANTED, AT)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.id for key in read_keys(home)}) == 16


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "--name"),
        ("name", "a\nb", "--name"),
        ("may", ("serach",), "did you mean 'search'"),
        ("may", ("channel:",), "is no permission"),
        ("may", ("channel:../x",), "is no permission"),
        ("may", ("*",), "is no permission"),
        ("reads", ("*",), "is no label"),
        ("reads", ("ALL",), "is no label"),
    ],
)
def test_what_can_be_no_key_is_named(home: Home, field: str, value: object, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        make_key(home, WANTED.model_copy(update={field: value}), AT)
    assert not home.keys.exists()


def test_a_revocation_names_the_nearest_id_and_is_kept_as_it_was(home: Home) -> None:
    made, _ = make_key(home, WANTED, AT)
    with pytest.raises(PipelineError, match=made.id):
        revoke_key(home, made.id[:-1], AT)
    assert revoke_key(home, made.id, AT).revoked_at == AT
    assert revoke_key(home, made.id, AT + timedelta(days=1)).revoked_at == AT


def test_a_running_replica_refuses_a_revoked_key_within_a_second(running: Running, served_once: Workspace) -> None:
    text = key_for(served_once.home)
    assert running.ask(text, {"query": "may I fly"}).status_code == 200
    revoke_key(served_once.home, read_keys(served_once.home)[-1].id, datetime.now(UTC))
    began = time.monotonic()
    assert running.ask(text, {"query": "may I fly"}).status_code == 401
    assert time.monotonic() - began < 60  # the very next question is refused, however busy the machine


def test_an_expired_key_is_refused_by_a_running_replica(running: Running, served_once: Workspace) -> None:
    old = key_for(served_once.home, now=datetime.now(UTC) - timedelta(days=2))
    assert running.ask(old, {"query": "may I fly"}).status_code == 401


def test_the_file_says_its_format_and_an_unknown_field_is_damage(home: Home, tmp_path: Path) -> None:
    make_key(home, WANTED, AT)
    said = json.loads(home.keys.read_bytes())
    assert said["format"] == 1
    home.keys.write_text(json.dumps(said | {"admin": True}), encoding="utf-8")
    with pytest.raises(PipelineError, match="admin"):
        read_keys(home)
