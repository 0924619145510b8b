"""What statuses, faults of connections and exceptions of engines mean: whole tables, for each server."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from reconciler.errors import NotExecuted, Refused, ServerError, Unclear
from reconciler.providers.base import RequestOutcome
from reconciler.providers.hawkbit import entry as hawkbit
from reconciler.providers.http import verdicts
from reconciler.providers.http.aiohttp_engine import _meaning as meaning_of_aiohttp
from reconciler.providers.http.answerbody import AnswerReader
from reconciler.providers.http.connecting import Way, certificate_hint, no_connection, tls_hint
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.httpx_engine import HttpxTransport
from reconciler.providers.http.httpx_engine import _meaning as meaning_of_httpx
from reconciler.providers.http.sender import Overtaken, Sender
from reconciler.providers.http.transport import CannotConnect, Request, TooMuch
from reconciler.providers.pulse import entry as pulse
from reconciler.proxies import Proxy
from reconciler.settings import Engine
from tests.providers.canned_server import Canned, Connection, answer, raw_server
from tests.providers.told import grouped, told

KINDS = {"pulse": pulse.STATUSES, "hawkbit": hawkbit.STATUSES}
FILE = FileBody(Path("fw.bin"), 3, "ab" * 32)


def spans(numbers: Iterable[int]) -> str:
    """1-3, 5"""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


async def _means(kind: str, request: Request, status: int, hint: str | None) -> list[str]:
    """What an answer of this status means, its number left out; and what is counted and done about it."""
    headers = {"retry_after": "7", "location": "https://user:pw@h.example.com/x?secret=1"}
    response = answer({"message": "why"}, status, **headers)
    sender = Sender(Canned(response), KINDS[kind])
    assert await sender.once("x", request) is response
    assert sender.requests == {"x": 1}
    assert sender.too_often(status) is (sender._limiter.rate is not None)
    counted = ", ".join(f"{outcome} {n}" for (_, outcome), n in sender.answers.items())
    then = {"again": sender.passing(response), "slower": sender.too_often(status)}
    lines = [", ".join([counted, *(word for word, so in then.items() if so)])]
    if not 200 <= status < 300:
        with pytest.raises(ServerError) as caught:
            sender.check(request, response, hint=hint)
        lines.append(f"! {told(caught.value)}")
    return [line.replace(str(status), "N") for line in lines]


def test_each_status_of_each_kind_of_server(golden: Any) -> None:
    async def main() -> list[str]:
        text = []
        requests = [
            Request("GET", "/p"),
            Request("PUT", "/p"),
            Request("POST", "/p"),
            Request("POST", "/p", body=FILE),
        ]
        for kind in KINDS:
            for request in requests:
                hint = None if request.method == "POST" else "the hint"
                found: dict[tuple[str, ...], list[int]] = {}
                for status in range(100, 600):
                    found.setdefault(tuple(await _means(kind, request, status, hint)), []).append(status)
                text.append(f"{kind}, {request.method}{' of a file' if request.body else ''}:")
                for lines, statuses in found.items():
                    text += [f"  {spans(statuses)}", *(f"    {line}" for line in lines)]
        return text

    golden("http-statuses.txt", "".join(f"{line}\n" for line in asyncio.run(main())))


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Unclear("cut", request="r"), RequestOutcome.UNCLEAR),
        (TooMuch("too much", request="r"), RequestOutcome.UNCLEAR),
        (NotExecuted("not sent", request="r"), RequestOutcome.ERROR),
        (CannotConnect("no", request="r", tries=1), RequestOutcome.ERROR),
        (Refused("can't be sent", request="r"), RequestOutcome.ERROR),
    ],
)
def test_a_request_without_an_answer_is_counted(error: ServerError, counted: RequestOutcome) -> None:
    async def main() -> None:
        sender = Sender(Canned(error), pulse.STATUSES)
        for times in (1, 2):
            with pytest.raises(type(error)):
                await sender.once("x", Request("GET", "/p"))
            assert (sender.requests, sender.answers) == ({"x": times}, {("x", counted): times})

    asyncio.run(main())


def test_what_is_no_longer_so_is_not_sent() -> None:
    async def main() -> None:
        sender = Sender(canned, pulse.STATUSES)
        with pytest.raises(Overtaken, match="what it rests on has become too old"):
            await sender.once("x", Request("PUT", "/p"), still=lambda: False)
        assert not sender.requests
        await sender.once("x", Request("PUT", "/p"), still=lambda: True)

    canned = Canned(answer(b""))
    asyncio.run(main())
    assert len(canned.seen) == 1


# --- no connection -----------------------------------------------------------------------------------


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "words"
    return error


def tls_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "tls")
    error.reason = reason  # type: ignore[assignment]
    return error


def test_each_fault_of_a_certificate(golden: Any) -> None:
    text = []
    for named in (False, True):
        found: dict[str, list[int]] = {}
        for code in range(100):
            found.setdefault(certificate_hint(certificate_error(code), ca_file=named), []).append(code)
        text.append("with server.caFile:" if named else "without server.caFile:")
        text += [f"  {spans(codes)}: {hint}" for hint, codes in found.items()]
    golden("http-certificates.txt", "".join(f"{line}\n" for line in text))


PLAIN, CLIENT, VERSION = "speaks plain HTTP", "certificate of the client", "in a version that is still in use"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("WRONG_VERSION_NUMBER", PLAIN),
        ("HTTP_REQUEST", PLAIN),
        ("PACKET_LENGTH_TOO_LONG", PLAIN),
        ("RECORD_LAYER_FAILURE", PLAIN),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", CLIENT),
        ("CERTIFICATE_REQUIRED_BY_IT", CLIENT),
        ("SSLV3_ALERT_BAD_CERTIFICATE", CLIENT),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", CLIENT),
        ("BAD_CERTIFICATE_STATUS_RESPONSE", VERSION),
        ("UNSUPPORTED_PROTOCOL", VERSION),
        ("", VERSION),
        (None, VERSION),
    ],
)
def test_what_helps_where_tls_does_not_come_about(reason: str | None, said: str) -> None:
    assert said in tls_hint(tls_error(reason))


PROXY = Proxy("http://user:pw@proxy.example.com:3128", "proxy.example.com:3128", "HTTPS_PROXY")
SECURE = Proxy("https://proxy.example.com:3128", "proxy.example.com:3128", "ALL_PROXY")
WAYS = {
    "plain": Way("http://h.example.com"),
    "with TLS": Way("https://h.example.com", ca_file=True),
    "by a proxy": Way("https://h.example.com", PROXY),
    "by a proxy with TLS": Way("http://h.example.com", SECURE),
}
CAUSES: dict[str, BaseException] = {
    "certificate": certificate_error(18),
    "TLS": tls_error("WRONG_VERSION_NUMBER"),
    "TLS of no reason": tls_error(None),
    "name": socket.gaierror(1, "no name"),
    "refused": ConnectionRefusedError("no"),
    "else": OSError("else"),
}


def chained(error: BaseException, cause: BaseException, *, by: str) -> BaseException:
    if by == "cause":
        error.__cause__ = cause
    else:
        error.__context__ = cause
    return error


def test_each_cause_of_no_connection(golden: Any) -> None:
    text = []
    for name, way in WAYS.items():
        for what, cause in CAUSES.items():
            found = no_connection(cause, "GET /p", way)
            text.append(f"{name}, {what}: {told(found)} | tries {found.tries}")
            for by in ("cause", "context"):
                wrapped = no_connection(chained(RuntimeError("outer"), cause, by=by), "GET /p", way)
                group = no_connection(ExceptionGroup("all", [KeyError(), cause]), "GET /p", way)  # type: ignore[list-item]
                if what != "else":
                    assert told(wrapped) == told(group) == told(found)
                    assert wrapped.tries == group.tries == found.tries
    golden("http-no-connection.txt", "".join(f"{line}\n" for line in text))


# --- exceptions of the engines -----------------------------------------------------------------------

KEY: Any = aiohttp.client_reqrep.ConnectionKey("h", 1, False, True, None, None, None)
OF_AIOHTTP: list[Exception] = [
    aiohttp.InvalidURL("http://", "no host"),
    aiohttp.ConnectionTimeoutError("late"),
    aiohttp.ClientConnectorCertificateError(KEY, certificate_error(10)),
    aiohttp.ClientConnectorError(KEY, ConnectionRefusedError("no")),
    aiohttp.ClientConnectorSSLError(KEY, tls_error("HTTP_REQUEST")),
    aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(1, "no name")),
    aiohttp.SocketTimeoutError("late"),
    aiohttp.ServerTimeoutError("late"),
    TimeoutError("late"),
    aiohttp.ServerDisconnectedError("gone"),
    aiohttp.ClientOSError("reset"),
    ConnectionResetError("reset"),
    aiohttp.ClientPayloadError("short"),
    aiohttp.http.HttpProcessingError(code=400, message="bytes b'\\x15\\x03\\x01'"),
    aiohttp.http.HttpProcessingError(code=400, message="other bytes"),
    aiohttp.ClientError("else"),
    OSError("else"),
]
OF_HTTPX: list[httpx.HTTPError] = [
    kind(words)
    for words in ("", "words")
    for kind in (
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.ConnectError,
        httpx.ReadTimeout,
        httpx.WriteTimeout,
        httpx.ReadError,
        httpx.WriteError,
        httpx.CloseError,
        httpx.RemoteProtocolError,
        httpx.LocalProtocolError,
        httpx.DecodingError,
        httpx.TooManyRedirects,
    )
]
OF_HTTPX += [httpx.RemoteProtocolError(words) for words in ("illegal request line", "b'\\x15\\x03\\x01'")]


def test_each_exception_of_each_engine(golden: Any) -> None:
    text = []
    request = Request("PUT", "/p")
    for name, way in WAYS.items():
        found: list[tuple[str, list[str]]] = []
        for answered in (False, True):
            for error in (*OF_AIOHTTP, *OF_HTTPX):
                means = (
                    meaning_of_httpx(error, request, way, answered=answered)
                    if isinstance(error, httpx.HTTPError)
                    else meaning_of_aiohttp(error, request, way, answered=answered)
                )
                tries = f" | tries {means.tries}" if isinstance(means, CannotConnect) else ""
                what = f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
                words = f" {error}" if isinstance(error, httpx.HTTPError) and str(error) else ""
                found.append((f"{what}{words}{' later' if answered else ''}", [f"{told(means)}{tries}"]))
        text += [f"{name}:", *(f"  {line}" for line in grouped(found))]
    golden("http-exceptions.txt", "".join(f"{line}\n" for line in text))


@pytest.mark.parametrize(
    ("body", "read"), [(None, 5.0), (b"x" * 3_000_000, 5.0), (FileBody(Path("x"), 3_000_000, ""), 8.0)]
)
def test_how_long_is_waited_for_an_answer(body: Any, read: float) -> None:
    """A server needs its time to store what was uploaded."""

    async def main() -> None:
        async with httpx.AsyncClient(verify=False) as client:
            transport = HttpxTransport(client, Way("http://h"), 5.0, AnswerReader(100))
            built = transport._build(Request("POST", "/p", body=body))
            waits = {"connect": 5.0, "read": read, "write": 5.0, "pool": 5.0}
            assert built.extensions["timeout"] == waits

    asyncio.run(main())


@pytest.mark.parametrize("engine", list(Engine), ids=str)
def test_who_answered_before_speaks_no_tls(engine: Engine) -> None:
    """A connection that is cut right away may be one to a port with TLS; later it is just cut."""
    hints: list[str | None] = []

    async def first_time(connection: Connection) -> None:
        if connection.seen.path == "/answered":
            await connection.reply(200, {})
        else:
            connection.cut()

    async def main() -> None:
        async with raw_server(first_time) as server, open_engine(server.url, engine=engine) as transport:
            for _ in range(2):
                with pytest.raises(Unclear) as caught:
                    await transport.send(Request("GET", "/cut"))
                hints.append(caught.value.hint)
                await transport.send(Request("GET", "/answered"))

    asyncio.run(main())
    assert hints == ["Does the server speak TLS on this port? Then its URL should begin with https.", None]


SOCKS = Proxy("socks5://proxy.example.com:1080", "proxy.example.com:1080", "ALL_PROXY")


@pytest.mark.parametrize(
    ("proxy", "error", "kind"),
    [
        (SOCKS, AssertionError(), CannotConnect),
        (SOCKS, RuntimeError(), RuntimeError),
        (PROXY, AssertionError(), AssertionError),
        (None, AssertionError(), AssertionError),
    ],
)
def test_only_what_comes_of_socks_is_a_fault_of_the_proxy(
    proxy: Proxy | None, error: Exception, kind: type[Exception]
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(fail), verify=False) as client:
            with pytest.raises(kind):
                await HttpxTransport(client, Way("http://h", proxy), 5.0, AnswerReader(9)).send(
                    Request("GET", "/p")
                )

    asyncio.run(main())


def test_the_words_of_a_no(golden: Any) -> None:
    """Each word by which an answer with a good status says no: one more or less is a decision."""
    found = {name: value for name, value in vars(verdicts).items() if name.startswith("_") and name.isupper()}
    sets = {name: sorted(value) for name, value in found.items() if isinstance(value, frozenset)}
    patterns = {name: [value.pattern] for name, value in found.items() if isinstance(value, re.Pattern)}
    lines = [f"{name}: {word}" for name, words in sorted({**sets, **patterns}.items()) for word in words]
    golden("http-words-of-a-no.txt", "\n".join(lines) + "\n")
