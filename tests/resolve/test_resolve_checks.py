"""The checks of a policy: what they become, and a finding for each way to get one wrong."""

import pytest

from reconciler.model import FromEnv, FromFile, HttpQuestion, PrometheusQuery, Secret

POLICY = """
waves: [{}]
checks:
"""
GOOD = """
  - name: errors
    prometheus:
      {url: "https://prom.example.com/x", query: sum(x), max: 5, min: 1.5, onEmpty: pass, timeout: 3s}
  - name: desk
    http:
      url: https://desk.example.com/gate?plant=2
      method: POST
      headers:
        Authorization: {fromEnv: DESK_TOKEN}
        X-Key: {fromFile: desk.key}
        X-Plain: plant 2
    onFailure: wait
"""


def declared(folder, checks: str) -> None:
    folder.resource("GatewayList", "line", "gateways: [gw-1]")
    folder.resource("RolloutPolicy", "careful", POLICY + checks)
    folder.resource("Campaign", "c", "gatewayLists: [line]\nrollout: {policy: careful}")


def test_checks_become_what_they_say(folder) -> None:
    folder.put("desk.key", "key\n")
    declared(folder, GOOD)
    errors, desk = folder.campaign().rollout.checks
    assert (errors.name, errors.url, errors.seconds) == ("errors", "https://prom.example.com/x", 3)
    assert errors.how == PrometheusQuery("sum(x)", 5, 1.5, empty_passes=True)
    assert errors.on_failure == "abort"
    assert (desk.how, desk.on_failure, desk.seconds) == (HttpQuestion(post=True), "wait", 10)
    secret, key = desk.headers["Authorization"], desk.headers["X-Key"]
    assert isinstance(secret, Secret)
    assert secret.origin == FromEnv("DESK_TOKEN")
    assert isinstance(key, Secret)
    assert isinstance(key.origin, FromFile)
    assert desk.headers["X-Plain"] == "plant 2"


@pytest.mark.parametrize("environ", [None, {}, {"DESK_TOKEN": "x"}])
def test_no_secret_is_read_before_it_is_asked_for(folder, environ) -> None:
    """Neither `validate` nor `plan` needs it."""
    folder.put("desk.key", "key\n")
    declared(folder, GOOD)
    _, desk = folder.campaign(environ).rollout.checks
    assert not any(value.known for value in desk.headers.values() if isinstance(value, Secret))


@pytest.mark.parametrize(
    ("check", "code", "line"),
    [
        ("{name: a}", "check-kind", 10),
        (
            "{name: a, http: {url: 'https://x.de'}, prometheus: {url: 'https://x.de', query: q, max: 1}}",
            "check-kind",
            10,
        ),
        ("{name: a, prometheus: {url: 'https://x.de', query: q, max: 1, min: 2}}", "check-limits", 10),
        ("{name: a, http: {url: 'https://me:pw@x.de'}}", "url-with-credentials", 10),
        ("{name: a, http: {url: 'https://x.de/?token=abcdefgh'}}", "url-with-credentials", 10),
        ("{name: a, http: {url: 'https://x.de:99999/'}}", "bad-url", 10),
        ("{name: a, http: {url: 'https://bücher.de/'}}", "bad-url", 10),
        ("{name: a, http: {url: 'https://x.de', headers: {Host: here}}}", "check-header", 10),
        ("{name: a, http: {url: 'https://x.de', headers: {A: b, a: c}}}", "check-header", 10),
        ('{name: a, http: {url: "https://x.de", headers: {A: "b\\nC: d"}}}', "check-header", 10),
        ("{name: a, http: {url: 'https://x.de', headers: {A: {fromFile: ../x}}}}", "outside-project", 10),
        ("{name: a, http: {url: 'https://x.de', headers: {A: {fromFile: none}}}}", "missing-file", 10),
    ],
)
def test_what_is_wrong_with_a_check_is_said(folder, check: str, code: str, line: int) -> None:
    declared(folder, f"  - {check}\n")
    (found,) = folder.every_finding()
    assert found.code == code
    assert found.place is not None
    assert "pw" not in found.message
    assert "abcdefgh" not in found.message


def test_a_name_is_used_once(folder) -> None:
    check = "  - {name: a, http: {url: 'https://x.de'}}\n"
    declared(folder, check + check)
    assert [each.code for each in folder.every_finding()] == ["check-name-twice"]


@pytest.mark.parametrize(
    "check",
    [
        "{http: {url: 'https://x.de'}}",
        "{name: a, command: [true]}",
        "{name: a, http: {url: 'file:///etc/passwd'}}",
        "{name: a, http: {url: 'https://x.de', method: DELETE}}",
        "{name: a, http: {url: 'https://x.de', timeout: 61s}}",
        "{name: a, http: {url: 'https://x.de', headers: {'A B': c}}}",
        "{name: a, prometheus: {url: 'https://x.de', query: q}}",
        "{name: a, prometheus: {url: 'https://x.de', max: 1}}",
        "{name: a, prometheus: {url: 'https://x.de', query: q, max: many}}",
        "{name: a, http: {url: 'https://x.de'}, onFailure: stop}",
    ],
)
def test_the_schema_refuses_the_rest(folder, check: str) -> None:
    declared(folder, f"  - {check}\n")
    assert any(each.is_error for each in folder.every_finding())
