"""The outcome of a run, as tags on its record, so that the Runs page shows a good night apart from a held or refused one."""

import logging

import dagster as dg
from dagster import DagsterEventType

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.home import Home
from rag_pipeline.host.names import HOME, LET_PASS, MEETS_POLICY

log = logging.getLogger("rag_pipeline")

RELEASE, VERDICT = "rag/release", "rag/verdict"
HELD, HELD_CHANNELS = "rag/held_sources", "rag/held_channels"
PROMOTED, REFUSED = "rag/promoted", "rag/refused"

_NAMES = 10
"""Names a tag lists at most."""


def tag_outcome(instance: dg.DagsterInstance, run_id: str, home: Home) -> None:
    """Write the candidate, its verdict, the sources that were held and the channels that moved or refused on the run."""
    try:
        instance.add_run_tags(run_id, {HOME: str(home), **outcome(instance, run_id)})
    except Exception as error:  # whatever the storage raises: tags are for people, and no run fails for want of them
        log.warning("the tags of run %s could not be written: %s", run_id, error)


def outcome(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The tags of a run, from its events so far; only of what it got to, and only where there is something to say."""
    release = verdict = ""
    held, held_channels, promoted, refused = [], [], [], []
    of_type = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_CHECK_EVALUATION}
    for entry in instance.all_logs(run_id, of_type=of_type):
        event = entry.get_dagster_event()
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.check_name == LET_PASS and not check.passed:
                refused.append(check.asset_key.path[-1])
            if check.check_name == MEETS_POLICY and check.blocking and not check.passed:  # its gate's step is not reached
                refused.append(PRODUCTION)
            continue
        made = event.step_materialization_data.materialization
        if len(made.asset_key.path) < 2:  # somebody else's, in a run of theirs and ours
            continue
        group, name = made.asset_key.path[-2:]  # below the prefix, if there is one
        said = {key: value.value for key, value in made.metadata.items()}
        if name == "documents" and said.get("held"):
            held.append(group)
        if group == "index" and said.get("held"):  # by a person
            held_channels.append(name)
        if (group, name) == ("index", "candidate"):
            release = str(said.get("release", ""))
        elif (group, name) == ("index", "evaluation"):
            release, verdict = str(said.get("release", "")), str(said.get("verdict", ""))
        elif group == "index" and said.get("promoted"):
            promoted.append(name)
            release = str(said.get("release", ""))
    refused = [name for name in refused if name not in held_channels]  # a person holds it: the gate refused nothing
    tags = {RELEASE: release, VERDICT: verdict}
    tags |= {HELD: _names(held), HELD_CHANNELS: _names(held_channels), PROMOTED: _names(promoted), REFUSED: _names(refused)}
    return {name: value for name, value in tags.items() if value}


def _names(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_NAMES]) + (", …" if len(names) > _NAMES else "")
