"""What is wrong now, as far as the disk shows it: sources, verdicts, the release that serves. Reads, never writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rag_pipeline.alerts.cause import Cause, Findings, Kind, key_of, marks_of
from rag_pipeline.alerts.freeze import frozen
from rag_pipeline.alerts.verdicts import WATCH, last_verdict
from rag_pipeline.channels.audit import channel_now
from rag_pipeline.channels.pointer import PRODUCTION, Channel, read_channel, signed_command
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PipelineError, by_kind
from rag_pipeline.gate.policy import promotions
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.ingest.state import SourceState
from rag_pipeline.settings import Settings

States = Callable[[Contract], SourceState]


def causes_on_disk(
    settings: Settings,
    contracts: Sequence[Contract],
    states: States,
    *,
    due: datetime | None = None,
    now: datetime | None = None,
) -> Findings:
    """Sources, channels and what serves. `due`: production must have passed its gate since then; None: nobody promised it.

    A part that cannot be read is a cause itself, and hides no other.
    """
    found = Findings()
    for contract in contracts:
        found += looked_at(contract.source, lambda one=contract: _source(one, states(one)), _owner(contract))  # type: ignore[misc]
    sources = [contract.source for contract in contracts]
    for name in promotions(settings.evals, settings.promotion):
        found += looked_at(name, lambda one=name: _channel(settings, one, sources), settings.owner)  # type: ignore[misc]
        found += looked_at(
            f"{name}'s freshness",
            lambda one=name: _frozen(settings, one, contracts, states, now),  # type: ignore[misc]
            settings.owner,
        )
    try:
        channel = read_channel(settings.home, PRODUCTION)
    except PipelineError:  # that is a cause of its own, told above
        return found + Findings(possible=frozenset(key_of(kind, PRODUCTION) for kind in ABOUT_PRODUCTION))
    serves = Serves(settings, channel, sources, due)
    return sum((look(serves) for look in ABOUT_PRODUCTION.values()), found)


def looked_at(part: str, look: Callable[[], Findings], owner: str) -> Findings:
    """What a look finds, or that it failed. Of a stranger's error its kind only: it may quote rows."""
    kind: Kind = "cannot be looked at"
    try:
        return look() + Findings(well=frozenset({key_of(kind, part)}))
    except Exception as error:
        says = str(error) if isinstance(error, PipelineError) else by_kind(type(error).__name__, "`rag status`")
    return _found(Cause(kind, part, f"{part} cannot be looked at", (says,), owner, ("rag status", "rag verify")))


def _source(contract: Contract, state: SourceState) -> Findings:
    name, owner = state.source, _owner(contract)
    rows, again = f"rag quarantine list --source {name}", f"rag refresh --source {name}"
    age = "was never loaded" if state.age_hours is None else f"is {state.age_hours:.1f} h old"
    held = (state.reason or "no reason is known",) if state.outcome == "held" else ()
    promise = f", its contract allows {state.max_age_hours:g} h" if state.max_age_hours is not None else ""
    late: tuple[str, ...] = () if state.within_sla else (f"source {name} {age}{promise}: this blocks promotion",)
    if late and held:
        late += (f"its last load was held: {state.reason}",)
    broken = tuple(f"rule {rule} does not hold: this blocks promotion" for rule in state.broken)
    title = f"source {name} is held at its last good version ({state.documents:,} documents serve on)"
    return (
        _found(Cause("held source", name, title, held, owner, ("rag status", rows, again)))
        + _found(
            Cause(
                "stale source", name, f"source {name} is older than its contract allows", late, owner, ("rag status", again)
            )
        )
        + _found(Cause("broken data", name, f"source {name} breaks its contract", broken, owner, ("rag status", again)))
    )


def _channel(settings: Settings, name: str, sources: Sequence[str]) -> Findings:
    home, owner = settings.home, settings.owner
    damage: tuple[str, ...] = ()
    channel: Channel | None = None
    try:
        channel = channel_now(home, name)
    except PipelineError as error:
        damage = (str(error),)
    hold = channel.hold if channel else None
    holds = (hold.says(name),) if hold else ()
    since = frozenset({str(hold.at)}) if hold else frozenset[str]()
    word = last_verdict(home, name)
    reasons = word.reasons if word and not word.passed else ()
    own = unexplained(reasons, sources, held=bool(hold))
    what = f"{name}: {word.release} was refused ({word.outcome})" if word else ""
    names = [word.release] if word else []
    steps = (
        "rag status",
        *(f"rag report --release {one}" for one in names),
        *(f"{signed_command(f'rag promote {one}', name, override=True)}, if it is good anyway" for one in names),
    )
    asked = _with_judges(settings, own, owner) if own else owner
    run_id, told = word.run_id if word else "", reasons if own else ()
    return (
        _found(Cause("refused", name, what, told, asked, steps, marks_of(own), run_id))
        + _found(Cause("channel is held", name, f"{name} is held where it is", holds, owner, ("rag status",), since))
        + _found(Cause("damaged channel", name, f"{name} cannot be read", damage, owner, ("rag verify --repair",)))
    )


def _frozen(settings: Settings, name: str, contracts: Sequence[Contract], states: States, now: datetime | None) -> Findings:
    try:
        channel = channel_now(settings.home, name)
    except PipelineError:  # a cause of its own
        return Findings(possible=frozenset({key_of("frozen", name)}))
    found = frozen(settings.home, name, channel, [states(one) for one in contracts], now or datetime.now(UTC))
    word = last_verdict(settings.home, name)
    if not found or not word:
        return Findings(well=frozenset({key_of("frozen", name)}))
    title, since = f"{name} is frozen: its gate keeps new releases back", frozenset({"frozen"})
    steps = ("rag report", "rag status", signed_command(f"rag promote {word.release}", name, override=True))
    return _found(Cause("frozen", name, title, (found.says,), settings.owner, steps, since, word.run_id))


def unexplained(reasons: Sequence[str], sources: Sequence[str], *, held: bool = False) -> tuple[str, ...]:
    """Reasons of a refusal that no cause of its own tells: a stale source is told once, not once more as a refusal.

    `sources`: all there are, also those that are well by now; a refusal is older than what was read since. Late and broken
    ones are told, and held ones whose tables lost rows; that a source shrank nothing else tells (`source NAME: it has …`).
    """
    of_sources = (f"source {source}{what}" for source in sources for what in (" ", ": its tables lost "))
    told = (*of_sources, "held since ", *(("rolled back by ",) if held else ()))
    return tuple(one for one in reasons if not one.startswith(told))


@dataclass(frozen=True, slots=True)
class Serves:
    """What the looks at production need: its channel, all sources, and since when it must have passed its gate."""

    settings: Settings
    channel: Channel | None
    sources: Sequence[str]
    due: datetime | None


def _watched(serves: Serves) -> Findings:
    settings, channel, sources = serves.settings, serves.channel, serves.sources
    word = last_verdict(settings.home, WATCH)
    reasons: tuple[str, ...] = ()
    if word and channel and word.release == channel.release and not word.passed:
        reasons = unexplained(word.reasons, sources)
    owner = _with_judges(settings, reasons, settings.owner) if reasons else settings.owner
    title = f"{PRODUCTION} got worse although nothing was promoted"
    steps = (f"rag evaluate --release {word.release}" if word else "", signed_command("rag rollback", PRODUCTION))
    cause = Cause("production got worse", PRODUCTION, title, reasons, owner, steps, run_id=word.run_id if word else "")
    return _found(cause)


def _refreshed(serves: Serves) -> Findings:
    settings, channel, due = serves.settings, serves.channel, serves.due
    word = last_verdict(settings.home, PRODUCTION)
    if due is None or word is None or channel is None or channel.hold:  # a hold is told as one
        return Findings(well=frozenset({key_of("production is not refreshed", PRODUCTION)}))
    passed = word.passed_at or channel.at
    reasons: tuple[str, ...] = ()
    if passed < due:
        last = (
            f"the last verdict was {word.outcome}"
            if word.at >= due
            else f"no refresh came to a verdict since {_when(word.at)}"
        )
        reasons = (f"the gate last let {PRODUCTION} pass {_when(passed)}, two refreshes were due since", last)
    steps = ("rag status, and the Runs page: does a run block the queue, does the daemon run?", "rag refresh")
    title = f"{PRODUCTION} is not refreshed any more"
    late = frozenset({"late"})
    return _found(Cause("production is not refreshed", PRODUCTION, title, reasons, settings.owner, steps, late))


ABOUT_PRODUCTION: Mapping[Kind, Callable[[Serves], Findings]] = {
    "production got worse": _watched,
    "production is not refreshed": _refreshed,
}
"""Kinds that need the channel of production -> the look for each. Nobody knows of them while it cannot be read."""


def _found(cause: Cause) -> Findings:
    """A cause where there are reasons, and otherwise that there is none."""
    if not cause.reasons:
        return Findings(well=frozenset({cause.key}))
    steps, marks = tuple(filter(None, cause.next)), cause.marks or marks_of(cause.reasons)
    return Findings((replace(cause, next=steps, marks=marks),))


def _owner(contract: Contract) -> str:
    return contract.answers.removeprefix("Owner: ")


def _with_judges(settings: Settings, reasons: Sequence[str], owner: str) -> str:
    """The owner, and who answers for the golden sets that reasons speak of."""
    try:
        sets = read_golden_sets(settings.evals)
    except PipelineError:
        return owner
    judges = [one.about.owner for one in sets if any(reason.startswith(f"{one.name}:") for reason in reasons)]
    return ", ".join(dict.fromkeys((owner, *filter(None, judges))))


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def serves_now(home: Home) -> str:
    """What answers users, and since when, for the end of every message."""
    try:
        channel = read_channel(home, PRODUCTION)
    except PipelineError:
        return f"{PRODUCTION} cannot be read"
    return f"{channel.release} since {_when(channel.at)}" if channel else "nothing"
