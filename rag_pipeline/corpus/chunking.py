"""Cutting one document into chunks: first at its headings, then by meaning where a section is too long.

The settings say how, and a contract may say otherwise for its source.

A section never shares a chunk with a long neighbor, so an edit moves boundaries inside its own section only. Every
chunk is a span of the document: `text[start:end]` is the chunk, to the letter.
"""

import bisect
import importlib.metadata
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag_pipeline.contracts.contract import AS_THE_SETTINGS_SAY, Contract, Cut, Splitter
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.errors import ContractError, PipelineError
from rag_pipeline.files import file_sha256, fingerprint
from rag_pipeline.settings import Settings

_SPECIAL_TOKENS = 2
"""Start and end marks a sentence-transformers model puts around every text."""

_NEWLINE = r"(?:\r\n|\r|\n)"

_ID = re.compile(r"\s*\{#[\w.:-]+\}$")

_VERSION = 1
"""Raise it when this module cuts differently, and every document is cut again."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a document, and the headings it stands under."""

    start: int
    end: int
    heading: tuple[str, ...]


@dataclass(frozen=True)
class Chunker:
    """A way to cut. `max_tokens` and `min_tokens` count the model's own tokens, special ones left out.

    `splitter`: by `text` a document is one section, whatever its lines look like.
    """

    model: Model
    max_tokens: int
    min_tokens: int
    splitter: Splitter = "markdown"

    @cached_property
    def fingerprint(self) -> str:
        library = importlib.metadata.version("semantic-text-splitter")
        tokenizer = file_sha256(self.model.folder / "tokenizer.json")
        sizes = (self.model.max_tokens, self.max_tokens, self.min_tokens)
        other = () if self.splitter == "markdown" else (self.splitter,)
        return fingerprint(_VERSION, library, tokenizer, *sizes, *other, length=16)

    @cached_property
    def _tokenizer(self) -> object:
        return self.model.tokenizer()

    @cached_property
    def _splitter(self) -> object:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        splitter = MarkdownSplitter if self.splitter == "markdown" else TextSplitter
        return splitter.from_huggingface_tokenizer(self._tokenizer, self.max_tokens)

    def spans(self, text: str) -> Iterator[Span]:
        """The chunks of a document, in order. Blank stretches belong to none."""
        for section, tokens in self._joined(self._sections(text)):
            if tokens <= self.max_tokens:
                yield from _trimmed(text, section)
                continue
            piece = text[section.start : section.end]
            for offset, part in self._splitter.chunk_indices(piece):  # type: ignore[attr-defined]
                start = section.start + offset
                yield Span(start, start + len(part), section.heading)

    def _sections(self, text: str) -> list[tuple[Span, str]]:
        if self.splitter == "markdown":
            return list(sections(text))
        return [(Span(0, len(text), ()), text)] if text.strip() else []

    def _joined(self, parts: list[tuple[Span, str]]) -> Iterator[tuple[Span, int]]:
        """Join a section shorter than `min_tokens` with the ones after it, so that no heading stands alone."""
        sizes = [
            len(encoding.ids)
            for encoding in self._tokenizer.encode_batch([part for _, part in parts], add_special_tokens=False)  # type: ignore[attr-defined]
        ]
        open_span: Span | None = None
        open_size = 0
        for (span, _), size in zip(parts, sizes, strict=True):
            if open_span is not None and open_size + size <= self.max_tokens:
                open_span = Span(open_span.start, span.end, open_span.heading)
                open_size += size
            else:
                if open_span is not None:
                    yield open_span, open_size
                open_span, open_size = span, size
            if open_size >= self.min_tokens:
                yield open_span, open_size
                open_span, open_size = None, 0
        if open_span is not None:
            yield open_span, open_size


@dataclass(frozen=True)
class Chunkers:
    """The way that each source is cut: `default`, or its own where its contract says something of it."""

    default: Chunker
    own: Mapping[str, Chunker] = field(default_factory=dict)

    def of(self, source: str) -> Chunker:
        return self.own.get(source, self.default)


def chunker_of(settings: Settings) -> Chunker:
    """The configured chunker: chunks as long as the model reads, special tokens and prompt taken off."""
    return chunkers_of(settings, ()).default


def chunkers_of(settings: Settings, contracts: Sequence[Contract]) -> Chunkers:
    """The chunker of every source: the configured one, or what a contract says otherwise.

    Raises `PipelineError` for a size that cannot be, with the setting, or the contract's file and line, that asks for it.
    """
    model = model_of(settings)
    prompt = len(model.tokenizer().encode(settings.document_prompt, add_special_tokens=False).ids)
    room = model.max_tokens - _SPECIAL_TOKENS - prompt
    if settings.chunk_tokens > room:
        raise PipelineError(f"RAG_CHUNK_TOKENS={settings.chunk_tokens} {_more_than_read(room)}")
    default = Chunker(model, settings.chunk_tokens or room, settings.chunk_min_tokens)
    said = {contract.source: contract.cut for contract in contracts if contract.cut != AS_THE_SETTINGS_SAY}
    return Chunkers(default, {source: _as_the_contract_says(default, cut, room) for source, cut in said.items()})


def _more_than_read(room: int) -> str:
    return f"is more than the model reads ({room}); what lies beyond would be cut off silently"


def _as_the_contract_says(default: Chunker, cut: Cut, room: int) -> Chunker:
    """`room`: tokens of a chunk that the model reads. Raises `ContractError` for a size that cannot be."""
    if cut.tokens is not None and cut.tokens > room:
        raise ContractError(f"{cut.where}: chunkTokens {cut.tokens} {_more_than_read(room)}. Write {room} or less")
    tokens, splitter = cut.tokens or default.max_tokens, cut.splitter or default.splitter
    if splitter == "text":
        return Chunker(default.model, tokens, 0, splitter)
    least = default.min_tokens if cut.min_tokens is None else cut.min_tokens
    if least >= tokens and (cut.tokens, cut.min_tokens) != (None, None):
        minimum = f"RAG_CHUNK_MIN_TOKENS={least}" if cut.min_tokens is None else f"chunkMinTokens {least}"
        most = f"chunkTokens {tokens}" if cut.tokens else f"the {tokens} tokens of a chunk"
        raise ContractError(
            f"{cut.where}: {minimum} is not less than {most}, so no section would be long enough; write a chunkMinTokens "
            f"below {tokens}"
        )
    return Chunker(default.model, tokens, least, splitter)


def sections(text: str) -> Iterator[tuple[Span, str]]:
    """The stretches between headings (Markdown `#` and underlined ones), each with the path of headings above it."""
    starts = [0, *(match.end() for match in re.finditer(_NEWLINE, text))]
    front = _front_matter(text)
    path: list[tuple[int, str]] = []
    begin = 0
    heading: tuple[str, ...] = ()
    tokens = MarkdownIt("commonmark").parse(text[front:])
    first_line = bisect.bisect_right(starts, front) - 1
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open" or token.map is None or token.level:
            continue
        start = starts[token.map[0] + first_line]
        if text[begin:start].strip():
            yield Span(begin, start, heading), text[begin:start]
            begin = start
        level = int(token.tag[1:])
        path = [(depth, title) for depth, title in path if depth < level] + [(level, _said(inline))]
        heading = tuple(title for _, title in path if title)
    if text[begin:].strip():
        yield Span(begin, len(text), heading), text[begin:]


def _said(inline: Token) -> str:
    """A heading as it reads: without tags (icons, `<a name="x"></a>`) and the id that some writers end it with (`{#x}`)."""
    raw, read = inline.content, 0
    for child in inline.children or ():
        at = raw.find(child.content, read) if child.content else -1
        if child.type == "html_inline":
            raw, read = raw[:at] + raw[at + len(child.content) :], at
        elif at >= 0:
            read = at + len(child.content)
    raw = _ID.sub("", raw.strip())
    return raw if raw == inline.content else " ".join(raw.split())


def _front_matter(text: str) -> int:
    """Length of a leading `---` … `---` block, whose closing line would else read as an underlined heading."""
    match = re.match(rf"---[ \t]*{_NEWLINE}.*?{_NEWLINE}---[ \t]*({_NEWLINE}|\Z)", text, flags=re.DOTALL)
    return match.end() if match else 0


def _trimmed(text: str, span: Span) -> Iterator[Span]:
    piece = text[span.start : span.end]
    if stripped := piece.strip():
        start = span.start + piece.index(stripped[0])
        yield Span(start, start + len(stripped), span.heading)
