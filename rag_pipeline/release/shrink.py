"""Sources that lost documents between production and a candidate: an export cut short, a contract removed by mistake."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag_pipeline.release.policy import Policy
from rag_pipeline.release.verdict import Reason, invalid


@dataclass(frozen=True, slots=True)
class InProduction:
    """Source -> documents of what is in production. `unreadable`: why its manifest cannot say so."""

    documents: Mapping[str, int]
    unreadable: str = ""


def shrunk_sources(
    policy: Policy, channel: str, release: str, production: InProduction | None, candidate: Mapping[str, int]
) -> list[Reason]:
    """Why a release may not follow the one in production: it lacks a source, or too many documents of one.

    `candidate`: source -> documents, as its manifest tells; `production` None: there is nothing to compare with. A
    contract holds what one load takes from the tables (`volumeMaxDropPercent`); this holds what all loads since the last
    promotion took from what users are answered from. A source that small may always lose one document.
    """
    allowed, line = policy.channel(channel).sources_may_shrink_percent, policy.line(channel, "sources_may_shrink_percent")
    if allowed is None or production is None:
        return []
    override = f"if that is meant: `rag promote {release} --override --by NAME --reason WHY`"
    if production.unreadable:
        return [invalid(f"nobody can tell whether a source shrank: {production.unreadable}; {override}", line)]
    reasons = []
    for source, before in sorted(production.documents.items()):
        after = candidate.get(source)
        if after is None and before:
            reasons.append(
                f"source {source}, {before} documents in production, is not in it at all; was its contract removed by "
                f"mistake? {override}"
            )
        elif after is not None and before - after > max(1, allowed * before / 100):
            share = 100 * (before - after) / before
            reasons.append(
                f"source {source}: it has {after} documents, {share:.1f} % less than the {before} in production; at most "
                f"{allowed:g} % may go (one document always may); {override}"
            )
    return [Reason("regressed", line, says) for says in reasons]
