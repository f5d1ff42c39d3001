"""The server of a website."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.sample import Sample
from rag_pipeline.feeds.server import ReadContext, Server
from rag_pipeline.urls import WEB


@dataclass(frozen=True, slots=True)
class WebServer(Server):
    """The pages a sitemap at `location` lists, and `pages`."""

    documents: ClassVar[bool] = True

    location: str = ""
    pages: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        return self.location or ", ".join(self.pages[:3])

    @property
    def judged(self) -> list[Any]:
        return ["web", None, "", "", ""]

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.location, *self.pages)

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.web.connector import Web

        return Web(self)

    def look(self, context: ReadContext) -> Sample:
        from rag_pipeline.connectors.web.sample import look_at_pages

        return look_at_pages(self)

    def why_empty(self, place: str, sample: Sample) -> str:
        return f"{place} lists no page that may be read"


def read(entry: Entry) -> WebServer:
    pages = entry.urls("pages", "page", WEB)
    location = entry.location(WEB) if entry.fields.get("location") else ""
    if not location and not pages:
        raise entry.fail("give a location (the URL of a sitemap), or pages (a list of URLs)")
    return WebServer(location=location, pages=pages)
