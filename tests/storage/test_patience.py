"""Who waits while a bucket is away, waits for so long and no longer, and not for what a person has to mend."""

from functools import partial

import pytest

from rag_pipeline.errors import HomeUnreachable
from rag_pipeline.storage import patience
from rag_pipeline.storage.objects import in_bucket
from rag_pipeline.storage.patience import patiently
from tests.support.bucket_home import BucketHome
from tests.support.object_store import Answer, open_door


def test_patience_ends_and_is_not_had_with_what_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSE_S", 0.01)
    monkeypatch.setattr(patience, "LONGEST_S", 0.1)
    tries = list[bool]()

    def fails(*, may_pass: bool) -> None:
        tries.append(may_pass)
        raise HomeUnreachable("away", may_pass=may_pass)

    for may_pass in (False, True):
        with pytest.raises(HomeUnreachable):
            patiently(partial(fails, may_pass=may_pass))
    assert tries.count(False) == 1 and 2 < tries.count(True) <= 11


@pytest.mark.parametrize(
    ("status", "passes"), [(403, False), (404, False), (400, False), (501, False), (429, True), (500, True), (503, True)]
)
def test_what_a_store_answers_tells_whether_to_wait(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch, status: int, passes: bool
) -> None:
    with open_door(None, lambda method, path: Answer(status)) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
        with pytest.raises(HomeUnreachable) as refused:
            list(in_bucket(bucket.uri).list(""))
    assert refused.value.may_pass is passes


def test_a_store_that_is_not_there_may_be_back(bucket: BucketHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(HomeUnreachable) as refused:
        in_bucket(bucket.uri).read("a")
    assert refused.value.may_pass
