"""Addresses of pages: which are plain, and which belong to one site."""

import httpx

from rag_pipeline.urls import WEB


def address(text: str) -> httpx.URL | None:
    """An absolute http or https address without its fragment; None when it is none, or holds credentials."""
    try:
        url = httpx.URL(text.strip())
        if url.scheme not in WEB or not url.host or url.userinfo:
            return None
        return url.copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):
        return None


def site(url: httpx.URL) -> tuple[str, int | None]:
    """Host and port: what a sitemap may speak for. The same for http and https on their own ports."""
    return url.host, url.port
