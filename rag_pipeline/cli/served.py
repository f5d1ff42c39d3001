"""`rag traffic evidence`: what was served of a release before, and what gate.yaml demands beyond it."""

from collections.abc import Callable
from datetime import UTC, datetime

from rag_pipeline.cli.show import print_json
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import Printer


def made_now(
    settings: Settings, channel: str, release: str | None, release_on: Callable[[str], str], *, as_json: bool
) -> None:
    """Make it, keep it and tell it. `release_on`: the release that a channel points at."""
    from rag_pipeline.gate.policy import FILE, read_policy
    from rag_pipeline.gate.traffic import says
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.release.served import keep_traffic, lacking

    policy, now = read_policy(settings.evals), datetime.now(UTC)
    after = policy.channel(channel).after
    if after is None:
        raise PipelineError(
            f"{settings.evals / FILE} demands no traffic before {channel}; say `after: {{channel: …}}` there, or name "
            "another channel with --channel"
        )
    manifest = read_manifest(settings.home.release(release or release_on(after.channel)))
    made = keep_traffic(settings.home, policy, manifest, now, "by hand")[channel]
    reasons = [str(one) for one in lacking(settings.home, policy, channel, manifest, now)]
    if as_json:
        print_json({"evidence": made.model_dump(mode="json"), "enough": not reasons, "reasons": reasons})
        return
    printer = Printer()
    printer.say(
        f"{manifest.id} on {after.channel}, before {channel}: {says(made.served)}; of {made.served.principals} principals, "
        f"in {made.hours_answered} hours. {made.lost:,} rows were lost, {made.waiting:,} segments wait for "
        "`rag traffic ingest`."
    )
    printer.say("It is enough." if not reasons else "It is not enough:")
    for one in reasons:
        printer.say(f"  {one}")
