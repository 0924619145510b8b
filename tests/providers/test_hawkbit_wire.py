"""Sign-in with each request, what an answer means by its `errorCode`, and secrets that show nowhere."""

import asyncio
import base64
import logging
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from canned_server import Canned, answer

from reconciler.errors import NotExecuted, Refusal, Refused, ServerError, Unauthorized, Unclear
from reconciler.model import Secret
from reconciler.pacing import Backoff
from reconciler.providers.hawkbit.entry import STATUSES, verdict
from reconciler.providers.hawkbit.kind import Hawkbit, provider_of
from reconciler.providers.http.sender import Sender
from reconciler.providers.http.transport import Request, Response
from reconciler.settings import ServerSettings, Token
from reconciler.snapshot import Header, take
from tests.fakes import NOW
from tests.hawkbit_standin.app import Fault, User
from tests.providers.hawkbit_world import ADMIN, HawkbitWorld, line
from tests.providers.told import grouped, told

CODE = "hawkbit.server.error."
SETTINGS = ServerSettings(url="http://hawkbit.example.com", provider="hawkbit", auth=ADMIN)


def provider(canned: Canned, settings: ServerSettings = SETTINGS) -> Any:
    return provider_of(settings, canned, parallelism=4, backoff=Backoff(attempts=1))


def error(status: int, code: str, **more: Any) -> Response:
    return answer(
        {"errorCode": CODE + code, "message": "why", **more} if code else {"message": "why"}, status
    )


def test_the_password_goes_with_each_request_and_no_sign_in_comes_first() -> None:
    canned = Canned(answer({"content": [], "total": 0}))
    assert asyncio.run(provider(canned).reads.campaigns()) == ()
    [request] = canned.seen
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"admin:admin").decode()
    assert request.headers["Accept"] == "application/json"


def test_a_token_of_an_identity_provider_is_a_bearer() -> None:
    canned = Canned(answer({"content": [], "total": 0}))
    settings = ServerSettings(url="http://h", provider="hawkbit", auth=Token(Secret("X", "t0ken")))
    asyncio.run(provider(canned, settings).reads.campaigns())
    assert canned.seen[0].headers["Authorization"] == "Bearer t0ken"


def test_a_wrong_password_is_tried_once() -> None:
    canned = Canned(answer({"status": 401, "error": "Unauthorized"}, 401))
    with pytest.raises(Unauthorized) as caught:
        asyncio.run(provider(canned).reads.campaigns())
    assert len(canned.seen) == 1
    assert "YWRtaW46YWRtaW4=" not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "meaning"),
    [
        (error(400, "rollout.illegalState"), {Refusal.MAY_HAVE_HAPPENED}),
        (error(405, "action.notCancelable"), {Refusal.MAY_HAVE_HAPPENED}),
        (error(405, "action.notForceQuitable"), {Refusal.MAY_HAVE_HAPPENED}),
        (error(409, "repo.entityAlreadyExists"), {Refusal.MAY_HAVE_HAPPENED}),
        (error(403, "entityReadOnly"), {Refusal.MAY_HAVE_HAPPENED, Refusal.NO_SUCH_OBJECT}),
        (error(403, "insufficientPermission"), {Refusal.NOT_PERMITTED}),
        (error(400, "repo.constraintViolation"), set()),
        (error(423, "locked"), set()),
        (error(429, "quota.tooManyEntries"), set()),
        (error(429, "quota.storageExceeded"), set()),
        (error(400, "something.new"), set()),
    ],
)
def test_what_an_error_means_by_its_code(response: Response, meaning: set[Refusal]) -> None:
    found = verdict(response)
    assert found is not None
    assert (found.meaning, found.again) == (meaning, False)


CODES = [
    *("rollout.illegalState", "action.notCancelable", "action.notForceQuitable", "repo.entityAlreadyExists"),
    *(
        "repo.concurrentModification",
        "insufficientPermission",
        "entityReadOnly",
        "locked",
        "repo.entityNotFound",
    ),
    *("quota.tooManyEntries", "something.new", ""),
]


async def _counted(response: Response, method: str) -> list[str]:
    """What an answer is counted as, whether it may come otherwise, and what it means."""
    request, sender = Request(method, "/p"), Sender(Canned(response), STATUSES)
    await sender.once("x", request)
    [(_, outcome)] = sender.answers
    words = [str(outcome), *(["again"] if sender.passing(response) else [])]
    words += ["slower"] if sender.too_often(response.status) and sender._limiter.rate is not None else []
    with pytest.raises(ServerError) as caught:
        sender.check(request, response, hint="the hint")
    return [", ".join(words), f"! {told(caught.value)}"]


def test_what_each_code_means_with_each_status(golden: Any) -> None:
    async def main() -> list[tuple[str, list[str]]]:
        return [
            (f"{code or 'no code'} {status}, {method}", await _counted(error(status, code), method))
            for code in CODES
            for status in (400, 404, 429, 499, 500)
            for method in ("GET", "PUT")
        ]

    golden("hawkbit-codes.txt", "".join(f"{line}\n" for line in grouped(asyncio.run(main()))))


@pytest.mark.parametrize(
    "response",
    [
        answer({"message": "slow down"}, 429),
        answer(b"<html>busy</html>", 429),
        answer({"status": 404, "error": "Not Found"}, 404),
        error(500, "something"),
        answer([], 400),
    ],
)
def test_without_a_code_the_status_decides(response: Response) -> None:
    assert verdict(response) is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, set()),
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
        (405, {Refusal.MAY_HAVE_HAPPENED}),
        (409, {Refusal.MAY_HAVE_HAPPENED}),
        (410, {Refusal.MAY_HAVE_HAPPENED}),
        (411, set()),
        (413, {Refusal.TOO_LARGE}),
    ],
)
def test_what_a_status_alone_may_mean(status: int, meaning: set[Refusal]) -> None:
    canned = Canned(answer({"message": "no"}, status))
    with pytest.raises(Refused) as caught:
        asyncio.run(provider(canned).reads.campaigns())
    assert caught.value.meaning == meaning


def test_a_404_names_whom_the_server_doesn_t_know() -> None:
    info = {"type": "Target", "entityId": ["b", "a"]}
    found = verdict(error(404, "repo.entityNotFound", info=info))
    assert found is not None
    assert found.gateways == ("a", "b")
    other = verdict(error(404, "repo.entityNotFound", info={"type": "TargetTag", "entityId": [7]}))
    assert other is not None
    assert other.gateways == ()


@pytest.mark.parametrize(
    ("response", "kind", "sent"),
    [
        (error(429, "quota.tooManyEntries"), Refused, 1),
        (error(409, "repo.concurrentModification"), NotExecuted, 3),
        (answer({"message": "slow down"}, 429), NotExecuted, 3),
        (answer(b"<html>Bad gateway</html>", 502), Unclear, 3),
    ],
)
def test_what_is_asked_again(response: Response, kind: type[Exception], sent: int) -> None:
    canned = Canned(response)
    opened = provider_of(SETTINGS, canned, parallelism=4, backoff=Backoff(base=0.001, attempts=3))
    with pytest.raises(kind):
        asyncio.run(opened.reads.campaigns())
    assert len(canned.seen) == sent


def test_a_secret_of_a_device_shows_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a log nor in a plan, a snapshot, the state or an error."""

    async def main() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            caplog.set_level(logging.DEBUG)
            await world.apply(line(1, 2))
            plan = await world.make_plan(line(1, 2, 3))
            out = BytesIO()
            header = Header(world.provider.server, NOW, "all")
            state = world.session.state
            await take(
                world.provider.reads,
                world.provider.facts,
                header,
                out,
                load=lambda: state,
                overridden=lambda _: (),
            )
            # A page that is cut in the middle of a target.
            row = b'{"content": [{"securityToken": "secret-of-gw-01", "controllerId": "gw-'
            world.server.fault = lambda asked: Fault(200, row) if "assigned" in asked.path else None
            with pytest.raises(Unclear) as caught:
                await world.provider.reads.gateways(str(world.rollout("line").id))
            told = caplog.text + repr(plan) + repr(world.session.state) + out.getvalue().decode()
            assert "secret-of" not in told
            assert "secret-of" not in str(caught.value)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["apiVersion", "organization", "editWhileStarted"])
def test_settings_of_others_are_named(name: str) -> None:
    [(found, why)] = Hawkbit().check({name: "x"})
    assert found == name
    assert name in why


def test_pages_are_no_longer_than_the_server_gives() -> None:
    assert dict(Hawkbit().check({"pageSize": 501})).keys() == {"pageSize"}
    assert dict(Hawkbit().check({"pageSize": 500})) == {}


def test_a_right_that_is_lacking_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            reads = frozenset(
                {"READ_TARGET", "READ_ROLLOUT", "READ_DISTRIBUTION_SET", "READ_SOFTWARE_MODULE"}
            )
            world.server.users["admin"] = User("admin", reads)
            applied = await world.run(await world.make_plan(line(1)))
            assert applied.failed
            words = " ".join(outcome.message for outcome in applied.outcomes)
            assert "CREATE_SOFTWARE_MODULE" in words

    asyncio.run(main())
