"""What each engine is opened with, however the server is reached: `tests/golden/http-engine-*.txt`."""

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from reconciler.errors import ReconcilerError, Unclear
from reconciler.providers.http.aiohttp_engine import AiohttpTransport
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.httpx_engine import HttpxTransport
from reconciler.providers.http.transport import Request
from reconciler.proxies import Proxy
from reconciler.settings import Engine
from tests.providers.canned_server import Connection, raw_server

OPENED = ("aiohttp.TCPConnector", "httpx.AsyncClient")


async def app(*_: Any) -> None:
    """A server in this process that answers nobody."""


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Hall", "-keyout", "ca.key"]
    subprocess.run(["openssl", *command, "-out", "ca.pem"], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem"


def shown(value: object) -> str:
    match value:
        case ssl.SSLContext():
            known = len(value.get_ca_certs())
            trusts = {0: "nobody", 1: "one authority"}.get(known, "many")
            return f"a context that trusts {trusts} and checks names: {value.check_hostname}"
        case httpx.ASGITransport(app=inside):
            return f"what {getattr(inside, '__name__', inside)} answers, raises {value.raise_app_exceptions}"
        case _:
            return repr(value)


def _recorded(kind: Callable[..., Any], into: list[str]) -> Callable[..., Any]:
    def made(*values: object, **named: object) -> object:
        said = [*map(shown, values), *(f"{name}={shown(value)}" for name, value in named.items())]
        into.append(f"{kind.__name__}: {', '.join(said)}")
        return kind(*values, **named)

    return made


def _about(transport: Any) -> list[str]:
    way, reader = transport._way, transport._reader
    kind, most = type(transport).__name__, f"at most {reader.most} bytes"
    lines = [f"{kind} to {way.base} by {way.proxy}, CA file {way.ca_file}, {transport._seconds:g} s, {most}"]
    if isinstance(transport, AiohttpTransport):
        waits = transport._to_connect
        lines += [f"total {waits.total}, to connect {waits.sock_connect}, to read {waits.sock_read}"]
        for request in (Request("GET", "/p", (("q", "a b"),)), Request("PUT", "/p", headers={"Accept": "x"})):
            lines.append(repr(transport._written(request)))
    return lines


def _closed(transport: Any) -> bool:
    """Whether nothing of it is left open after its block."""
    if isinstance(transport, AiohttpTransport):
        return transport._connector.closed
    closed: bool = transport._client.is_closed
    return closed


WAYS: dict[str, dict[str, Any]] = {
    "plain": {"url": "http://h.example.com/"},
    "TLS": {"url": "https://h.example.com/pulse"},
    "a path that is quoted": {"url": "http://h.example.com/a%2Fb%7Ec/"},
    "TLS of an authority that is named": {"url": "https://h.example.com", "ca_file": True},
    "through a proxy": {"url": "http://h.example.com", "proxy": True},
    "on this machine, though there is a proxy": {"url": "http://127.0.0.1:8080", "proxy": True},
    "on this machine by its name": {"url": "http://hall.localhost", "proxy": True},
    "in this process": {"url": "embedded:", "app": app},
}


@pytest.mark.parametrize("engine", list(Engine), ids=str)
def test_what_each_engine_is_opened_with(
    engine: Engine, golden: Any, monkeypatch: pytest.MonkeyPatch, ca_file: Path
) -> None:
    made: list[str] = []
    for name in OPENED:
        module, _, kind = name.partition(".")
        monkeypatch.setattr(
            name, _recorded(getattr({"aiohttp": aiohttp, "httpx": httpx}[module], kind), made)
        )
    for name in ("aiohttp", "httpx"):
        monkeypatch.setattr(f"reconciler.providers.http.{name}_engine.__version__", "VERSION")

    async def opened(way: dict[str, Any]) -> list[str]:
        made.clear()
        names = {"http_proxy": "http://user:pw@proxy.example.com:3128"} if way.pop("proxy", None) else {}
        named = ca_file if way.pop("ca_file", False) else None
        with pytest.MonkeyPatch.context() as patch:
            for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
                patch.setenv(name, names.get(name, ""))
            more = {"timeout": 7.0, "connections": 3, "most": 5 << 20, "engine": engine}
            async with open_engine(**way, ca_file=named, **more) as transport:
                lines, opened = [*made, *_about(transport)], [transport]
                if isinstance(transport, AiohttpTransport):
                    made.clear()
                    first, again = await transport._for_files(), await transport._for_files()
                    assert first is again
                    opened.append(first)
                    lines += ["for files:", *(f"  {line}" for line in [*made, *_about(first)])]
                else:
                    assert isinstance(transport, HttpxTransport)
            assert all(map(_closed, opened))
            return lines

    text = []
    for name, way in WAYS.items():
        text += [f"{name}:", *(f"  {line}" for line in asyncio.run(opened(dict(way))))]
    golden(f"http-engine-{engine}.txt", "".join(f"{line}\n" for line in text))


def test_how_aiohttp_reads_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    how: list[dict[str, Any]] = []
    kind = aiohttp.client_proto.ResponseHandler
    original = kind.set_response_params

    def noted(handler: Any, **named: Any) -> None:
        how.append(named)
        original(handler, **named)

    monkeypatch.setattr(kind, "set_response_params", noted)

    async def main() -> None:
        async with (
            raw_server(lambda connection: connection.reply()) as server,
            open_engine(server.url, engine=Engine.AIOHTTP, timeout=7.0) as transport,
        ):
            await transport.send(Request("GET", "/p"))

    asyncio.run(main())
    read = {"read_until_eof": True, "auto_decompress": False, "read_timeout": 7.0, "read_bufsize": 262_144}
    assert how == [read]


@pytest.mark.parametrize("engine", list(Engine), ids=str)
def test_a_server_that_takes_a_request_and_says_nothing(engine: Engine) -> None:
    async def silent(_: Connection) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with raw_server(silent) as server, open_engine(server.url, engine=engine, timeout=0.2) as to:
            with pytest.raises(Unclear, match="no answer in time"):
                await to.send(Request("GET", "/p"))

    asyncio.run(main())


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)

    async def main() -> None:
        async with open_engine("http://127.0.0.1:1", engine=Engine.AIOHTTP):
            raise AssertionError("it isn't there")

    with pytest.raises(ReconcilerError) as caught:
        asyncio.run(main())
    assert caught.value.message == "the engine aiohttp is not installed"
    assert caught.value.hint == "pip install 'reconciler[fast]', or leave server.engine out."


@pytest.mark.parametrize("text", ["not a certificate", None])
def test_an_authority_that_can_t_be_used(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)

    async def main() -> None:
        async with open_engine("https://127.0.0.1:1", ca_file=path):
            raise AssertionError("it can't be read")

    with pytest.raises(ReconcilerError) as caught:
        asyncio.run(main())
    assert caught.value.message.startswith(f"{path} can't be used as a certificate authority's file: ")
    assert caught.value.hint == "server.caFile names a PEM file."
    assert text is not None or "No such file" in caught.value.message


def test_a_proxy_that_no_engine_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy("nonsense://proxy", "proxy", "http_proxy")
    monkeypatch.setattr("reconciler.providers.http.engine.proxy_for", lambda _: proxy)

    async def main() -> None:
        async with open_engine("http://h.example.com"):
            raise AssertionError("it can't be used")

    with pytest.raises(
        ReconcilerError, match="the proxy that the environment names can't be used: ValueError"
    ):
        asyncio.run(main())
