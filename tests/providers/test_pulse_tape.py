"""What each step of Pulse asks and makes of the answer, whatever there is: `tests/golden/pulse-*.txt`.

What goes over the wire of each operation is in `tests/contract/wire`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import (
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    Callback,
    CallbackEvent,
    CampaignFields,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DistributionList,
    EditCampaign,
    EndCampaign,
    Kind,
    PackageFile,
    PendingUpload,
    Reason,
    RegisterCallback,
    RemoveGateways,
    ResourceId,
    RetireCampaign,
    RunOnThings,
    SchedulePhase,
    ScheduleWindow,
    Secret,
    SetDistributionList,
    StartCampaign,
    Step,
    StepGroup,
    StopCampaign,
    UploadMode,
    UploadPackage,
    Window,
)
from reconciler.pacing import Backoff
from reconciler.providers.base import Bindings, Provider
from reconciler.providers.http.transport import Request, Response
from reconciler.providers.pulse.codec.statuses import PHASES
from tests.providers.canned_server import SETTINGS, answer, provider
from tests.providers.told import Tape, Told, Turns, after, grouped

CONTENT = b"firmware"
DIGEST = sha256(CONTENT).hexdigest()
LINE = ResourceId(Kind.CAMPAIGN, "line")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
STATUSES = [*PHASES, "OF TOMORROW", ""]
FORBIDDEN, GONE, TAKEN = (answer({"message": "why"}, status) for status in (403, 404, 409))
BUSY = answer("later", 503, retry_after="7")


def campaign(key: str = "c1", **more: Any) -> dict[str, Any]:
    return {"id": key, "name": "line", "status": "STARTED", "description": "why", "packages": ["p1"], **more}


def rows(*found: Any, key: str = "content") -> Callable[[Request], Response]:
    """A list by its pages."""

    def page(request: Request) -> Response:
        query = dict(request.query)
        number, size = int(query.get("page.number", 0)), int(query["page.size"])
        info = {"number": number, "totalElements": len(found)}
        return answer({key: found[number * size : (number + 1) * size], "page": info})

    return page


def package(key: str, **more: Any) -> dict[str, Any]:
    return {"uuid": key, "name": "fw", "description": "the fw", "createdBy": "ann", "createdOn": 5, **more}


MARKED = f"the fw [sha256:{DIGEST[:16]}]"
# Lists are in no order: what is told is sorted by us.
ALL: dict[str, Any] = {
    "campaigns": rows(
        {"id": "c1", "name": "line", "status": "STARTED"},
        {"id": "c4", "name": "other", "status": "APPROVED"},
        {"id": "c2", "name": "Line", "status": "CREATED"},
        {"id": "c3", "name": "third", "status": "STOPPED"},
    ),
    "campaigns/c1": campaign(),
    "campaigns/c1/devices": rows(
        {"gatewayId": "a", "state": "IDLE", "closed": False},
        {"gatewayId": "b", "state": "IDLE", "closed": True},
        {"gatewayId": "c", "state": "DONE", "closed": False},
        {"gatewayId": "d", "state": {"state": "FAILED"}},
        key="gateways",
    ),
    "campaigns/c1/distribution-list": {"distributionListId": "l1", "reevaluationIntervalSeconds": "60"},
    "campaigns/c1/devices/a/packages": {"packages": ["p1", {"id": "p2"}]},
    "campaigns/c1/devices/b/packages": [],
    "campaigns/c1/devices/a/state": {"state": "IDLE"},
    "campaigns/c1/devices/a/status": {
        "campaignState": {"state": "FAILED", "causedBy": "no room"},
        "timestamp": 9,
        "downloadProgress": {"packagesProgress": [{"id": "p1", "progress": "3", "total": 8}]},
        "executionProgress": {"progress": ["first", "second"]},
    },
    "campaigns/c1/devices/a/progress/download": [{"uuid": "p1", "progress": 3, "total": "many"}],
    "campaigns/c1/devices/a/progress/execution": "one",
    "campaigns/c1/status": {
        "campaignId": "c1",
        "name": "line",
        "status": "STARTED",
        "description": "why",
        "totalNumberOfGateways": 7,
        "totalNumberOfPackages": 2,
        "numberOfGatewaysInDownloadCompleteState": 3,
        "numberOfGatewaysInExecutionCompleteState": 4,
        "numberOfGatewaysInActivationCompleteState": 5,
        "creationTime": 11,
        "modificationTime": "2026-01-01T00:00:00Z",
    },
    "devices/a/active-campaigns": {"campaignIds": ["c1", {"id": "c2"}]},
    "campaign-status/campaigns": {
        "noApprovalNeededReadyToStartCount": 1,
        "waitingApprovalCount": 2,
        "aprovedNotStartedCount": 3,
        "startedCount": 4,
        "stoppedCount": 5,
    },
    "programs": rows(
        package("p4"),
        package("p2", name="FW"),
        package("p1", description=MARKED),
        package("p3", name="x"),
        key="programs",
    ),
    "programs/p1/file-info": package("p1", description=MARKED),
}


def otherwise(request: Request) -> Response:
    """Reads find nothing; what is written is done, and what is made gets an id."""
    if request.method == "GET":
        return GONE
    return answer({"uuid": "new"}) if request.method == "POST" else answer(b"")


def opened(server: Told) -> Provider:
    return provider(server, replace(SETTINGS, page_size=3), backoff=Backoff(attempts=1))


tape = Tape("/api", ALL, otherwise, opened)
lines = tape.lines


NO_TOTAL = {
    "campaigns": lambda request: answer(
        [{"id": f"c{n}", "name": f"n{n}", "status": "CREATED"} for n in range(3)]
        if dict(request.query).get("page.number", "0") == "0"
        else []
    )
}
READS: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
    "all campaigns": (lambda on: on.reads.campaigns(), {}),
    "a campaign by its name": (lambda on: on.reads.campaigns(["line"]), {}),
    "campaigns by as many names as there are further pages": (
        lambda on: on.reads.campaigns(["line", "Line"]),
        {},
    ),
    "campaigns by names, one by one": (
        lambda on: on.reads.campaigns(["line", "third"]),
        {
            "campaigns": rows(
                *({"id": f"c{n:02}", "name": "line" if n == 8 else "x", "status": "S"} for n in range(13))
            )
        },
    ),
    "campaigns by no names": (lambda on: on.reads.campaigns([]), {}),
    **{
        f"campaigns by {n} names, of a list of no length": (
            lambda on, n=n: on.reads.campaigns([f"n{each}" for each in range(n)]),  # type: ignore[misc]
            NO_TOTAL,
        )
        for n in (2, 9, 10)
    },
    **{
        f"a name that is too long ({status})": (
            lambda on: on.reads.campaigns(["third"]),
            {
                "campaigns": lambda request, status=status: (
                    answer("no", status) if dict(request.query).get("name") else ALL["campaigns"](request)
                )
            },
        )
        for status in (400, 414, 431)
    },
    "a list that is cut": (
        lambda on: on.reads.campaigns(),
        {"campaigns": lambda _: answer({"content": [{"id": "c1"}], "page": {"totalElements": 9}})},
    ),
    "a campaign": (lambda on: on.reads.campaign("c1"), {}),
    "a campaign of another id": (lambda on: on.reads.campaign("C1"), {"campaigns/C1": campaign()}),
    "a campaign of two ids": (
        lambda on: on.reads.campaign("c1"),
        {"campaigns/c1": campaign("c1", uuid="u1")},
    ),
    "a campaign that is another one": (
        lambda on: on.reads.campaign("c1"),
        {"campaigns/c1": campaign("c2")},
    ),
    "a package of two ids": (
        lambda on: on.reads.package("p1"),
        {"programs/p1/file-info": package("u1", id="p1")},
    ),
    "a package that is another one": (
        lambda on: on.reads.package("p1"),
        {"programs/p1/file-info": package("p2")},
    ),
    **{
        f"gateways of another campaign, as {key}": (
            lambda on: on.reads.gateways("c1"),
            {"campaigns/c1/devices": rows({"gatewayId": "a", "state": "IDLE", "campaignId": "c2"}, key=key)},
        )
        for key in ("gateways", "devices", "content", "items")
    },
    "no campaign": (lambda on: on.reads.campaign("c9"), {}),
    "a campaign that nobody may see": (lambda on: on.reads.campaign("c1"), {"campaigns/c1": FORBIDDEN}),
    "gateways": (lambda on: on.reads.gateways("c1"), {}),
    "gateways of none": (lambda on: on.reads.gateways("c9"), {}),
    "a distribution list": (lambda on: on.reads.distribution_list("c1"), {}),
    "no distribution list": (lambda on: on.reads.distribution_list("c9"), {}),
    "a distribution list that says nothing": (
        lambda on: on.reads.distribution_list("c1"),
        {"campaigns/c1/distribution-list": answer(b"")},
    ),
    "the packages of gateways": (lambda on: on.reads.overrides("c1", ["b", "a"]), {}),
    "all packages": (lambda on: on.reads.packages(), {}),
    "packages by name": (lambda on: on.reads.packages(["fw"]), {}),
    "packages by content": (lambda on: on.reads.packages_of([DIGEST, "ab" * 32]), {}),
    "packages by no content": (lambda on: on.reads.packages_of([]), {}),
    "a package": (lambda on: on.reads.package("p1"), {}),
    "no package": (lambda on: on.reads.package("p9"), {}),
    "counts": (lambda on: on.questions.counts(), {}),
    "progress": (lambda on: on.questions.campaign_progress("c1"), {}),
    "the state of a gateway": (lambda on: on.questions.gateway_state("c1", "a"), {}),
    "the status of a gateway": (lambda on: on.questions.gateway_status("c1", "a"), {}),
    "the packages of a gateway": (lambda on: on.questions.gateway_packages("c1", "a"), {}),
    "downloads": (lambda on: on.questions.download_progress("c1", "a"), {}),
    "executions": (lambda on: on.questions.execution_progress("c1", "a"), {}),
    "open campaigns": (lambda on: on.questions.active_campaigns("a"), {}),
    "a notice": (lambda on: on.questions.notify("c1", "a"), {}),
    "all packages, and who brought them": (lambda on: on.questions.package_infos(), {}),
    "packages by name, and who brought them": (lambda on: on.questions.package_infos(["FW"]), {}),
    "a package, and who brought it": (lambda on: on.questions.package_info("p1"), {}),
    "no package, nor who brought it": (lambda on: on.questions.package_info("p9"), {}),
    "a greeting": (lambda on: on.questions.greet(), {}),
    "a greeting that is refused": (lambda on: on.questions.greet(), {"campaigns": FORBIDDEN}),
    "concerns": (lambda on: on.questions.concerns(), {}),
}


def test_reads(golden: Any) -> None:
    golden("pulse-reads.txt", lines(READS))


async def _probed(on: Provider) -> list[object]:
    return [(each.operation.name, each.tried, each.error) for each in await on.questions.probe()]


def test_probes(golden: Any) -> None:
    nothing = rows()
    cases: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
        "all is there": (_probed, {}),
        "no campaign": (_probed, {"campaigns": nothing}),
        "no gateway": (_probed, {"campaigns/c1/devices": nothing}),
        "lists of other shapes": (_probed, {"campaigns": "x"}),
        "nothing may be read": (_probed, dict.fromkeys(ALL, FORBIDDEN)),
        "only lists may be read": (
            _probed,
            {path: FORBIDDEN for path in ALL if path not in ("campaigns", "campaigns/c1/devices")},
        ),
        "nothing is there": (_probed, dict.fromkeys(ALL, GONE)),
        "a gateway is in another campaign": (
            _probed,
            {"devices/a/active-campaigns": {"campaignId": "c7"}},
        ),
    }
    golden("pulse-probes.txt", lines(cases))


# --- steps -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> PackageFile:
    path = tmp_path_factory.mktemp("files") / "fw.bin"
    path.write_bytes(CONTENT)
    return PackageFile(DIGEST, path, "fw", len(CONTENT), FIRMWARE, "the fw")


BOUND = Bindings({LINE: "c1"}, {"cd" * 32: "p9"})


def run(action: Any, index: int = 0) -> Callable[[Provider], Awaitable[object]]:
    return lambda on: on.writes.run(step(on, action, index), BOUND)


def verified(action: Any, index: int = 0) -> Callable[[Provider], Awaitable[object]]:
    return lambda on: on.writes.verify(step(on, action, index), BOUND)


def step(on: Provider, action: Any, index: int) -> Step:
    lowered = on.facts.lower(action)
    return Step(StepGroup("k", action, lowered.operation, lowered.per_call), index)


def _about(kind: Any, **more: Any) -> Any:
    return kind(resource=LINE, reason=Reason.ASKED, **{"target": "c1", **more})


SETTING = {"KEY": Secret("environment variable KEY", "hunter22"), "LEVEL": "info"}
FULL = CampaignFields("Line", "new", ("p1", PendingUpload("cd" * 32)), SETTING)
STEPS: dict[str, Any] = {
    "edit": _about(EditCampaign, fields=FULL),
    "edit of what isn't bound": _about(
        EditCampaign, fields=CampaignFields("Line", packages=(PendingUpload("ef" * 32),))
    ),
    "edit of the name": _about(EditCampaign, fields=CampaignFields("Line")),
    "edit of the description": _about(EditCampaign, fields=CampaignFields("Line", "")),
    "edit of the packages": _about(EditCampaign, fields=CampaignFields("Line", packages=())),
    **{
        f"callback {each}": _about(RegisterCallback, event=each, callback=Callback("d1"))
        for each in CallbackEvent
    },
    "callback of states": _about(
        RegisterCallback, event=CallbackEvent.STATE_CHANGE, callback=Callback("d1", frozenset({"B", "A"}))
    ),
    "callback that is taken back": _about(RegisterCallback, event=CallbackEvent.COMPLETED),
    "list": _about(SetDistributionList, distribution=DistributionList("l1")),
    "list and interval": _about(SetDistributionList, distribution=DistributionList("l1", 60)),
    "add": _about(AddGateways, gateways=("a", "e")),
    "add to what this run made": _about(AddGateways, target=None, gateways=("a", "e")),
    "remove": _about(RemoveGateways, gateways=("a", "e")),
    "packages": _about(AssignPackages, gateways=("a", "b"), packages=("p1", PendingUpload("cd" * 32))),
    **{
        f"window {each}": _about(ScheduleWindow, gateways=("a", "b"), phase=each, window=Window(1, 2))
        for each in SchedulePhase
    },
    "things": _about(RunOnThings, gateways=("a", "b"), things={"a": ("a1",), "b": ("b1", "b2")}),
    "close": _about(CloseGateways, gateways=("a", "b")),
    "approve": _about(ApproveCampaign),
    "approve if need be": _about(ApproveCampaign, only_if_waiting=True),
    "start": _about(StartCampaign),
    "approve and start": _about(StartCampaign, approve=True),
    "stop": _about(StopCampaign),
    "delete": _about(DeleteCampaign),
    "retire": _about(RetireCampaign, name="x"),
    "end": _about(EndCampaign),
    "delete a package": DeletePackage(FIRMWARE, Reason.ASKED, "p1"),
    "delete a package that is gone": DeletePackage(FIRMWARE, Reason.ASKED, "p9"),
    "add to nothing": AddGateways(ResourceId(Kind.CAMPAIGN, "other"), Reason.ASKED, gateways=("a",)),
}


@pytest.mark.parametrize("kind", ["run", "verify"])
def test_steps(kind: str, golden: Any) -> None:
    """Each step, whatever the status of the campaign is, and the second call of it."""
    make = run if kind == "run" else verified
    text = []
    for name, action in STEPS.items():
        if kind == "run" or name not in ("retire", "end"):
            known = [(each or "none", {"campaigns/c1": campaign(status=each)}) for each in STATUSES]
            found = [(status, _lowered(make, action, 0, more)) for status, more in known]
            found += [("gone", _lowered(make, action, 0, {"campaigns/c1": GONE}))]
            if name in ("packages", "close", "window download"):
                found += [("STARTED, second call", _lowered(make, action, 1, {}))]
            text += [f"{name}, of a campaign that is", *(f"  {line}" for line in grouped(found))]
    golden(f"pulse-{kind}.txt", "".join(f"{line}\n" for line in text))


def _lowered(make: Any, action: Any, index: int, more: Mapping[str, Any]) -> list[str]:
    """As `tape`; an action that the server has no call for is sent as a start."""
    if isinstance(action, RetireCampaign | EndCampaign):

        async def sent(on: Provider) -> object:
            operation = on.facts.operations["start-campaign"]
            return await on.writes.run(Step(StepGroup("k", action, operation, 0), 0), BOUND)

        return tape(sent, more)
    return tape(make(action, index), more)


SPECIAL: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "it can't be read": (STEPS["start"], {"campaigns/c1": BUSY}),
    "somebody else approved": (
        STEPS["approve and start"],
        {
            "campaigns/c1": Turns(campaign(status="APPROVAL_NEEDED"), campaign(status="APPROVED")),
            "PUT campaigns/c1/approve": TAKEN,
        },
    ),
    "an approval that is refused": (
        STEPS["approve and start"],
        {"campaigns/c1": campaign(status="APPROVAL_NEEDED"), "PUT campaigns/c1/approve": TAKEN},
    ),
    "a start that is refused": (
        STEPS["start"],
        {"campaigns/c1": campaign(status="CREATED"), "PUT campaigns/c1/start": TAKEN},
    ),
    "an edit of what can't be read": (STEPS["edit of the name"], {"campaigns/c1": BUSY}),
    "an edit whose answer repeats a secret": (
        STEPS["edit"],
        {"PUT campaigns/c1": answer({"message": "KEY is hunter22"}, 400)},
    ),
    "an answer about another campaign": (
        STEPS["start"],
        {"campaigns/c1": campaign(status="CREATED"), "PUT campaigns/c1/start": {"campaignId": "c2"}},
    ),
    "an answer about another gateway": (
        STEPS["close"],
        {"PUT campaigns/c1/devices/a/close": {"gatewayId": "b"}},
    ),
    "gateways that the server names": (
        STEPS["add"],
        {"POST campaigns/c1/devices": answer({"failed": ["e"], "message": "why"})},
    ),
    "things that were not processed": (
        STEPS["things"],
        {"POST campaigns/c1/devices/things": {"x": [{"not_processed_thing_ids": ["b2", "a1", "z"]}]}},
    ),
    "things of gateways that the server names": (
        STEPS["things"],
        {"POST campaigns/c1/devices/things": {"failed": [{"gatewayId": "b", "message": "why"}, "z"]}},
    ),
    "gateways that are named and can't be removed": (
        STEPS["remove"],
        {"PUT campaigns/c1/devices": {"failed": {"e": "why", "z": "what"}}},
    ),
    "many things that were not processed": (
        _about(RunOnThings, gateways=("a",), things={"a": tuple(f"a{n}" for n in range(7))}),
        {"POST campaigns/c1/devices/things": {"not_processed_thing_ids": [f"a{n}" for n in range(7)]}},
    ),
    "things that are no text": (
        STEPS["things"],
        {
            "POST campaigns/c1/devices/things": {
                "not_processed_thing_ids": [1, "b1"],
                "y": {"not_processed_thing_ids": 3},
            }
        },
    ),
}


def test_steps_that_meet_something_special(golden: Any) -> None:
    golden(
        "pulse-special.txt", lines({name: (run(action), more) for name, (action, more) in SPECIAL.items()})
    )


def create(**more: Any) -> CreateCampaign:
    return CreateCampaign(LINE, Reason.ASKED, replace(CampaignFields("fresh"), **more))


def test_what_is_made(golden: Any, file: PackageFile) -> None:
    def upload(**more: Any) -> UploadPackage:
        return UploadPackage(FIRMWARE, Reason.ASKED, replace(file, **more))

    cases: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
        "a campaign": (run(create()), {}),
        "all of a campaign": (run(create(description="why", packages=FULL.packages, settings=SETTING)), {}),
        "nothing of a campaign": (run(create(description="", packages=(), settings={})), {}),
        "a campaign whose name is taken": (run(create(name="line")), {}),
        "a campaign whose list can't be read": (run(create()), {"campaigns": BUSY}),
        "a campaign that was there before": (run(create()), {"POST campaigns": {"id": "c3"}}),
        "a campaign of no id": (run(create()), {"POST campaigns": {}}),
        "a campaign that is forbidden": (run(create()), {"POST campaigns": FORBIDDEN}),
        "a package": (run(upload()), {}),
        "a package of no description": (run(upload(description="")), {}),
        "a package of the longest description": (run(upload(description="d" * 102)), {}),
        "a package of too long a description": (run(upload(description="d" * 103)), {}),
        "a stream": (run(upload(mode=UploadMode.STREAMING)), {}),
        "a stream of another name": (run(upload(mode=UploadMode.STREAMING, name='f"w ü\\')), {}),
        "a form of another name": (run(upload(name='f"w\r\n')), {}),
        "a package that is forbidden": (run(upload()), {"POST programs/": FORBIDDEN}),
        "look: it was made": (verified(create(name="line")), {}),
        "look: it was not made": (verified(create()), {}),
        "look: two were made": (
            verified(create(name="line")),
            {"campaigns": rows(*({"id": f"c{n}", "name": "line", "status": "S"} for n in range(2)))},
        ),
        "look: it was uploaded": (verified(upload()), {}),
        "look: it was not uploaded": (verified(upload(sha256="ab" * 32)), {}),
        "look: two were uploaded": (
            verified(upload()),
            {"programs": rows(*(package(f"p{n}", description=MARKED) for n in range(2)))},
        ),
    }
    golden("pulse-creations.txt", lines(cases))


def test_what_is_made_of_an_id_that_was_told_of_before(
    golden: Any, file: PackageFile, tmp_path: Path
) -> None:
    """What a provider heard of is never what it makes: an answer that says so was mixed up."""
    path, other = tmp_path / "other.bin", sha256(b"other").hexdigest()
    path.write_bytes(b"other")
    second = replace(file, path=path, sha256=other, size=5)
    make, again = run(create()), run(create(name="again"))
    load, load_other = (run(UploadPackage(FIRMWARE, Reason.ASKED, each)) for each in (file, second))
    listed, asked = (lambda on: on.reads.packages()), (lambda on: on.reads.package("p1"))
    campaigns, one = (lambda on: on.reads.campaigns()), (lambda on: on.reads.campaign("c9"))
    as_p1 = {"POST programs/": {"uuid": "P1"}}
    of_another = {
        "programs": rows(package("p1", description=f"x [sha256:{other[:16]}]"), key="programs"),
        "programs/p1/file-info": package("p1", description=f"x [sha256:{other[:16]}]"),
    }
    cases: dict[str, tuple[Callable[[Provider], Awaitable[object]], Mapping[str, Any]]] = {
        "a campaign of the id of the one before": (after(make, again), {}),
        "a campaign of an id that was listed": (
            after(campaigns, again),
            {"POST campaigns": {"id": "C4"}},
        ),
        "a campaign of an id that was read": (
            after(one, again),
            {"campaigns/c9": campaign("c9"), "POST campaigns": {"id": "c9"}},
        ),
        "a campaign of an id that was not there": (after(one, again), {"POST campaigns": {"id": "c9"}}),
        "a package of the id of a campaign": (after(make, load), {}),
        "a package that was listed and has this content": (after(listed, load), as_p1),
        "a package that was read and has this content": (after(asked, load), as_p1),
        "a package that was listed and has another content": (
            after(listed, load),
            {**as_p1, **of_another},
        ),
        "a package that was read and has another content": (after(asked, load), {**as_p1, **of_another}),
        "the same package once more": (after(load, load), {}),
        "another package of the id of the one before": (after(load, load_other), {}),
    }
    golden("pulse-mixed-up.txt", lines(cases))
