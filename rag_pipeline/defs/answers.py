"""`serving/answers`: what answers out of production are worth on the golden sets, and whether their quotes stand."""

from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.channels.pointer import PRODUCTION as CHANNEL
from rag_pipeline.channels.pointer import release_in
from rag_pipeline.defs.keys import ANSWERS, PRODUCTION, SERVING_GROUP
from rag_pipeline.defs.reports import report_links
from rag_pipeline.golden.read import readable_golden_sets
from rag_pipeline.host.answer_figures import CHECKS, metadata, results
from rag_pipeline.host.answers_shown import answer_versions
from rag_pipeline.host.standard import at, written_in
from rag_pipeline.release.answered import answers_beside
from rag_pipeline.release.judged import about, judged
from rag_pipeline.report.answers import write_answers
from rag_pipeline.settings import Settings


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
        """Every golden question answered in whole sentences of what production retrieves, beside the release before.

        - Grain: one golden set.
        - Origin: `index/production`, the golden sets with their `answers.jsonl` and `unanswerable.jsonl`.
        - Re-run: always measures, and writes the page of all questions again. A language model is asked only where
          `judge.yaml` names one: for its opinion, which decides nothing.
        """
        home = settings.home
        found = answers_beside(settings, release_in(home, CHANNEL), readable_golden_sets(settings.evals))
        opinions = judged(settings, found.now)
        page = write_answers(
            home, found.now, found.before, datetime.now(UTC), found.withdrawn, **about(found, opinions, CHANNEL)
        )
        said = metadata(found.now, found.before, found.unread, opinions) | report_links(settings, page)
        yield dg.MaterializeResult(metadata=said | answer_versions(settings), check_results=results(found.now, ANSWERS))

    return answers
