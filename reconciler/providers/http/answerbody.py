"""The body of an answer: read, and unpacked, no further than a limit, whatever the engine.

A few kilobytes of gzip can hold gigabytes: so pieces are unpacked one by one, and counted. Engines ask for
no other packing than what is unpacked here. Of an answer that isn't a success only its words are read.

Tests: `tests/providers/test_hostile_bodies.py`.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

ACCEPTED: Final = "gzip, deflate"
"""The ``Accept-Encoding`` of every request."""
DEFAULT_MOST: Final = 64 << 20
"""Bytes of an answer, unpacked, unless the project says otherwise."""
_WORDS: Final = 64 << 10
"""Bytes that are read of an answer that isn't a success."""
_SHORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII).fullmatch
_PIECE: Final = 256 << 10
_SMALL: Final = 4 << 20
"""Answers beyond this are read only a few at a time."""
_LARGE_AT_A_TIME: Final = 4


class AnswerTooLarge(Exception):
    """More came, or was announced, than an answer may have."""


class Undecodable(Exception):
    """The body is packed in a way that can't be unpacked; the text says how."""


class AnswerReader:
    """Reads the answers of one engine, each at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._large = asyncio.Semaphore(_LARGE_AT_A_TIME)

    async def read(
        self, status: int, length: str | None, encoding: str | None, chunks: AsyncIterator[bytes]
    ) -> bytes:
        """The whole body, unpacked; of what isn't a success, its beginning.

        `length` and `encoding` are its headers of the content, `chunks` what comes over the wire.
        """
        if not 200 <= status < 300:
            return await _beginning(encoding, chunks)
        if length is not None and length.isascii() and length.isdigit() and self._exceeds(length):
            raise AnswerTooLarge
        unpack = _Unpacking(encoding)
        packed, size = 0, 0
        pieces: list[bytes] = []
        waited = False
        try:
            async for chunk in chunks:
                packed += len(chunk)
                for piece in unpack.pieces(chunk):
                    size += len(piece)
                    if size > self.most:
                        raise AnswerTooLarge
                    pieces.append(piece)
                if packed > self.most:
                    raise AnswerTooLarge
                if size > _SMALL and not waited:
                    await self._large.acquire()
                    waited = True
        finally:
            if waited:
                self._large.release()
        unpack.end()
        return b"".join(pieces)

    def small(self, length: str | None, encoding: str | None) -> bool:
        """Whether the content can be taken as it comes: not packed, and announced to be short.

        No engine reads beyond what is announced.
        """
        return not encoding and length is not None and _SHORT(length) is not None and int(length) <= self.most

    def _exceeds(self, length: str) -> bool:
        return len(length.lstrip("0")) > 18 or int(length) > self.most


async def _beginning(encoding: str | None, chunks: AsyncIterator[bytes]) -> bytes:
    found = b""
    try:
        unpack = _Unpacking(encoding)
        async for chunk in chunks:
            for piece in unpack.pieces(chunk):
                found += piece[: _WORDS - len(found)]
                if len(found) >= _WORDS:
                    return found
    except Undecodable:
        pass  # its status says enough
    return found


class _Unpacking:
    """Layers of packing, the outermost first."""

    def __init__(self, encoding: str | None) -> None:
        if not encoding:
            self._layers: list[_Layer] = []
            return
        names = [name.strip().lower() for name in encoding.split(",")]
        packed = [name for name in names if name not in ("", "identity")]
        if len(packed) > 2:
            raise Undecodable(f"it is packed {len(packed)} times over")
        self._layers = [_layer(name) for name in reversed(packed)]

    def pieces(self, chunk: bytes) -> Iterable[bytes]:
        """What `chunk` unpacks to, in small pieces."""
        if not self._layers:
            return (chunk,)
        found: Iterator[bytes] = iter((chunk,))
        for layer in self._layers:
            found = layer.all_of(found)
        return found

    def end(self) -> None:
        """Undecodable unless every layer has come to its end."""
        for layer in self._layers:
            layer.end()


class _Layer:
    """One layer of gzip or deflate. ``windows``: the formats to try, as zlib counts them."""

    def __init__(self, name: str, windows: tuple[int, ...]) -> None:
        self._name = name
        self._windows = windows
        self._inflate = zlib.decompressobj(windows[0])
        self._begun = self._over = False

    def all_of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield from self._pieces(chunk)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self._over:
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                if self._begun or len(self._windows) < 2:
                    raise Undecodable(f"it says that it is {self._name}, and isn't") from error
                self._windows = self._windows[1:]
                self._inflate = zlib.decompressobj(self._windows[0])
                continue
            self._begun = True
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                data = self._inflate.unused_data
                # Several packed files in a row are one; what else follows is no part of it.
                self._over = self._windows[0] < 16 or not data.startswith(b"\x1f\x8b")
                if data and not self._over:
                    self._inflate = zlib.decompressobj(self._windows[0])

    def end(self) -> None:
        if self._begun and not self._inflate.eof:
            raise Undecodable(f"the {self._name} in it ends too early")


def _layer(name: str) -> _Layer:
    match name:
        case "gzip" | "x-gzip":
            return _Layer("gzip", (31,))
        case "deflate":
            return _Layer("deflate", (15, -15))
        case _:
            raise Undecodable(f"it is packed as {name[:20]!r}, which nobody asked for")
