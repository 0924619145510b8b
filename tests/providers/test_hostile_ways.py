"""Ways to a server that don't lead there: proxies that are down or lie, TLS that isn't any. Both engines."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import NotExecuted, ReconcilerError, ServerError
from reconciler.pacing import Backoff
from reconciler.providers.http.connecting import Way, no_connection
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Engine
from tests.providers.canned_server import SETTINGS, Connection, raw_server
from tests.providers.tls_servers import authority_in, issued, tls_server

CAMPAIGN = {"id": "c1", "name": "x", "status": "CREATED"}
FAST = Backoff(base=0.001, random=lambda: 1.0)
TARGET = "pulse.invalid"


@pytest.fixture(params=list(Engine), ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


async def read(url: str, engine: Engine, **settings: Any) -> Any:
    known = replace(SETTINGS, url=url, engine=engine, **{"timeout": 5.0, **settings})
    async with connect(known, backoff=FAST) as provider:
        return await provider.reads.campaign("c1")


async def failure(url: str, engine: Engine, **settings: Any) -> ReconcilerError:
    with pytest.raises(ReconcilerError) as caught:
        await read(url, engine, **settings)
    return caught.value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def campaign(connection: Connection) -> None:
    await connection.reply(200, CAMPAIGN)


# --- proxies ---------------------------------------------------------------------------------------

SCHEMES = ["http", "https", "socks5", "socks5h"]


def proxied(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    if url.startswith("socks"):
        pytest.importorskip("socksio")
    monkeypatch.setenv("ALL_PROXY", url)


@pytest.mark.parametrize("target", [f"http://{TARGET}", f"https://{TARGET}"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_is_down_is_named(
    scheme: str, target: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    proxied(monkeypatch, f"{scheme}://user:hunter2@127.0.0.1:{port}")
    error = asyncio.run(failure(target, engine))
    assert isinstance(error, NotExecuted)
    assert f"the proxy 127.0.0.1:{port} refused the connection" in error.message
    assert TARGET not in error.message
    assert "ALL_PROXY names that proxy" in (error.hint or "")
    assert "hunter2" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_has_no_address_is_named(
    scheme: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    proxied(monkeypatch, f"{scheme}://proxy.invalid:3128")
    error = asyncio.run(failure(f"https://{TARGET}", engine))
    assert isinstance(error, NotExecuted)
    assert "the name of the proxy proxy.invalid:3128 can't be resolved" in error.message


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_takes_nothing_is_named(
    scheme: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        proxied(monkeypatch, f"{scheme}://127.0.0.1:{full.getsockname()[1]}")
        error = asyncio.run(failure(f"https://{TARGET}", engine, timeout=0.2))
    assert isinstance(error, NotExecuted)
    assert "the proxy 127.0.0.1:" in error.message
    assert "did not accept a connection in time" in error.message


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_lets_nobody_through_is_named(
    status: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no(connection: Connection) -> None:
        await connection.reply(status, b"no")

    async def main() -> ReconcilerError:
        async with raw_server(no) as proxy:
            proxied(monkeypatch, proxy.url)
            error = await failure(f"https://{TARGET}", engine)
            assert [seen.method for seen in proxy.seen] == ["CONNECT"]
            return error

    error = asyncio.run(main())
    assert isinstance(error, NotExecuted)
    assert "through the proxy 127.0.0.1:" in error.message


async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> None:
    await reader.read(1)
    writer.write(words)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b"\x05\x00", b"\x04\x00\x01"]
)
@pytest.mark.parametrize("target", [f"http://{TARGET}", f"https://{TARGET}"])
def test_what_is_no_socks_proxy_is_named(
    words: bytes, target: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str:
        server = await asyncio.start_server(lambda r, w: talks(r, w, words), "127.0.0.1", 0)
        async with server:
            proxied(monkeypatch, f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            error = await failure(target, engine)
            assert isinstance(error, ServerError)
            return f"{error.message} {error.hint}"

    said = asyncio.run(main())
    gc.collect()  # the library leaves connections of that kind to the collector
    assert "the proxy 127.0.0.1:" in said


async def socks_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """SOCKS 5 without a sign-in, as much as there is to a connection; it leads to `port` of this machine."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    *_, kind = await reader.readexactly(4)
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    try:
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pipe(reader, to_writer), pipe(to_reader, writer))
    finally:
        to_writer.close()
        writer.close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_leads_there(scheme: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with raw_server(campaign) as server:
            port = int(server.url.rpartition(":")[2])
            proxy = await asyncio.start_server(lambda r, w: socks_server(r, w, port), "127.0.0.1", 0)
            async with proxy:
                proxied(monkeypatch, f"{scheme}://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
                found = await read(f"http://{TARGET}", engine)
                assert found.name == "x"

    asyncio.run(main())


@pytest.mark.parametrize("listed", ["fd00::/8", "[::1]", "localhost,[fd00::1]:3128,10.0.0.0/8", "[", "::/zz"])
def test_no_proxy_of_any_form_is_no_obstacle(
    listed: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with raw_server(campaign) as server:
            monkeypatch.setenv("NO_PROXY", listed)
            found = await read(server.url, engine)
            assert found.name == "x"
            proxied(monkeypatch, server.url)
            found = await read(f"http://{TARGET}", engine)
            assert found.name == "x"

    asyncio.run(main())


def test_a_missing_package_for_socks_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("Using SOCKS proxy, but the 'socksio' package is not installed.")

    monkeypatch.setattr("httpx.AsyncClient", missing)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    error = asyncio.run(failure(f"http://{TARGET}", engine))
    assert "the package socksio for it isn't installed" in error.message


# --- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority_in(tmp_path_factory.mktemp("authority"))


HERE = "IP:127.0.0.1"
CERTIFICATES: dict[str, tuple[str, tuple[str, str] | None, bool, str]] = {
    # host, days, whether its authority is named, what the hint says
    "good": (HERE, None, True, ""),
    "ended": (HERE, ("20200101000000Z", "20210101000000Z"), True, "The certificate has ended"),
    "not begun": (HERE, ("20480101000000Z", "20490101000000Z"), True, "isn't valid yet"),
    "of another host": ("DNS:other.example", None, True, "certificate of another host"),
    "of another address": ("IP:10.1.2.3", None, True, "certificate of another host"),
    "of an unknown authority": (HERE, None, False, "Name the certificate authority's file in server.caFile"),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_hint_fits_the_fault_of_a_certificate(what: str, engine: Engine, authority: Path) -> None:
    host, days, known, words = CERTIFICATES[what]
    certificate = issued(authority, "server", host, days=days)
    ca_file = authority / "ca.pem" if known else None

    async def main() -> None:
        async with tls_server(certificate, campaign) as server:
            if not words:
                found = await read(server.url, engine, ca_file=ca_file)
                assert found.name == "x"
                return
            error = await failure(server.url, engine, ca_file=ca_file)
            assert isinstance(error, NotExecuted)
            assert "is not trusted" in error.message
            assert words in (error.hint or "")
            assert not server.seen

    asyncio.run(main())


def test_another_authority_than_the_named_one(engine: Engine, authority: Path, tmp_path: Path) -> None:
    certificate = issued(authority, "server", HERE)
    authority_in(tmp_path, "/CN=Another")

    async def main() -> ReconcilerError:
        async with tls_server(certificate, campaign) as server:
            return await failure(server.url, engine, ca_file=tmp_path / "ca.pem")

    error = asyncio.run(main())
    assert "not issued by the authority in server.caFile" in (error.hint or "")


def test_plain_http_on_a_port_for_tls(engine: Engine) -> None:
    words = b"HTTP/1.1 400 Bad Request\r\n\r\n"

    async def main() -> ReconcilerError:
        server = await asyncio.start_server(lambda r, w: talks(r, w, words), "127.0.0.1", 0)
        async with server:
            return await failure(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", engine)

    error = asyncio.run(main())
    assert "no TLS connection to https://127.0.0.1" in error.message
    assert "speaks plain HTTP on this port" in (error.hint or "")


async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a server with TLS sends to plain HTTP: an alert of a protocol that isn't HTTP."""
    await talks(reader, writer, b"\x15\x03\x01\x00\x02\x02\x46")


async def nginx(connection: Connection) -> None:
    page = b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
    await connection.reply(400, page)


async def go(connection: Connection) -> None:
    await connection.reply(400, b"Client sent an HTTP request to an HTTPS server.\n")


@pytest.mark.parametrize("handler", [nginx, go], ids=lambda each: each.__name__)
def test_words_of_a_server_that_wants_tls(
    handler: Callable[[Connection], Awaitable[None]], engine: Engine
) -> None:
    async def main() -> ReconcilerError:
        async with raw_server(handler) as server:
            return await failure(server.url, engine)

    assert "its URL should begin with https" in (asyncio.run(main()).hint or "")


def test_an_alert_of_a_server_that_wants_tls(engine: Engine) -> None:
    async def main() -> ReconcilerError:
        server = await asyncio.start_server(alert, "127.0.0.1", 0)
        async with server:
            return await failure(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", engine)

    assert "its URL should begin with https" in (asyncio.run(main()).hint or "")


def test_a_real_server_that_wants_tls(engine: Engine, authority: Path) -> None:
    certificate = issued(authority, "server", HERE)

    async def main() -> ReconcilerError:
        async with tls_server(certificate, campaign) as server:
            return await failure(server.url.replace("https:", "http:"), engine)

    assert "its URL should begin with https" in (asyncio.run(main()).hint or "")


def test_a_server_that_asks_for_a_certificate(engine: Engine, authority: Path) -> None:
    certificate = issued(authority, "server", HERE)

    async def main() -> ReconcilerError:
        async with tls_server(certificate, campaign, client=authority / "ca.pem") as server:
            return await failure(server.url, engine, ca_file=authority / "ca.pem")

    error = asyncio.run(main())
    assert isinstance(error, ServerError)


def _of_tls(error: ssl.SSLError, **more: object) -> ssl.SSLError:
    """As OpenSSL says it."""
    for name, value in more.items():
        setattr(error, name, value)
    return error


TRIES: dict[str, tuple[BaseException, int]] = {
    # why there is no connection → how often it is tried: what is so for good is tried once
    "no trust": (
        _of_tls(ssl.SSLCertVerificationError(1, "no"), verify_code=18, verify_message="self-signed"),
        1,
    ),
    "no TLS": (_of_tls(ssl.SSLError(1, "no"), reason="WRONG_VERSION_NUMBER"), 1),
    "no such name": (socket.gaierror(-2, "unknown"), 2),
    "refused": (ConnectionRefusedError(111, "refused"), 3),
    "anything else": (OSError(113, "no route"), 3),
}


@pytest.mark.parametrize("why", TRIES)
def test_how_often_a_connection_is_tried(why: str) -> None:
    error, tries = TRIES[why]
    found = no_connection(error, "GET /", Way("https://pulse.example.com"))
    assert found.tries == tries
