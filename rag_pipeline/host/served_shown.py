"""What `index/evaluation` shows of what was served of a release before, where gate.yaml demands that."""

from collections.abc import Mapping
from typing import Any

from rag_pipeline.gate.traffic import says
from rag_pipeline.host.ui_tables import table
from rag_pipeline.traffic.evidence import TrafficEvidence


def served_metadata(traffic: Mapping[str, TrafficEvidence]) -> dict[str, Any]:
    """A row a channel that demands it; nothing where none does."""
    if not traffic:
        return {}
    rows = [
        (channel, one.served_on, one.hours_answered, one.served.principals, says(one.served), one.seal)
        for channel, one in traffic.items()
    ]
    return {"served_before": table(("channel", "served on", "hours", "principals", "what was served", "evidence"), rows)}
