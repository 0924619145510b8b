"""Making cassettes over TCP from the embedded server, and playing them.

What differs from one recording to the next is made the same: host, ids, times, boundaries. What is secret is
replaced before anything is written: headers, tokens and planted values. The same goes over each request that
is played, so that it can be compared as a whole: method, URI, headers and body.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import pytest_socket
import vcr
import yaml
from wire_scenes import (
    ACCESS,
    CANARIES,
    IDS,
    MOMENT,
    PASSWORD,
    SCENES,
    TOKEN,
    USERNAME,
    Ids,
    Play,
    Scene,
    Stage,
    build,
    firmware,
)

from reconciler.embedded import Running
from reconciler.model import Secret
from reconciler.providers.base import Provider
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Basic, ServerSettings, Token
from tests.providers.all_calls import AllCalls

CASSETTES: Final = Path(__file__).parent / "wire" / "cassettes"
HOST: Final = "http://pulse.example.com"
HIDDEN: Final = "REDACTED"
BOUNDARY: Final = "b0a4da57" * 4

ALL: Final[Mapping[str, Scene]] = {**SCENES, **ACCESS}

_HEADERS = frozenset({"accept", "authorization", "content-disposition", "content-length", "content-type"})
_ORGANIZATION = "x-current-org-id"
_TIMES = frozenset({"creationTime", "modificationTime", "createdOn", "timestamp"})
_TOKENS = frozenset({"accessToken", "refreshToken"})
_PAIR = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MATCH = ("method", "uri", "headers", "body")


def settings(scene: Scene, url: str) -> ServerSettings:
    """How a scene reaches the server."""
    password = Secret("environment variable THE_PASSWORD", PASSWORD)
    token = Token(Secret("environment variable THE_TOKEN", TOKEN))
    auth = Basic(USERNAME, password) if scene.basic else token
    return ServerSettings(
        url=url, auth=auth, api_version=scene.api_version, organization="org-7", page_size=2
    )


def record(scene: Scene, path: Path, folder: Path) -> None:
    """Play `scene` against a fresh server over TCP and write what went over the wire to `path`."""
    file = firmware(folder)

    async def main(url: str) -> None:
        async with connect(settings(replace(scene, basic=False), url)) as provider:
            ids = await build(AllCalls(provider), file)
            if scene.before is not None:
                await scene.before(Stage(AllCalls(provider), url, ids))
        async with connect(settings(scene, url)) as provider:
            with _tape(path, "all", ids):
                await scene.call(Play(AllCalls(provider), ids, file))

    with Running(
        ":memory:", token=TOKEN, username=USERNAME, password=PASSWORD, approval_needed=scene.approval
    ) as server:
        asyncio.run(main(server.url))


def play(
    scene: Scene, path: Path, folder: Path, watched: Callable[[PulseClient], Any] = lambda client: client
) -> tuple[Any, Mapping[str, int], bool]:
    """What `scene` gives back, the requests it made, and whether all of `path` was played.

    `watched` may put something between the scene and the client.
    """
    file = firmware(folder)

    async def main() -> tuple[Any, Provider, bool]:
        async with connect(settings(scene, HOST)) as provider:
            with _tape(path, "none", IDS) as tape:
                gave = await scene.call(Play(watched(AllCalls(provider)), IDS, file))
                return gave, provider, tape.all_played

    gave, provider, all_played = asyncio.run(main())
    return gave, dict(provider.reads.requests), all_played


@contextmanager
def network_off() -> Iterator[None]:
    """Not even this machine can be reached: elsewhere in the tests it can."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        pytest_socket.enable_socket()


def interactions(path: Path) -> list[dict[str, Any]]:
    """What a cassette holds: requests and responses."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
    return found


def _tape(path: Path, mode: str, ids: Ids) -> AbstractContextManager[Any]:
    same = Same(ids)
    tape: AbstractContextManager[Any] = vcr.VCR(
        record_mode=mode,
        match_on=_MATCH,
        before_record_request=same.request,
        before_record_response=same.response,
    ).use_cassette(path)
    return tape


class Same:
    """Makes two recordings of the same call the same. Applied twice, it changes nothing more."""

    def __init__(self, ids: Ids) -> None:
        self._names = {
            **dict(zip(astuple(ids), astuple(IDS), strict=True)),
            **dict.fromkeys((*CANARIES, _PAIR), HIDDEN),
        }
        self._known = frozenset(astuple(IDS))

    def request(self, request: Any) -> Any:
        """A request as it stands in a cassette."""
        parts = urlsplit(self._named(request.uri))
        host = urlsplit(HOST)
        request.uri = urlunsplit(parts._replace(scheme=host.scheme, netloc=host.netloc))
        headers = {name.lower(): value for name, value in request.headers.items()}
        kept = {name: self._named(headers[name]) for name in sorted(_HEADERS & headers.keys())}
        if "authorization" in kept:
            kept["authorization"] = f"{kept['authorization'].partition(' ')[0]} {HIDDEN}"
        if _ORGANIZATION in headers:
            kept[_ORGANIZATION] = headers[_ORGANIZATION]
        body = self._named((request.body or b"").decode())
        content, found, boundary = kept.get("content-type", "").partition("boundary=")
        if found:
            kept["content-type"] = f"{content}boundary={BOUNDARY}"
            body = body.replace(boundary, BOUNDARY)
        elif body and content == "application/json":
            kept["content-length"] = str(len(body.encode()))
        request.headers, request.body = kept, body.encode() or None
        return request

    def response(self, response: Any) -> Any:
        """A response as it stands in a cassette; only its content type is kept of the headers."""
        headers = {name.lower(): value for name, value in response["headers"].items()}
        response["headers"] = {"content-type": headers["content-type"]}
        value = json.loads(self._named(response["body"]["string"].decode()))
        response["body"]["string"] = json.dumps(self._steady(value), separators=(",", ":")).encode()
        return response

    def _named(self, text: str) -> str:
        for real, fixed in self._names.items():
            text = text.replace(real, fixed)
        return text

    def _steady(self, value: Any, key: str = "") -> Any:
        match value:
            case dict():
                return {name: self._steady(item, name) for name, item in value.items()}
            case list():
                return [self._steady(item) for item in value]
            case str() if key in _TOKENS:
                return HIDDEN
            case str() if key in _TIMES:
                return str(MOMENT)
            case str() if _UUID.fullmatch(value) and value not in self._known:
                return IDS.made
        return value
