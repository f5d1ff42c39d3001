"""Releases are ordered by sequence: a clock that was wrong for one night makes none of them newest for a year."""

import json
from datetime import timedelta
from pathlib import Path

from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index.manifest import all_manifests, read_manifest
from rag_pipeline.release.retention import collect, kept_releases
from tests.support.release_damage import writable
from tests.support.small_releases import NOW, SMALL, release_of

YEAR = timedelta(days=365)


def test_a_release_built_with_the_clock_a_year_ahead_is_not_the_newest_for_a_year(home: Home, tmp_path: Path) -> None:
    built = [
        release_of(home, {"a.md": f"# A\n\nwords of night {number}"}, now=now).manifest.id
        for number, now in enumerate([NOW, NOW + YEAR, NOW + timedelta(days=1), NOW - YEAR, NOW + timedelta(days=3)])
    ]
    assert [one.id for one in all_manifests(tmp_path / "releases")] == built[::-1]
    assert [one.sequence for one in all_manifests(tmp_path / "releases")] == [5, 4, 3, 2, 1]
    assert [one.manifest.id for one in kept_releases(home, 2) if one.because] == built[:2:-1]
    collect(home, keep=2, days=30, model=SMALL.fingerprint)
    assert [one.id for one in all_manifests(tmp_path / "releases")] == built[:2:-1]
    again = release_of(home, {"a.md": "# A\n\none more night"}, now=NOW - 2 * YEAR).manifest
    assert (again.sequence, all_manifests(tmp_path / "releases")[0]) == (6, again)


def test_releases_of_an_older_pipeline_come_before_those_that_are_numbered(home: Home, tmp_path: Path) -> None:
    old = [release_of(home, {"a.md": f"# A\n\nold {n}"}, now=NOW + n * YEAR).manifest.id for n in range(2)]
    for name in old:
        file = writable(tmp_path / "releases" / name / MANIFEST_FILE)
        content = json.loads(file.read_text(encoding="utf-8"))
        del content["sequence"]
        file.write_text(json.dumps(content), encoding="utf-8")
        assert read_manifest(file.parent).sequence == 0
    new = release_of(home, {"a.md": "# A\n\nnew"}, now=NOW).manifest
    assert [one.id for one in all_manifests(tmp_path / "releases")] == [new.id, *old[::-1]]
