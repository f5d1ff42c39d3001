"""What the UI shows of answer versions: what is configured, what the channels name, and what the gate says of each."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rag_pipeline.channels.pointer import Channel, all_channels
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.host.ui_tables import table
from rag_pipeline.release.answers_measured import judge_answers
from rag_pipeline.release.promote import DecisionInputs, inputs_now
from rag_pipeline.settings import Settings
from rag_pipeline.versions.content import configured
from rag_pipeline.versions.evidence_store import evidence_on
from rag_pipeline.versions.kept import keep_version, read_version

COLUMNS = ("channel", "answer version", "is", "made of", "right sentence", "no model wrote", "dollars a question", "verdict")


def answer_versions(settings: Settings, contracts: tuple[Contract, ...] = ()) -> dict[str, Any]:
    """Metadata: the version that is configured, and a row for it and for the one it would replace, a channel each.

    Keeps the one that is configured. What cannot be read is told in its row.
    """
    try:
        mine = configured(settings)
        version = keep_version(settings.home, mine.version, mine.config).version
        inputs = inputs_now(settings, contracts, datetime.now(UTC))
    except PipelineError as error:
        return {"answer_version": str(error)}
    rows = [
        _row(inputs, name, channel, one, what)
        for name, channel in all_channels(settings.home).items()
        for one, what in _versions(channel, version.id)
    ]
    told = {"answer_version": version.id, "made_of": version.says, "answer_versions": table(COLUMNS, rows)}
    return told | ({"prompt": dg.MetadataValue.md(f"```text\n{version.prompt}\n```")} if version.prompt else {})


def _versions(channel: Channel, mine: str) -> list[tuple[str | None, str]]:
    if channel.version == mine:
        return [(mine, "named and configured")]
    return [(channel.version, "named"), (mine, "configured")]


def _row(inputs: DecisionInputs, name: str, channel: Channel, version: str | None, what: str) -> tuple[object, ...]:
    if version is None:
        return (name, "none", what, "whole sentences", None, None, None, "")
    says, figures, verdict = "", None, "not in this policy"
    with suppress(PipelineError):
        says = read_version(inputs.home, version).version.says
        found = evidence_on(inputs.home, channel.fingerprint, version).evidence
        figures = found.figures if found else None
    if channel.answers and channel.version == version:
        verdict = channel.answers.outcome
    elif name in inputs.policy.channels:
        judged = judge_answers(inputs, channel.release, name, version)
        verdict = "; ".join([judged.outcome, *map(str, judged.reasons)])
    share = (figures.right_sentence, figures.fell_back, figures.usd_per_question) if figures else (None, None, None)
    return (name, version, what, says, *share, verdict)
