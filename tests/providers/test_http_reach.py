"""What `doctor` finds on the way to a server, below HTTP."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.providers.http.reach import Blocked, Certificate, ServerAddress, certificate, connect, resolve
from tests.providers.canned_server import Connection, raw_server
from tests.providers.tls_servers import authority_in, issued, tls_server

SECONDS = 20.0


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h.example.com", ServerAddress("http", "h.example.com", 80)),
        ("https://h.example.com/pulse", ServerAddress("https", "h.example.com", 443)),
        ("https://[::1]:8443", ServerAddress("https", "::1", 8443)),
        ("http://H.example.com:8080/", ServerAddress("http", "h.example.com", 8080)),
        ("http:", ServerAddress("http", "", 80)),
    ],
)
def test_where_a_url_leads(url: str, address: ServerAddress) -> None:
    assert ServerAddress.of(url) == address


def _blocked(what: Awaitable[object]) -> Blocked:
    async def main() -> None:
        await what

    with pytest.raises(Blocked) as caught:
        asyncio.run(main())
    return caught.value


# --- names ---------------------------------------------------------------------------------------


def _looked_up(monkeypatch: pytest.MonkeyPatch, found: Any) -> list[object]:
    """Names are looked up in `found`; what is asked comes back."""
    asked: list[object] = []

    async def getaddrinfo(_: object, host: str, port: int, **how: object) -> Any:
        asked.append((host, port, how))
        if isinstance(found, Exception):
            raise found
        return [(None, None, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def test_each_address_of_a_name_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _looked_up(monkeypatch, ["10.0.0.9", "10.0.0.1", "10.0.0.9", "::1"])
    assert asyncio.run(resolve(ServerAddress("http", "h", 80))) == ("10.0.0.9", "10.0.0.1", "::1")
    assert asked == [("h", 80, {"type": socket.SOCK_STREAM})]


@pytest.mark.parametrize(
    ("error", "why"),
    [(socket.gaierror(-2, "Name or service not known"), "Name or service not known"), (OSError("no"), "no")],
)
def test_a_name_that_nobody_knows(error: OSError, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _looked_up(monkeypatch, error)
    blocked = _blocked(resolve(ServerAddress("http", "h", 80)))
    assert (str(blocked), blocked.hint) == (f"the name 'h' can't be resolved: {why}", None)


# --- a connection ----------------------------------------------------------------------------------


async def _silent(_: Connection) -> None:
    """Answers nothing."""


def test_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=iter([100.0, 100.25]).__next__)
    monkeypatch.setattr("reconciler.providers.http.reach.time", clock)

    async def main() -> float:
        async with raw_server(_silent) as server:
            return await connect(ServerAddress.of(server.url), seconds=SECONDS)

    assert asyncio.run(main()) == 0.25


def _opening(monkeypatch: pytest.MonkeyPatch, what: Callable[[], Awaitable[Any]]) -> None:
    async def opened(*_: object, **__: object) -> Any:
        return await what()

    monkeypatch.setattr(asyncio, "open_connection", opened)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "no connection: Connection refused"),
        (OSError("Multiple exceptions"), "no connection: Multiple exceptions"),
    ],
)
def test_nobody_takes_a_connection(error: OSError, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise error

    _opening(monkeypatch, fail)
    blocked = _blocked(connect(ServerAddress("http", "h", 80), seconds=SECONDS))
    assert (str(blocked), blocked.hint) == (why, None)


def test_a_connection_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    _opening(monkeypatch, lambda: asyncio.sleep(60))
    blocked = _blocked(connect(ServerAddress("http", "h", 80), seconds=0.01))
    assert (str(blocked), blocked.hint) == ("no connection within 0.01 s", None)


# --- certificates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority_in(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority_in(tmp_path_factory.mktemp("another"), "/O=Hall/CN=Another")


def _certified(by: Path, ca_file: Path | None, host: str = "IP:127.0.0.1") -> Any:
    """What is found of a server whose certificate was issued `by` an authority."""
    server_has = issued(by, "server", host)

    async def main() -> Any:
        async with tls_server(server_has, _silent) as server:
            return await certificate(ServerAddress.of(server.url), ca_file, seconds=SECONDS)

    return main()


@pytest.mark.parametrize(("by", "issuer"), [("authority", "An authority"), ("another", "Hall")])
def test_a_certificate(by: str, issuer: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(by)
    found = asyncio.run(_certified(folder, folder / "ca.pem", "IP:127.0.0.1,DNS:h.example.com"))
    ends = 2_493_072_000.0  # 2049-01-01
    assert found == Certificate(("127.0.0.1", "h.example.com"), issuer, ends, "TLSv1.3")


def test_how_long_a_certificate_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    left = [Certificate((), "", 1_000_000.0 + seconds, "").days_left for seconds in (86_399, 86_400, -1)]
    assert left == [0, 1, -1]


@pytest.mark.parametrize(
    ("ca_file", "hint"),
    [
        (None, "Name the certificate authority's file in server.caFile."),
        ("another", "It was not issued by the authority in server.caFile: is that the right file?"),
    ],
)
def test_a_certificate_of_another_authority(
    ca_file: str | None, hint: str, authority: Path, another: Path
) -> None:
    blocked = _blocked(_certified(authority, another / "ca.pem" if ca_file else None))
    assert str(blocked) == "the certificate is not trusted: unable to get local issuer certificate"
    assert blocked.hint == hint


def test_a_certificate_of_another_host(authority: Path) -> None:
    blocked = _blocked(_certified(authority, authority / "ca.pem", "DNS:other.example"))
    assert str(blocked).startswith("the certificate is not trusted: IP address mismatch")
    assert (
        blocked.hint == "It is the certificate of another host: is the host name in the server's URL right?"
    )


def test_no_tls() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        async with server:
            address = ServerAddress("https", "127.0.0.1", server.sockets[0].getsockname()[1])
            await certificate(address, None, seconds=SECONDS)

    blocked = _blocked(main())
    assert str(blocked) in {
        "no TLS connection: WRONG_VERSION_NUMBER",
        "no TLS connection: RECORD_LAYER_FAILURE",
    }
    assert blocked.hint == "The server speaks plain HTTP on this port: should its URL begin with http://?"


@pytest.mark.parametrize("text", ["not a certificate", None])
def test_an_authority_that_can_t_be_read(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    blocked = _blocked(certificate(ServerAddress("https", "h", 443), path, seconds=SECONDS))
    assert str(blocked).startswith(f"{path} can't be used: ")
    assert text is not None or str(blocked).endswith("No such file or directory")
