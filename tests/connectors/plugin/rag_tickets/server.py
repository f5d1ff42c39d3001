"""Where the tickets are: the address of a helpdesk, and one of its queues."""

from dataclasses import dataclass

from rag_pipeline.connectors import Connector, Entry, ReadContext, Server


@dataclass(frozen=True, slots=True)
class TicketsServer(Server):
    location: str
    queue: str

    @property
    def says(self) -> str:
        return f"queue {self.queue} of {self.location}"

    def connect(self, context: ReadContext) -> Connector:
        from rag_tickets.connector import Tickets

        return Tickets(self, token=context.secret("password"))


def read(entry: Entry) -> TicketsServer:
    queue = entry.text("queue")
    if not queue:
        raise entry.fail("say which queue to read (customProperties: property: queue)")
    return TicketsServer(entry.location(("http", "https")), queue)
