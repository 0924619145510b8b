"""Servers that answer by a table, and lines of text of what was asked of them and what came of it.

A golden file of such lines holds each request (path, query, body) and each value or error, so that
whoever changes one sees it there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from urllib.parse import urlencode

from reconciler.errors import PartlyDone, ReconcilerError, ServerError
from reconciler.model import Secret
from reconciler.providers.base import Provider
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.transport import Request, Response
from tests.providers.canned_server import answer, whole


class Turns:
    """One answer after the other; the last one for ever."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)

    def next(self) -> Any:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class Told:
    """A transport that answers by ``METHOD path``, and keeps a line of each request.

    `otherwise` answers what `answers` don't name. A callable gets the request.
    """

    def __init__(self, answers: Mapping[str, Any], otherwise: Callable[[Request], Response]) -> None:
        self._answers = {
            key: Turns(*each.replies) if isinstance(each, Turns) else each for key, each in answers.items()
        }
        self._otherwise = otherwise
        self.lines: list[str] = []

    async def send(self, request: Request) -> Response:
        self.lines.append(await _asked(request))
        await asyncio.sleep(0)
        reply = self._answers.get(str(request), self._otherwise)
        if isinstance(reply, Turns):
            reply = reply.next()
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Response) else answer(reply)


async def _asked(request: Request) -> str:
    query = f"?{urlencode(request.query, safe='=,;:()')}" if request.query else ""
    body = request.body
    if isinstance(body, FileBody):
        kind = request.headers.get("Content-Type", "")
        boundary = kind.partition("boundary=")[2]
        sent = (await whole(body)).decode()
        if boundary:
            sent, kind = sent.replace(boundary, "BOUNDARY"), kind.replace(boundary, "BOUNDARY")
        return f"{request}{query} {kind} {sent!r}"
    return f"{request}{query}" + (f" {body.decode()}" if body else "")


def told(value: object) -> str:
    """A value or an error as text that is the same each time; of a dataclass what isn't its default."""
    match value:
        case PartlyDone():
            return f"{_error(value)} failed={told(value.failed)}"
        case ReconcilerError():
            return _error(value)
        case Secret():
            return "a secret"
        case frozenset() | set():
            return "{" + ", ".join(sorted(map(told, value))) + "}"
        case Mapping():
            return "{" + ", ".join(f"{told(key)}: {told(each)}" for key, each in value.items()) + "}"
        case tuple() | list():
            return "[" + ", ".join(map(told, value)) + "]"
        case _ if is_dataclass(value):
            said = ((each, getattr(value, each.name)) for each in fields(value))
            shown = (f"{each.name}={told(it)}" for each, it in said if it != each.default)
            return f"{type(value).__name__}({', '.join(shown)})"
        case str():
            return repr(str(value))
        case _:
            return str(value)


def _error(error: ReconcilerError) -> str:
    said = [f"{type(error).__name__}: {error.message}"]
    if isinstance(error, ServerError):
        # The words begin with the request.
        parts = {
            "request": "" if error.message.startswith(f"{error.request}: ") else error.request,
            "status": error.status,
            "wait": error.retry_after,
            "meaning": ", ".join(sorted(error.meaning)),
            "gateways": ", ".join(error.gateways),
        }
        said += [f"{name} {each}" for name, each in parts.items() if each not in (None, "")]
    return " | ".join([*said, f"hint {error.hint}"] if error.hint else said)


async def outcome(what: Awaitable[object]) -> list[str]:
    """What comes of a call, an item of a list a line; or the error that it ends with."""
    try:
        found = await what
    except (ReconcilerError, ValueError) as error:
        return [f"! {told(error) if isinstance(error, ReconcilerError) else repr(error)}"]
    return [f"= {told(each)}" for each in found] if isinstance(found, list) else [f"= {told(found)}"]


def grouped(found: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    """Lines under their titles; titles with the same lines stand together."""
    titles: dict[tuple[str, ...], list[str]] = {}
    for title, lines in found:
        titles.setdefault(tuple(lines), []).append(title)
    for lines, names in titles.items():
        yield f"{', '.join(names)}:"
        yield from (f"    {line}" for line in lines)


Asking = Callable[[Provider], Awaitable[object]]
"""A call of a provider."""


@dataclass(frozen=True)
class Tape:
    """What calls ask of one kind of server and what comes of them, each on a server of its own."""

    base: str
    there: Mapping[str, Any]
    """Path below `base` → what is read there."""
    otherwise: Callable[[Request], Response]
    """Answers all else."""
    opened: Callable[[Told], Provider]

    def __call__(self, call: Asking, changes: Mapping[str, Any]) -> list[str]:
        """The lines of one `call`; a change of what is there names the method where it isn't GET."""
        known = {f"GET {self.base}/{path}": value for path, value in self.there.items()}
        for name, value in changes.items():
            method, _, path = name.rpartition(" ")
            known[f"{method or 'GET'} {self.base}/{path}"] = value

        async def main() -> list[str]:
            server = Told(known, self.otherwise)
            found = await outcome(call(self.opened(server)))
            return [*server.lines, *found]

        return asyncio.run(main())

    def lines(self, cases: Mapping[str, tuple[Asking, Mapping[str, Any]]]) -> str:
        """Those of all `cases`, for a golden file."""
        return "".join(f"{line}\n" for line in grouped((name, self(*case)) for name, case in cases.items()))


def after(*calls: Callable[[Provider], Awaitable[object]]) -> Callable[[Provider], Awaitable[object]]:
    """Calls of one provider, one after the other; the last one is told."""

    async def sent(on: Provider) -> object:
        for call in calls[:-1]:
            await call(on)
        return await calls[-1](on)

    return sent
