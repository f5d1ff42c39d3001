"""May a judge model's score be believed? Only as far as people who judged the same answers agree with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag_pipeline.answer.opinions import Opinion
from rag_pipeline.metrics.agreement import Kappa, yes_or_no

ASPECTS = ("faithful", "relevant")


@dataclass(frozen=True, slots=True)
class Score:
    """One aspect of the answers to one golden set. `share`: of those with an opinion; None where there is none."""

    aspect: str
    answers: int
    share: float | None
    agreement: Kappa

    @property
    def told(self) -> str:
        """The score with the agreement beside it, in a sentence."""
        if self.share is None:
            return f"no answer has an opinion on whether it is {self.aspect}."
        return f"{100 * self.share:.0f} % of {self.answers} answers are {self.aspect}; with people it {self.agreement.says}."

    def usable(self, judge: str, level: float) -> "Usable":
        return usable(f"{judge} on {self.aspect}", self.agreement, level)


@dataclass(frozen=True, slots=True)
class Usable:
    """Whether a score may be a demand of the gate, and why or why not."""

    ok: bool
    says: str


def usable(judge: str, agreement: Kappa, level: float) -> Usable:
    """Whether what a judge says may be demanded: the lower bound of its agreement with people reaches a stated level."""
    wanted = f"a lower bound of {level:g} is asked for"
    if agreement.value is not None and agreement.lower >= level:
        return Usable(ok=True, says=f"{judge}: with people it {agreement.says}; {wanted}")
    fix = "judge more of its answers (`rag golden judge NAME --answers`), or take another model or prompt"
    return Usable(ok=False, says=f"{judge} can be no demand: with people it {agreement.says}; {wanted}; {fix}")


def scores(model: Mapping[str, Opinion], people: Mapping[str, Opinion]) -> tuple[Score, ...]:
    """A score for each of `ASPECTS`. Both: id of an answer -> opinion."""
    found: list[Score] = []
    for aspect in ASPECTS:
        values: list[bool] = [getattr(one, aspect) for one in model.values()]
        pairs = [(getattr(people[item], aspect), getattr(one, aspect)) for item, one in model.items() if item in people]
        share = round(sum(values) / len(values), 4) if values else None
        found.append(Score(aspect, len(values), share, yes_or_no(pairs)))
    return tuple(found)
