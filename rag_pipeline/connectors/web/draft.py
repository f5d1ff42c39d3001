"""A website at the addresses a person typed: a sitemap, or several pages."""

from urllib.parse import urlsplit

from rag_pipeline.errors import PipelineError
from rag_pipeline.feeds.draft import Address, Found, custom
from rag_pipeline.urls import secret_in, without_secrets


def find(address: Address) -> Found | None:
    places = address.places
    for place in places:
        parts = urlsplit(place)
        if secret := secret_in(place):
            raise PipelineError(
                f"{without_secrets(place)}: "
                f"a contract holds no credentials, and none are sent to websites; take out its {secret}"
            )
        if not parts.hostname:
            raise PipelineError(f"{place} is not the address of a sitemap or a page")
    entry = {"server": "website", "type": "custom"}
    own = custom({"connector": "web", "pages": [] if address.place else list(dict.fromkeys(places))})
    found = entry | ({"location": address.place} if address.place else {}) | {"customProperties": own}
    return Found(found, str(urlsplit(places[0]).hostname), "pages")
