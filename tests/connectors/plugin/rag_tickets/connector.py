"""Reading tickets: a list of them with the time of their last change, and each one with its messages."""

from collections.abc import Iterator
from typing import Any

import httpx

from rag_pipeline.connectors import Connector, Item, Known, Row
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_tickets.server import TicketsServer


class Tickets(Connector):
    reads = 1

    def __init__(self, server: TicketsServer, token: str) -> None:
        self._server = server
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=server.location, headers=headers, timeout=server.limits.timeout_s)

    def items(self, known: Known) -> Iterator[Item]:
        for ticket in self._get(f"queues/{self._server.queue}"):
            yield Item(key=str(ticket["id"]), version=ticket["changed_at"])

    def read(self, item: Item) -> Iterator[Row]:
        ticket = self._get(f"tickets/{item.key}")
        yield {
            "id": item.key,
            "title": ticket["subject"],
            "text": "\n\n".join(ticket["messages"]),
            "uri": f"{self._server.location}/tickets/{item.key}",
            "changed_at": ticket["changed_at"],
        }

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str) -> Any:
        try:
            answer = self._client.get(path)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"the helpdesk cannot be reached ({type(error).__name__})") from error
        if answer.status_code == 404:
            raise Unreadable("it is gone since it was listed")
        if answer.is_error:
            raise SourceUnavailable(f"the helpdesk answers {answer.status_code}; is RAG_<SOURCE>_PASSWORD a valid token?")
        return answer.json()
