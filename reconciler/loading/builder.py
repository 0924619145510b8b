"""Events of a YAML parser → values that know their places, or findings. Nothing recurses.

A value or key with a finding is left out and leaves a gap, and the reading goes on behind it: only a syntax
error or nesting without end stops a file, since no parser can tell what comes after.

Tests: `tests/loading/test_loading_text.py`, `tests/loading/test_loading_nodes.py`.
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

from reconciler.findings import Findings
from reconciler.loading.nodes import COLUMN_BITS, MarkedList, MarkedMap, place_of
from reconciler.loading.scalars import SUSPECTS, canonical, resolve
from reconciler.text import printable, quoted

MOST_NESTED = 100
"""How deep lists and mappings may be nested in each other."""

NextEvent = Callable[[], Any]
"""Gives the next event of a parser, None after the last. Untyped: an `isinstance` an event costs too much."""

_NO_KEY = object()
"""The mapping waits for a key."""
_DROPPED = object()
"""The key was refused, or stands for the second time: its value is read and forgotten."""
REFUSED = object()
"""Stands for a value with a finding until it is left out."""

_NUMBERS = (int, float)
"""Of what there is more than one spelling; booleans are among them."""

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, type] = {  # `!!str` is decided before anything is read
    _TAG + "null": type(None),
    _TAG + "bool": bool,
    _TAG + "int": int,
    _TAG + "float": float,
}


@dataclass(frozen=True, slots=True)
class Root:
    """One document as it stood in the text, without what was refused; `REFUSED` when that is all of it."""

    value: object
    mark: int
    blank: bool
    """Nothing stood between the markers: no document at all."""


@dataclass(slots=True)
class Builder:
    """Builds the documents of one file. ``findings`` and ``spelled`` grow as documents are asked for."""

    file: str
    findings: Findings = field(default_factory=Findings)
    spelled: dict[int, str] = field(default_factory=dict)
    """Mark of a number or boolean → how it is written, where that isn't `canonical`."""
    stopped: bool = False
    """Whether the rest of the file was given up."""

    def documents(self, next_event: NextEvent) -> Iterator[Root]:
        """Every document in order. Errors of the parser pass through."""
        for event in iter(next_event, None):
            if type(event) is not DocumentStartEvent:
                continue
            first = next_event()
            value = self._node(first, next_event)
            if self.stopped:
                return
            blank = value is None and type(first) is ScalarEvent and not first.value and first.tag is None
            yield Root(value, _mark(first), blank)

    def _node(self, first: Any, next_event: NextEvent) -> object:
        """The node that begins with `first`."""
        if isinstance(first, CollectionStartEvent):
            self._fits(first)
            return self._tree(_collection(first), next_event)
        if type(first) is ScalarEvent:
            return self._scalar(first)
        self._refuse_alias(first)
        return REFUSED

    # One loop over everything in a document, with its state in local names: this is where the time goes.
    def _tree(self, node: MarkedMap | MarkedList, next_event: NextEvent) -> object:  # noqa: C901, PLR0912, PLR0915
        outer: list[tuple[MarkedMap | MarkedList, Any, int]] = []
        refused: set[int] = set()
        key: Any = _NO_KEY
        key_mark = 0
        for event in iter(next_event, None):
            kind = type(event)
            if kind is ScalarEvent:
                value: object = event.value
                start = event.start_mark
                mark = start.line << COLUMN_BITS | start.column
                if event.tag is not None:
                    value = self._scalar(event)
                elif event.implicit[0] and (not value or event.value[0] in SUSPECTS):
                    value = resolve(event.value)
                    if isinstance(value, _NUMBERS) and canonical(value) != event.value:
                        self.spelled[mark] = event.value
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                outer.append((node, key, key_mark))
                node, key = _collection(event), _NO_KEY
                if event.tag is not None and not self._fits(event):
                    refused.add(id(node))
                if len(outer) == MOST_NESTED:
                    self._give_up(node.start)
                    return None
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value, mark = node, node.start
                if refused and id(node) in refused:
                    refused.remove(id(node))
                    value = REFUSED
                elif type(node) is MarkedMap and node.gaps:
                    value = node.left({key: node[key] for key in node if key not in node.gaps}, ())
                if not outer:
                    return value
                node, key, key_mark = outer.pop()
            else:
                value, mark = REFUSED, _mark(event)
                if key is not _DROPPED:
                    self._refuse_alias(event)

            if type(node) is MarkedList:
                if value is REFUSED:
                    node.gap = True
                else:
                    node.append(value)
                    node.marks.append(mark)
            elif key is _NO_KEY:
                key, key_mark = self._key(node, value, mark, event), mark
            else:
                if key is not _DROPPED:
                    if value is REFUSED and isinstance(node, MarkedMap):
                        node.gaps |= {key}  # left out with the others when the mapping ends
                    node[key] = value
                    node.marks.append(key_mark)
                    node.marks.append(mark)
                key = _NO_KEY
        raise AssertionError("a parser ends what it begins")

    def _fits(self, event: CollectionStartEvent) -> bool:
        """Whether a mapping or list has a tag that says just that, or none; else it is reported."""
        fits = event.tag in (None, _TAG + ("map" if type(event) is MappingStartEvent else "seq"))
        if not fits:
            self._refuse_tag(event)
        return fits

    def _scalar(self, event: ScalarEvent) -> object:
        """A scalar at the root, or one with a tag; `REFUSED` when the tag doesn't fit."""
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
            return REFUSED
        return value

    def _key(self, node: Any, key: object, mark: int, event: Any) -> object:
        """The key when it may stand; a refused one is reported and its value dropped."""
        if not isinstance(key, str):
            node.gaps |= {None}
            if key is not REFUSED:  # that one is reported already
                text = printable(event.value) if type(event) is ScalarEvent else ""
                what = (
                    f"`{text}`" if text else "that is empty" if key is None else "that is a list or a mapping"
                )
                hint = f'quote it: "{text}"' if text else "a key is a plain word"
                self._report("non-string-key", f"the key {what} is not text", mark, hint)
            return _DROPPED
        if key == "<<" and event.implicit[0]:
            node.gaps |= {None}
            self._report(
                "yaml-alias",
                "`<<` merges another mapping into this one, which only YAML 1.1 knows",
                mark,
                "write the fields out",
            )
            return _DROPPED
        if key in node:
            node.gaps |= {key}
            first = place_of(self.file, node.mark(key, of_key=True))
            self._report(
                "duplicate-key",
                f"{quoted(key)} appears twice in one mapping, first at {first.line}:{first.column}",
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
            f"the tag {quoted(tag)} asks for a type that does not belong here",
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
        self.findings.error(code, message, place_of(self.file, mark), hint)


def _collection(event: CollectionStartEvent) -> MarkedMap | MarkedList:
    return (MarkedMap if type(event) is MappingStartEvent else MarkedList)(_mark(event))


def _mark(event: Event | None) -> int:
    mark = event.start_mark if event is not None else None
    return 0 if mark is None else mark.line << COLUMN_BITS | mark.column
