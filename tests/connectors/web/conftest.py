"""A small website, and somebody who reads it night after night, for the tests of the `web` connector."""

from collections.abc import Iterator

import pytest

from tests.support.web_site import Reader, Site, html, serve, web


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        for name in ("a", "b", "c"):
            site.pages[f"/{name}"] = html(f"page {name}", ETag=f'"{name}1"')
        site.sitemap("/a", "/b", "/c")
        yield site


@pytest.fixture
def reader(site: Site) -> Reader:
    """Somebody with little patience."""
    return Reader(lambda: web(site("/sitemap.xml"), timeout_s=0.3))
