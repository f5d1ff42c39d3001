"""What the UI shows of measured answers: figures that are plotted, their checks, and the page of all questions."""

from typing import Any

import dagster as dg

from rag_pipeline.evaluate import answers_shown as shown
from rag_pipeline.evaluate.answers import AnswersOf
from rag_pipeline.host.standard import ROWS
from rag_pipeline.host.ui_tables import check, plain_lines, table
from rag_pipeline.release.judged import Judged

CHECKS = {
    "quotes_stand_where_they_say": "Every quote stands in its document, to the letter.",
    "answers_are_refused_rightly": "What has an answer is answered, and what has none is refused.",
    "answers_come_in_time": f"95 % of the answers take at most {shown.P95_MS_AT_MOST:g} ms, the question's vector at hand.",
}


def results(found: AnswersOf, asset: list[str]) -> list[dg.AssetCheckResult]:
    """One for each of `CHECKS`."""
    says = f"measured on {len(found.sets)} golden sets; {found.bounds.says}"
    troubles = (shown.quote_troubles(found), shown.refusal_troubles(found), shown.slow_troubles(found))
    severe = (dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.WARN)
    return [
        check(asset, name, not wrong, says="; ".join(wrong) or says, severity=how, metadata=shown.numbers(found))
        for name, wrong, how in zip(CHECKS, troubles, severe, strict=True)
    ]


def metadata(found: AnswersOf, before: AnswersOf | None, unread: str, judged: Judged | str | None) -> dict[str, Any]:
    """Tables and numbers of the run."""
    rows = shown.figures(found)
    return {
        **_judged(judged),
        ROWS: len(rows),
        "release": found.release,
        "release_before": before.release if before else unread or "none",
        **shown.numbers(found),
        "figures": table(("golden set", *shown.FIGURES), rows),
        "wrong": table(shown.WRONG, shown.wrong_sentences(found)),
    }


def _judged(found: Judged | str | None) -> dict[str, Any]:
    """What a judge model said, with how far people agree with it; nothing where none is asked."""
    if found is None:
        return {}
    if isinstance(found, str):
        return {"judge": plain_lines(found)}
    headers = (
        "golden set",
        "aspect",
        "answers",
        "share",
        "judged by people too",
        "kappa",
        "lower bound",
        "upper bound",
        "may gate",
    )
    rows: list[tuple[Any, ...]] = []
    plotted: dict[str, float] = {}
    for one in found.sets:
        plotted[f"{one.golden_set} judge usd"] = one.usd
        for score in one.scores:
            agreed, may = score.agreement, score.usable(found.judge.name, found.judge.agreement_at_least)
            bounds = (agreed.lower, agreed.upper) if agreed.pairs else (None, None)
            row = (one.golden_set, score.aspect, score.answers, score.share, agreed.pairs, agreed.value, *bounds)
            rows.append((*row, "yes" if may.ok else "no"))
            plotted |= {f"{one.golden_set} {score.aspect} says the judge": score.share} if score.share is not None else {}
            plotted |= {f"{one.golden_set} {score.aspect} kappa lower": agreed.lower} if agreed.pairs else {}
    told = [says for one in found.sets for says in one.says(found.judge)]
    return {
        "judge": found.judge.name,
        "opinions": table(headers, rows),
        "judge_says": plain_lines("\n".join(told)),
        **plotted,
    }
