"""`rag answers …`: by which version answers are made, and what a version is worth."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, Served, print_json, settings_of_home
from rag_pipeline.terminal import Printer

answers = typer.Typer(name="answers", help="Answer versions: what answers are made by, and what that is worth.")


@answers.command()
def version(as_json: AsJson = False) -> None:
    """Show the answer version that is configured here, keep it, and say which version each channel names.

    A version is all that decides which sentences come of the same passages: the prompt's text, the models in their order
    with all that changes what they write, from how little support on there is no answer, and how sentences are chosen and
    checked. Prices, budgets and keys are no part of it. What is configured serves once it was promoted:
    `rag promote --answers ID`.
    """
    from rag_pipeline.channels.pointer import all_channels
    from rag_pipeline.versions.content import configured
    from rag_pipeline.versions.kept import keep_version, kept_versions

    settings = settings_of_home()
    mine = configured(settings)
    kept = keep_version(settings.home, mine.version, mine.config)
    named = {name: channel.version for name, channel in all_channels(settings.home).items()}
    if as_json:
        made_of = kept.version.model_dump(mode="json")
        print_json({"id": kept.version.id, "made_of": made_of, "kept": kept_versions(settings.home), "channels": named})
        return
    printer = Printer()
    printer.say(f"{kept.version.id}: {kept.version.says}")
    for name, found in named.items():
        same = " (this one)" if found == kept.version.id else ""
        printer.say(f"  {name} names {found + same if found else 'none: whole sentences'}")


@answers.command()
def evaluate(
    version: Annotated[str, typer.Argument(help="A version by its id. Default: the one that is configured here.")] = "",
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Served = "production",
    as_json: AsJson = False,
) -> None:
    """Answer every golden question by a version, keep what came of it as evidence, and say what the gate says of it.

    The models of a version are really asked, within the budget of the file that RAG_SERVE_ANSWERS names. `rag promote` does
    the same where no young evidence is there.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.release.answers_measured import AnswersBench, judge_answers
    from rag_pipeline.release.promote import inputs_now
    from rag_pipeline.versions.content import configured

    settings = settings_of_home()
    inputs = inputs_now(settings, read_contracts(settings.contracts), datetime.now(UTC))
    target = release or release_in(settings.home, channel)
    bench = AnswersBench(settings, inputs, run_id="rag answers evaluate")
    asked = version or configured(settings).version.id
    found = bench.measure(target, asked, reuse=False)
    verdict = judge_answers(inputs, target, channel, asked)
    figures: dict[str, Any] = asdict(found.figures)
    reasons = [str(one) for one in verdict.reasons]
    if as_json:
        said = {"version": asked, "release": target, "figures": figures, "outcome": verdict.outcome, "reasons": reasons}
        print_json(said | {"evidence": found.seal})
        return
    printer = Printer()
    printer.say(f"version {asked} out of {target}: {verdict.outcome}")
    for name, value in figures.items():
        printer.say(f"  {name}: {'–' if value is None else f'{value:g}'}")
    for one in reasons:
        printer.say(f"  {one}")
