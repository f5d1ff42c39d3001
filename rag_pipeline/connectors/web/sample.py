"""A look at a website: its first pages, as it is asked for each page it lists, one after the other."""

from contextlib import suppress
from itertools import islice

from rag_pipeline.connectors.web.connector import Web
from rag_pipeline.connectors.web.server import WebServer
from rag_pipeline.errors import Named, SourceUnavailable
from rag_pipeline.feeds.sample import Sample, never_read, read_into

PAGES = 100


def look_at_pages(server: WebServer) -> Sample:
    try:
        return _look(server)
    except Named as error:
        if "the sitemap" not in str(error):
            raise
        raise error.followed_by(". If it is a page and not a sitemap, give two pages or more") from error


def _look(server: WebServer) -> Sample:
    connector, sample = Web(server), Sample()
    listing = connector.items(never_read)
    for item in islice(listing, PAGES):  # it shows its own progress
        read_into(sample, connector, item)
        if sample.full:
            break
    with suppress(SourceUnavailable):
        sample.whole = not sample.full and next(listing, None) is None
    sample.listed = sample.looked_at
    return sample
