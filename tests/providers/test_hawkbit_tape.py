"""What each read, question and step asks of hawkBit and makes of the answer: `tests/golden/hawkbit-*.txt`.

The server answers by a table, and lists all that it has whatever the query says, as if it ignored case: what
is right has to be chosen from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from reconciler.model import (
    AddGateways,
    ApproveCampaign,
    CampaignFields,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DeliveryTerms,
    DistributionList,
    EditCampaign,
    EndCampaign,
    Force,
    Kind,
    Only,
    PackageFile,
    PendingUpload,
    Reason,
    RemoveGateways,
    ResourceId,
    RetireCampaign,
    SetName,
    StartCampaign,
    Step,
    StepGroup,
    StopCampaign,
    UploadPackage,
)
from reconciler.pacing import Backoff
from reconciler.providers.base import Bindings, Provider
from reconciler.providers.hawkbit.kind import provider_of
from reconciler.providers.hawkbit.operations import OPERATIONS
from reconciler.providers.hawkbit.statuses import PHASES
from reconciler.providers.http.transport import Request, Response
from reconciler.settings import ServerSettings
from tests.providers.canned_server import answer
from tests.providers.hawkbit_world import ADMIN
from tests.providers.told import Tape, Told, Turns, after, grouped

BASE = "/rest/v1"
CODE = "hawkbit.server.error."
CONTENT = b"firmware"
DIGEST = sha256(CONTENT).hexdigest()
LINE = ResourceId(Kind.CAMPAIGN, "line")
OTHER = ResourceId(Kind.CAMPAIGN, "other")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
STATUSES = [*map(str.lower, PHASES), "deleting", "deleted", "of tomorrow"]
MARK = "[reconciler]"


def no(status: int, code: str, **more: Any) -> Response:
    return answer({"errorCode": CODE + code, "message": "why", **more}, status)


GONE = no(404, "repo.entityNotFound", info={"type": "Rollout", "entityId": [5]})
TAKEN = no(409, "repo.entityAlreadyExists")
LATE = no(400, "rollout.illegalState")
FORBIDDEN = no(403, "insufficientPermission")


def rows(*found: Mapping[str, Any]) -> Callable[[Request], Response]:
    """A list by its pages."""

    def page(request: Request) -> Response:
        query = dict(request.query)
        start, size = int(query.get("offset", 0)), int(query.get("limit", 50))
        return answer({"content": found[start : start + size], "total": len(found)})

    return page


def cut(lengths: Mapping[int, int], count: int = 8) -> Callable[[Request], Response]:
    """A list of rollouts of which the page at an offset has fewer rows than were asked for."""

    def page(request: Request) -> Response:
        query = dict(request.query)
        start, size = int(query["offset"]), int(query["limit"])
        end = start + min(size, lengths.get(start, size))
        return answer({"content": [rollout(n) for n in range(1, count + 1)][start:end], "total": count})

    return page


def rollout(number: int = 5, **more: Any) -> dict[str, Any]:
    known = {
        "id": number,
        "name": "line",
        "status": "running",
        "targetFilterQuery": "tag=='reconciler-line-1'",
    }
    known |= {
        "distributionSetId": 7,
        "description": "why",
        "dynamic": True,
        "deleted": False,
        "type": "forced",
    }
    known |= {"forcetime": 11, "startAt": 12, "totalTargets": 3, "createdAt": 13, "lastModifiedAt": 14}
    counts = {"running": 1, "cancelled": 2}
    return {**known, "lastModifiedBy": "ann", "totalTargetsPerStatus": counts, **more}


def bundle(number: int = 7, **more: Any) -> dict[str, Any]:
    known = {"id": number, "name": "firmware", "version": "1", "type": "os_app", "valid": True}
    return {**known, "description": MARK, "modules": [{"id": 10}, {"id": 9}], **more}


def module(number: int, **more: Any) -> dict[str, Any]:
    known = {"id": number, "name": "fw", "version": f"{number}.0", "type": "os", "description": "of the fw"}
    return {**known, "createdBy": "bob", "createdAt": 21, "deleted": False, **more}


def artifact(digest: str = DIGEST, name: str = "fw.bin") -> dict[str, Any]:
    return {"providedFilename": name, "hashes": {"sha256": digest.upper()}}


def row(number: int, target: str, status: str = "running", active: bool | None = True, of: int = 5) -> Any:
    """An action of a rollout, as the list of them has it."""
    links = {"target": {"href": f"http://h{BASE}/targets/{target}"}}
    told = {} if active is None else {"active": active}
    return {"id": number, "status": "pending", "detailStatus": status, "rollout": of, "_links": links, **told}


def target(name: str) -> dict[str, Any]:
    return {"controllerId": name, "securityToken": "s3cr3t"}


def history(*entries: tuple[str, int, list[str]]) -> dict[str, Any]:
    return {"content": [{"type": kind, "reportedAt": at, "messages": said} for kind, at, said in entries]}


ALL = {
    # Lists are in no order: what is told is sorted by us.
    "rollouts": rows(
        rollout(10, name="ten"),
        rollout(6, name="LINE", status="ready"),
        rollout(5),
        rollout(8, status="deleting"),
    ),
    "rollouts/5": rollout(5),
    "rollouts/6": rollout(6, name="line two", distributionSetId=8, status="ready"),
    "distributionsets": rows(bundle(8, name="other", description="by hand"), bundle()),
    "distributionsets/7": bundle(),
    "distributionsets/8": bundle(8),
    "softwaremodules": rows(module(10, name="FW", type="application"), module(11, deleted=True), module(9)),
    "softwaremodules/9": module(9),
    "softwaremodules/10": module(10, name="app", type="application"),
    "softwaremodules/11": module(11, deleted=True),
    "softwaremodules/9/artifacts": [artifact()],
    "softwaremodules/10/artifacts": [artifact(), artifact("ab" * 32, "other.bin")],
    "targettags": rows(
        {"id": 2, "name": "Reconciler-line-1", "description": f"{MARK} Line"},
        {"id": 3, "name": "reconciler-line-1", "description": f"{MARK} line"},
    ),
    "targettags/3/assigned": rows(*map(target, ("a", "b", "c", "d"))),
    "actions": rows(
        row(31, "a"),
        row(32, "b", "finished", active=False),
        row(33, "c", "canceling"),
        row(34, "x", "error", None),
    ),
    "targetfilters": rows(
        {"id": 41, "name": "hall", "query": "id==gw-*"}, {"id": 42, "name": "41", "query": "id==other"}
    ),
    "userinfo": {"permissions": ["READ_ROLLOUT", "READ_TARGET", "ROLE_REPOSITORY_ADMIN"]},
    "targets/a/actions/31/status": history(("running", 52, ["second", ""]), ("running", 51, ["first"])),
    "targets/x/actions/34/status": history(
        ("error", 63, []), ("error", 62, ["Update Server: failed", "no room"]), ("download", 61, ["loading"])
    ),
}


def otherwise(request: Request) -> Response:
    """Reads find nothing; what is written is done, and what is made gets the id 90."""
    if request.method == "GET":
        return no(404, "repo.entityNotFound")
    if request.method == "POST" and isinstance(request.body, bytes) and request.body.startswith(b"["):
        return answer([{"id": 90}])
    if request.method == "POST" and request.path == f"{BASE}/rollouts":
        return answer({"id": 91})
    return answer(b"")


def opened(server: Told) -> Provider:
    settings = ServerSettings(url="http://h", provider="hawkbit", auth=ADMIN, page_size=3)
    return provider_of(settings, server, parallelism=1, backoff=Backoff(attempts=1))


tape = Tape(BASE, ALL, otherwise, opened)
lines = tape.lines


# --- reads -------------------------------------------------------------------------------------------

FLEET = [f"t{n:02}" for n in range(30)]


def fleet(
    going: int = 1, *, counted: int = 29, finished: int = 29, installed: int | None = 29, **more: Any
) -> Mapping[str, Any]:
    """A rollout of 30 targets at rest, except for `going`; what the server counts of the others.

    ``installed`` None: its list tells no total, and holds who is asked for.
    """
    begun = [row(n, name, "running" if n < going else "finished", n < going) for n, name in enumerate(FLEET)]

    def actions(request: Request) -> Response:
        query = dict(request.query)["q"]
        if "status!=" in query:
            return rows(*begun[:going])(request)
        return rows(*begun[going : going + finished] if "status==" in query else begun)(request)

    def installations(request: Request) -> Response:
        if installed is None:
            return answer({"content": [target("t01")]})
        return answer({"content": [target("t01")], "total": installed})

    return {
        "rollouts/5": rollout(
            totalTargets=30, totalTargetsPerStatus={"finished": counted, "running": 1}, **more
        ),
        "targettags": rows({"id": 3, "name": "reconciler-line-1", "description": MARK}),
        "targettags/3/assigned": rows(*map(target, FLEET)),
        "actions": actions,
        "distributionsets/7/installedTargets": installations,
    }


FLEETS = {
    "at rest": fleet(),
    "of which all are done": fleet(0, finished=30, installed=30),
    "of which four go on": fleet(4, finished=26, installed=26),
    "that is done as far as is counted": fleet(counted=27),
    "that is not done as far as is counted": fleet(counted=26),
    "that has another set": fleet(installed=28),
    "that has another set, or nobody says": fleet(installed=None),
    "of which fewer are done than are counted": fleet(finished=28),
    "that only downloads": fleet(type="downloadonly"),
    "that isn't counted": {**fleet(), "rollouts/5": rollout(totalTargetsPerStatus=None)},
    "that hasn't begun": fleet(status="ready"),
    "whose targets can't be read": {
        **fleet(),
        "targettags/3/assigned": {"content": [{"securityToken": "s3cr3t"}], "total": 30},
    },
    "whose tag has a twin": {
        **fleet(),
        "targettags": rows(
            *({"id": n, "name": f"{name}-line-1"} for n, name in ((2, "Reconciler"), (3, "reconciler")))
        ),
    },
    "of another tag": {
        **fleet(targetFilterQuery="tag=='reconciler-é-1'"),
        "targettags": rows({"id": 3, "name": "reconciler-é-1"}),
    },
}

PLAIN = {"targetFilterQuery": "id==gw-*"}
READS: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
    "all campaigns": (lambda on: on.reads.campaigns(), {}),
    "campaigns by name": (lambda on: on.reads.campaigns(["ten", "line", "of nobody", "b", "a"]), {}),
    **{
        f"a list of which {what}": (lambda on: on.reads.campaigns(), {"rollouts": cut(lengths)})
        for what, lengths in {
            "each page is cut": {0: 2},
            "the first page is empty": {0: 0},
            "the second page is cut": {3: 1},
            "the second page is empty": {3: 0},
        }.items()
    },
    "a list that can't be read": (
        lambda on: on.reads.campaigns(),
        {"rollouts": {"content": [{"securityToken": "s3cr3t"}], "total": 1}},
    ),
    **{
        f"gateways of a fleet {what}": (lambda on: on.reads.gateways("5"), more)
        for what, more in FLEETS.items()
    },
    "a list of which nothing is there": (lambda on: on.reads.campaigns(), {"rollouts": cut({}, 0)}),
    "a campaign": (lambda on: on.reads.campaign("5"), {}),
    "a campaign without a set": (lambda on: on.reads.campaign("5"), {"distributionsets/7": GONE}),
    "a campaign that nobody changed": (
        lambda on: on.reads.campaign("5"),
        {"rollouts/5": rollout(lastModifiedBy=None, description=None, startAt=None, forcetime=None)},
    ),
    "a campaign that is another one": (lambda on: on.reads.campaign("5"), {"rollouts/5": rollout(6)}),
    "a campaign of a longer number": (
        lambda on: on.reads.campaign("5"),
        {"rollouts/5": rollout(12_345_678_901_234_567_890_123)},
    ),
    "no campaign": (lambda on: on.reads.campaign("99"), {}),
    "no id": (lambda on: on.reads.campaign("x"), {}),
    "a campaign that nobody may see": (lambda on: on.reads.campaign("5"), {"rollouts/5": FORBIDDEN}),
    "the gateways of none": (lambda on: on.reads.gateways("99"), {}),
    "gateways": (lambda on: on.reads.gateways("5"), {}),
    "gateways of downloads": (
        lambda on: on.reads.gateways("5"),
        {"rollouts/5": rollout(type="downloadonly"), "actions": rows(row(1, "a", "downloaded"))},
    ),
    "gateways before the start": (lambda on: on.reads.gateways("5"), {"rollouts/5": rollout(status="ready")}),
    "gateways whose tag is gone": (lambda on: on.reads.gateways("5"), {"targettags": rows()}),
    "gateways by hand": (lambda on: on.reads.gateways("5"), {"rollouts/5": rollout(dynamic=False)}),
    "gateways of a filter": (lambda on: on.reads.gateways("5"), {"rollouts/5": rollout(**PLAIN)}),
    "gateways of groups": (
        lambda on: on.reads.gateways("5"),
        {
            "rollouts/5": rollout(status="ready", dynamic=False),
            "rollouts/5/deploygroups": rows({"id": 71, "status": "READY"}, {"id": 72, "status": "READY"}),
            "rollouts/5/deploygroups/71/targets": rows(target("a"), target("b")),
            "rollouts/5/deploygroups/72/targets": rows(target("c")),
        },
    ),
    "the list of a campaign of its own tag": (lambda on: on.reads.distribution_list("5"), {}),
    "the list of a campaign": (lambda on: on.reads.distribution_list("5"), {"rollouts/5": rollout(**PLAIN)}),
    "a list that leaves some out": (
        lambda on: on.reads.distribution_list("5"),
        {"rollouts/5": rollout(targetFilterQuery="(id==gw-*);id=out=('a','b')")},
    ),
    "several lists of one query": (
        lambda on: on.reads.distribution_list("5"),
        {
            "rollouts/5": rollout(**PLAIN),
            "targetfilters": rows(*({"id": n, "name": f"f{9 - n}", "query": "id==gw-*"} for n in (1, 2))),
        },
    ),
    "no such list": (
        lambda on: on.reads.distribution_list("5"),
        {"rollouts/5": rollout(targetFilterQuery="id==nobody")},
    ),
    "the packages of gateways": (lambda on: on.reads.overrides("5", ["b", "a"]), {}),
    "all packages": (lambda on: on.reads.packages(), {}),
    "packages by name": (lambda on: on.reads.packages(["fw", "b", "c", "a"]), {}),
    "packages by content": (lambda on: on.reads.packages_of([DIGEST, "cd" * 32, "ab" * 32]), {}),
    "a package": (lambda on: on.reads.package("9"), {}),
    "a package of two files": (lambda on: on.reads.package("10"), {}),
    "a package that is deleted": (lambda on: on.reads.package("11"), {}),
    "a package that holds nothing": (lambda on: on.reads.package("9"), {"softwaremodules/9/artifacts": GONE}),
    "no package": (lambda on: on.reads.package("99"), {}),
    **{
        f"a campaign that is {kind} and {status}": (
            lambda on: on.reads.campaign("5"),
            {"rollouts/5": rollout(type=kind, status=status)},
        )
        for kind in ("soft", "forced", "timeforced", "downloadonly", "of tomorrow")
        for status in ("ready", "running")
    },
    **{
        f"a campaign that is {status}": (
            lambda on: on.reads.campaign("5"),
            {"rollouts/5": rollout(status=status, startAt=None)},
        )
        for status in STATUSES
    },
}


def test_reads(golden: Any) -> None:
    golden("hawkbit-reads.txt", lines(READS))


# --- questions ---------------------------------------------------------------------------------------


async def _rights(on: Provider) -> list[object]:
    """What is lacking for each operation, and which of them were tried."""
    return [(each.operation.name, each.tried, each.error) for each in await on.questions.probe()]


QUESTIONS: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
    "counts": (
        lambda on: on.questions.counts(),
        {"rollouts": rows(*(rollout(n, status=each) for n, each in enumerate([*STATUSES, "ready"], 1)))},
    ),
    "progress": (lambda on: on.questions.campaign_progress("5"), {}),
    "progress without counts": (
        lambda on: on.questions.campaign_progress("5"),
        {"rollouts/5": rollout(totalTargetsPerStatus=None, totalTargets=None), "distributionsets/7": GONE},
    ),
    "progress of none": (lambda on: on.questions.campaign_progress("99"), {}),
    "the state of a gateway": (lambda on: on.questions.gateway_state("5", "a"), {}),
    "the state of one that nothing was done for": (lambda on: on.questions.gateway_state("5", "d"), {}),
    "the state of a stranger": (lambda on: on.questions.gateway_state("5", "z"), {}),
    "the state in a rollout by hand": (
        lambda on: on.questions.gateway_state("5", "d"),
        {"rollouts/5": rollout(**PLAIN)},
    ),
    "the status of a gateway": (lambda on: on.questions.gateway_status("5", "a"), {}),
    "the status of one that failed": (lambda on: on.questions.gateway_status("5", "x"), {}),
    "the status of one that nothing was done for": (lambda on: on.questions.gateway_status("5", "d"), {}),
    "the packages of a gateway": (lambda on: on.questions.gateway_packages("5", "a"), {}),
    "downloads": (lambda on: on.questions.download_progress("5", "a"), {}),
    "downloads of a stranger": (lambda on: on.questions.download_progress("5", "z"), {}),
    "executions": (lambda on: on.questions.execution_progress("5", "a"), {}),
    "executions of one that nothing was done for": (lambda on: on.questions.execution_progress("5", "d"), {}),
    "open campaigns": (
        lambda on: on.questions.active_campaigns("a"),
        {
            "actions": rows(
                row(31, "a", of=6), row(32, "A", of=7), row(33, "a"), {**row(34, "a"), "rollout": None}
            )
        },
    ),
    "a notice": (lambda on: on.questions.notify("5", "a"), {}),
    "all packages": (lambda on: on.questions.package_infos(), {}),
    "packages by name": (lambda on: on.questions.package_infos(["fw"]), {}),
    "a package": (lambda on: on.questions.package_info("9"), {}),
    "a package that is deleted": (lambda on: on.questions.package_info("11"), {}),
    "a greeting": (lambda on: on.questions.greet(), {}),
    "a greeting that is refused": (lambda on: on.questions.greet(), {"userinfo": FORBIDDEN}),
    "concerns": (
        lambda on: on.questions.concerns(),
        {"rollouts": rows(*(rollout(n, status=each) for n, each in enumerate(["running", "ready"], 1)))},
    ),
    "permissions": (_rights, {}),
    "permissions of nobody": (_rights, {"userinfo": {"permissions": []}}),
}


def test_questions(golden: Any) -> None:
    golden("hawkbit-questions.txt", lines(QUESTIONS))


# --- steps -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> PackageFile:
    path = tmp_path_factory.mktemp("files") / "fw.bin"
    path.write_bytes(CONTENT)
    return PackageFile(DIGEST, path, "fw", len(CONTENT), FIRMWARE, "of the fw")


def step(on: Provider, action: Any) -> Step:
    lowered = on.facts.lower(action)
    return Step(StepGroup("k", action, lowered.operation, lowered.per_call), 0)


BOUND = Bindings({LINE: "6"}, {"cd" * 32: "10"})


def run(action: Any) -> Callable[[Provider], Awaitable[object]]:
    return lambda on: on.writes.run(step(on, action), BOUND)


def verified(action: Any) -> Callable[[Provider], Awaitable[object]]:
    return lambda on: on.writes.verify(step(on, action), BOUND)


def _about(kind: Any, **more: Any) -> Any:
    return kind(**{"resource": LINE, "reason": Reason.ASKED, "target": "5", **more})


ON_ROLLOUTS: dict[str, Any] = {
    "edit": _about(EditCampaign, fields=CampaignFields("Line", description="new")),
    "edit of the name": _about(EditCampaign, fields=CampaignFields("Line")),
    "add": _about(AddGateways, gateways=("a", "e")),
    "remove": _about(RemoveGateways, gateways=("a", "b")),
    "move": _about(RemoveGateways, gateways=("a", "c"), moving=True, successor="6"),
    "move to one that this run made": _about(RemoveGateways, gateways=("a", "c"), moving=True),
    "move before the start": _about(
        RemoveGateways, gateways=("a", "c"), moving=True, successor="6", before_start=True
    ),
    "move of those who are out of the tag": _about(
        RemoveGateways, gateways=("x", "y"), moving=True, successor="6"
    ),
    "move to nobody": _about(RemoveGateways, gateways=("a", "c"), moving=True, resource=OTHER),
    "close": _about(CloseGateways, gateways=("c",)),
    "approve": _about(ApproveCampaign),
    "approve if need be": _about(ApproveCampaign, only_if_waiting=True),
    "start": _about(StartCampaign),
    "approve and start": _about(StartCampaign, approve=True),
    "stop": _about(StopCampaign),
    "retire": _about(RetireCampaign, name="line ~5"),
    "end": _about(EndCampaign, successor="6"),
    "end of one whose successor this run made": _about(EndCampaign),
    "end of one without a successor": _about(EndCampaign, resource=OTHER),
    "end before the start": _about(EndCampaign, successor="6", before_start=True),
    "delete": _about(DeleteCampaign),
}


@pytest.mark.parametrize("kind", ["run", "verify"])
def test_steps_on_rollouts(kind: str, golden: Any) -> None:
    """Each step, whatever the status of the rollout is."""
    make = run if kind == "run" else verified
    text = []
    for name, action in ON_ROLLOUTS.items():
        found = ((each, tape(make(action), {"rollouts/5": rollout(status=each)})) for each in STATUSES)
        text += [f"{name}, of a rollout that is", *(f"  {line}" for line in grouped(found))]
    golden(f"hawkbit-{kind}.txt", "".join(f"{line}\n" for line in text))


def test_what_nothing_on_the_server_tells_is_said_to_be_so() -> None:
    edit = StepGroup("k", ON_ROLLOUTS["edit"], OPERATIONS["start-rollout"], 0)
    found = tape(lambda on: on.writes.verify(Step(edit, 0), BOUND), {})
    assert found[-1] == "! ReconcilerError: nothing on the server tells whether edit was done"


def _turned(*statuses: str) -> Turns:
    return Turns(*(rollout(status=each) for each in statuses))


CANCEL = "DELETE targets/a/actions/31"
GOING = row(31, "a"), row(33, "c", "canceling")
GIVEN_UP = row(31, "a", "canceling"), row(33, "c", "canceling"), row(34, "x", "canceled", active=False)
SPECIAL: dict[str, tuple[str, Mapping[str, Any]]] = {
    "a rollout that is gone": ("start", {"rollouts/5": GONE}),
    "it can't be read": ("start", {"rollouts/5": answer("no", 502, retry_after="7")}),
    "somebody else approved": (
        "approve and start",
        {"rollouts/5": _turned("waiting_for_approval", "ready"), "POST rollouts/5/approve": LATE},
    ),
    "an approval that is refused": (
        "approve and start",
        {"rollouts/5": _turned("waiting_for_approval"), "POST rollouts/5/approve": LATE},
    ),
    "an answer about another rollout": ("edit", {"PUT rollouts/5": rollout(6)}),
    "a static one": ("add", {"rollouts/5": rollout(dynamic=False)}),
    "one of a filter": ("add", {"rollouts/5": rollout(**PLAIN)}),
    "one whose tag is gone": ("add", {"targettags": rows()}),
    "who is out of one by hand": ("remove", {"rollouts/5": rollout(**PLAIN)}),
    "who is out of one by hand that hasn't begun": (
        "remove",
        {"rollouts/5": rollout(status="ready", dynamic=False)},
    ),
    "an action that hasn't begun": (
        "remove",
        {"actions": rows(row(31, "a", "scheduled", active=False), row(32, "b", "canceled", active=False))},
    ),
    "targets that the server doesn't know": (
        "add",
        {
            "POST targettags/3/assigned": no(
                404, "repo.entityNotFound", info={"type": "Target", "entityId": ["e", "b", 7]}
            )
        },
    ),
    "a tag that the server doesn't know": (
        "add",
        {
            "POST targettags/3/assigned": no(
                404, "repo.entityNotFound", info={"type": "TargetTag", "entityId": [3]}
            )
        },
    ),
    "a tag that is not ours": (
        "add",
        {"targettags": rows({"id": 3, "name": "reconciler-line-1", "description": "by hand"})},
    ),
    **{
        f"to one of {which}": (
            "move",
            {
                "rollouts/6": rollout(6, distributionSetId=bundle_id),
                "actions": Turns(*(rows(*each) for each in (GOING, GIVEN_UP, left, left))),
            },
        )
        for which, bundle_id, left in (
            ("the same set", 7, ()),
            ("the same set, of which one goes on", 7, [row(33, "c", "canceling")]),
            ("another set", 8, [row(33, "c", "canceling")]),
        )
    },
    **{
        f"out of the tag, {'and done' if over else 'and going on'}, to one of {which}": (
            "move of those who are out of the tag",
            {
                "rollouts/6": rollout(6, distributionSetId=bundle_id),
                "actions": rows(row(33, "x", "canceled" if over else "canceling", not over)),
            },
        )
        for over in (False, True)
        for which, bundle_id in (("the same set", 7), ("another set", 8))
    },
    "to one that waits": ("move before the start", {"rollouts/6": rollout(6, status="waiting_for_approval")}),
    "to one that is being made": ("move before the start", {"rollouts/6": rollout(6, status="creating")}),
    "to one that is gone": ("move", {"rollouts/6": GONE}),
    "to one that is gone, before anything began": (
        "move",
        {"rollouts/6": GONE, "rollouts/5": rollout(status="ready")},
    ),
    "it is gone": ("delete", {"rollouts/5": GONE}),
    **{
        f"an end to {status} actions, to one of {which}": (
            "end",
            {
                "rollouts/5": rollout(status="stopped"),
                "rollouts/6": rollout(6, distributionSetId=bundle_id),
                "actions": rows(row(33, "c", status, active)),
            },
        )
        for status, active in (("canceling", True), ("scheduled", False), ("running", True))
        for which, bundle_id in (("the same set", 7), ("another set", 8))
    },
    "actions that are over meanwhile": (
        "remove",
        {
            CANCEL: no(405, "action.notCancelable"),
            "actions": Turns(rows(row(31, "a")), rows(row(31, "a", "finished", active=False))),
        },
    ),
    "actions that can't be cancelled": ("remove", {CANCEL: no(405, "action.notCancelable")}),
    "a cancellation that is forbidden": ("remove", {CANCEL: FORBIDDEN}),
    "a successor that waits": (
        "end before the start",
        {"rollouts/6": rollout(6, status="waiting_for_approval")},
    ),
    "a successor that is being made": ("end before the start", {"rollouts/6": rollout(6, status="creating")}),
    "a successor that is gone": ("end before the start", {"rollouts/6": GONE}),
    "it stops, and nothing is left": (
        "end",
        {"rollouts/5": _turned("running", "stopped"), "actions": rows(row(33, "c", "canceling"))},
    ),
    "it stops, and some go on": ("end", {"rollouts/5": _turned("running", "stopped")}),
    "it stops, and its successor has the same set": (
        "end",
        {
            "rollouts/5": _turned("running", "stopped"),
            "rollouts/6": rollout(6, status="ready"),
            "actions": Turns(rows(row(33, "c", "canceling"), row(31, "a")), rows()),
        },
    ),
    "it is gone when it is stopped": ("end", {"rollouts/5": Turns(rollout(), GONE)}),
    "it is stopped already": (
        "end",
        {"rollouts/5": _turned("running", "stopped"), "POST rollouts/5/stop": LATE},
    ),
    "one of a filter that is deleted": ("delete", {"rollouts/5": rollout(**PLAIN)}),
    "a tag that isn't ours": (
        "delete",
        {"targettags": rows({"id": 3, "name": "reconciler-line-1", "description": "by hand"})},
    ),
    "a tag that stays": ("delete", {"DELETE targettags/3": FORBIDDEN}),
    "a rollout that is retired and deleted": ("delete", {"rollouts/5": rollout(name="line ~5")}),
    "a rollout of the longest name": ("delete", {"rollouts/5": rollout(name="l" * 128)}),
}


def test_steps_that_meet_something_special(golden: Any) -> None:
    cases = {f"{what} ({name})": (run(ON_ROLLOUTS[name]), more) for what, (name, more) in SPECIAL.items()}
    cases |= {
        f"look: {what} ({name})": (verified(ON_ROLLOUTS[name]), more)
        for what, (name, more) in SPECIAL.items()
    }
    golden("hawkbit-special.txt", lines(cases))


CREATE = CampaignFields("line", packages=("9", "10"))
OTHERS = rows(rollout(6, name="other"))
TAGS = rows(
    {"id": 2, "name": "Reconciler-Line-7", "description": MARK},
    {"id": 3, "name": "reconciler-line-x", "description": MARK},
)
FRESH = {"rollouts": OTHERS, "targettags": TAGS, "distributionsets": rows(bundle())}
TERMS = {
    "soft": DeliveryTerms(force=Force.NEVER),
    "forced": DeliveryTerms(force=Force.ALWAYS),
    "forced in time": DeliveryTerms(force=Force.AFTER, force_after=77),
    "downloads": DeliveryTerms(only=Only.DOWNLOAD, force=Force.ALWAYS),
    "confirmed": DeliveryTerms(confirm=True),
    "unconfirmed": DeliveryTerms(confirm=False),
    "at a time": DeliveryTerms(start_at=88),
    "at no time": DeliveryTerms(start_at=0),
}


def _made(**more: Any) -> CampaignFields:
    return replace(CREATE, **{"package_set": SetName("firmware", "1"), **more})


CREATIONS: dict[str, tuple[CampaignFields, Mapping[str, Any]]] = {
    "what is there is taken": (_made(), {}),
    "a set without a version": (_made(package_set=SetName("firmware")), {}),
    "a set without a name": (CREATE, {}),
    "packages of this run": (_made(packages=("9", PendingUpload("cd" * 32))), {}),
    "packages that weren't uploaded": (_made(packages=(PendingUpload("ef" * 32),)), {}),
    "a description": (_made(description="why"), {}),
    "no packages": (_made(packages=()), {}),
    "packages that are gone": (_made(packages=("9", "11", "99")), {}),
    "two of the type os": (_made(), {"softwaremodules/10": module(10)}),
    "types of tomorrow": (
        _made(),
        {"softwaremodules/10": module(10, type="rest"), "distributionsets": Turns(rows(), rows(bundle()))},
    ),
    "a set that is made": (_made(), {"distributionsets": Turns(rows(), rows(bundle()))}),
    "a set that somebody else makes": (
        _made(),
        {"distributionsets": Turns(rows(), rows(bundle())), "POST distributionsets": TAKEN},
    ),
    "a set that is forbidden": (_made(), {"distributionsets": rows(), "POST distributionsets": FORBIDDEN}),
    "a set that can't be told": (
        _made(),
        {"distributionsets": rows(), "POST distributionsets": answer("", 502)},
    ),
    "a set that a deleted one holds": (_made(), {"distributionsets": rows()}),
    "a set of other modules": (_made(), {"distributionsets": rows(bundle(modules=[{"id": 9}]))}),
    "a set that was made invalid": (_made(), {"distributionsets": rows(bundle(valid=False))}),
    "a set of another type": (_made(), {"distributionsets": rows(bundle(type="os"))}),
    "a tag that somebody else makes": (_made(), {"POST targettags": Turns(TAKEN, [{"id": 90}])}),
    "tags that others make for ever": (_made(), {"POST targettags": TAKEN}),
    "a tag that is forbidden": (_made(), {"POST targettags": FORBIDDEN}),
    "a tag that can't be told": (_made(), {"POST targettags": answer("", 503, retry_after="4")}),
    "a name of no letters": (_made(name="– – –"), {}),
    "a long name": (_made(name="Line " * 12), {}),
    "a name that is taken": (_made(), {"rollouts": rows(rollout(6))}),
    "a name that a deleted one holds": (_made(), {"POST rollouts": TAKEN}),
    "it is forbidden": (_made(), {"POST rollouts": FORBIDDEN}),
    "a list by its name": (_made(distribution=DistributionList("hall"), closed=("a", "b")), {}),
    "a list by its id": (_made(distribution=DistributionList("42")), {}),
    "a list by a name that is an id": (_made(distribution=DistributionList("41")), {}),
    "no such list": (_made(distribution=DistributionList("nowhere")), {}),
    "a list that leaves too many out": (
        _made(distribution=DistributionList("hall"), closed=tuple(f"gw-{n:03}" for n in range(120))),
        {},
    ),
    **{
        f"a list without {bad}": (_made(distribution=DistributionList("hall"), closed=(f"a{bad}",)), {})
        for bad in "'*\\"
    },
    **{f"delivery: {name}": (_made(delivery=terms), {}) for name, terms in TERMS.items()},
}


def _create(fields: CampaignFields, **more: Any) -> CreateCampaign:
    return CreateCampaign(LINE, Reason.ASKED, fields, **more)


def test_what_a_rollout_is_made_of(golden: Any) -> None:
    cases = {name: (run(_create(fields)), {**FRESH, **more}) for name, (fields, more) in CREATIONS.items()}
    looks: dict[str, tuple[CreateCampaign, Mapping[str, Any]]] = {
        "it was made": (_create(_made()), {}),
        "it was not made": (_create(_made()), {"rollouts": OTHERS}),
        "it is the one that it replaces": (_create(_made(), replaces="5"), {}),
        "two were made": (_create(_made()), {"rollouts": rows(rollout(5), rollout(6))}),
        "somebody else made it": (_create(_made()), {"targettags": TAGS}),
        "somebody else made it by a filter": (_create(_made()), {"rollouts": rows(rollout(**PLAIN))}),
        "it was made of a list": (
            _create(_made(distribution=DistributionList("hall"))),
            {"rollouts": rows(rollout(**PLAIN))},
        ),
        "somebody else made it of a list": (_create(_made(distribution=DistributionList("hall"))), {}),
    }
    cases |= {f"look: {name}": (verified(action), more) for name, (action, more) in looks.items()}
    golden("hawkbit-creations.txt", lines(cases))


def test_two_campaigns_of_a_new_set_make_it_once() -> None:
    both = [run(_create(_made(name=name))) for name in ("one", "two")]
    made: list[Request] = []

    def make(request: Request) -> Response:
        made.append(request)
        return answer([{"id": 7}])

    def found(request: Request) -> Response:
        return rows(*([bundle()] if made else []))(request)

    changes = {"distributionsets": found, "POST distributionsets": make}
    changes["POST targettags"] = Turns([{"id": 90}], [{"id": 94}])
    changes["POST rollouts"] = Turns({"id": 91}, {"id": 92})
    lines = tape(lambda on: asyncio.gather(*(each(on) for each in both)), {**FRESH, **changes})
    assert lines[-2:] == ["= Result(created='91')", "= Result(created='92')"]
    assert len(made) == 1


def test_what_is_made_of_an_id_that_was_told_of_before(golden: Any, file: PackageFile) -> None:
    """What a provider heard of is never what it makes: an answer that says so was mixed up."""
    make, again = (run(_create(_made(name=name))) for name in ("line", "again"))
    load = run(UploadPackage(FIRMWARE, Reason.ASKED, file))
    one, package = (lambda on: on.reads.campaign("5")), (lambda on: on.reads.package("9"))
    other_set, no_set = {"distributionsets": rows(bundle(8, name="other"))}, {"distributionsets": rows()}
    cases: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
        "a rollout that was listed": (make, {"POST rollouts": {"id": 6}}),
        "a rollout that was read": (after(one, make), {"POST rollouts": {"id": 5}}),
        "the rollout before": (after(make, again), {"POST targettags": Turns([{"id": 90}], [{"id": 94}])}),
        "a rollout of the id of a module": (after(package, make), {"POST rollouts": {"id": 9}}),
        "a tag that was listed": (make, {"POST targettags": [{"id": 3}]}),
        "the tag before": (after(make, again), {}),
        "a set that was listed": (make, {**other_set, "POST distributionsets": [{"id": 8}]}),
        "a set that was read": (after(one, make), {**no_set, "POST distributionsets": [{"id": 7}]}),
        "a module that was listed": (load, {"POST softwaremodules": [{"id": 10}]}),
        "a module that was read": (
            after(package, load),
            {"softwaremodules": rows(), "POST softwaremodules": [{"id": 9}]},
        ),
    }
    golden(
        "hawkbit-mixed-up.txt",
        lines({name: (call, {**FRESH, **more}) for name, (call, more) in cases.items()}),
    )


def test_packages(golden: Any, file: PackageFile) -> None:
    def upload(**more: Any) -> UploadPackage:
        return UploadPackage(FIRMWARE, Reason.ASKED, replace(file, **more))

    version = f"{DIGEST[:12]}"
    mine = module(9, version=version)
    upload_path, mark = "POST softwaremodules/90/artifacts", "POST softwaremodules/9/metadata"
    deleted = {"softwaremodules": rows(), "POST softwaremodules": TAKEN}
    cases: dict[str, tuple[Any, Mapping[str, Any]]] = {
        "a new module": (upload(), {}),
        "all that can be said": (upload(version="1.2", type="application", vendor="we", first=False), {}),
        "nothing that can be said": (upload(description=""), {}),
        "not the first of its set": (upload(first=False), {}),
        "a file that is no good": (upload(), {upload_path: FORBIDDEN}),
        "one of the same file": (upload(), {"softwaremodules": rows(mine)}),
        "one of the same file that can't be marked": (
            upload(),
            {"softwaremodules": rows(mine), mark: FORBIDDEN},
        ),
        "one of the same file that is marked": (upload(), {"softwaremodules": rows(mine), mark: TAKEN}),
        "one of no file": (upload(), {"softwaremodules": rows(mine), "softwaremodules/9/artifacts": []}),
        "one of another file": (
            upload(),
            {"softwaremodules": rows(mine), "softwaremodules/9/artifacts": [artifact("ab" * 32)]},
        ),
        "a version of another file": (upload(version="10.0"), {"softwaremodules/9/artifacts": []}),
        "one of another type": (
            upload(),
            {"softwaremodules": rows(module(9, version=version, type="application"))},
        ),
        "the newest of several": (
            upload(),
            {
                "softwaremodules": rows(
                    mine, module(10, version=f"{version}-2"), module(12, version=f"{version}x")
                ),
                "softwaremodules/10/artifacts": [artifact()],
            },
        ),
        "a number that is named": (
            upload(version=version),
            {"softwaremodules": rows(module(9, version=f"{version}-2"))},
        ),
        "a deleted one": (upload(), {**deleted, "POST softwaremodules": Turns(TAKEN, [{"id": 90}])}),
        "many deleted ones": (upload(), deleted),
        "a deleted one of a version that is named": (upload(version="1"), deleted),
        "somebody else made it": (upload(), {**deleted, "softwaremodules": Turns(rows(), rows(mine))}),
        "it is forbidden": (upload(), {"POST softwaremodules": FORBIDDEN}),
        "it can't be told": (upload(), {"POST softwaremodules": answer("", 503, retry_after="4")}),
        "delete": (
            DeletePackage(FIRMWARE, Reason.ASKED, "9"),
            {"rollouts": rows(), "distributionsets": rows()},
        ),
        "delete one that is gone": (DeletePackage(FIRMWARE, Reason.ASKED, "11"), {}),
        "delete one that a rollout uses": (DeletePackage(FIRMWARE, Reason.ASKED, "9"), {}),
        "delete one that a rollout used": (
            DeletePackage(FIRMWARE, Reason.ASKED, "9"),
            {"rollouts": rows(rollout(8, status="deleting"))},
        ),
        "delete one of a set": (DeletePackage(FIRMWARE, Reason.ASKED, "9"), {"rollouts": rows()}),
        "delete one of a set of the longest name": (
            DeletePackage(FIRMWARE, Reason.ASKED, "9"),
            {"rollouts": rows(), "distributionsets": rows(bundle(name="s" * 128))},
        ),
    }
    looks: dict[str, tuple[Any, Mapping[str, Any]]] = {
        "it is there": (upload(), {"softwaremodules": rows(mine)}),
        "it holds nothing": (upload(), {"softwaremodules": rows(mine), "softwaremodules/9/artifacts": []}),
        "it is not there": (upload(), {}),
        "it is deleted": (DeletePackage(FIRMWARE, Reason.ASKED, "11"), {}),
        "it is not deleted": (DeletePackage(FIRMWARE, Reason.ASKED, "9"), {}),
    }
    told = {name: (run(action), more) for name, (action, more) in cases.items()}
    told |= {f"look: {name}": (verified(action), more) for name, (action, more) in looks.items()}
    golden("hawkbit-packages.txt", lines(told))
