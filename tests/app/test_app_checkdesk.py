"""Checks of rollouts against a server on this machine: what each answer means, and who gets which secret."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from check_server import CheckServer, answer, check_server, sample

from reconciler.app.checkdesk import LARGEST, CheckDesk
from reconciler.app.workspace import Workspace
from reconciler.errors import InvalidInput
from reconciler.model import (
    Desired,
    DesiredCampaign,
    DesiredRollout,
    FromEnv,
    FromFile,
    HttpQuestion,
    Kind,
    OnCheckFailure,
    Place,
    PrometheusQuery,
    ResourceId,
    RolloutCheck,
    Secret,
)
from reconciler.rollout.questions import CheckQuestion
from reconciler.rollout.situation import CheckAnswer

LINE, OTHER = (ResourceId(Kind.CAMPAIGN, name) for name in ("line-3", "line-4"))
TOKEN = "correct-horse-battery"
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec: {server: {url: "embedded:"}}
"""
STANDING = {
    "campaign": "line-3",
    "wave": 1,
    "waves": 3,
    "gateways": 20,
    "done": 19,
    "failed": 1,
    "reached": None,
}


@pytest.fixture
def server() -> Iterator[CheckServer]:
    with check_server() as found:
        yield found


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT)
    return Workspace(folder, {"DESK_TOKEN": TOKEN, "XDG_CONFIG_HOME": str(tmp_path / "config")})


def query(url: str, **values: Any) -> RolloutCheck:
    how = {"most": 5.0, **values}
    return RolloutCheck("errors", url, PrometheusQuery("sum(rate(x[5m]))", **how), seconds=1)


def http(url: str, *, post: bool = False, **values: Any) -> RolloutCheck:
    return RolloutCheck("desk", url, HttpQuestion(post), **{"seconds": 1, **values})


def asked(
    workspace: Workspace, *checks: RolloutCheck, resources: tuple[ResourceId, ...] = (LINE,)
) -> dict[ResourceId, tuple[CheckAnswer, ...]]:
    questions = [
        CheckQuestion(each, "careful", checks, {**STANDING, "campaign": each.name}) for each in resources
    ]
    project = workspace.load().project
    assert project
    return dict(asyncio.run(CheckDesk(workspace).asking(project)(questions)))


def one(workspace: Workspace, check: RolloutCheck) -> tuple[str, str]:
    ((found,),) = asked(workspace, check).values()
    assert found.name == check.name
    return str(found.verdict), found.text


# --- Prometheus ------------------------------------------------------------------------------------

ONE = [1_800_000_000.0, "1"]


@pytest.mark.parametrize(
    ("value", "limits", "verdict", "text"),
    [
        ("4.9", {}, "pass", "4.9"),
        ("5", {}, "pass", "5"),
        ("7.25", {}, "fail", "7.25 > 5"),
        ("-1e3", {}, "pass", "-1000"),
        ("+Inf", {}, "fail", "inf > 5"),
        ("0.4", {"most": None, "least": 0.9}, "fail", "0.4 < 0.9"),
        ("0.95", {"most": 1.0, "least": 0.9}, "pass", "0.95"),
        ("NaN", {}, "error", "the query gives no number (NaN)"),
    ],
)
def test_a_sample_is_held_against_limits(
    workspace, server, value: str, limits: dict[str, Any], verdict: str, text: str
) -> None:
    server.respond = lambda _: sample(value)
    assert one(workspace, query(server.url, **limits)) == (verdict, text)
    assert server.first_lines == ["GET /api/v1/query?query=sum%28rate%28x%5B5m%5D%29%29 HTTP/1.1"]


def test_prometheus_below_a_path_and_with_a_parameter(workspace, server) -> None:
    server.respond = lambda _: sample("1")
    assert one(workspace, query(f"{server.url}/prom etheus/?tenant=a%20b"))[0] == "pass"
    assert server.first_lines[0].startswith("GET /prom%20etheus/api/v1/query?tenant=a%20b&query=")


@pytest.mark.parametrize(("passes", "expected"), [(True, "pass"), (False, "error")])
def test_no_sample_is_what_the_policy_says(workspace, server, passes: bool, expected: str) -> None:
    server.respond = lambda _: sample()
    assert one(workspace, query(server.url, empty_passes=passes))[0] == expected


def test_a_scalar_is_a_number_too(workspace, server) -> None:
    server.respond = lambda _: answer({"status": "success", "data": {"resultType": "scalar", "result": ONE}})
    assert one(workspace, query(server.url)) == ("pass", "1")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (sample("1", "2"), "the query gives 2 samples: it has to give one, so aggregate"),
        (answer({"status": "error", "error": "boom"}), "is none of Prometheus"),
        (answer({"status": "success"}), "is none of Prometheus"),
        (answer({"status": "success", "data": {"resultType": "matrix", "result": []}}), "is none of"),
        (answer({"status": "success", "data": {"resultType": "vector", "result": 7}}), "is none of"),
        (answer({"status": "success", "data": {"resultType": "vector", "result": [7]}}), "no number"),
        (answer({"status": "success", "data": {"resultType": "vector", "result": [{}]}}), "no number"),
        (answer({"status": "success", "data": {"resultType": "scalar", "result": [1]}}), "no number"),
        (answer({"status": "success", "data": {"resultType": "scalar", "result": [1, 2]}}), "no number"),
        (sample("1_000"), "no number"),
        (sample(" 1 "), "no number"),
        (sample("1; rm"), "no number"),
        (sample("٣"), "no number"),
        (answer(b"null"), "is none of Prometheus"),
        (answer(b"[" * 60_000), "is none of Prometheus"),
        (answer(b'{"a": ' + b"9" * 50_000 + b"}"), "is none of Prometheus"),
        (answer(b"\xff\xfe"), "is none of Prometheus"),
        (answer(b""), "is none of Prometheus"),
        (answer({"error": "parse error"}, "400 Bad Request"), "answered 400: parse error"),
        (answer({"error": {"a": 1}}, "422 Unprocessable"), "answered 422"),
        (answer(b"<html>", "503 Service Unavailable"), "answered 503"),
        (sample("1").replace(b"200 OK", b"204 No"), ""),
    ],
)
def test_what_is_no_number_is_no_verdict(workspace, server, said: bytes, text: str) -> None:
    server.respond = lambda _: said
    verdict, why = one(workspace, query(server.url, empty_passes=True))
    assert verdict == "error"
    assert text in why
    assert "bug" not in why


def test_an_error_is_told_on_one_line_and_cut(workspace, server) -> None:
    server.respond = lambda _: answer({"error": "a\x1b[31m\n" + "b" * 5_000}, "400 Bad Request")
    _, why = one(workspace, query(server.url))
    assert why.isprintable()
    assert len(why) < 200


# --- HTTP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "verdict", "text"),
    [
        (answer(), "pass", ""),
        (answer(status="204 No Content"), "pass", ""),
        (answer(b"fine"), "pass", ""),
        (answer({"verdict": "pass"}), "pass", ""),
        (answer(["verdict", "fail"]), "pass", ""),
        (answer({"verdict": "fail"}), "fail", "its verdict is fail"),
        (answer(status="403 Forbidden"), "fail", "answered 403"),
        (answer({"verdict": "wait"}), "error", "its verdict is neither pass nor fail"),
        (answer({"verdict": ["fail"]}), "error", "its verdict is neither pass nor fail"),
        (answer(status="401 Unauthorized"), "error", "answered 401"),
        (answer(status="404 Not Found"), "error", "answered 404"),
        (answer({"verdict": "fail"}, "500 Oops"), "error", "answered 500"),
        (
            answer(status="302 Found", Location="/yes"),
            "error",
            "answered 302, and redirects are not followed",
        ),
        (answer(status="304 Not Modified"), "error", "answered 304, and redirects are not followed"),
    ],
)
def test_the_status_and_a_verdict_decide(workspace, server, said: bytes, verdict: str, text: str) -> None:
    server.respond = lambda _: said
    assert one(workspace, http(f"{server.url}/gate")) == (verdict, text)
    assert server.first_lines == ["GET /gate HTTP/1.1"], "a redirect is not followed"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 999999 Huge\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        answer(b"x" * (LARGEST + 1)),
        answer(b"not gzip", Content_Encoding="gzip"),
        answer(b"x", Content_Encoding="made-up"),
    ],
)
def test_what_is_no_answer_is_no_verdict(workspace, server, said: bytes) -> None:
    server.respond = lambda _: said
    verdict, why = one(workspace, http(server.url))
    assert verdict == "error"
    assert why
    assert "bug" not in why


def test_the_largest_answer_is_read(workspace, server) -> None:
    server.respond = lambda _: answer(b"x" * LARGEST)
    assert one(workspace, http(server.url)) == ("pass", "")


def test_who_never_answers_is_not_waited_for(workspace, server) -> None:
    server.respond = lambda _: None
    assert one(workspace, http(server.url)) == ("error", "didn't answer within 1 s")


def test_nobody_there(workspace, server) -> None:
    gone = http(server.url.rsplit(":", 1)[0] + ":1")
    verdict, why = one(workspace, gone)
    assert verdict == "error"
    assert why == f"{gone.url} refused the connection"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "ftp://127.0.0.1/", "http://"])
def test_what_is_no_url_is_no_verdict(workspace, url: str) -> None:
    """Validation refuses it before; who goes around that gets no verdict either."""
    assert one(workspace, http(url))[0] == "error"


def test_a_post_says_where_the_rollout_stands(workspace, server) -> None:
    assert one(workspace, http(server.url, post=True, headers={"X-From": "plant"}))[0] == "pass"
    assert server.first_lines == ["POST / HTTP/1.1"]
    assert server.bodies == [STANDING]
    assert b"x-from: plant" in server.requests[0].lower()
    assert b"content-type: application/json" in server.requests[0].lower()


# --- many ------------------------------------------------------------------------------------------


def test_what_is_the_same_question_is_asked_once(workspace, server) -> None:
    server.respond = lambda request: sample("1") if b"query" in request else answer()
    found = asked(workspace, query(server.url), http(server.url), resources=(LINE, OTHER))
    assert sorted(server.first_lines) == sorted(set(server.first_lines))
    assert [[str(each.verdict) for each in answers] for answers in found.values()] == [["pass"] * 2] * 2


def test_a_post_is_for_each_rollout_and_an_error_for_all(workspace, server) -> None:
    found = asked(workspace, http(server.url, post=True), resources=(LINE, OTHER))
    assert [body["campaign"] for body in server.bodies] == ["line-3", "line-4"]
    assert len(found) == 2
    server.requests.clear()
    server.respond = lambda _: answer(status="500 Oops")
    found = asked(workspace, http(server.url, post=True), resources=(LINE, OTHER))
    assert len(server.requests) == 1
    assert {str(each.verdict) for (each,) in found.values()} == {"error"}


def test_what_a_failure_does_goes_with_the_answer(workspace, server) -> None:
    server.respond = lambda _: answer(status="403 Forbidden")
    for on_failure in OnCheckFailure:
        ((found,),) = asked(workspace, http(server.url, on_failure=on_failure)).values()
        assert found.aborts is (on_failure is OnCheckFailure.ABORT)


# --- secrets ---------------------------------------------------------------------------------------


def token(name: str = "DESK_TOKEN") -> dict[str, Secret]:
    return {"Authorization": Secret(f"environment variable {name}", origin=FromEnv(name))}


def admitted(workspace: Workspace, check: RolloutCheck) -> None:
    project = workspace.load().project
    assert project
    rollout = DesiredRollout("careful", (), "x", checks=(check,))
    desired = Desired((DesiredCampaign(LINE, "line-3", Place("c.yaml", 1, 1), rollout=rollout),), ())
    CheckDesk(workspace).admit(project, desired)


def test_a_secret_goes_to_this_machine(workspace, server) -> None:
    assert one(workspace, http(server.url, headers=token()))[0] == "pass"
    assert f"authorization: {TOKEN}".encode() in server.requests[0].lower()


def test_a_secret_in_a_file(workspace, server) -> None:
    path = workspace.folder / "desk.token"
    path.write_text(f"{TOKEN}\n")
    headers = {"Authorization": Secret("file desk.token", origin=FromFile(path))}
    assert one(workspace, http(server.url, headers=headers))[0] == "pass"
    assert TOKEN.encode() in server.requests[0]


def test_what_is_repeated_of_a_secret_is_hidden(workspace, server) -> None:
    server.respond = lambda _: answer({"error": f"bad token {TOKEN}"}, "400 Bad Request")
    check = RolloutCheck("errors", server.url, PrometheusQuery("x", 1.0), token(), 1)
    _, why = one(workspace, check)
    assert TOKEN not in why
    assert "***" in why


@pytest.mark.parametrize("url", ["https://desk.example.com/gate", "http://desk.example.com/gate"])
def test_a_secret_goes_nowhere_that_only_the_project_names(workspace, url: str) -> None:
    check = http(url, headers=token())
    with pytest.raises(InvalidInput) as caught:
        admitted(workspace, check)
    assert [each.code for each in caught.value.findings] == ["untrusted-host"]
    verdict, why = one(workspace, check)
    assert verdict == "error"
    assert "DESK_TOKEN would go to" in why


def test_a_host_that_a_person_named_is_admitted(workspace) -> None:
    from dataclasses import replace

    environ = {**workspace.environ, "RECONCILER_TRUSTED_HOSTS": "desk.example.com"}
    trusting = replace(workspace, environ=environ)
    admitted(trusting, http("https://desk.example.com/gate", headers=token()))
    with pytest.raises(InvalidInput):
        admitted(trusting, http("http://desk.example.com/gate", headers=token()))
    with pytest.raises(InvalidInput):
        admitted(trusting, http("https://other.example.com/gate", headers=token()))


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "RECONCILER_TOKEN"])
def test_variables_of_others_are_no_headers(workspace, server, name: str) -> None:
    check = http("https://desk.example.com/gate", headers=token(name))
    with pytest.raises(InvalidInput) as caught:
        admitted(workspace, check)
    assert [each.code for each in caught.value.findings] == ["reserved-variable"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "DESK_TOKEN is not set"),
        ("", "is empty"),
        ("a\r\nX: y", "no header can"),
        ("é", "no header can"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_no_verdict(workspace, server, value: str | None, text: str) -> None:
    workspace.environ.pop("DESK_TOKEN")
    if value is not None:
        workspace.environ["DESK_TOKEN"] = value
    verdict, why = one(workspace, http(server.url, headers=token()))
    assert (verdict, server.requests) == ("error", [])
    assert text in why


# --- proxies ---------------------------------------------------------------------------------------


def test_a_check_elsewhere_goes_through_the_proxy(workspace, server, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert one(workspace, http("http://desk.example.com/gate"))[0] == "pass"
    assert server.first_lines == ["GET http://desk.example.com/gate HTTP/1.1"]


def test_one_on_this_machine_does_not(workspace, server, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert one(workspace, http(server.url))[0] == "pass"


def test_a_proxy_that_cannot_be_used_is_no_verdict(workspace, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:horse-battery@127.0.0.1:1")
    verdict, why = one(workspace, http("http://desk.example.com/gate"))
    assert verdict == "error"
    assert "horse" not in why


def test_the_body_of_a_post_is_json_without_ids(workspace, server) -> None:
    one(workspace, http(server.url, post=True))
    body = server.requests[0].split(b"\r\n\r\n", 1)[1]
    assert set(json.loads(body)) == {"campaign", "wave", "waves", "gateways", "done", "failed", "reached"}
