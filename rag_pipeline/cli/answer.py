"""`rag answer`: a question answered in sentences; and `rag golden answers`: what such answers are worth."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.golden import golden
from rag_pipeline.cli.show import AsJson, Served, print_json, settings_of_home
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.terminal import Printer, one_line

if TYPE_CHECKING:
    from rag_pipeline.evaluate.answers import AnswersOf


def answer(
    question: Annotated[str, typer.Argument(help="The question.")],
    k: Annotated[int, typer.Option("--k", min=1, max=20, help="Passages to take the answer from.")] = 5,
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Served = "production",
    as_json: AsJson = False,
) -> None:
    """Answer a question in whole sentences of what is retrieved, each with the place it stands in; or say that nothing does.

    No model writes here. What is too far from the question is no answer: `rag golden answers` measures from where on.
    """
    from rag_pipeline.answer.bounds import NO_PASSAGE, bounds_of
    from rag_pipeline.answer.retrieve import answer
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.index.asked import question_of
    from rag_pipeline.index.retrieve import Query, encoder_for, open_release, own_model
    from rag_pipeline.release.answers import named_version

    settings = settings_of_home()
    text = question_of(question)
    release_in_channel = release is None
    release = release or release_in(settings.home, channel)
    with open_release(settings.home, release, device=settings.device) as opened:
        manifest = opened.manifest
        by_meaning = manifest.retrieval.mode != "lexical"
        encoder = encoder_for(settings.home, manifest, own_model(manifest, model_of(settings))) if by_meaning else None
        started = time.perf_counter()
        hits, selected = answer(opened, Query(text, encoder.queries([text])[0] if encoder else None), k)
        took_ms = round(1000 * (time.perf_counter() - started), 1)
    bounds = bounds_of(settings.home, manifest.model.fingerprint, manifest.model.name)
    named = named_version(settings.home, channel) if release_in_channel else None
    if named:
        bounds = named.bounds_of(manifest.model.fingerprint, manifest.model.name)
    refused = NO_PASSAGE if bounds.refuse(selected) else None
    sentences = () if refused else selected.sentences
    if as_json:
        found = {
            "release": release,
            "mode": manifest.retrieval.mode,
            "took_ms": took_ms,
            "refused": refused,
            "words": selected.words,
            "meaning": selected.meaning,
            "bounds": bounds.model_dump(),
            "version": named.id if named else None,
            "sentences": [asdict(one) for one in sentences],
            "hits": [{name: getattr(hit, name) for name in hit.__slots__} for hit in hits],
        }
        print_json(found)
        return
    printer = Printer()
    printer.say(f"{release}, {manifest.retrieval.mode}, {took_ms} ms", style="dim")
    if named and named.models:
        printer.say(
            f"{channel} names version {named.id[:12]}: {named.says}, by `rag serve`; here are whole sentences", style="dim"
        )
    if refused:
        printer.say(f"There is no answer: {refused}. `rag query` shows what is nearest.")
    for one in sentences:
        printer.say(one_line(one.text))
        for place in one.citations:
            printer.say((f"  {one_line(place.document_id)}, characters {place.start} to {place.end}", "dim"))


@golden.command()
def answers(
    name: Annotated[str | None, typer.Argument(help="A golden set. Default: all below RAG_EVALS.")] = None,
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Served = "production",
    keep: Annotated[bool, typer.Option("--keep", help="From now on, refuse as these golden sets would have it.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Write a page of every question, beside the release before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure answers on golden sets: right sentences, quotes against judged passages, refusals right and wrong.

    Questions of `unanswerable.jsonl` in a golden set should be refused; `answers.jsonl` holds reference answers. `--keep`
    keeps the bounds below which there is no answer: as high as they can be while no more than 8 % of the questions whose
    passage was retrieved are refused. It takes 50 of those.
    """
    from rag_pipeline.answer.bounds import ENOUGH
    from rag_pipeline.answer.bounds import keep as keep_bounds
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.evaluate.answers import chosen
    from rag_pipeline.golden.read import read_golden_sets
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.release.answered import Beside, answers_beside, answers_of
    from rag_pipeline.release.judged import about
    from rag_pipeline.report.answers import write_answers

    settings, now = settings_of_home(), datetime.now(UTC)
    sets = tuple(one for one in read_golden_sets(settings.evals) if name in (None, one.name))
    if not sets:
        raise GoldenSetError(f"no golden set {name or ''} below {settings.evals}; `rag golden new NAME` proposes one")
    release = release or release_in(settings.home, channel)
    both = answers_beside(settings, release, sets, channel) if page else Beside(answers_of(settings, release, sets), None)
    found = both.now
    kept = chosen(found, read_manifest(settings.home.release(release)).model.fingerprint, now) if keep else None
    if kept:
        keep_bounds(settings.home, kept)
    told_of = about(both, None, channel)
    written = write_answers(settings.home, found, both.before, now, both.withdrawn, **told_of) if page else None
    if as_json:
        print_json(told(found) | {"kept": kept is not None, "page": str(written) if written else None})
        return
    _show(found)
    if written:
        Printer().say(f"every question: {written}")
    if kept:
        Printer().say(f"kept: {kept.bounds.says}, from {kept.questions} questions")
    elif keep:
        Printer().say(f"nothing was kept: fewer than {ENOUGH} questions have their passage among those retrieved")


def told(found: "AnswersOf") -> dict[str, Any]:
    """What was measured, as JSON."""
    return {
        "release": found.release,
        "bounds": found.bounds.model_dump(),
        "proposed": found.proposed.model_dump() if found.proposed else None,
        "golden_sets": {one.name: asdict(one.figures) for one in found.sets},
    }


def _show(found: "AnswersOf") -> None:
    printer = Printer()
    printer.say((found.release, "bold"), f": {found.bounds.says}")
    rows = [
        (
            one.name,
            f"{one.figures.questions:,}",
            f"{one.figures.found:,}",
            _percent(one.figures.right_sentence),
            _percent(one.figures.quote_precision),
            _percent(one.figures.quote_recall),
            _percent(one.figures.refused_wrongly),
            f"{_percent(one.figures.refused_rightly)} of {one.figures.unanswerable:,}",
            f"{one.figures.valid_citations:,} of {one.figures.citations:,}",
        )
        for one in found.sets
    ]
    headers = ("golden set", "questions", "retrieved", "right sentence", "quotes judged", "judged quoted", "refused wrongly")
    printer.table(*headers, "unanswerable refused", "valid citations", rows=rows)
    for one in found.sets:
        if one.figures.with_reference:
            held, exact = _percent(one.figures.reference_held), _percent(one.figures.reference_exact)
            says = f"{one.name}: {one.figures.with_reference:,} questions have reference answers: {held} of them find one"
            printer.say(f"{says} within a sentence, {exact} to the word; token F1 {one.figures.reference_f1:.3f}")
    if found.proposed:
        printer.say(f"these golden sets would have it: {found.proposed.says} (--keep)")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
