"""What answers mean, what is sent again, who we are, and what never shows."""

import asyncio
import base64
import json
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from reconciler.errors import (
    NotExecuted,
    ReconcilerError,
    Refusal,
    Refused,
    ServerError,
    Unauthorized,
    Unclear,
)
from reconciler.model import DistributionList, Secret
from reconciler.providers.http import auth
from reconciler.providers.http.paging import LIST_ANSWERS
from reconciler.providers.http.transport import CannotConnect, Request, Response
from reconciler.providers.pulse.calls import Calls
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Basic, ServerSettings, TokenCommand, TokenFile
from tests.providers.canned_server import SETTINGS, TOKEN, Canned, Waits, answer, body_of, client, wire

CAMPAIGN = answer({"id": "c1", "name": "x", "status": "CREATED"})
BASIC = Basic("robot", Secret("environment variable THE_PASSWORD", "hunter22"))


def read(canned: Canned, settings: ServerSettings = SETTINGS, **more: Any) -> None:
    found = asyncio.run(client(canned, settings, **more).campaign("c1"))
    assert found is not None
    assert found.id == "c1"


def write(canned: Canned, settings: ServerSettings = SETTINGS, **more: Any) -> None:
    asyncio.run(client(canned, settings, **more).start_campaign("c1"))


# --- classes of answers --------------------------------------------------------------------------

CLASSES = [
    (301, Refused),
    (302, Unclear),
    (303, Unclear),
    (304, Unclear),
    (308, Refused),
    (400, Refused),
    (401, Unauthorized),
    (403, Refused),
    (404, Refused),
    (408, Unclear),
    (409, Refused),
    (420, NotExecuted),
    (429, NotExecuted),
    (499, Refused),
    (500, Unclear),
    (502, Unclear),
    (503, Unclear),
    (599, Unclear),
]


@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_a_write_is_sent_once_and_its_answer_has_a_class(status: int, kind: type[ServerError]) -> None:
    canned = Canned(answer({"message": "because"}, status, retry_after="7", location="/elsewhere"))
    with pytest.raises(ServerError) as caught:
        write(canned)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.request == "PUT /api/campaigns/c1/start"
    assert str(caught.value).startswith("PUT /api/campaigns/c1/start: ")
    assert str(status) in str(caught.value)
    assert "because" in str(caught.value) or status < 400
    assert canned.lines == ["PUT /api/campaigns/c1/start"]
    if status in (420, 429, 503):
        assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    "failure",
    [NotExecuted("x", request="r"), Unclear("x", request="r"), CannotConnect("x", request="r", tries=3)],
    ids=lambda failure: type(failure).__name__,
)
def test_a_write_is_sent_once_whatever_becomes_of_it(failure: ServerError) -> None:
    canned = Canned(failure)
    with pytest.raises(type(failure)):
        write(canned)
    assert len(canned.seen) == 1


REFUSALS = (Refused, Unauthorized)
AGAIN = [answer("x", status) for status in (408, 420, 429, 500, 502, 503, 504)]
AGAIN += [answer(b"<html><title>hello</title>"), answer(b'{"id": "c'), answer(b"")]
FAILURES = [
    NotExecuted("not sent", request="r"),
    Unclear("cut", request="r"),
    CannotConnect("no", request="r", tries=2),
]


@pytest.mark.parametrize("reply", [*AGAIN, *FAILURES], ids=str)
def test_a_read_is_sent_again(reply: Response | ServerError) -> None:
    canned = Canned(reply, CAMPAIGN)
    waits = Waits()
    read(canned, waits=waits)
    assert canned.lines == ["GET /api/campaigns/c1"] * 2
    assert waits.slept[0] == 0.2


@pytest.mark.parametrize(("status", "kind"), [c for c in CLASSES if c[1] in REFUSALS and c[0] != 404])
def test_a_read_that_is_refused_is_not_sent_again(status: int, kind: type[ServerError]) -> None:
    canned = Canned(answer("no", status))
    with pytest.raises(kind):
        read(canned)
    assert len(canned.seen) == 1


@pytest.mark.parametrize("status", [302, 303])
def test_a_read_that_is_redirected_is_refused(status: int) -> None:
    canned = Canned(answer("", status, location="https://user:pw@sso.example.com/login?token=secret#x"))
    with pytest.raises(Refused, match=f"{status} redirects to https://sso.example.com/login$") as caught:
        read(canned)
    assert "Redirects are not followed" in (caught.value.hint or "")
    assert len(canned.seen) == 1


@pytest.mark.parametrize(
    ("location", "said"),
    [("/other", "/other"), ("", "nowhere"), ("http://[", "an address that can't be read")],
)
def test_a_redirect_says_where_to(location: str, said: str) -> None:
    with pytest.raises(Refused, match=f"301 redirects to {said}$"):
        write(Canned(answer("", 301, location=location)))


def test_a_read_gives_up_in_the_end() -> None:
    canned, waits = Canned(answer("down", 503)), Waits()
    with pytest.raises(Unclear, match="503 down"):
        read(canned, waits=waits)
    assert len(canned.seen) == 8
    assert sum(waits.slept) <= 30
    assert waits.slept == sorted(waits.slept)


@pytest.mark.parametrize("status", [420, 429, 503])
@pytest.mark.parametrize("seconds", [12, 31, 60, 300])
def test_a_read_waits_as_long_as_the_server_asks(status: int, seconds: int) -> None:
    canned, waits = Canned(answer("", status, retry_after=str(seconds)), CAMPAIGN), Waits()
    read(canned, waits=waits)
    assert waits.slept == [seconds]


def test_a_read_waits_300_seconds_in_all() -> None:
    canned, waits = Canned(answer("", 429, retry_after="100")), Waits()
    with pytest.raises(NotExecuted, match=r"the server asks to wait 100 s"):
        read(canned, waits=waits)
    assert waits.slept == [100.0, 100.0, 100.0]


@pytest.mark.parametrize(("asked", "said"), [("301", "301 s"), ("3600", "3,600 s"), ("300.5", "301 s")])
def test_a_read_that_would_wait_too_long_says_how_long_at_once(asked: str, said: str) -> None:
    canned, waits = Canned(answer("busy", 429, retry_after=asked)), Waits()
    with pytest.raises(NotExecuted, match=f"429 busy \\(the server asks to wait {said}\\)") as caught:
        read(canned, waits=waits)
    assert caught.value.retry_after == float(asked)
    assert waits.slept == []


def test_after_a_long_wait_other_failures_are_still_tried_again() -> None:
    busy, down = answer("", 429, retry_after="60"), answer("", 503)
    canned, waits = Canned(busy, down, down, CAMPAIGN), Waits()
    read(canned, waits=waits)
    assert waits.slept[0] == 60.0
    assert len(waits.slept) == 3


def test_a_slow_failure_is_tried_twice_however_long_it_took() -> None:
    waits = Waits()

    def slow(_: Request) -> Response:
        waits.now += 60
        raise Unclear("no answer in time", request="r")

    canned = Canned(slow)
    with pytest.raises(Unclear):
        read(canned, waits=waits)
    assert len(canned.seen) == 2


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_at_the_start_no_connection_is_given_up_soon(tries: int) -> None:
    canned, waits = Canned(CannotConnect("refused", request="r", tries=tries)), Waits()
    with pytest.raises(CannotConnect):
        read(canned, waits=waits)
    assert len(canned.seen) == tries
    assert sum(waits.slept) < 1


def test_later_a_server_that_is_restarted_is_waited_for() -> None:
    refused = CannotConnect("refused", request="r", tries=3)
    canned = Canned(CAMPAIGN, *[refused] * 5, CAMPAIGN)

    async def main() -> None:
        reader = client(canned)
        await reader.campaign("c1")
        await reader.campaign("c1")

    asyncio.run(main())
    assert len(canned.seen) == 7


def test_an_answer_that_stays_unreadable_is_said_after_three_tries() -> None:
    canned = Canned(answer(b"<!doctype html><title>Welcome to the portal</title>"))
    with pytest.raises(Unclear, match="expected JSON, but got an HTML page titled 'Welcome to the portal'"):
        read(canned)
    assert len(canned.seen) == 3


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"uu', b"[]"])
def test_a_write_whose_answer_says_nothing_is_done(body: bytes) -> None:
    canned = Canned(answer(body))
    write(canned)
    assert len(canned.seen) == 1


def test_a_page_for_people_instead_of_an_answer_is_unclear() -> None:
    with pytest.raises(Unclear, match="an HTML page titled 'Sign in'"):
        write(Canned(answer(b"<html><head><title>Sign in</title>")))


def test_a_forbidden_write_names_the_permission() -> None:
    with pytest.raises(Refused) as caught:
        write(Canned(answer("no", 403)))
    assert caught.value.hint == "The operation needs the permission START_CAMPAIGN."


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, {Refusal.ABOUT_SOME_GATEWAYS, Refusal.NOT_AN_ID}),
        (403, {Refusal.NOT_PERMITTED}),
        (
            404,
            {
                Refusal.MAY_HAVE_HAPPENED,
                Refusal.ABOUT_SOME_GATEWAYS,
                Refusal.NO_SUCH_OBJECT,
                Refusal.NOT_AN_ID,
            },
        ),
        (405, set()),
        (409, {Refusal.MAY_HAVE_HAPPENED, Refusal.ABOUT_SOME_GATEWAYS}),
        (410, {Refusal.MAY_HAVE_HAPPENED, Refusal.NO_SUCH_OBJECT, Refusal.NOT_AN_ID}),
        (411, set()),
        (412, {Refusal.MAY_HAVE_HAPPENED}),
        (413, {Refusal.TOO_LARGE}),
        (422, {Refusal.ABOUT_SOME_GATEWAYS, Refusal.NOT_AN_ID}),
        (423, set()),
    ],
)
def test_what_a_refusal_may_mean(status: int, meaning: set[Refusal]) -> None:
    with pytest.raises(Refused) as caught:
        write(Canned(answer("no", status)))
    assert caught.value.meaning == meaning


def test_an_answer_without_words_is_said_by_its_status() -> None:
    with pytest.raises(Refused, match=r"the server answered 400$"):
        write(Canned(answer(b"", 400)))


@pytest.mark.parametrize("campaign_id", ["", ".", ".."])
def test_what_cannot_stand_in_a_path_is_never_sent(campaign_id: str) -> None:
    canned = Canned(CAMPAIGN)
    with pytest.raises(Refused, match="can't be the id of anything") as caught:
        asyncio.run(client(canned).delete_campaign(campaign_id))
    assert caught.value.meaning == {Refusal.NOT_AN_ID}
    assert canned.seen == []


def test_ids_are_percent_encoded() -> None:
    canned = Canned(CAMPAIGN)
    asyncio.run(client(canned).close_gateway("a/b", "g?ä %2F#"))
    assert canned.lines == ["PUT /api/campaigns/a%2Fb/devices/g%3F%C3%A4%20%252F%23/close"]
    assert body_of(canned.seen[0]) == {"gatewayId": "g?ä %2F#", "campaignId": "a/b"}


# --- headers and version -------------------------------------------------------------------------


def test_every_request_carries_the_headers() -> None:
    canned = Canned(CAMPAIGN)
    read(canned, replace(SETTINGS, organization="org-7"))
    assert canned.seen[0].headers == {
        "Accept": "application/json;api-version=0.17",
        "x-current-org-id": "org-7",
        "Authorization": "Bearer s3cr3t-token",
    }


@pytest.mark.parametrize("version", ["0.17", 0.17])
def test_without_a_version_the_server_is_asked_once_and_without_credentials(version: object) -> None:
    canned = Canned(lambda r: answer({"currentApiVersion": version}) if "versions" in r.path else CAMPAIGN)

    async def main() -> PulseClient:
        reader = client(canned, replace(SETTINGS, api_version=None))
        await asyncio.gather(*(reader.campaign("c1") for _ in range(5)))
        return reader

    reader = asyncio.run(main())
    assert canned.lines == ["GET /api/versions", *["GET /api/campaigns/c1"] * 5]
    assert "Authorization" not in canned.seen[0].headers
    assert {r.headers["Accept"] for r in canned.seen[1:]} == {"application/json;api-version=0.17"}
    assert dict(reader.wire.requests) == {"get-version": 1, "get-campaign": 5}


@pytest.mark.parametrize(
    "reply",
    [
        answer("", 404),
        answer("who are you", 401),
        answer("", 302, location="/"),
        answer({}),
        answer([]),
        answer(b"<html>", 404),
        answer(b"0.17 or so"),
        answer({"currentApiVersion": ""}),
        answer({"currentApiVersion": True}),
        answer({"currentApiVersion": {}}),
        answer({"currentApiVersion": "0.17\r\nX: y"}),
    ],
    ids=str,
)
def test_a_server_without_versions_is_asked_plainly(reply: Response) -> None:
    canned = Canned(reply, CAMPAIGN)
    read(canned, replace(SETTINGS, api_version=None))
    assert canned.lines == ["GET /api/versions", "GET /api/campaigns/c1"]
    assert canned.seen[1].headers["Accept"] == "application/json"


def test_a_page_in_the_place_of_the_version_is_an_error_that_says_so() -> None:
    page = answer(b"<!DOCTYPE html><title>Please sign in</title>")
    canned = Canned(page)
    with pytest.raises(NotExecuted) as caught:
        write(canned, replace(SETTINGS, api_version=None))
    assert caught.value.message == (
        "GET /api/versions: the answer can't be read: expected JSON,"
        " but got an HTML page titled 'Please sign in'"
    )
    assert caught.value.hint is not None
    assert "the API's address" in caught.value.hint
    assert canned.lines == ["GET /api/versions"] * 3, "it may pass"


def test_a_page_that_passes_is_forgotten() -> None:
    canned = Canned(answer(b"<html>"), answer({"currentApiVersion": "0.17"}), CAMPAIGN)
    read(canned, replace(SETTINGS, api_version=None))
    assert canned.seen[-1].headers["Accept"] == "application/json;api-version=0.17"


def test_a_write_is_surely_not_sent_when_the_version_cannot_be_asked() -> None:
    canned = Canned(Unclear("cut", request="GET /api/versions"))
    with pytest.raises(NotExecuted, match=r"^GET /api/versions: cut$"):
        write(canned, replace(SETTINGS, api_version=None))
    assert set(canned.lines) == {"GET /api/versions"}
    assert len(canned.seen) == 8


def test_what_comes_before_a_read_is_tried_once_persistently() -> None:
    canned = Canned(CannotConnect("refused", request="GET /api/versions", tries=3))
    with pytest.raises(NotExecuted, match="refused"):
        read(canned, replace(SETTINGS, api_version=None))
    assert len(canned.seen) == 3


@pytest.mark.parametrize("settings", [{"organization": "a b"}, {"api_version": "ä"}, {"organization": "x\n"}])
def test_what_cannot_stand_in_a_header_is_an_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ReconcilerError, match="HTTP can't carry"):
        wire(Canned(CAMPAIGN), replace(SETTINGS, **settings))


# --- who we are ----------------------------------------------------------------------------------


def server_with_tokens(*valid: str) -> tuple[Canned, list[str]]:
    """A server that gives tokens t1, t2, … for Basic and takes the last of them that is in `valid`."""
    given: list[str] = []

    def reply(request: Request) -> Response:
        if request.path == "/api/tokens":
            given.append(f"token-{len(given) + 1}")
            return answer({"accessToken": given[-1], "refreshToken": "r"})
        good = request.headers.get("Authorization", "").removeprefix("Bearer ") in valid
        if not good:
            return answer("expired", 401)
        return CAMPAIGN if request.method == "GET" else answer({})

    return Canned(reply), given


def test_a_user_name_and_password_are_exchanged_once() -> None:
    canned, _ = server_with_tokens("token-1")

    async def main() -> None:
        reader = client(canned, replace(SETTINGS, auth=BASIC))
        await asyncio.gather(*(reader.campaign("c1") for _ in range(5)))
        assert reader.wire.requests["sign-in"] == 1

    asyncio.run(main())
    assert canned.lines == ["GET /api/tokens", *["GET /api/campaigns/c1"] * 5]
    expected = base64.b64encode(b"robot:hunter22").decode()
    assert canned.seen[0].headers == {
        "Accept": "application/json;api-version=0.17",
        "Authorization": f"Basic {expected}",
    }


def test_a_401_means_one_new_sign_in_for_all_and_each_goes_out_again() -> None:
    canned, given = server_with_tokens("token-2")

    async def main() -> None:
        writer = client(canned, replace(SETTINGS, auth=BASIC))
        await asyncio.gather(*(writer.start_campaign(f"c{n}") for n in range(5)))

    asyncio.run(main())
    assert given == ["token-1", "token-2"]
    sent = [(str(r), r.headers["Authorization"]) for r in canned.seen if r.method == "PUT"]
    for n in range(5):
        mine = [token for line, token in sent if line == f"PUT /api/campaigns/c{n}/start"]
        assert mine[-1] == "Bearer token-2"
        assert len(mine) <= 2


def test_after_one_new_sign_in_it_gives_up_for_good() -> None:
    canned, given = server_with_tokens("none")

    async def main() -> None:
        reader = client(canned, replace(SETTINGS, auth=BASIC))
        for _ in range(3):
            with pytest.raises(Unauthorized, match="401 expired") as caught:
                await reader.campaign("c1")
            assert caught.value.hint
        for token in given:
            assert token not in str(caught.value)

    asyncio.run(main())
    assert given == ["token-1", "token-2"]
    assert canned.lines.count("GET /api/campaigns/c1") == 4


def test_a_fixed_token_cannot_be_had_anew() -> None:
    canned = Canned(answer("expired: s3cr3t-token", 401))
    with pytest.raises(Unauthorized) as caught:
        read(canned)
    assert len(canned.seen) == 1
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.hint == "Renew the token in environment variable THE_TOKEN."


def test_without_credentials_none_are_sent() -> None:
    canned = Canned(CAMPAIGN)
    read(canned, replace(SETTINGS, auth=None))
    assert "Authorization" not in canned.seen[0].headers
    with pytest.raises(Unauthorized) as caught:
        read(Canned(answer("", 401)), replace(SETTINGS, auth=None))
    assert "RECONCILER_TOKEN" in (caught.value.hint or "")


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" old-token\n")

    def reply(request: Request) -> Response:
        if request.headers["Authorization"] == "Bearer new-token":
            return CAMPAIGN
        path.write_text("new-token\n")
        return answer("", 401)

    canned = Canned(reply)
    read(canned, replace(SETTINGS, auth=TokenFile(path)))
    assert [r.headers["Authorization"] for r in canned.seen] == ["Bearer old-token", "Bearer new-token"]


def test_a_token_that_stays_the_same_is_not_sent_twice(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old-token")
    canned = Canned(answer("", 401))
    with pytest.raises(Unauthorized) as caught:
        read(canned, replace(SETTINGS, auth=TokenFile(path)))
    assert len(canned.seen) == 1
    assert str(path) in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "is empty"), (b"a b", "blank"), (b"\xff", "it isn't text")],
)
def test_a_token_file_that_is_no_good_is_an_error(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    canned = Canned(CAMPAIGN)
    with pytest.raises(ReconcilerError, match=why):
        read(canned, replace(SETTINGS, auth=TokenFile(path)))
    assert canned.seen == []


def test_a_token_command_is_run_again_in_the_projects_folder(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("")
    command = "printf x >> n; printf 'token-%s\\n' $(wc -c < n)"
    canned, _ = server_with_tokens("token-2")
    read(canned, replace(SETTINGS, auth=TokenCommand(command, tmp_path)))
    assert [r.headers["Authorization"] for r in canned.seen] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("command", "folder", "why"),
    [
        ("echo s3cr3t; exit 3", ".", "ended with 3"),
        ("true", ".", "is empty"),
        ("printf 'to\\377ken'", ".", "can't carry"),
        ("true", "gone", "can't be run: No such file"),
        ("exec sleep 300", ".", "took longer than"),
    ],
)
def test_a_token_command_that_fails_is_an_error_without_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, folder: str, why: str
) -> None:
    if "sleep" in command:
        monkeypatch.setattr(auth, "COMMAND_SECONDS", 0.1)
    with pytest.raises(ReconcilerError, match=why) as caught:
        read(Canned(CAMPAIGN), replace(SETTINGS, auth=TokenCommand(command, tmp_path / folder)))
    assert command not in f"{caught.value} {caught.value.hint}", "a secret may stand in it"
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


def test_a_token_command_may_end_just_before_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = asyncio.subprocess.Process.kill

    def too_late(process: asyncio.subprocess.Process) -> None:
        kill(process)
        raise ProcessLookupError

    monkeypatch.setattr(auth, "COMMAND_SECONDS", 0.1)
    monkeypatch.setattr(asyncio.subprocess.Process, "kill", too_late)
    with pytest.raises(ReconcilerError, match="took longer than"):
        read(Canned(CAMPAIGN), replace(SETTINGS, auth=TokenCommand("exec sleep 300", tmp_path)))


def test_a_token_command_is_given_nothing_of_what_is_typed(tmp_path: Path) -> None:
    (tmp_path / "typed").write_text("s3cr3t\n")
    ours = os.dup(0)
    try:
        with (tmp_path / "typed").open() as typed:
            os.dup2(typed.fileno(), 0)
        with pytest.raises(ReconcilerError, match="is empty"):
            read(Canned(CAMPAIGN), replace(SETTINGS, auth=TokenCommand("cat", tmp_path)))
    finally:
        os.dup2(ours, 0)
        os.close(ours)


def test_a_run_that_is_told_to_end_takes_its_token_command_with_it(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    reader = client(
        Canned(CAMPAIGN), replace(SETTINGS, auth=TokenCommand(f"echo $$ > {begun}; exec sleep 300", tmp_path))
    )

    async def main() -> int:
        task = asyncio.create_task(reader.campaign("c1"))
        command = int(await asyncio.to_thread(begun.read_text))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return command

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(main()), 0)


SIGN_IN_FAILURES: list[tuple[Any, type[ServerError], str, int]] = [
    (answer("no", 401), Unauthorized, "does not accept the user name and password", 1),
    (answer("no", 404), Refused, "404 no", 1),
    (answer({"refreshToken": "hunter23"}), NotExecuted, "holds no accessToken", 3),
    (answer(b"token hunter23"), NotExecuted, "holds no accessToken", 3),
    (answer("down", 503), NotExecuted, "503 down", 8),
    (Unclear("cut", request="GET /api/tokens"), NotExecuted, "cut", 8),
]


@pytest.mark.parametrize(("reply", "kind", "why", "times"), SIGN_IN_FAILURES)
def test_when_the_sign_in_fails_the_write_was_not_executed(
    reply: Any, kind: type[ServerError], why: str, times: int
) -> None:
    canned = Canned(reply)
    with pytest.raises(kind, match=why) as caught:
        write(canned, replace(SETTINGS, auth=BASIC))
    assert canned.lines == ["GET /api/tokens"] * times
    assert "hunter2" not in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
def test_a_refused_sign_in_says_nothing_of_what_was_to_be_called(status: int) -> None:
    """A campaign is not gone because the way to a token is."""
    for ask in (read, write):
        with pytest.raises(Refused, match=f"{status} no$") as caught:
            ask(Canned(answer("no", status)), replace(SETTINGS, auth=BASIC))
        assert caught.value.meaning == frozenset()
        assert caught.value.request == "GET /api/tokens"


@pytest.mark.parametrize("key", ["accessToken", "access_token", "token"])
def test_the_access_token_goes_by_some_names(key: str) -> None:
    canned = Canned(answer({key: "abc"}), CAMPAIGN)
    read(canned, replace(SETTINGS, auth=BASIC))
    assert canned.seen[-1].headers["Authorization"] == "Bearer abc"


def test_a_refused_password_is_not_tried_again_and_again() -> None:
    canned = Canned(answer("no", 401))

    async def main() -> None:
        reader = client(canned, replace(SETTINGS, auth=BASIC))
        results = await asyncio.gather(*(reader.campaign("c1") for _ in range(9)), return_exceptions=True)
        assert {type(result) for result in results} == {Unauthorized}

    asyncio.run(main())
    assert canned.lines == ["GET /api/tokens"]


@pytest.mark.parametrize("status", [429, 503])
def test_the_version_is_asked_again_while_the_server_is_busy(status: int) -> None:
    canned = Canned(answer("", status), answer({"currentApiVersion": "0.17"}), CAMPAIGN)
    read(canned, replace(SETTINGS, api_version=None))
    assert canned.lines == ["GET /api/versions", "GET /api/versions", "GET /api/campaigns/c1"]


def test_a_user_name_that_basic_cannot_carry_is_an_error() -> None:
    with pytest.raises(ReconcilerError, match="colon"):
        read(Canned(CAMPAIGN), replace(SETTINGS, auth=Basic("a:b", BASIC.password)))


# --- what never shows ----------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["hunter22", "x"])
def test_a_password_that_an_answer_repeats_does_not_show(password: str) -> None:
    auth = Basic("me", Secret("environment variable THE_PASSWORD", password))
    header = base64.b64encode(f"me:{password}".encode()).decode()
    canned = Canned(answer(f"not {header}".encode(), 404))
    with pytest.raises(Refused, match=r"404 not \*\*\*$"):
        write(canned, replace(SETTINGS, auth=auth))
    if password == "x":
        return  # Too short to be told from ordinary words.
    with pytest.raises(Refused, match=r"404 not \*\*\*$"):
        write(Canned(answer(f"not {password}".encode(), 404)), replace(SETTINGS, auth=auth))


def test_secrets_that_an_answer_repeats_do_not_show() -> None:
    settings = {
        "KEY": Secret("environment variable KEY", 'pa"ss/word'),
        "LEVEL": "info",
        "X": Secret("f", "abc"),
    }
    said = b'LEVEL=info KEY=pa"ss/word or pa\\"ss/word or pa%22ss%2Fword, s3cr3t-token'
    for make in (
        lambda writer: writer.create_campaign("x", settings=settings),
        lambda writer: writer.edit_campaign("c1", "x", description="", packages=(), settings=settings),
    ):
        call: Callable[[PulseClient], Coroutine[Any, Any, Any]] = make
        with pytest.raises(Refused) as caught:
            asyncio.run(call(client(Canned(answer(said, 400)))))
        assert str(caught.value).endswith("400 LEVEL=info KEY=*** or *** or ***, ***")


HALVES = ("c4nary", "-half/&")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "spell",
    [
        lambda said: said,
        lambda said: json.dumps({"message": said}),
        lambda said: json.dumps({"message": json.dumps(said)}),
        lambda said: json.dumps(said, ensure_ascii=False),
        lambda said: json.dumps({said: 1}),
        lambda said: f"<html><title>{escape(said)}</title>",
        quote,
        quote_plus,
        repr,
    ],
    ids=["text", "message", "twice", "string", "key", "title", "url", "form", "repr"],
)
def test_no_half_of_a_secret_shows_where_an_answer_is_cut(status: int, spell: Callable[[str], str]) -> None:
    settings = {"KEY": Secret("environment variable KEY", 'c4nary  "ü" -half/&')}
    for before in range(60, 125, 2):
        canned = Canned(answer(spell("x" * before + settings["KEY"].reveal()).encode(), status))
        with pytest.raises(ServerError) as caught:
            asyncio.run(client(canned).create_campaign("x", settings=settings))
        assert not [half for half in HALVES if half in str(caught.value)], caught.value


def test_the_log_says_method_path_status_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    canned = Canned(Unclear("cut", request="r"), answer({"id": "c1", "description": "private"}))
    with caplog.at_level(logging.DEBUG, logger="reconciler.http"):
        read(canned)
    assert caplog.messages == [
        "GET /api/campaigns/c1 Unclear after 0 ms",
        "GET /api/campaigns/c1 200 in 0 ms",
    ]


def test_requests_and_answers_do_not_show_what_they_carry() -> None:
    canned = Canned(CAMPAIGN)
    read(canned)
    assert "s3cr3t" not in repr(canned.seen)
    assert "CREATED" not in repr(CAMPAIGN)
    assert "s3cr3t" not in repr(TOKEN)


# --- pace ----------------------------------------------------------------------------------------


def test_requests_never_pass_the_declared_rate() -> None:
    waits, times = Waits(), list[float]()

    class Noting:
        async def send(self, request: Request) -> Response:
            times.append(waits.now)
            return CAMPAIGN

    async def main() -> None:
        reader = client(Noting(), replace(SETTINGS, max_requests_per_second=10), waits=waits)
        await asyncio.gather(*(reader.campaign("c1") for _ in range(30)))

    asyncio.run(main())
    assert all(sum(t <= other < t + 1 - 1e-9 for other in times) <= 10 for t in times)


def test_a_complaint_slows_all_requests_down() -> None:
    waits = Waits()
    canned = Canned(answer("", 429, retry_after="0"), CAMPAIGN)
    reader = client(canned, replace(SETTINGS, max_requests_per_second=40), waits=waits)

    async def main() -> None:
        for _ in range(3):
            await reader.campaign("c1")

    asyncio.run(main())
    assert waits.slept[-1] == pytest.approx(1 / 20)


def test_no_more_requests_are_under_way_than_allowed() -> None:
    open_now, most = 0, 0

    class Slow:
        async def send(self, request: Request) -> Response:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            for _ in range(3):
                await asyncio.sleep(0)
            open_now -= 1
            return CAMPAIGN

    async def main(allowed: dict[str, int]) -> None:
        async with connect(SETTINGS, transport=Slow(), **allowed) as provider:
            await asyncio.gather(*(provider.reads.campaign("c1") for _ in range(100)))

    asyncio.run(main({"parallelism": 5}))
    assert most == 5
    asyncio.run(main({}))
    assert most == 16


def test_all_that_reads_keeps_to_the_settings() -> None:
    canned = Canned(answer({"page": {"totalElements": 0}}))
    settings = replace(SETTINGS, page_size=7, max_answer_megabytes=3)

    async def main() -> None:
        async with connect(settings, transport=canned, parallelism=5) as provider:
            assert await provider.reads.campaigns() == await provider.questions.package_infos() == ()
            for part in (provider.reads, provider.questions):
                assert isinstance(part, Calls)
                assert (part.page_size, part.parallelism, part.most_bytes) == (7, 5, LIST_ANSWERS * 3 << 20)

    asyncio.run(main())
    assert [request.query for request in canned.seen] == [(("page.size", "7"),)] * 2


def test_any_status_may_come_where_a_list_is_set() -> None:
    canned = Canned(answer({}))
    asyncio.run(client(canned).set_distribution_list("c1", DistributionList("d")))
    assert body_of(canned.seen[0]) == {"distributionListId": "d", "campaignId": "c1"}
