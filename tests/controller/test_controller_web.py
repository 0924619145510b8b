"""What a controller answers over HTTP."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reconciler.controller.shown import Board, LookResult, PastLook, Shown
from reconciler.controller.web import application
from reconciler.model import Server
from reconciler.plan.model import Plan
from reconciler.report.statuses import StatusReport

NOW = 1_800_000_000_000
MINUTE = 60_000
STATUS = StatusReport(Plan(Server("pulse", "https://pulse.example.com")), ())


def shown(**changes: object) -> Shown:
    return replace(Shown("line", NOW, MINUTE, ticked=NOW, next_look=NOW + MINUTE), **changes)  # type: ignore[arg-type]


def ask(
    path: str,
    board: Board,
    *,
    now: int = NOW,
    method: str = "GET",
    host: str = "127.0.0.1:9464",
    **more: object,
) -> httpx.Response:
    app = application(board, lambda: now, **more)  # type: ignore[arg-type]

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
            return await client.request(method, path, headers={"Host": host})

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("late", "looking", "status"),
    [
        (3 * MINUTE, False, 200),
        (3 * MINUTE + 1, False, 503),
        (60 * MINUTE, True, 200),
        (60 * MINUTE + 1, True, 503),
    ],
)
def test_it_is_healthy_while_its_loop_goes_round(late: int, looking: bool, status: int) -> None:
    board = Board(shown(next_look=None if looking else NOW))
    assert ask("/healthz", board, now=NOW + late).status_code == status


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (None, 503),
        *((each, 200) for each in LookResult if each not in (LookResult.FAILED, LookResult.PARTLY)),
        (LookResult.FAILED, 503),
        (LookResult.PARTLY, 503),
    ],
)
def test_it_is_ready_when_its_last_look_went_well(result: LookResult | None, status: int) -> None:
    looks = () if result is None else (PastLook(NOW, 1.0, result), PastLook(NOW, 1.0, LookResult.FAILED))
    assert ask("/readyz", Board(shown(looks=looks))).status_code == status


def test_the_status_is_that_of_the_last_look_as_the_command_prints_it() -> None:
    board = Board(shown())
    assert ask("/api/status", board).status_code == 503
    board.shown = shown(status=STATUS)
    answer = ask("/api/status", board)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["server"]["url"] == "https://pulse.example.com"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/status", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_done_through_it(path: str, method: str) -> None:
    pages = [Route("/", lambda _: PlainTextResponse("page"))]
    board = Board(shown(status=STATUS))
    assert (
        ask(path, board, method=method, pages=pages, metrics=lambda: (b"", "text/plain")).status_code == 405
    )


def test_what_others_said_stays_text_in_a_browser() -> None:
    for path in ("/healthz", "/nothing"):
        headers = ask(path, Board(shown())).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9464", 200),
        ("10.1.2.3:9464", 200),
        ("[::1]:9464", 200),
        ("localhost", 200),
        ("LOCALHOST.:9464", 200),
        ("fleet.example.com", 421),
        ("localhost.evil.example", 421),
        ("evil.example:9464", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_a_site_that_leads_a_browser_here_gets_nothing(host: str, status: int) -> None:
    answer = ask("/healthz", Board(shown()), host=host)
    assert answer.status_code == status


def test_names_are_added_or_not_asked_for() -> None:
    for names in ({"fleet.example.com"}, None):
        assert ask("/healthz", Board(shown()), host="fleet.example.com:9464", names=names).status_code == 200


def test_metrics_come_in_their_own_form() -> None:
    answer = ask("/metrics", Board(shown()), metrics=lambda: (b"up 1\n", "text/plain; version=1.0.0"))
    assert (answer.content, answer.headers["content-type"]) == (b"up 1\n", "text/plain; version=1.0.0")
