"""The HTTP engine over real sockets: what is surely not sent, what may have arrived, and nothing twice."""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.errors import NotExecuted, ReconcilerError, Refused, ServerError, Unauthorized, Unclear
from reconciler.pacing import Backoff
from reconciler.providers.base import Provider
from reconciler.providers.http import aiohttp_engine, engine, httpx_engine
from reconciler.providers.http.answerbody import AnswerReader
from reconciler.providers.http.connecting import Way
from reconciler.providers.http.engine import check_url, open_engine
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.httpx_engine import HttpxTransport
from reconciler.providers.http.transport import CannotConnect, Request
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Engine, ServerSettings
from tests.providers.canned_server import SETTINGS, Canned, Connection, RawServer, answer, raw_server

CAMPAIGN = {"id": "c1", "name": "x", "status": "CREATED"}


@pytest.fixture(params=list(Engine), autouse=True)
def engine_of_all(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of this module holds for each engine."""
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", replace(SETTINGS, engine=request.param))


FAST = Backoff(base=0.001, random=lambda: 1.0)

Handler = Callable[[Connection], Awaitable[None]]
Body = Callable[[Provider, RawServer], Awaitable[None]]


def against(handler: Handler, body: Body, **settings: Any) -> RawServer:
    """Run `body` with a provider for a server that answers with `handler`; what the server saw."""

    async def main() -> RawServer:
        async with raw_server(handler) as server:
            known = replace(SETTINGS, url=server.url, **settings)
            async with connect(known, backoff=FAST) as provider:
                await body(provider, server)
        return server

    return asyncio.run(main())


async def start(provider: Provider, _: RawServer) -> None:
    await provider.reads.start_campaign("c1")


async def get(provider: Provider, _: RawServer) -> None:
    found = await provider.reads.campaign("c1")
    assert found is not None


# --- faults after the request arrived -------------------------------------------------------------


async def cut(connection: Connection) -> None:
    connection.cut()


async def closed(connection: Connection) -> None:
    connection.writer.close()


async def truncated(connection: Connection) -> None:
    await connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":')
    connection.writer.close()


async def truncated_chunks(connection: Connection) -> None:
    await connection.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"')
    connection.cut()


async def not_http(connection: Connection) -> None:
    await connection.send(b"SSH-2.0-OpenSSH\r\n\r\n")
    connection.writer.close()


async def half_a_head(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    connection.writer.close()


async def not_gzip(connection: Connection) -> None:
    await connection.reply(200, b"not gzip", {"Content-Encoding": "gzip"})


async def silent(connection: Connection) -> None:
    await asyncio.sleep(60)


async def dripping(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        await connection.send(b" ")
        await asyncio.sleep(0.02)
    # Whole in the end, for who would wait so long.
    await connection.send(json.dumps(CAMPAIGN).encode().rjust(99_000))


def patience(fault: Handler) -> float:
    """A short timeout only where it is to run out, for machines may be busy."""
    return 0.3 if fault in (silent, dripping) else 10.0


FAULTS: list[Handler] = [
    cut, closed, truncated, truncated_chunks, not_http, half_a_head, not_gzip, silent, dripping,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_write_that_arrived_is_unclear_and_the_server_saw_it_once(fault: Handler) -> None:
    async def body(provider: Provider, server: RawServer) -> None:
        with pytest.raises(Unclear) as caught:
            await provider.reads.start_campaign("c1")
        assert caught.value.request == "PUT /api/campaigns/c1/start"
        assert len(str(caught.value)) < 200

    server = against(fault, body, timeout=patience(fault))
    assert server.lines() == ["PUT /api/campaigns/c1/start"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_read_is_sent_again_after_a_fault(fault: Handler) -> None:
    faults = [fault]

    async def once(connection: Connection) -> None:
        if faults:
            await faults.pop()(connection)
        else:
            await connection.reply(200, CAMPAIGN)

    server = against(once, get, timeout=patience(fault))
    assert server.lines() == ["GET /api/campaigns/c1"] * 2


def test_a_kept_connection_that_the_server_closed_makes_nothing_unclear() -> None:
    async def one_each(connection: Connection) -> None:
        await connection.reply()
        connection.writer.close()

    async def body(provider: Provider, server: RawServer) -> None:
        for _ in range(5):
            await provider.reads.start_campaign("c1")
            await asyncio.sleep(0.01)

    assert len(against(one_each, body).seen) == 5


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_write_on_a_kept_connection_that_is_cut_is_not_sent_again(method: str) -> None:
    """What engines like to do by themselves for a PUT or DELETE."""
    replies = ["first"]

    async def first_only(connection: Connection) -> None:
        await (connection.reply() if replies and replies.pop() else cut(connection))

    async def body(provider: Provider, server: RawServer) -> None:
        await provider.reads.start_campaign("c1")
        again = {
            "PUT": lambda: provider.reads.stop_campaign("c1"),
            "POST": lambda: provider.reads.add_gateways("c1", ["gw"]),
            "DELETE": lambda: provider.reads.delete_campaign("c1"),
        }
        with pytest.raises(Unclear):
            await again[method]()

    assert len(against(first_only, body).seen) == 2


# --- never sent ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def to(url: str, **settings: Any) -> AsyncIterator[Provider]:
    async with connect(replace(SETTINGS, url=url, **settings), backoff=FAST) as provider:
        yield provider


def failure(url: str, *, read: bool = False, **settings: Any) -> ServerError:
    async def main() -> ServerError:
        async with to(url, **settings) as provider:
            with pytest.raises(ServerError) as caught:
                await (provider.reads.campaign("c1") if read else provider.reads.start_campaign("c1"))
            return caught.value

    return asyncio.run(main())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("read", [True, False])
def test_a_refused_connection_is_not_executed_and_says_what_to_do(read: bool) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error = failure(url, read=read)
    assert isinstance(error, NotExecuted)
    assert f"{url} refused the connection" in str(error)
    assert error.hint == "Is the server running, and is its URL right?"


def test_another_failure_to_connect_is_not_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: Any, **__: Any) -> Any:
        raise OSError(113, "No route to host")

    monkeypatch.setattr("anyio.connect_tcp", unreachable)
    monkeypatch.setattr("aiohappyeyeballs.start_connection", unreachable)
    error = failure("http://192.0.2.1")
    assert isinstance(error, NotExecuted)
    assert "no connection to http://192.0.2.1: [Errno 113] No route to host" in str(error)


def test_a_host_of_several_addresses_refuses_on_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any, **__: Any) -> Any:
        each = [ConnectionRefusedError(111, "refused"), ConnectionRefusedError(111, "refused")]
        raise OSError("All connection attempts failed") from ExceptionGroup("several", each)

    monkeypatch.setattr("anyio.connect_tcp", refused)
    monkeypatch.setattr("aiohappyeyeballs.start_connection", refused)
    assert "http://192.0.2.1 refused the connection" in str(failure("http://192.0.2.1"))


def test_a_name_that_cannot_be_resolved_is_not_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure("http://nowhere.invalid")
    assert isinstance(error, NotExecuted)
    assert "the name 'nowhere.invalid' can't be resolved" in str(error)


def test_a_server_that_accepts_nothing_is_not_executed() -> None:
    # Its queue of connections is full: more of them are left unanswered.
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        error = failure(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.2)
    assert isinstance(error, NotExecuted)
    assert "did not accept a connection in time" in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    path = folder / "both.pem"
    path.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return path


@contextlib.asynccontextmanager
async def tls_server(certificate: Path) -> AsyncIterator[RawServer]:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, CAMPAIGN)

    raw = RawServer(reply)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=context)
    raw.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield raw


def test_tls_with_a_ca_file(certificate: Path) -> None:
    async def main() -> None:
        async with tls_server(certificate) as server:
            async with to(server.url, ca_file=certificate) as provider:
                assert await provider.reads.campaign("c1")
            async with to(server.url) as provider:
                with pytest.raises(CannotConnect, match=r"certificate of .* is not trusted: self") as caught:
                    await provider.reads.campaign("c1")
            assert caught.value.tries == 1
            assert "server.caFile" in (caught.value.hint or "")
            assert len(server.seen) == 1

    asyncio.run(main())


def test_https_to_a_server_without_tls() -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, to(f"https://127.0.0.1:{port}") as provider:
            with pytest.raises(CannotConnect, match="no TLS connection to https://") as caught:
                await provider.reads.start_campaign("c1")
            assert "speaks plain HTTP on this port" in (caught.value.hint or "")

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_that_is_no_good_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ReconcilerError, match="can't be used as a certificate authority's file"):
        failure("https://127.0.0.1:1", ca_file=path)


# --- every exception of httpx ----------------------------------------------------------------------

SURELY_NOT = {"ConnectTimeout", "ConnectError", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}


def exceptions(kind: type[httpx.HTTPError]) -> set[type[httpx.HTTPError]]:
    return {kind}.union(*(exceptions(child) for child in kind.__subclasses__()))


def name_of(kind: type[httpx.HTTPError]) -> str:
    return kind.__name__


@pytest.mark.parametrize("kind", sorted(exceptions(httpx.RequestError), key=str), ids=name_of)
@pytest.mark.parametrize("text", ["", "it broke"])
def test_every_exception_of_httpx_has_a_class(kind: type[httpx.RequestError], text: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise kind(text)

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(fail), verify=False) as inner:
            expected = NotExecuted if kind.__name__ in SURELY_NOT else Unclear
            with pytest.raises(expected) as caught:
                await HttpxTransport(inner, Way("http://x"), 5, AnswerReader(100)).send(
                    Request("PUT", "/api")
                )
            assert str(caught.value).startswith("PUT /api: ")

    asyncio.run(main())


def test_an_address_that_httpx_cannot_send_is_refused() -> None:
    async def main() -> None:
        async with open_engine("http://127.0.0.1:1") as transport:
            with pytest.raises(Refused, match="can't be sent"):
                await transport.send(Request("GET", "/" + "x" * 70_000))

    asyncio.run(main())


# --- answers ---------------------------------------------------------------------------------------


def test_a_wrong_token_is_one_clear_error() -> None:
    async def unauthorized(connection: Connection) -> None:
        await connection.reply(401, b"Unauthorized", {"WWW-Authenticate": "Bearer"})

    async def body(provider: Provider, server: RawServer) -> None:
        with pytest.raises(Unauthorized, match="does not accept our credentials"):
            await provider.reads.campaign("c1")

    assert len(against(unauthorized, body).seen) == 1


def test_429_with_retry_after_is_waited_for() -> None:
    replies = [(429, {"Retry-After": "0.2"}), (200, {})]

    async def busy(connection: Connection) -> None:
        status, headers = replies.pop(0)
        await connection.reply(status, CAMPAIGN, headers)

    began = time.monotonic()
    assert len(against(busy, get).seen) == 2
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_loop_is_one_request_and_an_error(status: int) -> None:
    async def around(connection: Connection) -> None:
        await connection.reply(status, b"", {"Location": connection.seen.path})

    async def body(provider: Provider, server: RawServer) -> None:
        with pytest.raises(Refused, match=f"{status} redirects to /api/campaigns/c1$"):
            await provider.reads.campaign("c1")

    assert len(against(around, body).seen) == 1


def test_what_goes_over_the_wire() -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, {"page": {"totalElements": 0}}, {"Set-Cookie": "SESSION=x; Path=/"})

    async def body(provider: Provider, server: RawServer) -> None:
        assert await provider.reads.campaigns(["a b&c/ä"]) == ()
        await provider.reads.add_gateways("c1", ["ä"])

    server = against(reply, body, organization="org-7")
    listed, added = server.seen
    assert listed.query == {"name": "a b&c/ä", "page.size": "500"}
    assert listed.headers["accept"] == "application/json;api-version=0.17"
    assert listed.headers["authorization"] == "Bearer s3cr3t-token"
    assert listed.headers["x-current-org-id"] == "org-7"
    assert listed.headers["user-agent"].startswith("reconciler/")
    assert added.headers["content-type"] == "application/json"
    assert json.loads(added.body) == {"gatewayIds": ["ä"], "campaignId": "c1"}
    assert "cookie" not in added.headers


def test_a_url_may_have_a_path_of_its_own() -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, {**CAMPAIGN, "id": "a/b"})

    async def main() -> None:
        async with raw_server(reply) as server, to(f"{server.url}/pulse//") as provider:
            assert await provider.reads.campaign("a/b")
            assert provider.server.url == f"{server.url}/pulse"
            assert server.lines() == ["GET /pulse/api/campaigns/a/b"]

    asyncio.run(main())


def test_no_more_connections_are_open_than_allowed() -> None:
    came, release = asyncio.Semaphore(0), asyncio.Event()

    async def held(connection: Connection) -> None:
        came.release()
        await release.wait()
        await connection.reply()

    async def main() -> RawServer:
        async with (
            raw_server(held) as server,
            open_engine(server.url, connections=2, engine=SETTINGS.engine) as transport,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(5):
                tasks.create_task(transport.send(Request("GET", "/")))
            for _ in range(2):
                await came.acquire()
            # Whoever had no need to wait would be there by now.
            for _ in range(100):
                await asyncio.sleep(0)
            release.set()
        return server

    server = asyncio.run(main())
    assert (server.most_open, len(server.seen)) == (2, 5)


@pytest.mark.parametrize(("seconds", "connections"), [(60.0, 1), (0.0, 3)])
def test_how_long_a_connection_is_kept(
    monkeypatch: pytest.MonkeyPatch, seconds: float, connections: int
) -> None:
    monkeypatch.setattr(engine, "_KEEPALIVE_SECONDS", seconds)
    came: set[object] = set()

    async def reply(connection: Connection) -> None:
        came.add(connection.writer)
        await connection.reply(200, CAMPAIGN)

    async def body(provider: Provider, server: RawServer) -> None:
        for _ in range(3):
            await get(provider, server)

    against(reply, body)
    assert len(came) == connections


def test_an_upload_may_take_longer_than_any_other_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (httpx_engine, aiohttp_engine):
        monkeypatch.setattr(each, "WHOLE_ANSWER", 0)
    (tmp_path / "fw.bin").write_bytes(b"x")
    file = FileBody(tmp_path / "fw.bin", 1, sha256(b"x").hexdigest())

    async def reply(connection: Connection) -> None:
        await connection.reply(200, {"uuid": "p1"})

    async def body(provider: Provider, server: RawServer) -> None:
        with pytest.raises(Unclear, match="took too long to arrive"):
            await provider.reads.start_campaign("c1")
        assert await provider.reads.stream_package(file, name="fw", description="") == "p1"

    against(reply, body)


def test_requests_are_concurrent_and_bounded() -> None:
    async def slow(connection: Connection) -> None:
        await asyncio.sleep(0.005)
        await connection.reply(200, {**CAMPAIGN, "id": connection.seen.path.rpartition("/")[2]})

    async def main() -> None:
        async with raw_server(slow) as server:
            settings = replace(SETTINGS, url=server.url)
            async with connect(settings, parallelism=4) as provider:
                await asyncio.gather(*(provider.reads.campaign(f"c{n}") for n in range(60)))
            assert server.most_open == 4
            assert len(server.seen) == 60

    asyncio.run(main())


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "is not the URL of a server"),
        ("pulse.example.com", "is not the URL of a server"),
        ("ftp://pulse.example.com", "is not the URL of a server"),
        ("http://", "is not the URL of a server"),
        ("http://x:0", "is not the URL of a server"),
        ("http://x:port", "can't be read"),
        ("http://[x", "can't be read"),
        ("https://user:hunter2@pulse.example.com", "carries credentials"),
        ("https://:hunter2@pulse.example.com", "carries credentials"),
        ("https://hunter2@pulse.example.com", "carries credentials"),
        ("https://pulse.example.com/?token=x", "can't"),
        ("https://pulse.example.com/#x", "can't"),
        ("https://pülse.example.com/", "can't"),
        ("https://pulse.example.com/a b", "can't"),
    ],
)
def test_a_url_that_names_no_server_is_an_error(url: str, why: str) -> None:
    with pytest.raises(ReconcilerError, match=why) as caught:
        failure(url)
    assert "hunter2" not in str(caught.value)


def test_a_url_ends_without_a_slash() -> None:
    for url in ("https://pulse.example.com:8443/api-root", "http://pulse.example.com/api_"):
        assert check_url(url) == check_url(f"{url}/") == check_url(f"{url}//") == url


def test_the_embedded_server_must_be_given() -> None:
    async def main() -> None:
        with pytest.raises(ReconcilerError, match="in this process"):
            async with connect(ServerSettings()):
                pytest.fail("nothing to connect to")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("base", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://pulse.localhost", True),
        ("http://10.0.0.1", False),
        ("https://pulse.example.com", False),
    ],
)
def test_which_servers_are_on_this_machine(base: str, here: bool) -> None:
    assert engine._on_this_machine(base) is here


def test_a_proxy_from_the_environment_serves_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(connection: Connection) -> None:
        await connection.reply(200, CAMPAIGN)

    async def main() -> None:
        async with raw_server(proxy) as server:
            monkeypatch.setenv("HTTP_PROXY", server.url)
            async with to("http://pulse.invalid") as provider:
                assert await provider.reads.campaign("c1")
            assert len(server.seen) == 1
            url = f"http://127.0.0.1:{free_port()}"
            async with to(url) as provider:
                with pytest.raises(NotExecuted, match="refused"):
                    await provider.reads.campaign("c1")
            assert len(server.seen) == 1

    asyncio.run(main())


def test_a_proxy_that_cannot_be_used_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://user:hunter2@proxy")
    with pytest.raises(ReconcilerError, match="the proxy that the environment names") as caught:
        failure("http://pulse.invalid")
    assert "hunter2" not in str(caught.value)


def test_another_engine_may_stand_behind_the_seam() -> None:
    async def main() -> None:
        canned = Canned(answer(CAMPAIGN))
        async with connect(SETTINGS, transport=canned) as provider:
            assert await provider.reads.campaign("c1")
        assert canned.lines == ["GET /api/campaigns/c1"]

    asyncio.run(main())


# --- in process ------------------------------------------------------------------------------------


def in_process(app: Any, body: Callable[[Provider], Awaitable[None]]) -> None:
    async def main() -> None:
        async with connect(ServerSettings(api_version="1"), app=app, backoff=FAST) as provider:
            await body(provider)

    asyncio.run(main())


def test_an_application_in_this_process_is_a_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == "/api/campaigns/c1/start"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def body(provider: Provider) -> None:
        await provider.reads.start_campaign("c1")
        assert provider.server.url == "embedded:"
        assert provider.reads.requests == {"start-campaign": 1}

    in_process(app, body)


def test_an_application_that_fails_is_unclear() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a fault of its own")

    async def body(provider: Provider) -> None:
        with pytest.raises(Unclear, match="the server answered 500"):
            await provider.reads.start_campaign("c1")

    in_process(app, body)


def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", replace(SETTINGS, engine=Engine.AIOHTTP))
    with pytest.raises(ReconcilerError, match="aiohttp is not installed") as caught:
        failure("http://127.0.0.1:1")
    assert "reconciler[fast]" in (caught.value.hint or "")


def test_the_way_for_files_is_opened_once_for_all_that_go_at_once() -> None:
    opened: list[object] = []

    async def open_one() -> Any:
        await asyncio.sleep(0)
        opened.append(found := object())
        return found

    async def main() -> None:
        nothing: Any = None
        made = aiohttp_engine.AiohttpTransport(nothing, Way("http://x"), 1.0, open_one, nothing)
        found = await asyncio.gather(*(made._for_files() for _ in range(3)))
        assert found == opened * 3

    asyncio.run(main())
