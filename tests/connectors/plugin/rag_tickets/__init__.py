"""A connector for rag-pipeline: the tickets of a helpdesk, one queue a source."""

from rag_pipeline.connectors import Kind
from rag_tickets.draft import find
from rag_tickets.server import read

TICKETS = Kind(
    name="tickets",
    api=1,
    read=read,
    properties=("queue",),
    secret_words=("agent",),
    schemes=("tickets+http", "tickets+https"),
    find=find,
)
