"""Everything that can be wrong with a release that should be promoted: how, and what the gate says then."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from rag_pipeline.gate.shrink import InProduction
from tests.support.gate_cases import (
    INVALID,
    REGRESSED,
    SOURCE,
    Case,
    latency,
)
from tests.support.small_releases import NOW
from tests.support.wrong_figures import WRONG as WRONG_SETS


def edited(case: Case) -> None:
    assert case.evidence is not None
    case.evidence = case.evidence.model_copy(update={"latency": [latency(1, 1.000001)]})


def no_evidence(case: Case) -> None:
    case.evidence = None


WRONG: dict[str, tuple[Callable[[Case], None], str, str, str]] = {
    "no evidence": (no_evidence, INVALID, "there is no evidence on this release; evaluate it first", ""),
    "edited evidence": (edited, INVALID, "the evidence was changed after it was written: its seal does not match", ""),
    "evidence on another release": (
        lambda case: case.facts_are(release_fingerprint="new-2"),
        INVALID,
        "the evidence is about another release (new)",
        "",
    ),
    "evidence on the same content in another release": (
        lambda case: case.facts_are(release="newer"),
        INVALID,
        "the evidence is about another release (new)",
        "",
    ),
    "a manifest changed after the evaluation": (
        lambda case: case.facts_are(manifest_sha256="bytes-2"),
        INVALID,
        "the release's manifest was changed after it was evaluated",
        "",
    ),
    "another model": (
        lambda case: case.facts_are(model_fingerprint="model-2"),
        INVALID,
        "the evidence was measured with another embedding model than the release was built with",
        "",
    ),
    "another policy": (
        lambda case: case.evidence_is(policies={"production": "p"}),
        INVALID,
        "the policy has changed since the evaluation; evaluate again",
        "",
    ),
    "a changed golden set": (
        lambda case: case.facts_are(golden_fingerprints={"docs": "docs-2"}),
        INVALID,
        "golden set docs has changed since the evaluation; evaluate again",
        "",
    ),
    "an added golden set": (
        lambda case: case.facts_are(golden_fingerprints={"docs": "docs-1", "more": "more-1"}),
        INVALID,
        "golden set more has changed since the evaluation; evaluate again",
        "",
    ),
    "a removed golden set": (
        lambda case: case.facts_are(golden_fingerprints={}),
        INVALID,
        "golden set docs has changed since the evaluation; evaluate again",
        "",
    ),
    "old evidence": (
        lambda case: case.evidence_is(created_at=NOW - timedelta(hours=24, minutes=6)),
        INVALID,
        "the evidence is 24.1 h old, at most 24 h are allowed",
        "gate.yaml:3",
    ),
    "evidence a second too old": (
        lambda case: case.evidence_is(created_at=NOW - timedelta(hours=24, seconds=1)),
        INVALID,
        "the evidence is 24.0 h old, at most 24 h are allowed",
        "gate.yaml:3",
    ),
    "evidence of a month ago": (
        lambda case: case.evidence_is(created_at=NOW - timedelta(hours=720)),
        INVALID,
        "the evidence is 720.0 h old, at most 24 h are allowed",
        "gate.yaml:3",
    ),
    "evidence that is further ahead than clocks differ": (
        lambda case: case.evidence_is(created_at=NOW + timedelta(minutes=5, seconds=1)),
        INVALID,
        "the evidence is dated 0.1 h in the future; was the clock moved?",
        "",
    ),
    "evidence from the future": (
        lambda case: case.evidence_is(created_at=NOW + timedelta(hours=2)),
        INVALID,
        "the evidence is dated 2.0 h in the future; was the clock moved?",
        "",
    ),
    "compared with another production": (
        lambda case: case.facts_are(production="older"),
        INVALID,
        "the evaluation did not compare with older, which is in production now",
        "",
    ),
    "compared with nothing": (
        lambda case: (case.set_is(production=None), case.evidence_is(compared_with=None))[0],
        INVALID,
        "the evaluation did not compare with old, which is in production now",
        "",
    ),
    "an index that misses the nearest": (
        lambda case: case.evidence_is(approximate_recall=0.9712),
        REGRESSED,
        "the index finds 0.9712 of the ten truly nearest, at least 0.98 is wanted",
        "gate.yaml:6",
    ),
    "an index nobody proved": (
        lambda case: case.evidence_is(approximate_recall=None),
        INVALID,
        "recall of approximate against exact search was not measured; build the release again",
        "gate.yaml:6",
    ),
    "a recall that is not a number": (
        lambda case: case.evidence_is(approximate_recall=math.nan),
        REGRESSED,
        "the index finds nan of the ten truly nearest, at least 0.98 is wanted",
        "gate.yaml:6",
    ),
    "other documents than production's": (
        lambda case: case.set_is(overlap_at_10=0.4949),
        REGRESSED,
        "docs: 0.49 of production's first ten documents are kept, at least 0.5 should",
        "gate.yaml:7",
    ),
    "an overlap nobody measured": (
        lambda case: case.set_is(overlap_at_10=None),
        INVALID,
        "docs: nobody measured how many of production's first ten documents are kept; evaluate again",
        "gate.yaml:7",
    ),
    "an overlap that is not a number": (
        lambda case: case.set_is(overlap_at_10=math.nan),
        REGRESSED,
        "docs: nan of production's first ten documents are kept, at least 0.5 should",
        "gate.yaml:7",
    ),
    "slow queries": (
        lambda case: case.evidence_is(latency=[latency(p95_ms=500.5)]),
        REGRESSED,
        "query latency p95 is 500.5 ms with 4 users at a time, above 500 ms",
        "gate.yaml:11",
    ),
    "slow median": (
        lambda case: case.evidence_is(latency=[latency(101, 200)]),
        REGRESSED,
        "query latency p50 is 101 ms with 4 users at a time, above 100 ms",
        "gate.yaml:10",
    ),
    "a latency that is not a number": (
        lambda case: case.evidence_is(latency=[latency(p95_ms=math.nan)]),
        REGRESSED,
        "query latency p95 is nan ms with 4 users at a time, above 500 ms",
        "gate.yaml:11",
    ),
    "latency of fewer users": (
        lambda case: case.evidence_is(latency=[latency(1, 1, concurrency=1)]),
        INVALID,
        "latency with 4 users at a time was not measured; evaluate again",
        "gate.yaml:9",
    ),
    "no latency": (
        lambda case: case.evidence_is(latency=[]),
        INVALID,
        "latency with 4 users at a time was not measured; evaluate again",
        "gate.yaml:9",
    ),
    "a source past its SLA": (
        lambda case: case.facts_are(sources=(SOURCE, replace(SOURCE, source="wiki", age_hours=50.04))),
        REGRESSED,
        "source wiki is 50.0 h old, its contract allows 48 h",
        "gate.yaml:4",
    ),
    "a source whose data breaks a rule": (
        lambda case: case.facts_are(sources=(replace(SOURCE, broken=("enough: rowCount is 3 rows",)),)),
        REGRESSED,
        "source handbook breaks its contract's quality rule enough: rowCount is 3 rows",
        "gate.yaml:5",
    ),
    "a source loaded by a clock that was ahead": (
        lambda case: case.facts_are(sources=(replace(SOURCE, age_hours=-307_600.0),)),
        REGRESSED,
        "source handbook was loaded 307,600.0 h from now: the clock was wrong then or is wrong now; load it again",
        "gate.yaml:4",
    ),
    "a source whose every date lies in the future": (
        lambda case: case.facts_are(sources=(replace(SOURCE, age_hours=None, age_column="changed", from_the_future=3),)),
        REGRESSED,
        "source handbook has no changed to tell its age by, but 3 from the future",
        "gate.yaml:4",
    ),
    "a held source whose tables lost rows": (
        lambda case: case.facts_are(sources=(replace(SOURCE, lost=24),)),
        INVALID,
        "source handbook: its tables lost what was stored of 24 items, and its feed could not be read since; `rag refresh "
        "--source handbook` reads them again",
        "",
    ),
    "a source that shrank": (
        lambda case: case.facts_are(documents={"handbook": 6}, in_production=InProduction({"handbook": 30})),
        REGRESSED,
        "source handbook: it has 6 documents, 80.0 % less than the 30 in production; at most 20 % may go "
        "(one document always may); if that is meant: `rag promote new --override --by NAME --reason WHY`",
        "gate.yaml:2",
    ),
    "a source never loaded": (
        lambda case: case.facts_are(sources=(replace(SOURCE, age_hours=None, loaded_at=None),)),
        REGRESSED,
        "source handbook was never loaded",
        "gate.yaml:4",
    ),
    "a damaged file": (
        lambda case: case.facts_are(damage=("chroma/sealed.sqlite3",)),
        INVALID,
        "files of the release differ from its manifest: chroma/sealed.sqlite3",
        "",
    ),
    "two damaged files": (
        lambda case: case.facts_are(damage=("chroma/sealed.sqlite3", "lexical/meta.json")),
        INVALID,
        "files of the release differ from its manifest: chroma/sealed.sqlite3, lexical/meta.json",
        "",
    ),
    "content that was rolled back": (
        lambda case: case.facts_are(withdrawn="ana at 2026-11-21 02:10 UTC (wrong prices)"),
        REGRESSED,
        "rolled back by ana at 2026-11-21 02:10 UTC (wrong prices); `rag promote new` brings it back if it is good again",
        "",
    ),
}


ANYTHING_WRONG = {name: spoil for name, (spoil, *_) in (WRONG | WRONG_SETS).items()}
