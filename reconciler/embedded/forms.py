"""A form with a file in it, read in pieces: nothing is put aside, so nothing is left when it ends half-way.

Tests: `tests/embedded/test_embedded_packages.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from reconciler.embedded.errors import CallRefused

_FIELDS: Final = 10
_FIELD_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 1 << 14


class UploadForm:
    """What a form says: the name of its part `file`, and its other fields. `piece` gets the file."""

    def __init__(self, content_type: str, piece: Callable[[bytes], None]) -> None:
        """Raises CallRefused when it can't be a form."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise CallRefused(400, "A multipart upload is multipart/form-data, and names its boundary.")
        self.filename = ""
        self.fields: dict[str, str] = {}
        self._piece = piece
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._field: bytearray | None = None
        """Of the field that is being read; None while that is the file."""
        self._called = ""
        self._whole = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begins,
                "on_header_field": self._names,
                "on_header_value": self._says,
                "on_header_end": self._headed,
                "on_headers_finished": self._opens,
                "on_part_data": self._takes,
                "on_part_end": self._closes,
                "on_end": self._ends,
            },
        )

    async def read(self, body: AsyncIterable[bytes]) -> None:
        """Take the whole of it. Raises CallRefused when it is no form, has no file, or ends early."""
        try:
            async for chunk in body:
                self._parser.write(chunk)
        except FormParserError as error:
            raise CallRefused(400, f"The multipart body is broken: {error}") from error
        if not self._whole:
            raise CallRefused(400, "The multipart body ends early.")
        if not self.filename:
            raise CallRefused(400, "A multipart upload needs a part `file` with a file name.")

    def _begins(self) -> None:
        self._disposition = b""

    def _names(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._header, data[start:end], _HEADER_BYTES)

    def _says(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._value, data[start:end], _HEADER_BYTES)

    def _headed(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _opens(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._called = _text(options.get(b"name", b""))
        self._field = None if b"filename" in options else bytearray()
        if self._field is not None:
            if len(self.fields) >= _FIELDS:
                raise CallRefused(400, f"A multipart upload has at most {_FIELDS} fields.")
            return
        if self.filename or self._called != "file":
            raise CallRefused(400, "A multipart upload has one file, in its part `file`.")
        self.filename = _text(options[b"filename"])
        if not self.filename:
            raise CallRefused(400, "A multipart upload needs a part `file` with a file name.")

    def _takes(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._piece(data[start:end])
        else:
            self._grow(self._field, data[start:end], _FIELD_BYTES)

    def _closes(self) -> None:
        if self._field is not None:
            self.fields[self._called] = _text(bytes(self._field))

    def _ends(self) -> None:
        self._whole = True

    @staticmethod
    def _grow(there: bytearray, more: bytes, most: int) -> None:
        there += more
        if len(there) > most:
            raise CallRefused(400, f"A part of the multipart body is larger than {most} bytes.")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
