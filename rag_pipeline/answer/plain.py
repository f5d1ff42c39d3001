"""What of a sentence reaches its reader: words. Links, pictures, markup and orders to a machine stay where they were.

A quote is data and stays to the letter; this is about the sentence that is shown. The list of orders is short and proves
nothing: what protects is that no sentence is shown that its quotes do not hold.
"""

import re
import unicodedata

_PICTURE = re.compile(r"!\[[^\]\n]*\](?:\([^)\n]*(?:\)|\Z)|\[[^\]\n]*\])?")
_LINK = re.compile(r"\[([^\]\n]*)\](?:\([^)\n]*(?:\)|\Z)|\[[^\]\n]*\])")
_TAG = re.compile(r"</?[A-Za-z!][^>\n]{0,500}>")
_ADDRESS = re.compile(
    r"(?i)(?:(?:\b[a-z][a-z0-9+.-]{1,15})?://|\bwww\.)[^\s<>\"')\]]+|\b(?:javascript|data|vbscript|file):\S+"
    r"|(?:!?\[[^\]\n]*\])?\]\([^)\n]*\)"
)
_MARKS = re.compile(r"(\*\*\*|\*\*|__|\*|~~)(?=\S)(.+?)(?<=\S)\1")
_ORDER = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b[^.!?\n]{0,60}\b(?:instructions?|rules?|prompts?|above|previous|prior)\b"
    r"|\b(?:system|developer) (?:prompt|message)\b"
    r"|\byou are (?:now|an? (?:ai|assistant|language model))\b"
    r"|\b(?:as an ai|dear (?:ai|assistant|model)|note to (?:the )?(?:ai|assistant|model|llm))\b"
    r"|<\|[a-z_]+\|>|\[/?INST\]"
)

LEFT_OUT = "[link]"


def plain(text: str) -> str:
    """A sentence as words: without pictures, targets of links, tags, addresses and signs that cannot be seen."""
    text = _PICTURE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub(LEFT_OUT, _TAG.sub(" ", text))
    text = _MARKS.sub(r"\2", text).replace("](", "] (").replace("![", "[")  # what is left of one that is cut off
    return " ".join("".join(map(_visible, text)).split())


def is_plain(text: str) -> bool:
    """Whether a sentence holds nothing that `plain` would take out, but blanks."""
    return not (_PICTURE.search(text) or _LINK.search(text) or _TAG.search(text) or _ADDRESS.search(text)) and all(
        _visible(character) == character or character in "\t\n\r" for character in text
    )


def orders(text: str) -> bool:
    """Whether a sentence tells a machine what to do, as far as a list can know."""
    return bool(_ORDER.search(text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
