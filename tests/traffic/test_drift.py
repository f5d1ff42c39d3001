"""Questions that did not change are not told as changed, and a new topic is (shares: `benchmarks/traffic.py drift`)."""

import numpy as np
import pytest

from benchmarks.askers import topic_vectors
from rag_pipeline.traffic.drift import far, shift, topics


def test_what_did_not_change_is_seldom_flagged_and_a_new_topic_of_a_tenth_is_found() -> None:
    same, changed = 0, 0
    for seed in range(6):
        before, after = topic_vectors(seed, 2_000), topic_vectors(seed, 2_000, run=1)
        new = topic_vectors(seed, 2_000, run=2, new_share=0.1)
        flagged, found = shift(after, before, shuffles=40), shift(new, before, shuffles=40)
        assert flagged and found
        same += flagged.differs
        changed += found.differs
    assert same <= 1
    assert changed >= 5


def test_of_too_few_questions_nothing_is_told() -> None:
    assert shift(topic_vectors(1, 49), topic_vectors(1, 500, run=1)) is None


def test_one_question_that_a_monitor_asks_again_and_again_is_told_apart_from_nothing() -> None:
    [once] = topic_vectors(1, 1)
    found = shift(np.tile(once, (60, 1)), np.tile(once, (200, 1)), shuffles=20)
    assert found and (found.new, found.earlier) == (60, 200)
    assert not found.differs and not found.unlike
    other = topic_vectors(1, 1, run=1)
    changed = shift(np.tile(other, (60, 1)), np.tile(once, (200, 1)), shuffles=40)
    assert changed and changed.unlike


def test_questions_like_no_golden_one_are_grouped_by_what_they_ask() -> None:
    golden, new = topic_vectors(3, 200), topic_vectors(3, 100, run=1, new_share=1.0)
    asked = np.concatenate([topic_vectors(3, 50, run=2), new])
    is_far = far(asked, golden)
    assert is_far[50:].all() and not is_far[:50].any()
    groups = topics(asked[is_far])
    assert len(groups[0].places) == pytest.approx(100, abs=15)
    assert far(asked, golden[:0]).all()
    assert topics(asked[:0]) == []


def test_a_golden_set_of_what_is_asked_is_like_traffic_and_one_of_half_of_it_is_not() -> None:
    asked, golden = topic_vectors(1, 1_000), topic_vectors(1, 120, run=1)
    same, half = shift(asked, golden, shuffles=60), shift(asked, topic_vectors(2, 120), shuffles=60)
    assert same and not same.unlike
    assert half and half.unlike and half.auc > 0.9
