"""A file as the body of a request: streamed from disk, and checked while it goes out.

    head | the file, never whole in memory | tail

The content must be the one that was planned. It is hashed before the first byte goes out, and again on
the way; the last piece is held back until the digest is right, so no server ever gets a whole wrong file.

Tests: `tests/providers/test_pulse_uploads.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

CHUNK = 1 << 20


class FileChangedError(Exception):
    """The file is not what it was when the plan was made."""


@dataclass(frozen=True, slots=True)
class FileBody:
    """``size`` bytes of the file at ``path`` with digest ``sha256`` (hex), between ``head`` and ``tail``."""

    path: Path
    size: int
    sha256: str
    head: bytes = b""
    tail: bytes = b""

    def __len__(self) -> int:
        return len(self.head) + self.size + len(self.tail)

    async def check(self) -> None:
        """Hash the file; FileChangedError unless size and digest are the expected ones."""
        try:
            size = (await asyncio.to_thread(self.path.stat)).st_size
            if size != self.size:
                raise FileChangedError(f"{self.path} has {size} bytes now, and had {self.size}")
            digest = await asyncio.to_thread(_digest, self.path)
        except OSError as error:
            raise self._unreadable(error) from error
        if digest != self.sha256:
            raise self._differs()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece; FileChangedError before its last piece if the content is wrong."""
        if self.head:
            yield self.head
        digest, length, held = hashlib.sha256(), 0, b""
        try:
            # Not in a thread: a run that is cancelled meanwhile would leave the file open.
            file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                if held:
                    yield held
                held = chunk
                digest.update(chunk)
                length += len(chunk)
                if length > self.size:
                    raise self._differs()
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            file.close()
        if length != self.size or digest.hexdigest() != self.sha256:
            raise self._differs()
        if held or self.tail:
            yield held + self.tail

    def _differs(self) -> FileChangedError:
        return FileChangedError(f"the content of {self.path} has changed since it was planned")

    def _unreadable(self, error: OSError) -> FileChangedError:
        return FileChangedError(f"{self.path} can't be read any more: {error.strerror or error}")


def multipart(body: FileBody, *, filename: str, fields: Mapping[str, str]) -> tuple[str, FileBody]:
    """The content type, and `body` framed as a form with `fields` and the part ``file``.

    The small parts go first, so that a server that reads as it comes knows them when the file begins.
    """
    boundary = secrets.token_hex(16)
    escaped = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = (
        f"{''.join(parts)}"
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    framed = replace(body, head=head.encode(), tail=f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", framed


def disposition(filename: str) -> str:
    """``Content-Disposition`` for a file of any name (RFC 6266; other than ASCII as in RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" else "_" for c in filename)
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    if plain == filename:
        return f'attachment; filename="{quoted}"'
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
