"""A home in a bucket with two releases, and the machines that have it."""

import pytest

from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.mirrored import brought
from tests.support.bucket_home import BucketHome
from tests.support.readers import build

BUILT: dict[str, bytes] = {}
"""Key -> object of such a home, once it was built."""


@pytest.fixture
def one(bucket: BucketHome) -> Home:
    """The machine that builds; two releases are there. All but the first time they are copies from another bucket."""
    for key, data in BUILT.items():
        bucket.objects.put(key, data)
    settings = bucket.machine("one", channel_poll_s=0)
    home = settings.home
    if not BUILT:
        claim_home(settings)
        build(home, 0)
        build(home, 1)
        BUILT.update({key: found.data for key in bucket.there() if (found := bucket.objects.read(key))})
    for manifest in all_manifests(home.releases):
        brought(home.release(manifest.id))
    return home


def two(bucket: BucketHome) -> Home:
    """Another machine, with nothing but the bucket."""
    return bucket.machine("two", channel_poll_s=0).home
