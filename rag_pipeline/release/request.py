"""What is asked of the door through which a channel moves: which release, where to, by whom and why."""

from dataclasses import KW_ONLY, dataclass

from rag_pipeline.channels.pointer import PRODUCTION, Channel, signed_command


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """A channel is to point at a release. Nothing here is decided yet: the gate says yes or no, or a person overrides it."""

    release: str
    _: KW_ONLY
    by: str
    why: str
    channel: str = PRODUCTION
    named: bool = False
    """A person asks for this very release: it does not matter that it was rolled back once, and a hold is lifted."""
    override: bool = False
    """A person takes it upon them, whatever the gate says."""
    withdraw: bool = False
    """The release that serves now is bad (a rollback): no refresh may promote its content again by itself, and the channel
    is held until a person lifts that."""
    answers: str | None = None
    """The answer version to name; None: the one that is named now, or that was named beside what one goes back to;
    `versions.content.NONE`: none."""
    leaving: Channel | None = None
    """The move it was decided to undo; what came after it is not undone."""

    @property
    def of_a_person(self) -> bool:
        return self.named or self.override

    @property
    def signed(self) -> bool:
        """Whether it says who asks, and why."""
        return bool(self.by.strip() and self.why.strip())

    @property
    def how_to_override(self) -> str:
        """The exact command for a person who wants it all the same."""
        command = "rag rollback --to" if self.withdraw else "rag promote"
        answers = f" --answers {self.answers}" if self.answers else ""
        return f"to do it anyway: `{signed_command(f'{command} {self.release}{answers}', self.channel, override=True)}`"

    @property
    def how_to_name(self) -> str:
        """The exact command for a person who wants this release although the channel is held."""
        return f"a person can promote it: `{signed_command(f'rag promote {self.release}', self.channel)}`"
