"""The gate of a home in a bucket decides on what the bucket has at that moment, and not on what a machine has of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.errors import HomeUnreachable, PromotionRefused
from rag_pipeline.evaluate.evidence_store import standing
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.storage.attach import mirror_of
from tests.support.bucket_home import BucketHome, on_each_store, taken_to
from tests.support.office import Office, office
from tests.support.small_releases import NOW

__all__ = ["office"]

pytestmark = on_each_store
SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def there(bucket: BucketHome, office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The office in a bucket, and a machine that has all of it, which was measured and may be promoted."""
    claim_home(office.workspace.settings)
    office.evaluate(office.first)
    moved = replace(office, workspace=taken_to(bucket, office.workspace, monkeypatch))
    fingerprint = read_manifest(moved.home.release(moved.first)).fingerprint
    assert standing(moved.home, fingerprint).evidence
    return moved


def test_evidence_that_went_from_the_bucket_meanwhile_lets_nothing_pass(bucket: BucketHome, there: Office) -> None:
    objects = bucket.objects
    taken = {one.key: found.data for one in objects.list("evidence") if (found := objects.read(one.key))}
    objects.remove(list(taken))
    with pytest.raises(PromotionRefused, match=r"the newest evidence|there is no evidence on this release"):
        there.promote(there.first, SOON)
    assert serving(there.home) is None
    for key, data in taken.items():
        objects.put(key, data)
    assert there.promote(there.first, SOON).moved, "at once, although this machine looked a moment ago"


def test_nothing_is_decided_while_the_bucket_cannot_be_asked(
    bucket: BucketHome, there: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = BucketHome(
        f"{bucket.store.scheme}://bucket-that-went/home", bucket.store, bucket.server, bucket.locks, bucket.folder
    )
    with monkeypatch.context() as patched:
        patched.setattr(mirror_of(there.home.root), "objects", gone.objects)
        with pytest.raises(HomeUnreachable, match="no such bucket"):
            there.promote(there.first, SOON)
    assert there.promote(there.first, SOON).moved
