"""What a zip file (such as a Word document) unpacks to, found out without trusting what it says about itself."""

import io
import struct
import zipfile
import zlib

from rag_pipeline.errors import Unreadable

MAX_GROWTH_BYTES = 100 * 1024 * 1024
"""How much a file may grow as it is unpacked. Pictures hardly grow, and reading text takes up to thirty times its size."""

_STEP_BYTES = 1024 * 1024
_LOCAL_HEADER = struct.Struct("<26xHH")
"""The lengths of a part's name and extra field, which lie between this and its content."""


def refuse_bomb(content: bytes) -> None:
    """Raises `Unreadable` when a zip file unpacks to far more than it is, or to another size than it says.

    What is no zip file at all is left to whoever reads it. Needs memory for one step only.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return
    left = most = len(content) + MAX_GROWTH_BYTES
    if (said := sum(part.file_size for part in parts)) > most:
        raise Unreadable(f"unpacks to {said:,} bytes, from {len(content):,}; split it")
    for part in parts:
        size = _unpacked_bytes(content, part, left)
        left -= size
        if left < 0:
            raise Unreadable(f"unpacks to more than {most:,} bytes, from {len(content):,}; split it")
        if size != part.file_size:
            raise Unreadable(f"a part of it unpacks to {size:,} bytes and says {part.file_size:,}; is it corrupt?")


def _unpacked_bytes(content: bytes, part: zipfile.ZipInfo, most: int) -> int:
    """What one part unpacks to; counting ends above `most`."""
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("is packed in a way that no word processor packs; save it again")
    header = content[part.header_offset : part.header_offset + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size:
        raise Unreadable("is cut off or corrupt")
    begin = part.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
    packed = memoryview(content)[begin : begin + part.compress_size]
    if part.compress_type == zipfile.ZIP_STORED:
        return len(packed)
    inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    rest: bytes | memoryview = packed
    try:
        while size <= most and not inflate.eof:
            step = inflate.decompress(rest, _STEP_BYTES)
            rest = inflate.unconsumed_tail
            size += len(step)
            if not step and not rest and not inflate.eof:
                raise Unreadable("is cut off or corrupt")
    except zlib.error as error:
        raise Unreadable("is corrupt: a part of it cannot be unpacked") from error
    return size
