"""What is wrong with a golden set: each finding has its place in the files and what to do about it. Nothing is changed."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rag_pipeline.errors import GoldenSetError, did_you_mean
from rag_pipeline.golden import journal
from rag_pipeline.golden.against_corpus import answers_quoted, dead_judgments
from rag_pipeline.golden.line_numbers import Places, places_of
from rag_pipeline.golden.question_lines import PROBES, lines
from rag_pipeline.golden.read import GoldenSet, read_golden_set
from rag_pipeline.golden.reference_answers import read_answers
from rag_pipeline.golden.similar import duplicates, near_duplicates
from rag_pipeline.golden.unanswerable import UNANSWERABLE, read_unanswerable
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`where`: file:line. `query`: its id, empty when the finding is about the whole set. `says`: what, and what to do."""

    level: Level
    kind: str
    where: str
    query: str
    says: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One golden set and what was found; a set that cannot be read has no queries."""

    name: str
    queries: int = 0
    judgments: int = 0
    probes: int = 0
    findings: tuple[Finding, ...] = field(default_factory=tuple)

    @property
    def sound(self) -> bool:
        return not any(finding.level == "error" for finding in self.findings)


def check_set(folder: Path, home: Home, sources: Sequence[str]) -> Checked:
    """Look at one golden set; judgments are held against what `sources` have loaded below `home`."""
    try:
        golden = read_golden_set(folder)
    except GoldenSetError as error:
        where, _, what = str(error).partition(": ")
        return Checked(folder.name, findings=(Finding("error", "unreadable", where, "", what),))
    places = places_of(folder, golden)
    findings = [
        *_duplicates(golden, places),
        *_dead(golden, places, home, sources),
        *_quoting(golden, places, home),
        *_empty_slices(golden, places),
        *_probes(folder, golden),
        *_answers(folder, golden),
        *_contradictions(folder, golden, places),
    ]
    quoted = sum(map(len, golden.references.values()))
    judgments = quoted or sum(map(len, golden.qrels.values()))
    return Checked(golden.name, len(golden.queries), judgments, len(golden.probes), tuple(findings))


def _duplicates(golden: GoldenSet, places: Places) -> Iterator[Finding]:
    if golden.about.made_by == "traffic":
        return  # a question counts as often as it was asked
    for query, other in duplicates(golden.queries):
        says = f"asks the same as {other} ({places.query(other)}): it counts twice; delete one, and join their judgments"
        yield Finding("error", "duplicate", places.query(query), query, says)
    for query, other, similarity in near_duplicates(golden.queries):
        says = (
            f"{similarity:.0%} of its words are those of {other} ({places.query(other)}): reword one if both mean the same"
        )
        yield Finding("warning", "near_duplicate", places.query(query), query, says)


def _dead(golden: GoldenSet, places: Places, home: Home, sources: Sequence[str]) -> Iterator[Finding]:
    if (source := golden.about.source) is not None and source not in sources:
        says = f"source: no contract is called {source!r}; {did_you_mean(source, sources)}"
        yield Finding("error", "unknown_source", places.about, "", says)
        return  # every document would be told as gone
    found = dead_judgments(golden, home, sources)
    if found.not_loaded:
        says = (
            f"what depends on the documents of {', '.join(found.not_loaded)} was not checked: none are loaded; run "
            "`rag refresh`, then repeat this command"
        )
        yield Finding("note", "not_checked", places.about, "", says)
    many = found.percent > 2
    if many:
        says = (
            f"{len(found.dead)} of {found.checked} judgments ({found.percent:.1f} %) cannot be met any more, and above 2 % "
            f"the gate does not decide; fix or delete them (owner: {golden.about.owner})"
        )
        yield Finding("error", "unresolved", places.about, "", says)
    for one in found.dead:
        quote = f": “{_short(one.quote)}”" if one.quote else ""
        why = "the document is gone" if one.status == "dead" else "the document does not say that any more"
        fix = "judge another document" if one.status == "dead" else "quote what it says now"
        if one.status == "stale" and re.search(r"\w@\w", one.quote):
            fix = "quote the words beside the e-mail address, which is masked there"
        says = f"{one.status}: {one.document}{quote}: {why}; {fix}, or delete the judgment (owner: {golden.about.owner})"
        where = places.judgment(one.query, one.document, one.quote)
        yield Finding("error" if many else "warning", one.status, where, one.query, says)


def _quoting(golden: GoldenSet, places: Places, home: Home) -> Iterator[Finding]:
    if golden.about.made_by == "machine":
        says = (
            "made by a machine, so its queries stand in their documents as they are, which flatters lexical search; add "
            "questions in people's words"
        )
        yield Finding("note", "quotes_answer", places.about, "", says)
        return
    found = answers_quoted(golden, home)
    if not found:
        return
    share = f"{len(found)} of {len(golden.queries)} queries ({len(found) / len(golden.queries):.0%})"
    says = f"{share} quote their answer, which flatters lexical search; ask as someone who has not read it"
    yield Finding("warning", "quotes_answer", places.about, "", says)
    for query, (document, run) in found.items():
        yield Finding(
            "warning", "quotes_answer", places.query(query), query, f"“{run}” appears word for word in {document}; reword it"
        )


def _empty_slices(golden: GoldenSet, places: Places) -> Iterator[Finding]:
    if golden.about.made_by == "machine":
        return  # held against floors only
    for name in golden.about.slices:
        if not any(name in values for values in golden.slices.values()):
            says = f"no query has {name!r} in its metadata; add it, or take it from slices"
            yield Finding("warning", "empty_slice", places.slices, "", says)


def _probes(folder: Path, golden: GoldenSet) -> Iterator[Finding]:
    """Probes that are left out, and probes that ask the same: each counts as one more that lost nothing."""
    file = folder / PROBES
    if not file.exists():
        return
    at = {str(json.loads(line)["_id"]): number for number, line in lines(file)}
    for probe in golden.asked_again:
        says = "a judged query asks the same, so this probe is left out; delete it"
        yield Finding("warning", "probe_is_judged", f"{file}:{at[probe]}", probe, says)
    for probe, other in duplicates(golden.probes):
        says = f"asks the same as {other} ({file}:{at[other]}): it counts twice; delete one"
        yield Finding("warning", "duplicate_probe", f"{file}:{at[probe]}", probe, says)


def _answers(folder: Path, golden: GoldenSet) -> Iterator[Finding]:
    """What is wrong with the two files about answers; retrieval is measured without them."""
    unanswerable: dict[str, str] = {}
    try:
        unanswerable = read_unanswerable(folder)
        read_answers(folder, golden.queries)
    except GoldenSetError as error:
        where, _, what = str(error).partition(": ")
        yield Finding("error", "unreadable_answers", where, "", what)
    asked = {fold(text): query for query, text in golden.queries.items()}
    for name, text in unanswerable.items():
        if query := asked.get(fold(text)):
            says = f"asks the same as {query}, which is judged: an answer to it cannot be right and wrong; delete one"
            yield Finding("error", "judged_and_unanswerable", str(folder / UNANSWERABLE), name, says)


def _contradictions(folder: Path, golden: GoldenSet, places: Places) -> Iterator[Finding]:
    file = folder / journal.FILE
    by_passage = any(golden.references.values())
    said: dict[tuple[str, ...], tuple[int, journal.Judgment]] = {}
    for number, one in journal.read_journal(folder):
        if one is None:
            says = "no judgment: half written, or edited; delete the line, or fix it"
            yield Finding("warning", "journal", f"{file}:{number}", "", says)
            continue
        key = (one.query, one.document, one.passage if by_passage else "")
        before = said.pop(key, None)
        if one.grade is None:
            continue
        if before and before[1].grade != one.grade:
            says = (
                f"{one.document}: {one.judge} gave {one.grade}, {before[1].judge} {before[1].grade} (line {before[0]}); "
                "agree on one, and write it into the golden set"
            )
            yield Finding("warning", "contradiction", f"{file}:{number}", one.query, says)
        said[key] = (number, one)
    for query, document, line, grade, first_line, first in places.repeated:
        says = f"{document} is judged {grade} here and {first} in line {first_line}; the last one counts: delete one"
        yield Finding("warning", "contradiction", line, query, says)


def _short(text: str, most: int = 120) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
