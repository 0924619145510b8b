"""A server that speaks those parts of the APIs of GitHub and GitLab that a comment and an issue need."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from reconciler.forge.notes import keep_comment, keep_issue

TOKEN = "forge-token-4711"
BOT = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class Host:
    """What the code host keeps. `faults` are answered first: (status, headers, body) each."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    faults: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    page: int = 100

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("GET")]

    def said(self) -> list[str]:
        """The texts of all comments."""
        return [comment["body"] for comment in self.comments]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do(self) -> None:
        parts = urlsplit(self.path)
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        self.host.calls.append(f"{self.command} {parts.path}")
        if self.host.faults:
            status, headers, text = self.host.faults.pop(0)
            return self.reply(status, text, headers)
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if TOKEN not in (given, self.headers.get("PRIVATE-TOKEN")):
            return self.reply(401, b'{"message": "Bad credentials"}')
        status, found = self.answer(path, query, body)
        return self.reply(status, json.dumps(found).encode())

    do_GET = do_POST = do_PATCH = do_PUT = do  # noqa: N815 - as the library asks for them

    def answer(self, path: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        host = self.host
        match self.command, path:
            case "GET", ["repos", "acme", "fleet", "issues", "7", "comments"]:
                return 200, self.part(host.comments, query)
            case "POST", ["repos", "acme", "fleet", "issues", "7", "comments"]:
                host.comments.append({"id": len(host.comments) + 1, "user": BOT, **body})
                return 201, host.comments[-1]
            case "PATCH", ["repos", "acme", "fleet", "issues", "comments", number]:
                host.comments[int(number) - 1].update(body)
                return 200, host.comments[int(number) - 1]
            case "GET", ["repos", "acme", "fleet", "issues"]:
                wanted = [
                    one for one in host.issues
                    if one["state"] == query["state"] and query["labels"] in one["labels"]
                ]  # fmt: skip
                return 200, self.part(wanted, query)
            case "POST", ["repos", "acme", "fleet", "issues"]:
                number = len(host.issues) + 1
                host.issues.append(
                    {"id": 9000 + number, "number": number, "state": "open", "user": BOT, **body}
                )
                return 201, host.issues[-1]
            case "PATCH", ["repos", "acme", "fleet", "issues", number]:
                host.issues[int(number) - 1].update(body)
                return 200, host.issues[int(number) - 1]
            case "GET", ["user"]:
                return 200, {"id": 42}
            case "GET", ["projects", "acme/fleet", "merge_requests", "7", "notes"]:
                return 200, self.part(host.comments, query)
            case "POST", ["projects", "acme/fleet", "merge_requests", "7", "notes"]:
                host.comments.append({"id": len(host.comments) + 1, "author": {"id": 42}, **body})
                return 201, host.comments[-1]
            case "PUT", ["projects", "acme/fleet", "merge_requests", "7", "notes", number]:
                host.comments[int(number) - 1].update(body)
                return 200, host.comments[int(number) - 1]
            case "GET", ["projects", "acme/fleet", "issues"]:
                wanted = [one for one in host.issues if one["state"] == query["state"]]
                return 200, self.part(wanted, query)
            case "POST", ["projects", "acme/fleet", "issues"]:
                number = len(host.issues) + 1
                host.issues.append({"id": 9000 + number, "iid": number, "state": "opened", **body})
                return 201, host.issues[-1]
            case "PUT", ["projects", "acme/fleet", "issues", number]:
                issue = host.issues[int(number) - 1]
                issue.update({**body, "state": "closed" if body.pop("state_event", "") else issue["state"]})
                return 200, issue
        return 404, {"message": "Not Found"}

    def part(self, rows: list[Any], query: dict[str, str]) -> list[Any]:
        size, number = min(int(query["per_page"]), self.host.page), int(query["page"])
        return rows[(number - 1) * size : number * size]

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def code_host() -> Iterator[Host]:
    host = Host()
    handler = type("Bound", (Handler,), {"host": host})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


def keep(make: Callable[[], Any], body: str, key: str = "plan") -> None:
    async def main() -> None:
        async with make() as forge:
            await keep_comment(forge, key, body)

    asyncio.run(main())


def tell(make: Callable[[], Any], body: str | None, title: str = "Drift") -> None:
    async def main() -> None:
        async with make() as forge:
            await keep_issue(forge, "drift", title, body)

    asyncio.run(main())
