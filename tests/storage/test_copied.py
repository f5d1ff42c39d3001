"""A home that was copied to another bucket, or came back from a backup: other versions of the same bytes, in most stores."""

import json

from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests, damaged_files
from tests.support.bucket_home import BucketHome, on_each_store

pytestmark = on_each_store


def copied(bucket: BucketHome, *, spoiled: str = "") -> BucketHome:
    """Object for object under another prefix, in one of them a byte changed. What was carried is told of other versions."""
    other = BucketHome(f"{bucket.uri}-copied", bucket.store, bucket.server, bucket.locks, bucket.folder / "copied")
    for key in sorted(bucket.there()):
        found = bucket.objects.read(key)
        assert found
        data = found.data[:-1] + bytes([found.data[-1] ^ 1]) if key == spoiled else found.data
        if key.startswith("objects/"):
            data = json.dumps(dict.fromkeys(json.loads(data), '"of another bucket"')).encode()
        other.objects.put(key, data)
    return other


def test_a_copied_home_is_whole_and_is_looked_through_once(bucket: BucketHome, one: Home) -> None:
    other = copied(bucket)
    home = other.machine("restored", channel_poll_s=0).home
    manifests = all_manifests(home.releases)
    assert len(manifests) == 2
    for manifest in manifests:
        assert damaged_files(home.release(manifest.id), manifest) == ()
        told = other.objects.read(f"objects/{manifest.id}.json")
        listed = {one.key: one.version for one in other.objects.list(f"releases/{manifest.id}")}
        assert told and {f"releases/{manifest.id}/{name}": version for name, version in json.loads(told.data).items()} == {
            key: version for key, version in listed.items() if not key.endswith("/manifest.json")
        }
    elsewhere = other.machine("elsewhere", channel_poll_s=0).home
    asked = other.store.requests()["GET"]
    assert damaged_files(elsewhere.release(manifests[0].id), manifests[0]) == ()
    assert other.store.requests()["GET"] - asked < len(manifests[0].files), "one listing tells it now"


def test_a_byte_that_changed_on_the_way_is_named(bucket: BucketHome, one: Home) -> None:
    release = min(manifest.id for manifest in all_manifests(one.releases))
    other = copied(bucket, spoiled=f"releases/{release}/chunks.parquet")
    home = other.machine("restored", channel_poll_s=0).home
    for manifest in all_manifests(home.releases):
        damaged = ("chunks.parquet",) if manifest.id == release else ()
        assert damaged_files(home.release(manifest.id), manifest) == damaged
