"""`serving/answers`: what answers out of production are worth on the golden sets, and whether their quotes stand."""

from typing import Any

import dagster as dg

from rag_pipeline.channels.pointer import PRODUCTION as CHANNEL
from rag_pipeline.channels.pointer import release_in
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import ANSWERS, PRODUCTION, SERVING_GROUP
from rag_pipeline.evaluate import answers_shown as shown
from rag_pipeline.evaluate.answers import measure_answers
from rag_pipeline.golden.read import readable_golden_sets
from rag_pipeline.host.answers_shown import answer_versions
from rag_pipeline.host.standard import ROWS, at, written_in
from rag_pipeline.host.ui_tables import check, table
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import own_model
from rag_pipeline.settings import Settings

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

CHECKS = {
    "quotes_stand_where_they_say": "Every quote stands in its document, to the letter.",
    "answers_are_refused_rightly": "What has an answer is answered, and what has none is refused.",
}


def answers_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=ANSWERS,
        deps=[PRODUCTION],
        group_name=SERVING_GROUP,
        owners=[settings.owner],
        kinds={"irmeasures"},
        metadata=at(settings.home.answer_bounds) | written_in(settings.evals),
        check_specs=[dg.AssetCheckSpec(name, asset=ANSWERS, description=says) for name, says in CHECKS.items()],
    )
    def answers():  # type: ignore[no-untyped-def]
        """Every golden question answered in whole sentences of what production retrieves.

        - Grain: one golden set.
        - Origin: `index/production`, the golden sets with their `unanswerable.jsonl`.
        - Re-run: always measures. No language model is asked: index/evaluation asks those of an answer version.
        """
        home, release = settings.home, release_in(settings.home, CHANNEL)
        model = own_model(read_manifest(home.release(release)), model_of(settings))
        found = measure_answers(home, release, model, readable_golden_sets(settings.evals), settings.evals)
        rows, troubles = shown.figures(found), (shown.quote_troubles(found), shown.refusal_troubles(found))
        figures, each = table(("golden set", *shown.FIGURES), rows), table(shown.WRONG, shown.wrong_sentences(found))
        says = f"measured on {len(rows)} golden sets; {found.bounds.says}"
        told: dict[str, Any] = {ROWS: len(rows), "release": found.release, "figures": figures, "wrong": each}
        yield dg.MaterializeResult(
            metadata=told | answer_versions(settings),
            check_results=[
                check(ANSWERS, name, not wrong, says="; ".join(wrong) or says, severity=how, metadata=shown.numbers(found))
                for name, wrong, how in zip(CHECKS, troubles, (_ERROR, _WARN), strict=True)
            ],
        )

    return answers
