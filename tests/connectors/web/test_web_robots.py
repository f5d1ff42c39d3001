"""What robots.txt forbids is not asked for, what it asks for is done, and while it cannot be read nothing is asked for."""

import pytest

from rag_pipeline.connectors import Named, Remark
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.fetching.fetch import Pace
from tests.support.web_site import Reader, Reply, Site, html, moved, serve, web


@pytest.fixture
def reader(site: Site) -> Reader:
    return Reader(lambda: web(site("/sitemap.xml")))


def robots(*lines: str) -> Reply:
    return Reply("\n".join(lines).encode(), headers={"Content-Type": "text/plain"})


def test_a_disallowed_page_is_not_fetched_and_told_once_with_an_example(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Disallow: /b", "Disallow: /c")
    reader.night()
    assert list(reader.rows) == [site("/a")]
    assert site.paths() == ["/a"]
    assert reader.remarks == (Remark("2 of 3 pages are left out: robots.txt disallows them", 2, site("/b")),)


def test_a_page_that_robots_txt_comes_to_disallow_is_a_delete(site: Site, reader: Reader) -> None:
    reader.night()
    site.pages["/robots.txt"] = robots("User-agent: *", "Disallow: /b")
    assert list(reader.night().known) == [site("/a"), site("/c")]


def test_rules_for_us_count_and_not_those_for_others(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots(
        "User-agent: googlebot", "Disallow: /", "", "User-agent: rag-pipeline", "Disallow: /", "Allow: /a", "Allow: /sitemap"
    )
    assert list(reader.night().rows) == [site("/a")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_site_without_a_robots_txt_allows_everything(site: Site, reader: Reader, status: int) -> None:
    site.pages["/robots.txt"] = Reply(b"Disallow: /", status)
    assert len(reader.night().rows) == 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=503),
        Reply(status=429),
        Reply(hang=True),
        Reply(wire=b""),
        moved("/robots.txt"),
        moved("http://127.0.0.1:9/robots.txt"),
    ],
)
def test_while_robots_txt_cannot_be_read_the_source_is_unavailable(site: Site, reply: Reply) -> None:
    site.pages["/robots.txt"] = reply
    with pytest.raises(
        SourceUnavailable, match=r"/robots.txt: .*; until it can be read, no page of its host may be fetched"
    ):
        list(web(site("/sitemap.xml"), timeout_s=0.3).items(lambda _: None))
    assert site.paths() == []


@pytest.mark.parametrize("status", [204, 301, 304])
def test_an_answer_that_is_neither_rules_nor_the_word_that_there_are_none_allows_nothing(site: Site, status: int) -> None:
    site.pages["/robots.txt"] = Reply(status=status)
    with pytest.raises(SourceUnavailable, match=rf"/robots.txt: answered {status}; a site without rules answers 404"):
        list(web(site("/sitemap.xml")).items(lambda _: None))


def test_robots_txt_is_read_once_a_night_and_may_be_redirected(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = moved("/elsewhere/robots.html")
    site.pages["/elsewhere/robots.html"] = robots("User-agent: *", "Disallow: /a")
    assert len(reader.night().rows) == 2
    assert len(site.of("/robots.txt")) == 1


def test_what_is_no_robots_txt_allows_everything(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = html("<b>Welcome</b> to our shop")
    assert len(reader.night().rows) == 3


def test_a_rule_behind_megabytes_is_not_looked_for_but_one_within_the_first_500_kib_holds(
    site: Site, reader: Reader
) -> None:
    filler = ["# " + "x" * 1022] * 499
    site.pages["/robots.txt"] = robots("User-agent: *", *filler, "Disallow: /a", *filler, "Disallow: /b")
    assert list(reader.night().rows) == [site("/b"), site("/c")]


def test_a_disallowed_sitemap_makes_the_source_unavailable(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Disallow: /*.xml$")
    with pytest.raises(Named) as raised:
        reader.night()
    assert raised.value.told(str) == f"the sitemap {site('/sitemap.xml')}: robots.txt disallows it"


def test_a_redirect_to_a_disallowed_page_is_not_followed(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Disallow: /secret")
    site.pages["/secret"] = html("secret")
    site.pages["/a"] = moved("/secret")
    assert list(reader.night().rows) == [site("/b"), site("/c")]
    assert site.of("/secret") == []


def test_a_redirect_to_another_host_is_followed_only_if_its_robots_txt_allows(site: Site, reader: Reader) -> None:
    with serve() as other:
        other.pages |= {"/open": html("open"), "/closed": html("closed")}
        other.pages["/robots.txt"] = robots("User-agent: *", "Disallow: /closed")
        site.pages |= {"/a": moved(other("/open")), "/b": moved(other("/closed"))}
        reader.night()
        assert reader.rows[site("/a")]["uri"] == other("/open")
        assert list(reader.rows) == [site("/a"), site("/c")]
        assert other.of("/closed") == []


def test_a_redirect_to_a_host_whose_robots_txt_is_broken_keeps_the_last_copy(site: Site, reader: Reader) -> None:
    site.pages["/d"] = html("page d")
    site.sitemap("/a", "/b", "/c", "/d")
    reader.night()
    with serve() as other:
        other.pages |= {"/robots.txt": Reply(status=500), "/open": html("open")}
        site.pages |= {"/a": moved(other("/open")), "/b": moved(other("/open"))}
        reader.night()
        assert other.of("/open") == []
        assert len(other.of("/robots.txt")) == 2  # once, and its one other try
    assert reader.rows[site("/a")]["text"] == "# Owls\n\npage a\n"
    assert reader.read == []


def test_a_crawl_delay_is_kept_between_any_two_requests_to_the_host(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Crawl-delay: 0.2")
    reader.night()
    assert len(site.asked) == 5
    gaps = [later.at - earlier.at for earlier, later in zip(site.asked[1:], site.asked[2:], strict=False)]
    assert min(gaps) > 0.1


def test_a_crawl_delay_never_makes_it_faster_than_the_contract_says(site: Site) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Crawl-delay: 0.001")
    list(web(site("/sitemap.xml"), per_second=10).items(lambda _: None))
    gaps = [later.at - earlier.at for earlier, later in zip(site.asked, site.asked[1:], strict=False)]
    assert min(gaps) > 0.05


def test_a_crawl_delay_of_hours_makes_the_source_unavailable(site: Site, reader: Reader) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", "Crawl-delay: 3600")
    with pytest.raises(SourceUnavailable, match=r"asks for 3600 s between requests \(Crawl-delay\), more than the 60 s"):
        reader.night()


@pytest.mark.parametrize("delay", ["nan", "inf", "-5", "soon", "0"])
def test_a_crawl_delay_that_is_none_changes_nothing(site: Site, reader: Reader, delay: str) -> None:
    site.pages["/robots.txt"] = robots("User-agent: *", f"Crawl-delay: {delay}")
    assert len(reader.night().rows) == 3


def test_hosts_do_not_wait_for_each_other() -> None:
    waits: list[float] = []
    pace = Pace(0.001, sleep=waits.append)
    for host in ("a", "b", "a", "b"):
        pace.wait(host)
    assert waits[:2] == [0, 0]
    assert min(waits[2:]) > 900
