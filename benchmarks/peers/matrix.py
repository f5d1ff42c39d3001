"""The correctness matrix: nights unlike the others, and what each store holds after them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.peers import corpus
from benchmarks.peers.feed import Feed
from benchmarks.peers.systems import Options, Ran, System, Unreadable, telling
from benchmarks.peers.truth import NOTHING, Truth, Verdict, judge

LOST = 5
"""Rows taken out of a store behind the system's back."""

SHORT_CHUNKS = 128
"""Tokens, where chunks are as long as the model reads otherwise (254)."""

_EVERY_DOCUMENT = "every document edited"
"""The night on which the model fails half way: so many new texts that half of them are several batches of anybody's."""


@dataclass(frozen=True)
class Outcome:
    """One cell of the matrix."""

    system: str
    case: str
    needed: int
    """Texts no vector of this model was known for: the least that had to be embedded."""
    embedded: int | None
    holds: str
    right: bool
    told: tuple[str, ...]
    """How it said that something was wrong; empty where it said nothing."""
    exit_code: int
    wall_s: float
    before_the_run: str = ""
    """What a reader met between the damage and this run."""

    def __str__(self) -> str:
        embedded = "?" if self.embedded is None else f"{self.embedded:,}"
        told = "; told" if self.told else ""
        return f"{self.holds}; embedded {embedded}{told}"


@dataclass(frozen=True)
class Nights:
    """One system through all cases, each from the same first build."""

    system: System
    feed: Feed

    def outcomes(self) -> Iterator[Outcome]:
        documents, model = self.feed.documents, Options(self.feed.place.model)
        one = corpus.spread(documents, 1, first=7)
        self.system.clear()
        base = self.feed.publish(documents)
        first = self.system.update(model)
        yield self._outcome("first build", first, (first,), base, NOTHING)
        self.system.keep()
        again = self.system.update(model)
        quiet = (first, again)
        yield self._outcome("unchanged re-run", again, quiet, base, base)

        for case, changed in (
            ("one paragraph edited", corpus.edited(documents, one, "second")),
            ("document deleted", corpus.without(documents, one)),
            ("metadata only changed", corpus.retagged(documents, one)),
        ):
            self.system.bring_back()
            now = self.feed.publish(changed)
            yield self._outcome(case, self.system.update(model), quiet, now, base)

        self.system.bring_back()
        now = self.feed.publish(documents, tokens=SHORT_CHUNKS)
        yield self._outcome("chunk size changed", self.system.update(Options(model.model, SHORT_CHUNKS)), quiet, now, base)

        yield from self._other_models(base, quiet)
        yield from self._losses(base, quiet)

        self.system.clear()
        self.feed.publish(documents)
        yield from self._failing("first build", base, NOTHING, quiet)
        self.system.bring_back()
        now = self.feed.publish(corpus.edited(documents, documents, "second"))
        yield from self._failing(_EVERY_DOCUMENT, now, base, quiet)

    def _other_models(self, base: Truth, quiet: tuple[Ran, ...]) -> Iterator[Outcome]:
        documents, place = self.feed.documents, self.feed.place
        self.system.bring_back()
        now = self.feed.publish(documents, model=place.other_model)
        self.feed.must_differ(base, now)
        yield self._outcome("model changed", self.system.update(Options(place.other_model)), quiet, now, base)
        self.system.bring_back()
        self.feed.swap_weights()
        try:
            now = self.feed.publish(documents)
            ran = self.system.update(Options(place.model))
            yield self._outcome("weights changed under the same name", ran, quiet, now, base)
        finally:
            self.feed.swap_weights()

    def _losses(self, base: Truth, quiet: tuple[Ran, ...]) -> Iterator[Outcome]:
        self.feed.publish(self.feed.documents)
        for where, lose in self.system.losses.items():
            self.system.bring_back()
            lose(LOST)
            before = self._holds(base)[0]
            ran = self.system.update(Options(self.feed.place.model))
            yield self._outcome(f"{LOST} rows lost from {where}", ran, quiet, base, base, before_the_run=before)

    def _failing(self, night: str, now: Truth, before: Truth, quiet: tuple[Ran, ...]) -> Iterator[Outcome]:
        """The model fails half way; then the same night again with a model that works."""
        half = math.ceil(len(now.texts - before.texts) / 2)
        ran = self.system.update(Options(self.feed.place.model, fail_after=half))
        yield self._outcome(f"embedding fails half way ({night})", ran, quiet, now, before, failed=True)
        ran = self.system.update(Options(self.feed.place.model))
        yield self._outcome(f"re-run after that ({night})", ran, quiet, now, before)

    def _outcome(
        self,
        case: str,
        ran: Ran,
        quiet: tuple[Ran, ...],
        now: Truth,
        before: Truth,
        *,
        failed: bool = False,
        before_the_run: str = "",
    ) -> Outcome:
        """After a failure a store may also hold all it held before, and nothing of the new."""
        holds, right = self._holds(now)
        told = telling(ran, quiet)
        told += [f"exit {ran.exit_code}"] if ran.exit_code else []
        if failed and not right:
            as_before = self._holds(before)[1]
            holds, right = ("as before", bool(told)) if as_before else (holds, False)
        return Outcome(
            system=self.system.name,
            case=case,
            needed=_needed(now, before),
            embedded=ran.embedded,
            holds=holds,
            right=right,
            told=tuple(told),
            exit_code=ran.exit_code,
            wall_s=round(ran.wall_s, 2),
            before_the_run=before_the_run,
        )

    def _holds(self, truth: Truth) -> tuple[str, bool]:
        try:
            verdict: Verdict = judge(self.system.rows(), truth)
        except Unreadable as error:
            return f"no answer: {error}", False
        return str(verdict), verdict.whole


def _needed(now: Truth, before: Truth) -> int:
    """Texts whose vector in `before`, if they have one, is not the one they must have now."""
    moved = {text for text in now.texts & before.texts if float(now.vectors[text] @ before.vectors[text]) < 1 - 1e-4}
    return len(now.texts - before.texts) + len(moved)


def table(outcomes: list[Outcome]) -> str:
    """Markdown: a case a row, a system a column. Bold is what should not be."""
    systems = list(dict.fromkeys(outcome.system for outcome in outcomes))
    cells = {(outcome.case, outcome.system): outcome for outcome in outcomes}
    lines = [f"| case | new texts | {' | '.join(systems)} |", f"| --- | ---: |{' --- |' * len(systems)}"]
    for case in dict.fromkeys(outcome.case for outcome in outcomes):
        row = [cells.get((case, system)) for system in systems]
        needed = next(one.needed for one in row if one)
        shown = ["–" if one is None else str(one) if one.right else f"**{one}**" for one in row]
        lines.append(f"| {case} | {needed:,} | {' | '.join(shown)} |")
    return "\n".join(lines)
