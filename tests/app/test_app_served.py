"""What `serve` shows: its campaigns as they are, and the documentation of its API."""

from base64 import b64encode

import httpx
import pytest
from starlette.applications import Starlette

from reconciler.app.served import served_pages
from reconciler.embedded import Running
from tests.report.web_pages import body, faults, read


def showing(server: Running, token: str | None = None) -> Starlette:
    server.app.router.routes.extend(served_pages(server.app, token))
    return server.app


def test_campaigns_are_shown_as_they_are():
    with Running() as server, httpx.Client(base_url=server.url) as api:
        showing(server)
        campaign = api.post("/api/campaigns", json={"name": "<b>winter", "description": "x"}).json()["uuid"]
        gateways = {"gatewayIds": ["gw-1", "gw-2", "gw-3"], "campaignId": campaign}
        api.post(f"/api/campaigns/{campaign}/devices", json=gateways).raise_for_status()
        failed = {"state": "FAILED", "causedBy": "no <i>power"}
        api.put(f"/_embedded/campaigns/{campaign}/devices/gw-1", json=failed).raise_for_status()
        overview, one = api.get("/"), api.get(f"/campaigns/{campaign}")
        stranger = api.get("/", headers={"Host": "evil.example"})
    assert stranger.status_code == 421
    assert (overview.status_code, one.status_code) == (200, 200)
    assert faults(overview.text) == faults(one.text) == []
    text = body(overview.text)
    for said in (
        "3 gateways: 0 % done, 1 failed, 2 to go",
        "<b>winter",
        "1 failed",
        "created",
        "no <i>power",
    ):
        assert said in text, said
    assert "in sync" not in text
    assert "gw-1" in body(one.text)


def test_the_api_is_documented_with_each_operation():
    with Running() as server, httpx.Client(base_url=server.url) as api:
        showing(server)
        answer = api.get("/docs")
        document = api.get("/_embedded/openapi.json").json()
    assert faults(answer.text) == []
    told = {each.text for each in read(answer.text).every("code")}
    for path, methods in document["paths"].items():
        assert {f"{method.upper()} {path}" for method in methods} <= told


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("Basic " + b64encode(b"anybody:let-me-in").decode(), 200),
        ("basic " + b64encode(b":let-me-in").decode(), 200),
        ("Bearer let-me-in", 200),
        ("Bearer let-me-out", 401),
        ("Basic " + b64encode(b"let-me-in:x").decode(), 401),
        ("Basic ***", 401),
        ("Basic " + b64encode(b"\xff:\xff").decode(), 401),
        ("Digest let-me-in", 401),
    ],
)
def test_a_server_with_a_token_asks_for_it(authorization, status):
    with Running(token="let-me-in") as server, httpx.Client(base_url=server.url) as api:
        showing(server, "let-me-in")
        headers = {} if authorization is None else {"Authorization": authorization}
        answers = [api.get(path, headers=headers) for path in ("/", "/campaigns/none")]
        assert api.get("/docs").status_code == 200
    assert answers[0].status_code == status
    assert answers[1].status_code == (404 if status == 200 else 401)
    if status == 401:
        assert answers[0].headers["www-authenticate"].startswith("Basic realm=")


def test_a_database_that_does_not_answer_is_said():
    with Running() as server, httpx.Client(base_url=server.url) as api:
        showing(server)
        with server.app.state.context.store.transaction(write=True) as db:
            db.execute("ALTER TABLE gateways RENAME TO elsewhere")
        answer = api.get("/")
        with server.app.state.context.store.transaction(write=True) as db:
            db.execute("ALTER TABLE elsewhere RENAME TO gateways")
    assert answer.status_code == 503
    assert faults(answer.text) == []
    assert "Nothing can be looked at" in body(answer.text)
