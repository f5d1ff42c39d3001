"""A release that a person promotes against the gate: what is written down of it, to the field."""

from datetime import timedelta

from rag_pipeline.channels.audit import channel_now
from rag_pipeline.channels.pointer import Channel
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from tests.support.office import PAGES, WORSE, Office, office
from tests.support.small_releases import NOW

__all__ = ["office"]

LATER = NOW + timedelta(hours=2)


def overridden(office: Office, release: str) -> Promotion:
    request = PromotionRequest(release, by="ana", why="the old prices are wrong", override=True)
    return promote(office.inputs(LATER), request, run_id="by hand")


def test_a_worse_release_that_a_person_promotes_is_written_down_as_overridden_with_all_that_spoke_against_it(
    office: Office,
) -> None:
    office.serve(office.first)
    worse = office.second(WORSE)
    evidence = office.evaluate(worse, LATER)
    done = overridden(office, worse)
    assert done.moved and not done.verdict.passed
    assert done.channel == Channel(
        release=worse,
        fingerprint=read_manifest(office.home.release(worse)).fingerprint,
        previous=office.first,
        sequence=2,
        at=LATER,
        by="ana",
        why="the old prices are wrong",
        run_id="by hand",
        action="overridden",
        outcome="regressed",
        reasons=tuple(str(reason) for reason in (*done.verdict.reasons, *done.verdict.notes)),
        evidence=evidence.seal,
        anchor=done.channel.anchor,
    )
    assert any("below its floor of 0.9" in reason for reason in done.channel.reasons)
    assert channel_now(office.home, "production") == done.channel


def test_a_release_that_nobody_measured_is_overridden_without_evidence(office: Office) -> None:
    done = overridden(office, office.second(PAGES))
    said = (done.channel.action, done.channel.outcome, done.channel.evidence, done.channel.previous, done.channel.sequence)
    assert said == ("overridden", "could not be evaluated", None, None, 1)
