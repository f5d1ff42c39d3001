"""`promote`, `rollback`, `resume` and `anchor`: what a person does to a channel, always through its gate."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError, PromotionRefused
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.defs.run import Ran

Channel = Annotated[str, typer.Option(help="The channel to move.")]
Reason = Annotated[str, typer.Option(help="Why; written to the audit table.")]
By = Annotated[str, typer.Option(help="Who; written to the audit table.")]
NamedAnswers = Annotated[str, typer.Option("--answers", help="Answer version to name, by id; none: whole sentences.")]
Override = Annotated[bool, typer.Option("--override", help="Promote although the gate says no; needs --by and --reason.")]


def promote(  # noqa: PLR0913 - typer reads a command's options from its signature
    release: Annotated[str | None, typer.Argument(help="The release to promote, by id.")] = None,
    from_channel: Annotated[str, typer.Option("--from", help="The release this channel points at, instead of an id.")] = "",
    channel: Channel = "production",
    by: By = "",
    reason: Reason = "",
    answers: NamedAnswers = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point a channel at a release, through the gate. A hold on the channel is lifted.

    The release is named by its id, or is the one that another channel points at (`--from`). It is measured first if there is
    no recent evidence. `--answers` names an answer version beside it, or alone: then the release stays.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.defs import run
    from rag_pipeline.release.request import PromotionRequest

    settings = settings_of_home()
    if (release and from_channel) or not (release or from_channel or answers):
        raise PipelineError("say which release to promote: its id, or --from CHANNEL; or --answers VERSION, and it stays")
    target = release or release_in(settings.home, from_channel or channel)
    before = _points_at(settings, target, channel)
    _name_and_reason(f"rag promote {target}", target, channel, by, reason, override=override)
    request = PromotionRequest(target, by=by, why=reason, channel=channel, override=override, answers=answers or None)
    ran = run.promote(settings, request)
    _tell(ran, target, channel, before, override=override, as_json=as_json)


def rollback(  # noqa: PLR0913 - typer reads a command's options from its signature
    to: Annotated[str | None, typer.Option(help="The release to go back to. Default: the last good one.")] = None,
    channel: Channel = "production",
    by: By = "",
    reason: Reason = "",
    answers: NamedAnswers = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point a channel at the release that served before, through the same gate, and hold it there.

    Nothing automatic moves a held channel until a person lifts that: `rag resume`, or `rag promote ID`. What is rolled back
    is not promoted again by a refresh until its content changes, or a person names it. A second rollback goes further back.
    A release that this gate promoted before must be whole and meet the floors; it is not compared with the release that
    the channel leaves. The answer version that it was named with comes back too; `--answers` brings back another one that
    was promoted before, and the release stays. It is the job `roll_back`.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.defs import run
    from rag_pipeline.defs.by_hand import ROLL_BACK
    from rag_pipeline.release.rollback import release_before

    settings = settings_of_home()
    target = to or (release_in(settings.home, channel) if answers else release_before(settings.home, channel))
    before = _points_at(settings, target, channel)
    _name_and_reason(f"rag rollback --to {target}", target, channel, by, reason, override=override)
    said = {"by": by or _somebody(), "why": reason or "rollback"}
    ran = run.by_hand(
        settings, ROLL_BACK, {**said, "channel": channel, "to": target, "override": override, "answers": answers}
    )
    _tell(ran, target, channel, before, override=override, as_json=as_json)


def resume(channel: Channel = "production", by: By = "", reason: Reason = "", as_json: AsJson = False) -> None:
    """Lift the hold that a rollback put on a channel: from the next refresh on it moves by itself again.

    The channel stays where it is. It is the job `resume`.
    """
    from rag_pipeline.channels.pointer import signed_command
    from rag_pipeline.defs import run
    from rag_pipeline.defs.by_hand import RESUME
    from rag_pipeline.defs.keys import channel_key

    settings = settings_of_home()
    if not (by.strip() and reason.strip()):
        raise PipelineError(f"say who lifts the hold and why: `{signed_command('rag resume', channel)}`")
    ran = run.by_hand(settings, RESUME, {"by": by, "why": reason, "channel": channel})
    if not ran.success:
        raise PipelineError("; ".join(ran.errors) or f"the hold was not lifted; the failed run is {ran.run_id}")
    release = ran.assets["/".join(channel_key(channel))]["release"]
    if as_json:
        print_json({"channel": channel, "release": release, "run_id": ran.run_id})
    else:
        Printer().say(
            f"{channel} → {release}, the hold is lifted; what was rolled back "
            "stays refused until somebody promotes it by name"
        )


def anchor(
    release: Annotated[
        str | None, typer.Argument(help="The release to accept, by id. Without one, the command shows the anchor.")
    ] = None,
    channel: Annotated[str, typer.Option(help="The channel whose anchor it is.")] = "production",
    by: By = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Show the release that later ones are compared with, or accept another one. The channel stays where it is.

    The gate compares every candidate with it as well as with what serves, so that small losses do not add up. It moves by
    itself only with a gain that is shown, and with a release that a person promotes by override. It is the job `anchor`.
    """
    from rag_pipeline.channels.audit import channel_now
    from rag_pipeline.channels.pointer import signed_command
    from rag_pipeline.defs import run
    from rag_pipeline.defs.by_hand import ANCHOR
    from rag_pipeline.gate.anchor import anchor_of
    from rag_pipeline.index.manifest import read_manifest

    settings = settings_of_home()
    before = anchor_of(settings.home, channel, channel_now(settings.home, channel))
    if release:
        if not (by.strip() and reason.strip()):
            says = f"say who accepts it and why: `{signed_command(f'rag anchor {release}', channel)}`"
            raise PipelineError(says)
        read_manifest(settings.home.release(release))
        ran = run.by_hand(settings, ANCHOR, {"by": by, "why": reason, "release": release, "channel": channel})
        if not ran.success:
            raise PipelineError("; ".join(ran.errors) or f"the anchor was not moved; the failed run is {ran.run_id}")
    now = channel_now(settings.home, channel)
    found = anchor_of(settings.home, channel, now)
    if as_json:
        told = found.model_dump(mode="json", include={"release", "at", "by", "why"}) if found else None
        reasons = list(now.reasons) if now and release else []
        print_json({"channel": channel, "anchor": told, "before": before.release if before else None, "says": reasons})
        return
    printer = Printer()
    printer.say(f"{channel} is held against {found.says}" if found else f"{channel} has no anchor yet")
    for one in now.reasons if now and release else ():
        printer.say(f"  {one}")


def _name_and_reason(command: str, release: str, channel: str, by: str, reason: str, *, override: bool) -> None:
    """Raises `PipelineError` for an override that nobody answers for: a mistyped command, which no gate refused."""
    from rag_pipeline.channels.pointer import signed_command

    if override and not (by.strip() and reason.strip()):
        raise PipelineError(
            f"{release} was not promoted: an override needs a name (by) and a reason (why); "
            f"`{signed_command(command, channel, override=True)}`"
        )


def _points_at(settings: Settings, release: str, channel: str) -> str | None:
    """Where a channel points before it is moved; whatever cannot come to anything is said before a run begins."""
    from rag_pipeline.channels.audit import channel_now
    from rag_pipeline.gate.policy import read_policy
    from rag_pipeline.index.manifest import read_manifest

    read_policy(settings.evals).channel(channel)
    read_manifest(settings.home.release(release))
    current = channel_now(settings.home, channel)
    return current.release if current else None


def _tell(ran: "Ran", release: str, channel: str, before: str | None, *, override: bool, as_json: bool) -> None:
    from rag_pipeline.defs.keys import channel_key

    if not ran.success:
        kind = PromotionRefused if ran.refused else PipelineError
        raise kind("; ".join(ran.errors) or f"{release} was not promoted; the failed run is {ran.run_id}")
    made = ran.assets.get("/".join(channel_key(channel)), {})
    now, moves = made.get("answers"), made.get("promoted", before != release)
    moved = {"channel": channel, "release": release, "previous": before, "moved": moves, "answers": now}
    if as_json:
        print_json(moved | {"override": override, "run_id": ran.run_id})
    else:
        Printer().say(f"{channel} → {release} (before: {before or 'nothing'}); answers: {now}")


def _somebody() -> str:
    """The person at the command line, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a person at the command line"
