"""A queue as a person types it: tickets+https://desk.example/api/billing."""

from rag_pipeline.connectors import Address, Found, custom
from rag_pipeline.errors import PipelineError


def find(address: Address) -> Found | None:
    if address.place is None:
        return None
    location, _, queue = address.place.removeprefix("tickets+").rpartition("/")
    if not queue or location.endswith("/"):
        raise PipelineError(f"{address.place} names no queue; write tickets+https://host/billing")
    entry = {"server": "helpdesk", "type": "custom", "location": location}
    properties = custom({"connector": "tickets", "queue": queue})
    return Found(entry | {"customProperties": properties}, name=queue, rows="tickets")
