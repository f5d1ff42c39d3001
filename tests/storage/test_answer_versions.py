"""Answer versions of a home in a bucket: what is kept, measured or edited on one machine shows on every other."""

from rag_pipeline.home_mark import claim_home
from rag_pipeline.versions.content import AnswerVersion
from rag_pipeline.versions.evidence import AnswerEvidence
from rag_pipeline.versions.evidence_store import evidence_on, is_kept, keep_evidence
from rag_pipeline.versions.kept import damaged_versions, keep_version, kept_versions
from tests.support.bucket_home import BucketHome, on_each_store
from tests.support.small_releases import NOW


@on_each_store
def test_a_version_that_was_edited_in_the_bucket_is_named_on_every_machine(bucket: BucketHome) -> None:
    claim_home(bucket.machine("one", channel_poll_s=0))
    one, two, three = (bucket.machine(name, channel_poll_s=0).home for name in ("one", "two", "three"))
    version = keep_version(one, AnswerVersion(), None).version.id
    assert kept_versions(two) == [version] and damaged_versions(two) == {}
    key = f"answers/versions/{version}.json"
    found = bucket.objects.read(key)
    assert found and b'"sentences": ' in found.data
    bucket.objects.put(key, found.data.replace(b'"sentences": ', b'"sentences": 1'))
    for home in (one, two, three):
        [(named, says)] = damaged_versions(home).items()
        assert (
            named == version and "was changed after it was kept" in says and "`rag answers version` keeps it again" in says
        )
    assert keep_version(two, AnswerVersion(), None).version.id == version
    assert damaged_versions(one) == damaged_versions(three) == {}


@on_each_store
def test_what_one_machine_measured_of_answers_is_there_for_a_replica_that_runs(bucket: BucketHome) -> None:
    claim_home(bucket.machine("one", channel_poll_s=0))
    one, replica = (bucket.machine(name, channel_poll_s=0).home for name in ("one", "replica"))
    version = keep_version(one, AnswerVersion(), None).version.id
    pair = ("a" * 32, version)
    assert evidence_on(replica, *pair).evidence is None
    said = {"version": version, "with_models": False, "release": "r", "release_fingerprint": pair[0], "run_id": "run"}
    made = AnswerEvidence(**said, manifest_sha256="b" * 64, policies={}, created_at=NOW, golden_sets={})
    kept = keep_evidence(one, made)
    assert is_kept(replica, *pair, kept.seal)
    assert evidence_on(bucket.machine("another").home, *pair).evidence == kept
