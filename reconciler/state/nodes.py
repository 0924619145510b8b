"""Reading JSON strictly: a value knows where it stands, and says so when it isn't what belongs there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, cast

from reconciler.model import Json

JsonObject = dict[str, Json]

_E = TypeVar("_E", bound=StrEnum)


class Malformed(ValueError):
    """JSON that doesn't have our shape; the message says where in it and why."""


def plain(value: Json) -> Json:
    """A copy of `value` made of what a JSON parser would give: lists and dicts only."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where it stands, so that every complaint names its place."""

    value: Json
    at: str

    def wrong(self, wanted: str) -> Malformed:
        return Malformed(f"{self.at}: {wanted} belongs here" if self.at else f"{wanted} belongs here")

    def object(self) -> JsonObject:
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return cast("JsonObject", self.value)

    def items(self) -> Iterator[tuple[str, Node]]:
        for key, value in self.object().items():
            yield key, Node(value, self._path_to(key))

    def member(self, key: str) -> Node:
        value = self.object()
        if key not in value:
            raise Malformed(f"{self._path_to(key)} is missing")
        return Node(value[key], self._path_to(key))

    def members(self, *keys: str, optional: tuple[str, ...] = ()) -> list[Node]:
        """The values of exactly these keys; none may be missing, and no other may be there.

        Then those of the `optional` ones that are there.
        """
        found = [self.member(key) for key in keys]
        found += [self.member(key) for key in optional if key in self.object()]
        if unknown := sorted(self.object().keys() - {*keys, *optional}):
            raise Malformed(f"{self._path_to(unknown[0])} is not known")
        return found

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def optional_text(self) -> str | None:
        return None if self.value is None else self.text()

    def array(self) -> Iterator[Node]:
        if not isinstance(self.value, list):
            raise self.wrong("an array")
        return (Node(item, f"{self.at}[{index}]") for index, item in enumerate(self.value))

    def texts(self) -> list[str]:
        """An array of strings, in one pass: there may be a million."""
        if not isinstance(self.value, list) or not all(isinstance(item, str) for item in self.value):
            raise self.wrong("an array of strings")
        return cast("list[str]", self.value)

    def integer(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 0:
            raise self.wrong("a natural number")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def number(self) -> float:
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise self.wrong("a number")
        return self.value

    def one_of(self, words: type[_E]) -> _E:
        try:
            return words(self.text())
        except ValueError:
            raise self.wrong(" or ".join(words)) from None

    def _path_to(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key
