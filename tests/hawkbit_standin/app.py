"""The ASGI application: who asks, may they, which route, and errors as the server words them."""

import base64
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.hawkbit_standin.model import Target
from tests.hawkbit_standin.rsql import BadQuery
from tests.hawkbit_standin.world import World

PREFIX = "hawkbit.server.error."


class Said(Exception):
    """An error as the server words it."""

    def __init__(self, status: int, code: str = "", message: str = "", **more: Any) -> None:
        super().__init__(code)
        self.status = status
        body: dict[str, Any] = {"message": message, **more}
        if code:
            body = {"exceptionClass": "org.eclipse.hawkbit…", "errorCode": PREFIX + code, **body}
        self.body = body


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    base: str
    user: str = ""
    ids: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Said(400, "rest.body.notReadable", "The given request body is not well formed") from None

    def number(self, at: int = 0) -> int:
        try:
            return int(self.ids[at])
        except ValueError:
            raise Said(400, "rest.param.invalid", f"{self.ids[at]} is no id") from None

    def form(self) -> tuple[dict[str, str], str, bytes]:
        """Fields, file name and content of a multipart body."""
        head = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        fields, name, content = {}, "", b""
        for part in message.iter_parts():
            key = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if key == "file":
                name, content = part.get_filename() or "", payload
            else:
                fields[str(key)] = payload.decode()
        return fields, name, content


@dataclass
class Answer:
    status: int = 200
    value: Any = None
    raw: bytes | None = None


@dataclass
class Route:
    method: str
    pattern: re.Pattern[str]
    right: str | None
    run: Callable[[Asked], Answer]


@dataclass
class User:
    password: str
    rights: frozenset[str] | None = None
    """None: all of them."""


@dataclass
class Seen:
    """A call as a test wants to compare it."""

    method: str
    path: str
    status: int
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Fault:
    """What happens instead of an answer; ``after``: when the call has had its effect."""

    status: int = 500
    body: bytes = b"<html><body>Bad gateway</body></html>"
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class Standin:
    """The server; `app` is the ASGI application, `world` what it holds."""

    def __init__(self) -> None:
        from tests.hawkbit_standin import ddi, lists, objects, rollouts

        self.offset = 0
        """Milliseconds that its clock is ahead."""
        self.world = World(self.now)
        self.users = {"admin": User("admin")}
        self.seen: list[Seen] = []
        self.fault: Callable[[Asked], Fault | None] = lambda _: None
        """What goes wrong with a request."""
        self._lock = threading.RLock()
        self._routes: list[Route] = []
        self.kept: dict[tuple[str, str], tuple[int, Any]] = {}
        for part in (objects, lists, rollouts, ddi):
            part.add(self)

    def now(self) -> int:
        return int(time.time() * 1000) + self.offset

    def route(self, method: str, path: str, right: str | None, run: Callable[[Asked], Answer]) -> None:
        """`path` holds ``{}`` for each id."""
        pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"))
        self._routes.append(Route(method, pattern, right, run))

    # --- what tests do to it ------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let the clock go on, and the schedulers do their work."""
        with self._lock:
            self.offset += round(seconds * 1000)
            self.settle()

    def settle(self) -> None:
        """Let the schedulers run until they have nothing more to do."""
        with self._lock:
            for _ in range(20):
                before = self.world.version
                self.world.pass_time()
                if self.world.version == before:
                    return

    def add_targets(self, ids: Iterable[str]) -> None:
        """Targets of these ids."""
        with self._lock:
            for each in ids:
                target = self.world.new(Target, controller=each, name=each, token=f"secret-of-{each}")
                self.world.targets[each] = target

    def calls(self, *methods: str) -> list[str]:
        """What was asked, in order, by these methods; all that writes, where none is named."""
        wanted: Collection[str] = methods or ("POST", "PUT", "DELETE")
        return [str(seen) for seen in self.seen if seen.method in wanted]

    def counted(self) -> Counter[str]:
        return Counter(re.sub(r"/\d+|(?<=targets)/[^/]+", "/{}", str(seen)) for seen in self.seen)

    # --- ASGI ---------------------------------------------------------------------------------------

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]}
        raw = scope.get("raw_path") or scope["path"].encode()
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        path = raw.partition(b"?")[0].decode()
        base = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        asked = Asked(scope["method"], path, query, headers, body, base)
        status, content, more = self._answer(asked)
        date = formatdate(self.now() / 1000, usegmt=True).encode()
        out = [(b"content-type", b"application/json"), (b"date", date)]
        out += [(k.encode(), v.encode()) for k, v in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
        with self._lock:
            fault = self.fault(asked)
            if fault and not fault.after:
                self._saw(asked, fault.status)
                return fault.status, fault.body, fault.headers
            try:
                answer = self._do(asked)
            except Said as error:
                answer = Answer(error.status, error.body)
            except BadQuery as error:
                answer = Answer(400, {"errorCode": PREFIX + error.code})
            self._saw(asked, answer.status)
            if fault:
                return fault.status, fault.body, fault.headers
            if answer.raw is not None:
                return answer.status, answer.raw, {}
            content = b"" if answer.value is None else json.dumps(answer.value).encode()
            return answer.status, content, {}

    def _saw(self, asked: Asked, status: int) -> None:
        try:
            body = json.loads(asked.body) if asked.body else None
        except ValueError:
            body = None
        self.seen.append(Seen(asked.method, unquote(asked.path), status, body))

    def _do(self, asked: Asked) -> Answer:
        self.world.pass_time()
        if len(asked.path) > 8000 or any(len(v) > 8000 for v in asked.query.values()):
            return Answer(400, raw=b"<!doctype html><title>HTTP Status 400</title>")
        if asked.path == "/actuator/health":
            return Answer(200, {"status": "UP"})
        device = asked.path.startswith("/DEFAULT/controller/")
        if not device:
            asked.user = self._signed_in(asked)
        found = [route for route in self._routes if route.pattern.fullmatch(asked.path)]
        route = next((route for route in found if route.method == asked.method), None)
        if route is None:
            status = 405 if found else 404
            return Answer(
                status, {"status": status, "error": "Not Found" if status == 404 else "Method Not Allowed"}
            )
        if route.right is not None:
            self.permit(asked, route.right)
        match = route.pattern.fullmatch(asked.path)
        assert match is not None
        if "%2F" in asked.path.upper() or "%25" in asked.path or "%3B" in asked.path.upper():
            return Answer(400, raw=b"<!doctype html><title>HTTP Status 400</title>")
        asked.ids = tuple(unquote(each) for each in match.groups())
        return route.run(asked)

    def _signed_in(self, asked: Asked) -> str:
        kind, _, pair = asked.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            name, _, password = base64.b64decode(pair).decode().partition(":")
            if name in self.users and self.users[name].password == password:
                return name
        raise _Unknown

    def permit(self, asked: Asked, right: str) -> None:
        """Refuse who lacks the right."""
        rights = self.users[asked.user].rights
        if rights is not None and right not in rights:
            raise Said(403, "insufficientPermission", f"Insufficient Permission: {right}")


class _Unknown(Said):
    def __init__(self) -> None:
        super().__init__(401)
        self.body = {"timestamp": "2027-01-01T00:00:00Z", "status": 401, "error": "Unauthorized"}
