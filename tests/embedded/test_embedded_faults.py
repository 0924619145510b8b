"""Faults on request: what a caller sees, what the server did, and how often each rule struck."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from reconciler.embedded import Running, create_app
from reconciler.embedded.faults import Effect, Faults, Rule
from reconciler.errors import NotExecuted, Unclear
from reconciler.pacing import Backoff
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.kind import connect
from reconciler.settings import ServerSettings

CREATE = {"operations": ["create-campaign"]}


@pytest.fixture(autouse=True)
def _no_faults_are_left(server: Running) -> Iterator[None]:
    yield
    server.app.state.context.faults.arm(())


def put(api: httpx.Client, *rules: object, **more: object) -> None:
    answer = api.put("/_embedded/faults", json={"rules": rules, **more})
    assert answer.status_code == 200, answer.text


def fired(api: httpx.Client) -> list[tuple[int, int]]:
    """For each rule how many calls it was about, and how many it struck."""
    return [(rule["matched"], rule["fired"]) for rule in api.get("/_embedded/faults").json()["rules"]]


def names(api: httpx.Client) -> list[str]:
    return [one["name"] for one in api.get("/api/campaigns").json()["campaigns"]]


def make(api: httpx.Client, name: str) -> httpx.Response:
    return api.post("/api/campaigns", json={"name": name})


# --- effects over TCP ------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "there"), [("before", []), ("after", ["n"])])
def test_a_cut_closes_the_connection_before_or_after_the_commit(
    server: Running, api: httpx.Client, when: str, there: list[str]
) -> None:
    put(api, {"effect": "cut", "when": when, "count": 1, **CREATE})
    server.forget_calls()
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        make(api, "n")
    assert names(api) == there
    # The server saw the call once, and its body; nobody resends behind our back.
    assert server.calls[0] == ("POST", "/api/campaigns", 0, {"name": "n"})
    assert [call.method for call in server.calls] == ["POST", "GET"]
    assert fired(api) == [(1, 1)]


@pytest.mark.parametrize(
    "answer", [{"effect": "cut"}, {"effect": "status", "status": 504}, {"effect": "html"}]
)
def test_a_call_may_be_done_after_its_answer(api: httpx.Client, answer: dict[str, object]) -> None:
    put(api, {**answer, "when": "later", "milliseconds": 300, "count": 1, **CREATE})
    with suppress(httpx.RemoteProtocolError):
        assert "uuid" not in make(api, "n").text
    assert names(api) == []
    until(lambda: names(api) == ["n"])


def test_an_upload_may_be_done_after_its_answer(api: httpx.Client) -> None:
    put(api, {"effect": "cut", "when": "later", "milliseconds": 1, "operations": ["upload-package"]})
    with pytest.raises(httpx.RemoteProtocolError):
        api.post("/api/programs/", files={"file": ("fw.bin", b"x" * 300_000)})
    until(lambda: [one["name"] for one in api.get("/api/programs").json()["programs"]] == ["fw.bin"])


def test_what_was_made_a_moment_ago_is_not_shown(api: httpx.Client) -> None:
    old = make(api, "old").json()["uuid"]
    api.put("/_embedded/clock", json={"paused": True})
    try:
        assert api.post("/_embedded/clock/step", json={"seconds": 10}).status_code == 200
        put(api, {"effect": "lag", "milliseconds": 5000})
        new = make(api, "new").json()["uuid"]
        package = api.post("/api/programs/", files={"file": ("fw.bin", b"x")}).json()["uuid"]
        reads = [
            lambda: names(api) == ["old", "new"],
            lambda: api.get("/api/campaigns", params={"name": "new"}).json()["campaigns"] != [],
            lambda: api.get(f"/api/campaigns/{new}").status_code == 200,
            lambda: api.get("/api/programs").json()["programs"] != [],
            lambda: api.get(f"/api/programs/{package}/file-info").status_code == 200,
        ]
        assert [read() for read in reads] == [False] * 5
        assert names(api) == ["old"]
        assert api.get(f"/api/campaigns/{old}").status_code == 200
        assert api.put(f"/api/campaigns/{new}/start", json={}).status_code == 200, "only reads lag"
        api.post("/_embedded/clock/step", json={"seconds": 5})
        assert [read() for read in reads] == [True] * 5
    finally:
        api.put("/_embedded/clock", json={"paused": False})


def test_lists_may_lag_and_single_reads_not(api: httpx.Client) -> None:
    put(api, {"effect": "lag", "milliseconds": 60_000, "operations": ["list-campaigns"]})
    new = make(api, "new").json()["uuid"]
    assert names(api) == []
    assert api.get(f"/api/campaigns/{new}").status_code == 200


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to come."""
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_cut_of_a_large_upload_reads_it_to_the_end(api: httpx.Client) -> None:
    put(api, {"effect": "cut", "operations": ["stream-package"]})
    headers = {"Content-Disposition": "attachment; filename=x"}
    with pytest.raises(httpx.RemoteProtocolError):
        api.post("/api/programs/", content=b"x" * 3_000_000, headers=headers)
    put(api)
    assert api.get("/api/programs").json()["programs"] == []


@pytest.mark.parametrize("path", ["/api/campaigns", "/api/versions"])
def test_a_truncated_answer_is_shorter_than_it_says(api: httpx.Client, path: str) -> None:
    put(api, {"effect": "truncate"})
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        api.get(path)


def test_a_truncated_write_is_done(api: httpx.Client) -> None:
    put(api, {"effect": "truncate", **CREATE})
    with pytest.raises(httpx.RemoteProtocolError):
        make(api, "n")
    assert names(api) == ["n"]


def test_half_an_answer_has_the_length_that_it_says_and_is_no_json(api: httpx.Client) -> None:
    put(api, {"effect": "half"})
    answer = make(api, "n")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    put(api)
    assert names(api) == ["n"]


@pytest.mark.parametrize("effect", ["html", "text"])
@pytest.mark.parametrize(("when", "there"), [("before", []), ("after", ["n"])])
@pytest.mark.parametrize("status", [None, 502])
def test_something_else_than_json(
    api: httpx.Client, effect: str, when: str, there: list[str], status: int | None
) -> None:
    put(api, {"effect": effect, "when": when, **CREATE} | ({"status": status} if status else {}))
    answer = make(api, "n")
    assert answer.status_code == (status or 200)
    kind = {"html": "text/html", "text": "text/plain"}[effect]
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert ("<html>" in answer.text) is (effect == "html")
    assert names(api) == there


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        ({}, None),
        ({"retryAfter": 7}, "7"),
        ({"retryAfter": "Wed, 21 Oct 2026 07:28:00 GMT"}, "Wed, 21 Oct 2026 07:28:00 GMT"),
    ],
)
def test_a_status_with_and_without_retry_after(
    api: httpx.Client, asked: dict[str, object], header: str | None
) -> None:
    put(api, {"effect": "status", "status": 429, **asked, **CREATE})
    answer = make(api, "n")
    assert answer.status_code == 429
    assert answer.json() == {"message": "A fault was asked for: 429."}
    assert answer.headers.get("retry-after") == header
    assert names(api) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_latency_adds_up_and_lets_the_call_through(api: httpx.Client, when: str) -> None:
    slow = {"effect": "latency", "milliseconds": 60, "when": when, **CREATE}
    put(api, slow, slow, {"effect": "status", "status": 503, "skip": 1, **CREATE})
    began = time.monotonic()
    assert make(api, "n").status_code == 200
    assert time.monotonic() - began >= 0.12
    assert make(api, "m").status_code == 503
    assert fired(api) == [(2, 2), (2, 2), (2, 1)]


def test_a_slow_call_does_not_hold_up_others(api: httpx.Client) -> None:
    put(api, {"effect": "latency", "milliseconds": 800, **CREATE})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(make, api, "n")
        while not fired(api)[0][1]:
            pass
        assert names(api) == []
        assert not slow.done()
        assert slow.result().status_code == 200


# --- which calls, and how often ----------------------------------------------------------------------


def test_a_rule_strikes_so_many_calls_of_its_operations(api: httpx.Client) -> None:
    put(api, {"effect": "status", "operations": ["create-campaign", "list-packages"], "count": 2, "skip": 1})
    assert api.get("/api/campaigns").status_code == 200
    seen = [make(api, "n").status_code, api.get("/api/programs").status_code, make(api, "n").status_code]
    assert seen == [200, 503, 503]
    assert make(api, "n").status_code == 200
    assert fired(api) == [(4, 2)]


def test_the_log_says_what_struck_whom(api: httpx.Client) -> None:
    put(api, {"effect": "status", "operations": ["get-campaign"]}, {"effect": "html", "count": 1})
    api.get("/api/campaigns/a%2Fb")
    api.head("/api/campaigns/")
    api.post("/api/programs/", files={"file": ("x", b"x")})
    assert api.get("/_embedded/faults").json()["log"] == [
        {"rule": 0, "effect": "status", "operation": "get-campaign", "path": "/api/campaigns/a%2Fb"},
        {"rule": 1, "effect": "html", "operation": "list-campaigns", "path": "/api/campaigns/"},
    ]
    assert api.get("/api/nowhere").status_code == 404
    assert api.delete("/_embedded/faults").json() == {}
    assert api.get("/_embedded/faults").json() == {"seed": 0, "rules": [], "log": []}


def test_the_two_uploads_are_told_apart(api: httpx.Client) -> None:
    put(api, {"effect": "status", "operations": ["upload-package"]})
    assert api.post("/api/programs/", files={"file": ("x", b"x")}).status_code == 503
    headers = {"Content-Disposition": "attachment; filename=x"}
    assert api.post("/api/programs/", content=b"x", headers=headers).status_code == 200


def test_all_operations_are_those_of_the_api_and_no_controls(api: httpx.Client) -> None:
    put(api, {"effect": "status", "status": 500})
    assert api.get("/api/versions").status_code == 500
    assert api.get("/_embedded/settings").status_code == 200
    assert api.get("/api/nowhere").status_code == 404


def draws(seed: int, rules: list[Rule], calls: int = 40) -> list[bool]:
    faults = Faults()
    faults.arm(rules, seed)
    return [bool(faults.strike("create-campaign", "/")) for _ in range(calls)]


def test_probability_is_seeded() -> None:
    often, seldom = Rule(Effect.CUT, probability=0.9), Rule(Effect.CUT, probability=0.1)
    assert draws(1, [often]) == draws(1, [often])
    assert draws(1, [often]) != draws(2, [often])
    assert 28 <= sum(draws(1, [often])) < 40
    assert 0 < sum(draws(1, [seldom])) <= 12
    assert sum(draws(1, [Rule(Effect.CUT, probability=0.0)])) == 0


def test_a_rule_draws_for_itself() -> None:
    """What the rules before it do changes nothing for a rule that is asked about the same calls."""

    def second(first: Rule) -> list[bool]:
        faults = Faults()
        faults.arm([first, Rule(Effect.CUT, probability=0.5)], 3)
        return [any(rule.effect is Effect.CUT for rule in faults.strike("x", "/")) for _ in range(30)]

    assert second(Rule(Effect.LATENCY, probability=0.3)) == second(
        Rule(Effect.LATENCY, operations=frozenset("y"))
    )


def test_rules_are_shown_as_they_are_taken(api: httpx.Client) -> None:
    rules = [
        {"effect": "latency", "milliseconds": 5, "probability": 0.5, **CREATE},
        {"effect": "cut", "when": "after", "count": 3, "skip": 2},
        {"effect": "half"},
        {"effect": "status", "status": 420, "retryAfter": 1},
        {"effect": "cut", "when": "later", "milliseconds": 70},
        {"effect": "lag", "milliseconds": 9, "operations": ["get-package"]},
    ]
    put(api, *rules, seed=9)
    shown = api.get("/_embedded/faults").json()
    assert shown["seed"] == 9
    counts = [(rule.pop("matched"), rule.pop("fired")) for rule in shown["rules"]]
    assert counts == [(0, 0)] * 6
    common = {"operations": [], "when": "before", "count": None, "skip": 0, "probability": 1.0}
    assert shown["rules"] == [
        common | rules[0],
        common | rules[1],
        common | {"effect": "half", "when": "after"},
        common | rules[3] | {"retryAfter": "1"},
        common | rules[4],
        {key: value for key, value in (common | rules[5]).items() if key != "when"},
    ]
    put(api, *shown["rules"], seed=9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "`rules` must be a list"),
        ({"rules": [], "speed": 1}, "no 'speed'"),
        ({"rules": [], "seed": "1"}, "`seed` must be a whole number"),
        ({"rules": [1]}, "Rule 0 must be an object"),
        ({"rules": [{}]}, "Rule 0: `effect` must be latency, status"),
        ({"rules": [{"effect": "cut"}, {"effect": ["cut"]}]}, "Rule 1: `effect`"),
        ({"rules": [{"effect": "cut", "status": 500}]}, "has no 'status'"),
        ({"rules": [{"effect": "latency", "retryAfter": 5}]}, "has no 'retryAfter'"),
        ({"rules": [{"effect": "cut", "when": "never"}]}, "must be before or after or later"),
        ({"rules": [{"effect": "latency", "when": "later", "milliseconds": 1}]}, "must be before or after."),
        ({"rules": [{"effect": "lag", "when": "after"}]}, "has no 'when'"),
        ({"rules": [{"effect": "cut", "when": "after", "milliseconds": 5}]}, "has no 'milliseconds'"),
        ({"rules": [{"effect": "lag", "operations": ["create-campaign"]}]}, "no operation 'create-campaign'"),
        ({"rules": [{"effect": "half", "when": "before"}]}, "must be after"),
        ({"rules": [{"effect": "cut", "operations": "create-campaign"}]}, "list of names"),
        ({"rules": [{"effect": "cut", "operations": ["put-faults"]}]}, "no operation 'put-faults'"),
        ({"rules": [{"effect": "cut", "operations": [{}]}]}, "no operation {}"),
        ({"rules": [{"effect": "cut", "count": -1}]}, "`count` must be a whole number"),
        ({"rules": [{"effect": "cut", "count": True}]}, "`count` must be a whole number"),
        ({"rules": [{"effect": "cut", "skip": 1.5}]}, "`skip` must be"),
        ({"rules": [{"effect": "cut", "probability": 2}]}, "from 0 to 1"),
        ({"rules": [{"effect": "cut", "probability": "1"}]}, "from 0 to 1"),
        ({"rules": [{"effect": "latency", "milliseconds": 10**9}]}, "`milliseconds`"),
        ({"rules": [{"effect": "status", "status": 99}]}, "`status`"),
        ({"rules": [{"effect": "status", "status": 204}]}, "`status`"),
        ({"rules": [{"effect": "status", "retryAfter": True}]}, "`retryAfter` must be a string"),
        ({"rules": [{"effect": "status", "retryAfter": "1\n2"}]}, "one line"),
    ],
)
def test_a_wrong_rule_changes_nothing(api: httpx.Client, body: dict[str, object], message: str) -> None:
    put(api, {"effect": "html", **CREATE})
    before = api.get("/_embedded/faults").json()
    answer = api.put("/_embedded/faults", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert api.get("/_embedded/faults").json() == before


# --- what our own client makes of them -----------------------------------------------------------------

UNCLEAR = [
    {"effect": "cut"},
    {"effect": "cut", "when": "after"},
    {"effect": "truncate"},
    {"effect": "half"},
    {"effect": "html"},
    {"effect": "text"},
    {"effect": "status", "status": 500},
    {"effect": "status", "status": 504, "when": "after"},
]
NOT_EXECUTED = [{"effect": "status", "status": status} for status in (420, 429)]
ONCE = Backoff(attempts=1)


async def create(url: str, app: object, rule: dict[str, object]) -> Exception | None:
    """What `rule` makes of a create by our client: over TCP, or in process where `app` is given."""
    settings = ServerSettings(url=url, api_version="1")
    async with connect(settings, app=app, backoff=ONCE) as provider:  # type: ignore[arg-type]
        client: PulseClient = provider.reads
        try:
            await client.create_campaign("n")
        except (Unclear, NotExecuted) as error:
            return error
    return None


@pytest.mark.parametrize("rule", UNCLEAR + NOT_EXECUTED, ids=str)
def test_the_client_tells_unclear_from_not_executed(
    server: Running, api: httpx.Client, rule: dict[str, object]
) -> None:
    expected = NotExecuted if rule in NOT_EXECUTED else Unclear
    put(api, rule | CREATE)
    over_tcp = asyncio.run(create(server.url, None, rule))
    assert type(over_tcp) is expected, over_tcp

    app = create_app(":memory:")
    app.state.context.faults.arm(server_rules(server))
    in_process = asyncio.run(create("embedded:", app, rule))
    assert type(in_process) is expected, in_process
    app.state.context.store.close()


def server_rules(server: Running) -> list[Rule]:
    return [armed.rule for armed in server.app.state.context.faults.armed]


@pytest.mark.parametrize("rule", [Rule(Effect.CUT), Rule(Effect.TRUNCATE, after=True)])
def test_in_process_a_cut_is_a_connection_error(rule: Rule) -> None:
    async def body() -> None:
        app = create_app(":memory:")
        app.state.context.faults.arm([rule])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://embedded") as api:
            with pytest.raises(ConnectionResetError, match="a fault cut the connection"):
                await api.post("/api/campaigns", json={"name": "n"})
            app.state.context.faults.arm(())
            found = (await api.get("/api/campaigns")).json()["campaigns"]
            assert len(found) == rule.after
        app.state.context.store.close()

    asyncio.run(body())


def test_who_hangs_up_while_a_fault_reads_the_request_is_no_defect(
    server: Running, api: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    put(api, {"effect": "status", "operations": ["stream-package"]})

    def content() -> Iterator[bytes]:
        yield b"x" * 1000
        raise OSError("the cable is out")

    with pytest.raises(OSError, match="cable"):
        api.post("/api/programs/", content=content(), headers={"Content-Disposition": "a; filename=x"})
    assert api.get("/api/versions").status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
