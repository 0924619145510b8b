"""Events of a YAML parser → values that know their places, or findings. Nothing recurses.

A document with a finding is dropped, and the reading goes on behind it: only a syntax error or nesting
without end stops a file, since no parser can tell what comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.findings import printable
from reconciler.loading.nodes import COLUMN_BITS, MarkedList, MarkedMap, place_of
from reconciler.loading.scalars import SUSPECTS, resolve
from reconciler.model import Finding

MOST_NESTED = 100
"""How deep lists and mappings may be nested in each other."""

NextEvent = Callable[[], Any]
"""Gives the next event of a parser, None after the last. Untyped: an `isinstance` an event costs too much."""

_NO_KEY = object()
"""The mapping waits for a key."""
_DROPPED = object()
"""The key was refused, or stands for the second time: its value is read and forgotten."""

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, type] = {  # `!!str` is decided before anything is read
    _TAG + "null": type(None),
    _TAG + "bool": bool,
    _TAG + "int": int,
    _TAG + "float": float,
}


@dataclass(frozen=True, slots=True)
class Root:
    """One document as it stood in the text. ``value`` is of use only when it is `sound`."""

    value: object
    mark: int
    sound: bool
    blank: bool
    """Nothing stood between the markers: no document at all."""


@dataclass(slots=True)
class Builder:
    """Builds the documents of one file. ``findings`` grows as documents are asked for."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    stopped: bool = False
    """Whether the rest of the file was given up."""

    def documents(self, next_event: NextEvent) -> Iterator[Root]:
        """Every document in order. Errors of the parser pass through."""
        for event in iter(next_event, None):
            if type(event) is not DocumentStartEvent:
                continue
            found = len(self.findings)
            first = next_event()
            value = self._node(first, next_event)
            if self.stopped:
                return
            blank = value is None and type(first) is ScalarEvent and not first.value and first.tag is None
            yield Root(value, _mark(first), found == len(self.findings), blank)

    def _node(self, first: Any, next_event: NextEvent) -> object:
        """The node that begins with `first`."""
        if isinstance(first, CollectionStartEvent):
            return self._tree(self._collection(first), next_event)
        if type(first) is ScalarEvent:
            return self._scalar(first)
        self._refuse_alias(first)
        return None

    # One loop over everything in a document, with its state in local names: this is where the time goes.
    def _tree(self, node: MarkedMap | MarkedList, next_event: NextEvent) -> object:  # noqa: C901
        outer: list[tuple[MarkedMap | MarkedList, Any, int]] = []
        key: Any = _NO_KEY
        key_mark = 0
        for event in iter(next_event, None):
            kind = type(event)
            if kind is ScalarEvent:
                value: object = event.value
                if event.tag is not None:
                    value = self._scalar(event)
                elif event.implicit[0] and (not value or event.value[0] in SUSPECTS):
                    value = resolve(event.value)
                start = event.start_mark
                mark = start.line << COLUMN_BITS | start.column
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                outer.append((node, key, key_mark))
                node, key = self._collection(event), _NO_KEY
                if len(outer) == MOST_NESTED:
                    self._give_up(node.start)
                    return None
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                if not outer:
                    return node
                value, mark = node, node.start
                node, key, key_mark = outer.pop()
            else:
                value, mark = None, _mark(event)
                if key is not _DROPPED:
                    self._refuse_alias(event)

            if type(node) is MarkedList:
                node.append(value)
                node.marks.append(mark)
            elif key is _NO_KEY:
                key, key_mark = self._key(node, value, mark, event), mark
            else:
                if key is not _DROPPED:
                    node[key] = value
                    node.marks.append(key_mark)
                    node.marks.append(mark)
                key = _NO_KEY
        raise AssertionError("a parser ends what it begins")

    def _collection(self, event: CollectionStartEvent) -> MarkedMap | MarkedList:
        mapping = type(event) is MappingStartEvent
        if event.tag is not None and event.tag != _TAG + ("map" if mapping else "seq"):
            self._refuse_tag(event)
        return MarkedMap(_mark(event)) if mapping else MarkedList(_mark(event))

    def _scalar(self, event: ScalarEvent) -> object:
        """A scalar at the root, or one with a tag."""
        tag, text = event.tag, event.value
        if tag is None:
            return resolve(text) if event.implicit[0] else text
        if tag == _TAG + "str":
            return text
        value = resolve(text)
        if not isinstance(value, _SCALAR_TAGS.get(tag, ())) or (
            isinstance(value, bool) and tag != _TAG + "bool"
        ):
            self._refuse_tag(event)
        return value

    def _key(self, node: Any, key: object, mark: int, event: Any) -> object:
        """The key when it may stand; a refused one is reported and its value dropped."""
        if not isinstance(key, str):
            if type(event) is not AliasEvent:  # that one is reported already
                text = printable(event.value) if type(event) is ScalarEvent else ""
                what = (
                    f"`{text}`" if text else "that is empty" if key is None else "that is a list or a mapping"
                )
                hint = f'quote it: "{text}"' if text else "a key is a plain word"
                self._report("non-string-key", f"the key {what} is not text", mark, hint)
            return _DROPPED
        if key == "<<" and event.implicit[0]:
            self._report(
                "yaml-alias",
                "`<<` merges another mapping into this one, which only YAML 1.1 knows",
                mark,
                "write the fields out",
            )
            return _DROPPED
        if key in node:
            first = place_of(self.file, node.mark(key, of_key=True))
            self._report(
                "duplicate-key",
                f"`{printable(key)}` stands twice in one mapping, first at {first.line}:{first.column}",
                mark,
                "keep one of them",
            )
            return _DROPPED
        return key

    def _refuse_alias(self, event: AliasEvent) -> None:
        self._report(
            "yaml-alias",
            f"the alias `*{printable(str(event.anchor))}` stands for a value that is written elsewhere",
            _mark(event),
            f'write the value out, or quote text that begins with a star: "*{printable(str(event.anchor))}"',
        )

    def _refuse_tag(self, event: ScalarEvent | CollectionStartEvent) -> None:
        tag = str(event.tag).replace(_TAG, "!!")
        self._report(
            "yaml-tag",
            f"the tag `{printable(tag)}` asks for a type that does not belong here",
            _mark(event),
            "leave the tag out; quote the value when text is meant",
        )

    def _give_up(self, mark: int) -> None:
        self.stopped = True
        self._report(
            "too-deep",
            f"lists and mappings are nested deeper than {MOST_NESTED}; the rest of the file was not read",
            mark,
            "no resource needs that: look for brackets that are not closed",
        )

    def _report(self, code: str, message: str, mark: int, hint: str) -> None:
        self.findings.append(Finding(code, message, place_of(self.file, mark), hint))


def _mark(event: Event | None) -> int:
    mark = event.start_mark if event is not None else None
    return 0 if mark is None else mark.line << COLUMN_BITS | mark.column
