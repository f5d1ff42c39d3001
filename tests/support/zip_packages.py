"""Packages of office files whose parts say something else than they hold."""

import io
import struct
import zipfile

from tests.support.folders import docx


def with_text(size: int, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A Word document whose text is that many letters."""
    original, made = zipfile.ZipFile(io.BytesIO(docx("Owls", "They hunt."))), io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as target:
        for part in original.infolist():
            content = original.read(part)
            if part.filename == "word/document.xml":
                content = content.replace(b"They hunt.", b"a" * size)
            target.writestr(part.filename, content)
    return made.getvalue()


def saying(content: bytes, name: str, size: int) -> bytes:
    """The same file, one part of which says it has another size, where it lies and in the directory."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        true = struct.pack("<I", packed.getinfo(name).file_size)
    assert content.count(true) == 2
    return content.replace(true, struct.pack("<I", size))
