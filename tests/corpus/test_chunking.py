import functools
import re
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import Chunker, Chunkers, Span, chunker_of, chunkers_of, sections
from rag_pipeline.errors import ContractError, PipelineError
from rag_pipeline.files import file_sha256, fingerprint
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract
from tests.support.small_releases import chunker, real_model

SIZES = (12, 40)
"""Few, because a splitter is kept for each."""

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(" \u2028\u2029\x85🙂𝔘é中"), max_size=60)
plain = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=60).map(" ".join)
blocks = st.one_of(
    st.builds(lambda level, title: f"{'#' * level} {title}", st.integers(1, 6), words),
    st.builds(lambda title, line: f"{title}\n{line * 4}", words, st.sampled_from("=-")),
    st.builds(lambda body: f"```\n# not a heading\n{body}\n```", words),
    st.builds(lambda body: f"> # quoted\n> {body}", words),
    st.sampled_from(["", "   ", "\t\n \n", "\x0c", "---", "```", "\u2028\u2028"]),
    st.integers(1, 400).map(lambda length: "ab🙂c" * length),
    words,
    plain,
)


@st.composite
def markdown(draw: st.DrawFn) -> str:
    """A document as people and tools write them, well-formed or not."""
    text = draw(st.sampled_from(["", "", "---\ntitle: a\n---\n", "---\r\ntitle: a\r\n---\r\n", "---\na: \rb\n---\n"]))
    for block in draw(st.lists(blocks, max_size=12)):
        text += block + draw(st.sampled_from(["\n", "\n\n", "\r\n", "\r\n\r\n", "\r"]))
    return text


@functools.cache
def tokenizer() -> Any:
    return real_model().tokenizer()


def tokens(text: str) -> int:
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


def cut(text: str, max_tokens: int = 40, min_tokens: int = 0) -> list[tuple[tuple[str, ...], str]]:
    """Heading path and text of each chunk."""
    return [(span.heading, text[span.start : span.end]) for span in chunker(max_tokens, min_tokens).spans(text)]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=markdown(), max_tokens=st.sampled_from(SIZES), min_tokens=st.sampled_from([0, 10]))
def test_chunks_are_ordered_spans_that_lose_no_text_and_fit_the_model(text: str, max_tokens: int, min_tokens: int) -> None:
    at = 0
    tokenizer = real_model().tokenizer()
    for span in chunker(max_tokens, min_tokens).spans(text):
        assert at <= span.start < span.end <= len(text)
        assert not text[at : span.start].strip(), "text between two chunks was lost"
        piece = text[span.start : span.end]
        assert piece.strip()
        assert len(tokenizer.encode(piece, add_special_tokens=False).ids) <= max_tokens
        at = span.end
    assert not text[at:].strip(), "text at the end was lost"


@settings(max_examples=60, deadline=None)
@given(markdown())
def test_sections_cover_the_document_from_its_first_to_its_last_letter(text: str) -> None:
    parts = list(sections(text))
    assert "".join(part for _, part in parts).strip() == text.strip()
    for span, part in parts:
        assert text[span.start : span.end] == part


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), plain), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "---\ntitle: t\n---\n"]),
)
def test_every_chunk_knows_the_path_of_headings_above_it(outline: list[tuple[int, str]], newline: str, front: str) -> None:
    lines: list[str] = []
    path: list[tuple[int, str]] = []
    expected: list[Any] = []
    for number, (level, body) in enumerate(outline):
        title = f"Title {number}"
        path = [(depth, name) for depth, name in path if depth < level] + [(level, title)]
        expected.append(tuple(name for _, name in path))
        lines += [f"{'#' * level} {title}", "", body, ""]
    text = front.replace("\n", newline) + newline.join(lines)
    found = [heading for heading, _ in cut(text)]
    assert [heading for heading in dict.fromkeys(found) if heading] == expected


def test_underlined_headings_and_hash_headings_make_one_path() -> None:
    text = "Book\n====\n\nintro\n\nChapter\n-------\n\nbody\n\n### Part\n\nmore\n\nNext\n----\n\nend\n"
    assert [heading for heading, _ in cut(text)] == [
        ("Book",),
        ("Book", "Chapter"),
        ("Book", "Chapter", "Part"),
        ("Book", "Next"),
    ]


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ('<a name="pay"></a>Who pays', "Who pays"),
        ('<i class="fas fa-book" aria-hidden="true"></i> Who <b>pays</b>{#who-pays}', "Who pays"),
        ("Who pays <!-- TODO -->", "Who pays"),
        ("Who pays {#pay}", "Who pays"),
        ("The tag `<a>` and <a id=x></a>its end `</a>`", "The tag `<a>` and its end `</a>`"),
        ("a < b & c  > d, &lt;b&gt;", "a < b & c  > d, &lt;b&gt;"),
        ("Sets {a} and {#1 of 2}", "Sets {a} and {#1 of 2}"),
    ],
)
def test_a_heading_is_told_without_tags_and_ids(written: str, reads: str) -> None:
    assert {heading for heading, _ in cut(f"# {written}\n\nWe pay.\n")} == {(reads,)}


def test_a_heading_that_is_nothing_but_an_anchor_is_no_step_of_the_path() -> None:
    assert {heading for heading, _ in cut('# One\n\n## <a id="x"></a>\n\nBody.\n', 5, 0)} == {("One",)}


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_a_heading_inside_a_code_fence_is_no_section(fence: str) -> None:
    text = f"# Real\n\n{fence}sh\n# a comment\nmake\n{fence}\n\nafter\n"
    assert cut(text) == [(("Real",), text.strip())]


@pytest.mark.parametrize("front", ["---\ntitle: x\n---\n", "---\r\ntitle: x\r\n---\r\n", "---\ntitle: >\r x\n---\n"])
def test_front_matter_is_no_heading_and_moves_none(front: str) -> None:
    text = f"{front}body\n# One\nfirst\n# Two\nsecond\n"
    found = cut(text)
    assert [heading for heading, _ in found] == [(), ("One",), ("Two",)]
    assert found[1][1] == "# One\nfirst"


def test_blank_text_has_no_chunk() -> None:
    for text in ("", " ", "\n\r\n\t\u2028 \u3000"):
        assert cut(text) == []


def test_a_word_longer_than_a_chunk_is_cut_and_nothing_of_it_is_lost() -> None:
    word = "antidisestablishmentarianism" * 3
    text = ".".join([word] * 60)
    found = cut(text, 12)
    assert len(found) > 10
    assert "".join(piece for _, piece in found) == text


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), plain, st.sampled_from(SIZES))
def test_an_edit_in_one_section_leaves_the_chunks_of_the_others_as_they_were(edited: int, body: str, size: int) -> None:
    bodies = [" ".join(f"word{section}{number}" for number in range(60)) for section in range(5)]

    def text(parts: list[str]) -> str:
        return "\n\n".join(f"## Section {number}\n\n{part}" for number, part in enumerate(parts))

    changed = [body + " " + " ".join(["new"] * 15) if number == edited else part for number, part in enumerate(bodies)]
    heading = (f"Section {edited}",)
    before = [chunk for chunk in cut(text(bodies), size, 10) if chunk[0] != heading]
    after = [chunk for chunk in cut(text(changed), size, 10) if chunk[0] != heading]
    assert before == after
    assert before


def test_a_section_too_small_to_stand_alone_joins_the_next_one() -> None:
    text = (
        "# Handbook\n\n## Leave\n\n"
        + "Everyone has thirty days of leave in a year. " * 2
        + "\n\n## Travel\n\n"
        + "By train. " * 9
    )
    assert [re.findall(r"(?m)^#+ (\w+)", piece) for _, piece in cut(text, 40, 10)] == [["Handbook", "Leave"], ["Travel"]]
    assert [re.findall(r"(?m)^#+ (\w+)", piece) for _, piece in cut(text, 40, 0)] == [["Handbook"], ["Leave"], ["Travel"]]


def test_small_sections_are_joined_only_as_long_as_the_model_reads_them_whole() -> None:
    text = "\n\n".join(f"# {name}\n\n" + "word " * 9 for name in "abcdefgh")
    assert tokens(text) > 40
    assert all(tokens(piece) <= 40 for _, piece in cut(text, 40, 30))


def test_chunks_longer_than_the_model_reads_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"RAG_CHUNK_TOKENS=300 is more than the model reads \(254\)"):
        chunker_of(Settings(chunk_tokens=300))


def test_a_prompt_takes_its_tokens_from_the_room_of_a_chunk() -> None:
    bare, prompted = chunker_of(Settings()), chunker_of(Settings(document_prompt="passage: "))
    assert bare.max_tokens == real_model().max_tokens - 2
    assert prompted.max_tokens == bare.max_tokens - tokens("passage: ")


@functools.cache
def text_chunker(max_tokens: int) -> Chunker:
    return Chunker(real_model(), max_tokens, 0, "text")


def as_text(text: str, max_tokens: int) -> list[Span]:
    return list(text_chunker(max_tokens).spans(text))


LINES = ["# not a heading\n", "a sentence. ", "\n\n", "naïve 🙂 ", "===\n", "| a | b |\n"]


@given(st.lists(st.sampled_from(LINES), max_size=30))
@settings(max_examples=40, deadline=None)
def test_text_is_cut_whole_in_order_and_no_line_of_it_is_a_heading(parts: list[str]) -> None:
    text = "".join(parts)
    spans = as_text(text, 12)
    kept = {place for span in spans for place in range(span.start, span.end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= kept
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(tokens(text[span.start : span.end]) <= 12 and span.heading == () for span in spans)


def test_markdown_is_cut_at_headings_and_text_is_not() -> None:
    text = "# Leave\n\nThirty days.\n\n# Travel\n\nBook trains."
    assert [text[span.start : span.end] for span in as_text(text, 40)] == [text]
    assert [heading for heading, _ in cut(text, 40, 0)] == [("Leave",), ("Travel",)]


def test_a_chunker_of_markdown_has_the_fingerprint_that_stored_chunks_know_it_by() -> None:
    known = [version("semantic-text-splitter"), file_sha256(real_model().folder / "tokenizer.json"), real_model().max_tokens]
    assert chunker(40, 5).fingerprint == fingerprint(1, *known, 40, 5, length=16)
    assert Chunker(real_model(), 40, 5, "text").fingerprint != chunker(40, 5).fingerprint


def chunkers(workspace: Workspace, settings: Settings | None = None, **custom: Any) -> Chunkers:
    """Those of a source whose contract says `custom`, beside one that says nothing."""
    said = [{"property": name, "value": value} for name, value in custom.items()]
    workspace.contract("handbook", files_contract("pages", customProperties=said))
    workspace.contract("wiki", files_contract("pages", id="wiki"))
    return chunkers_of(settings or Settings(), read_contracts(workspace.settings.contracts))


def test_a_contract_says_how_its_source_is_cut_and_the_settings_say_it_of_the_others(workspace: Workspace) -> None:
    def way(**custom: Any) -> tuple[int, int, str]:
        found = chunkers(workspace, **custom)
        assert found.of("wiki") == found.default and found.default.fingerprint == chunker_of(Settings()).fingerprint
        own = found.of("handbook")
        return own.max_tokens, own.min_tokens, own.splitter

    assert way() == (254, 24, "markdown")
    assert way(chunkTokens=60, chunkMinTokens=10) == (60, 10, "markdown")
    assert way(chunkTokens=60) == (60, 24, "markdown")
    assert way(chunkMinTokens=0) == (254, 0, "markdown")
    assert way(chunkSplitter="text") == (254, 0, "text")
    assert way(chunkSplitter="text", chunkTokens=8) == (8, 0, "text")
    assert chunkers(workspace).own == {}


@pytest.mark.parametrize(
    ("custom", "environment", "says"),
    [
        ({"chunkTokens": 255}, {}, r"chunkTokens 255 is more than the model reads \(254\).*Write 254 or less"),
        ({"chunkTokens": 253}, {"document_prompt": "passage: "}, r"chunkTokens 253 is more than the model reads \(252\)"),
        ({"chunkTokens": 20}, {}, r"RAG_CHUNK_MIN_TOKENS=24 is not less than chunkTokens 20.*a chunkMinTokens below 20"),
        ({"chunkMinTokens": 254}, {}, r"chunkMinTokens 254 is not less than the 254 tokens of a chunk"),
        ({"chunkMinTokens": 50}, {"chunk_tokens": 40}, r"chunkMinTokens 50 is not less than the 40 tokens of a chunk"),
    ],
)
def test_a_size_that_cannot_be_is_refused_with_the_line_that_asks_for_it(
    workspace: Workspace, custom: dict[str, object], environment: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=rf"handbook\.odcs\.yaml:\d+: customProperties\[0\]: {says}"):
        chunkers(workspace, Settings(**environment), **custom)


def test_the_chunker_is_another_one_when_it_cuts_another_way() -> None:
    assert chunker(40, 0).fingerprint == chunker_of(Settings(chunk_tokens=40, chunk_min_tokens=0)).fingerprint
    assert len({chunker(40, 0).fingerprint, chunker(12, 0).fingerprint, chunker(40, 10).fingerprint}) == 3
