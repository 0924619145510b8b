"""Every finding of a comparison, whole: code, message, place, hint, resource and severity.

Each row is a small world in which there is just that one. What leads to which is in the tables of the parts.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import reconciler.binding
import reconciler.diff
from reconciler.findings import CODES
from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    Desired,
    DesiredStatus,
    DistributionList,
    Finding,
    LivePackage,
    OnRemove,
    PackageById,
    PackageByName,
    Phase,
    Place,
    RolloutRecord,
    SchedulePhase,
    Secret,
    Severity,
    Window,
)
from reconciler.options import Targets
from reconciler.providers.base import Changing, Field, FieldFacts
from reconciler.state.applied import packages_value, things_value, unclear, window_value
from reconciler.state.base import Origin, Predecessor, Uploaded
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
FIELDS = (
    "name", "settings", "gatewayLists", "distributionList", "packageOverrides", "schedules", "callbackSet",
    "runOnThings", "closedGateways", "desiredStatus", "approve",
)  # fmt: skip
PLACES = {name: Place("line.yaml", 10 + at, 3) for at, name in enumerate(FIELDS)}
ENTRY, REF = Place("line.yaml", 77, 5), Place("packages.yaml", 3, 5)
LINE = rid("line")
V1 = file("v1")
SOON, ENDED = Window(NOW - 5, NOW + 5), Window(NOW - 5, NOW)
NOTE, WARNING, ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR
HERE = Callback("here")


@dataclass
class World:
    """The campaign ``line`` (1), ours, with gateways a and b; and what a row makes of it."""

    project: Project
    options: dict[str, Any] = field(default_factory=dict)
    wanted: Desired | None = None

    @property
    def line(self) -> MemoryCampaign:
        return self.project.server.by_id["1"]

    def wants(self, **fields: Any) -> None:
        """What Git wants of the campaign."""
        self.wanted = desired(line(**fields))


def line(**fields: Any) -> Any:
    return campaign("line", **{"places": PLACES, **fields})


def world(**owned: Any) -> World:
    project = Project(MemoryServer(MemoryCampaign("1", "line", gateways=set("ab"))))
    project.own("line", "1", **owned)
    return World(project)


def adopting(**fields: Any) -> World:
    made = world()
    made.project.state = Project().state
    made.options = {"adopt": True}
    made.wants(**fields)
    return made


def made(*campaigns: MemoryCampaign, wanted: Desired, packages: Any = (), **options: Any) -> World:
    return World(Project(MemoryServer(*campaigns, packages=packages)), options, wanted)


def declaring(change: Callable[[World], object] | None = None, /, owned: Any = None, **fields: Any) -> World:
    """A world of ours in which Git wants `fields`."""
    found = world(**(owned or {}))
    if change:
        change(found)
    found.wants(**fields)
    return found


def members(name: str, value: str, gateways: str) -> dict[str, Any]:
    return {"members": {name: {value: frozenset(gateways)}}}


def status(word: str, by: str | None = None) -> Callable[[World], object]:
    def change(each: World) -> None:
        each.line.status, each.line.modified_by = word, by

    return change


def other_words(word: str) -> Callable[[World], object]:
    """The status `word`, on a server that has further phases."""

    def change(each: World) -> None:
        each.project.server.facts = replace(
            PULSE, phases={**PULSE.phases, "STARTING": Phase.BUSY, "DENIED": Phase.ENDED}
        )
        each.line.status, each.line.busy = word, 9

    return change


def never(each: World) -> None:
    """The server never changes a description."""
    fixed = {**PULSE.fields, Field.DESCRIPTION: FieldFacts(changing=Changing.FIXED)}
    each.project.server.facts = replace(PULSE, fields=fixed)


def distribution(each: World) -> None:
    each.line.distribution = DistributionList("dl", 60)


def entry(gateways: str, window: Window = SOON) -> tuple[Assignment, ...]:
    return (Assignment({SchedulePhase.DOWNLOAD: window}, frozenset(gateways), ENTRY),)


def old(on_remove: OnRemove = OnRemove.DELETE, **options: bool) -> World:
    """Campaign ``line`` is no longer declared."""
    found = world(on_remove=on_remove)
    found.options, found.wanted = dict(options), desired()
    return found


def lost_create() -> World:
    found = made(MemoryCampaign("8", "was"), MemoryCampaign("7", "was"), wanted=desired())
    found.project.intends("line", "was")
    return found


def upload(user: MemoryCampaign | None = None, *, left_behind: bool = False) -> World:
    """Upload v1 as p-1, no longer declared."""
    users = [user] if user else []
    found = made(*users, wanted=desired(), packages=[LivePackage("p-1", "fw.bin")], prune=True)
    uploaded = Uploaded(V1.sha256, "p-1", "fw.bin", V1.resource, left_behind)
    found.project.state = replace(found.project.state, packages={V1.sha256: uploaded})
    return found


def kept() -> World:
    """The same, of a PackageSet that keeps two."""
    found = upload()
    found.wanted = replace(found.wanted, keep={V1.resource: 2})
    return found


def overriding() -> World:
    """A package that gateways of ``line`` have of their own."""
    found = upload(MemoryCampaign("1", "line"))
    found.project.own("line", "1", **members("packageOverrides", packages_value(["p-1"]), "a"))
    found.wanted = desired(campaign("line"))
    found.project.server.by_id["1"].gateways = set("ab")
    return found


def named_otherwise() -> World:
    """Upload v1 as p-1 by another name, and with a description, than are declared now."""
    declared = replace(V1, name="other.bin", description="new", place=REF)
    found = made(
        wanted=desired(campaign("new", packages=(declared,))), packages=[LivePackage("p-1", "fw.bin")]
    )
    uploaded = Uploaded(V1.sha256, "p-1", "fw.bin", V1.resource, description="old")
    found.project.state = replace(found.project.state, packages={V1.sha256: uploaded})
    return found


def uploaded_twice() -> World:
    packages = [holds(key, "fw.bin", V1) for key in ("p-2", "p-1")]
    found = made(wanted=desired(packages=[V1]), packages=packages)
    found.project.uploaded(V1, "p-1")
    return found


def created_twice() -> World:
    found = world()
    found.project.server.by_id["2"] = MemoryCampaign("2", "line", "STARTED")
    found.wants()
    return found


def unanswered() -> World:
    found = world()
    found.project.server.silent = {"1"}
    found.wants()
    return found


def deleted_in_the_middle() -> World:
    owned = {"predecessors": (Predecessor("0"),), "rollout": RolloutRecord()}
    found = world(**owned)
    found.project.server.by_id = {"0": MemoryCampaign("0", "line ~0", "STARTED", gateways=set("ab"))}
    found.wants()
    return found


def two_of_one_content() -> World:
    packages = [holds(key, "fw.bin", V1) for key in ("p-2", "p-1")]
    wanted = desired(campaign("new", packages=(V1,)))
    return made(wanted=wanted, packages=packages, adopt=True)


def targeting(*names: str) -> dict[str, Any]:
    return {"targets": Targets(tuple(map(rid, names)))}


def taking(joining: str = "abx") -> World:
    """Targeted ``line`` takes gateways of ``other`` and ``third``, which run and are to lose them."""
    fakes = [
        MemoryCampaign("1", "line", gateways=set("z")),
        MemoryCampaign("2", "other", "STARTED", gateways=set("ab")),
        MemoryCampaign("3", "third", "STARTED", gateways=set("x")),
        MemoryCampaign("4", "idle", "STOPPED", gateways=set("ab")),
    ]
    wanted = desired(
        line(gateways=joining + "z"), *(campaign(name, gateways=()) for name in ("other", "third", "idle"))
    )
    found = made(*fakes, wanted=wanted, **targeting("line"))
    for each in fakes:
        found.project.own(each.name, each.id)
    return found


def swapping(new: bool) -> World:
    """Targeted ``line`` is to have the name of ``other``, which gives it up."""
    fakes = [MemoryCampaign("2", "other"), *([] if new else [MemoryCampaign("1", "line")])]
    wanted = desired(line(name="other"), campaign("other", "elsewhere"))
    found = made(*fakes, wanted=wanted, **targeting("line"))
    for each in fakes:
        found.project.own(each.name, each.id)
    return found


def moving() -> World:
    """``line`` is no longer declared, and targeted; ``other`` declares its name."""
    found = world()
    found.wanted = desired(campaign("other", "line"), campaign("third"))
    found.options = {"prune": True, **targeting("line")}
    return found


SECRET = Secret("variable KEY", None)
KNOWN_SECRET = {"applied": {"settings": {"K": {"digest": "x"}, "J": {"digest": "y"}, "A": {"value": "a"}}}}


def of_line(code: str, message: str, at: str | Place | None, hint: str | None, severity: Severity) -> Finding:
    place = PLACES[at] if isinstance(at, str) else at
    return Finding(code, message, place, hint, LINE, severity)


def note(code: str, message: str, at: str | Place | None, hint: str | None = None) -> Finding:
    return of_line(code, f"Campaign/line: {message}", at, hint, NOTE)


def error(code: str, message: str, at: str | Place | None, hint: str | None = None) -> Finding:
    return of_line(code, message, at, hint, ERROR)


ROWS: dict[str, tuple[Callable[[], World], Finding]] = {
    "one device, spelled otherwise": (
        lambda: declaring(gateways=["A", "B"]),
        error(
            "gateway-spelling",
            "Campaign/line declares the gateway `A`, and the server has `a` and 1 more: they differ only in"
            " upper and lower case, so they are probably one device, and nothing is done to the campaign",
            "gatewayLists",
            "write the id as the server has it; if these are two devices, let the one leave by an apply"
            " of its own before the other joins",
        ),
    ),
    # --- who it is
    "somebody else's": (
        lambda: made(MemoryCampaign("7", "line"), wanted=desired(line())),
        error(
            "not-ours",
            "a live campaign has the name 'line' (id 7), and it isn't this resource's",
            "name",
            "take it over with --adopt, or give the resource another name",
        ),
    ),
    "several of the name": (
        lambda: made(MemoryCampaign("8", "line"), MemoryCampaign("7", "line"), wanted=desired(line())),
        error(
            "ambiguous-name",
            "2 live campaigns have the name 'line': ids 7, 8",
            "name",
            "rename or delete all but one on the server",
        ),
    ),
    "a taken name": (
        lambda: declaring(
            lambda each: each.project.server.by_id.update(
                {key: MemoryCampaign(key, "taken") for key in ("8", "7")}
            ),
            name="taken",
        ),
        error(
            "name-taken",
            "Campaign/line (id 1) is to have the name 'taken',"
            " but the live campaign 7, 8 has it and keeps it",
            "name",
            "choose another name, or rename the other campaign",
        ),
    ),
    # --- targets
    "gateways of running campaigns that are left alone": (
        taking,
        error(
            "needs-target",
            "Campaign/line would take 2 gateways from Campaign/other, the gateway x from Campaign/third,"
            " which runs, loses them, and is not targeted: they have to leave first",
            "gatewayLists",
            "target Campaign/other and Campaign/third, too",
        ),
    ),
    **{
        f"a name that is given up by who is left alone, {'new' if new else 'ours'}": (
            lambda new=new: swapping(new),  # type: ignore[misc]
            error(
                "needs-target",
                "Campaign/line can't have the name 'other' yet: on the server Campaign/other has it,"
                " which gives it up and is not targeted",
                "name",
                "target Campaign/other, too",
            ),
        )
        for new in (False, True)
    },
    "a campaign that moves": (
        moving,
        error(
            "needs-target",
            "Campaign/line (id 1) is not deleted: Campaign/other declares its name now, and takes it over",
            None,
            "target Campaign/other instead",
        ),
    ),
    # --- packages
    "no such id": (
        lambda: made(wanted=desired(line(packages=(PackageById("p-9", REF),)))),
        Finding(
            "package-not-found",
            "the server has no package with the id 'p-9'",
            REF,
            "correct the id, or declare the package by name or file",
        ),
    ),
    "no such name": (
        lambda: made(wanted=desired(line(packages=(PackageByName("fw", REF),)))),
        Finding(
            "package-not-found",
            "the server has no package of exactly the name 'fw'",
            REF,
            "correct the name, upload the package, or declare it by its file",
        ),
    ),
    "packages of one name": (
        lambda: made(
            wanted=desired(line(packages=(PackageByName("fw", REF),))),
            packages=[LivePackage("p-2", "fw"), LivePackage("p-1", "fw")],
        ),
        Finding(
            "ambiguous-package",
            "2 live packages have the name 'fw': p-1, p-2",
            REF,
            "declare the one that is meant by its id",
        ),
    ),
    "packages of one content": (
        two_of_one_content,
        Finding(
            "ambiguous-package",
            "2 live packages seem to hold the content of fw.bin: p-1, p-2",
            V1.place,
            "delete the one that no campaign uses, or declare the other by its id",
            V1.resource,
        ),
    ),
    "a package that is there twice": (
        uploaded_twice,
        Finding(
            "possible-duplicate",
            "two live packages hold the content of fw.bin: p-1, which is ours, and p-2 (fw.bin), which no"
            " campaign uses",
            V1.place,
            "if it was uploaded twice, `reconciler package delete p-2`; or declare it by its id",
            V1.resource,
            WARNING,
        ),
    ),
    "a campaign that is there twice": (
        created_twice,
        of_line(
            "possible-duplicate",
            "two live campaigns have the name 'line': 1, which is Campaign/line, and 2 (STARTED), which"
            " nobody owns",
            "name",
            "delete 2 on the server if it was made twice; to keep it instead, delete 1, then"
            " `reconciler state rm Campaign/line` and `reconciler import Campaign/line 2`",
            WARNING,
        ),
    ),
    "a campaign that was deleted, and that others wait to move to": (
        deleted_in_the_middle,
        error(
            "earlier-revisions-left",
            "Campaign/line was deleted from the server, and earlier revisions of it go on there: 0",
            "name",
            "end these on the server, too, then plan again: it is made anew, from the first wave on",
        ),
    ),
    "a campaign that is listed, and not answered for": (
        unanswered,
        error(
            "not-answering",
            "Campaign/line is campaign 1: the server lists it, and says that there is no such campaign",
            "name",
            "plan again once the server is at rest; `reconciler campaign show` asks for it",
        ),
    ),
    "a package of another name and description": (
        named_otherwise,
        Finding(
            "package-kept",
            "the name and description of a package can't be changed on the server; "
            "it keeps the name `fw.bin` and the description `old`",
            REF,
            "declare what the server has; only other content is another package",
            V1.resource,
            NOTE,
        ),
    ),
    # --- status
    "held": (
        lambda: declaring(status("STOPPED"), owned={"status": "STARTED"}, status=STARTED),
        of_line(
            "held",
            "Campaign/line was started by us and is STOPPED now: somebody stopped it, and it is left so",
            "desiredStatus",
            "start it again with --resume, or write desiredStatus: STOPPED",
            NOTE,
        ),
    ),
    "held, where the server tells who changed it": (
        lambda: declaring(status("STOPPED", "anna"), owned={"status": "STARTED"}, status=STARTED),
        of_line(
            "held",
            "Campaign/line was started by us and is STOPPED now: somebody stopped it, and it is left so;"
            " last changed by anna",
            "desiredStatus",
            "start it again with --resume, or write desiredStatus: STOPPED",
            NOTE,
        ),
    ),
    "a field that never changes": (
        lambda: declaring(never, description="new"),
        error(
            "fixed-field",
            "Campaign/line: this server never changes description of a campaign that is there",
            Place("line.yaml", 1, 1),
            "take that change back, or declare it as another campaign with another name",
        ),
    ),
    "still busy": (
        lambda: declaring(other_words("STARTING"), owned={"status": "STARTED"}, status=STARTED),
        of_line(
            "still-busy",
            "Campaign/line was started by us and is STARTING now: the server is still at work on it",
            "desiredStatus",
            "run this again in a moment; where it stays so, see the server's log",
            NOTE,
        ),
    ),
    "ended": (
        lambda: declaring(other_words("DENIED"), owned={"status": "STARTED"}, status=STARTED),
        of_line(
            "ended",
            "Campaign/line is DENIED: somebody ended it, and it never runs again",
            "desiredStatus",
            "write desiredStatus: STOPPED; a change that makes a successor of it starts that",
            WARNING,
        ),
    ),
    "waiting": (
        lambda: declaring(status("APPROVAL_NEEDED"), status=STARTED),
        of_line(
            "waiting-for-approval",
            "Campaign/line can't start while it is APPROVAL_NEEDED",
            "approve",
            "approve it on the server, or write approve: true",
            NOTE,
        ),
    ),
    "unknown": (
        lambda: declaring(status("ODD"), status=STOPPED),
        error(
            "unknown-status",
            "Campaign/line has the status 'ODD', which this version doesn't know;"
            " it is neither started nor stopped",
            "desiredStatus",
            "bring it to a known status on the server, or leave desiredStatus out",
        ),
    ),
    # --- distribution lists and who is in
    "no interval": (
        lambda: declaring(distribution=DistributionList("dl")),
        error(
            "interval-needed",
            "Campaign/line: the distribution list 'dl' can't be set without an interval",
            "distributionList",
            "write reevaluationIntervalSeconds",
        ),
    ),
    "a list that is no longer declared": (
        lambda: declaring(distribution, owned={"applied": {"distributionList": "dl"}}),
        note(
            "cannot-undo",
            "the distribution list is no longer declared, but stays set: it can't be taken back",
            "distributionList",
        ),
    ),
    "left to the list": (
        lambda: declaring(distribution, gateways="a"),
        note(
            "membership-by-distribution-list",
            "declared by no list, and left to the distribution list: the gateway b",
            "gatewayLists",
        ),
    ),
    "may come back": (
        lambda: declaring(distribution, owned=members("gateways", "added", "b"), gateways="a"),
        note(
            "may-come-back",
            "added by us and removed now; the distribution list may add again: the gateway b",
            "gatewayLists",
        ),
    ),
    "reopened": (
        lambda: declaring(lambda each: each.line.closed.update("a"), closed=()),
        note(
            "cannot-undo",
            "closed, not declared so, and never to be opened again: the gateway a",
            "closedGateways",
        ),
    ),
    # --- callbacks, things, windows, overrides
    "a callback that is no longer declared": (
        lambda: declaring(owned={"applied": {"callbackSet.completed": {"notificationDestinationId": "x"}}}),
        note(
            "cannot-undo",
            "the callback completed is no longer declared, but stays registered: it can't be taken back",
            "callbackSet",
            "point it at a destination that ignores it",
        ),
    ),
    "an adopted callback": (
        lambda: adopting(callbacks={CallbackEvent.WAKE_UP: HERE}),
        note(
            "assumed",
            "the callback wakeUp can't be read; it is taken to be as declared, and not sent",
            "callbackSet",
            "send it with --reassert",
        ),
    ),
    "things in doubt": (
        lambda: declaring(
            owned=members("runOnThings", unclear(things_value(["t"])), "a"),
            gateways="ab",
            things={"a": ("t",)},
        ),
        note(
            "unknown-outcome",
            "whether the things of the gateway a were run is not known; they are not run again",
            "runOnThings",
            "look at the things, and run them again with --reassert",
        ),
    ),
    "adopted things": (
        lambda: adopting(gateways="ab", things={"a": ("t",), "b": ("t",)}),
        note(
            "assumed",
            "whether the things of 2 gateways were run can't be read; it is taken to be so",
            "runOnThings",
            "run them with --reassert",
        ),
    ),
    "a window that has ended": (
        lambda: declaring(gateways="ab", schedules=entry("ab", ENDED)),
        note("expired", "the download window of 2 gateways has ended; it is not sent", ENTRY),
    ),
    "an adopted window": (
        lambda: adopting(gateways="ab", schedules=entry("a")),
        note(
            "assumed",
            "the download window of the gateway a can't be read; it is taken to be as declared",
            ENTRY,
        ),
    ),
    "a window that is no longer declared": (
        lambda: declaring(owned=members("schedules.download", window_value(SOON), "ab"), gateways="ab"),
        note(
            "cannot-undo",
            "a download window that is no longer declared can't be taken back, and stays for 2 gateways",
            "schedules",
            "declare another window, or close the campaign for them",
        ),
    ),
    "no member": (
        lambda: declaring(gateways="ab", schedules=entry("x")),
        note("not-a-member", "no window while not in the campaign, for the gateway x", ENTRY),
    ),
    "overrides that are left out": (
        lambda: declaring(owned=members("packageOverrides", packages_value(["p-1"]), "a"), gateways="ab"),
        note(
            "override-kept",
            "packageOverrides is left out, so not managed, and an override stays for the gateway a",
            "packageOverrides",
            "write packageOverrides: [] to give them the campaign's packages",
        ),
    ),
    # --- settings
    "adopted settings": (
        lambda: adopting(settings={"A": "a"}),
        note(
            "assumed",
            "the settings can't be read; they are taken to be as declared, and not sent",
            "settings",
            "send them with --reassert",
        ),
    ),
    **{
        f"an edit that could wipe settings: {why}": (
            made_,
            of_line(
                "may-lose-settings",
                f"editing Campaign/line could wipe settings that we don't know: {why}",
                "settings",
                "declare every setting that the campaign needs",
                WARNING,
            ),
        )
        for why, made_ in {
            "it was adopted, and its settings can't be read": lambda: declaring(
                owned={"origin": Origin.ADOPTED}, description="new"
            ),
            "it was adopted, and may have settings that YAML doesn't name": lambda: declaring(
                owned={
                    "origin": Origin.ADOPTED,
                    "applied": {"settings": {"A": {"value": "a"}}, "settings.assumed": True},
                },
                description="new",
                settings={"A": "a"},
            ),
            "the secrets J, K are no longer declared": lambda: declaring(
                owned=KNOWN_SECRET, description="new"
            ),
        }.items()
    },
    **{
        f"secrets that were not read: {len(names)}": (
            lambda names=names: declaring(  # type: ignore[misc]
                owned={"applied": {"settings": {name: {"digest": "x"} for name in names}}},
                settings=dict.fromkeys(names, SECRET),
            ),
            note(
                "secret-not-compared",
                f"can't tell whether the secret setting{'s' if len(names) > 1 else ''} {', '.join(names)}"
                " changed: secrets are neither in a snapshot nor read to plan on one",
                "settings",
                "a plan that asks the server, with the secrets at hand, tells",
            ),
        )
        for names in ("K", "JK")
    },
    # --- what is no longer declared
    "stays": (
        old,
        of_line(
            "not-declared",
            "Campaign/line (id 1) is ours and no longer declared; it stays on the server",
            None,
            "delete it with --prune",
            NOTE,
        ),
    ),
    "is given up": (
        lambda: old(OnRemove.ABANDON, prune=True),
        of_line(
            "abandoned",
            "Campaign/line (id 1) is no longer declared; it stays on the server and is no longer ours",
            None,
            None,
            NOTE,
        ),
    ),
    "a create whose answer was lost": (
        lost_create,
        of_line(
            "perhaps-ours",
            "it is no longer declared, and an apply that was to create it was interrupted: the campaign 'was'"
            " (id 7, 8) may be ours; it stays on the server",
            None,
            "delete it on the server if it is, or declare it again",
            NOTE,
        ),
    ),
    "an upload that is given up": (
        lambda: upload(left_behind=True),
        Finding(
            "abandoned",
            "the package fw.bin (id p-1) is no longer declared; it stays on the server and is no longer ours,"
            " for gateways of an abandoned campaign were given it",
            None,
            None,
            V1.resource,
            NOTE,
        ),
    ),
    "an upload in use": (
        lambda: upload(MemoryCampaign("7", "theirs", packages=("p-1",))),
        Finding(
            "package-in-use",
            "the package fw.bin (id p-1) is no longer declared; it stays, for campaigns 7 use it",
            None,
            None,
            V1.resource,
            NOTE,
        ),
    ),
    "an upload for a way back": (
        kept,
        Finding(
            "upload-kept",
            "PackageSet/firmware keeps 2 earlier uploads for a way back: fw.bin (id p-1)",
            None,
            None,
            V1.resource,
            NOTE,
        ),
    ),
    "an upload that gateways have": (
        overriding,
        Finding(
            "package-in-use",
            "the package fw.bin (id p-1) is no longer declared; it stays, for a campaign of this project"
            " uses it",
            None,
            None,
            V1.resource,
            NOTE,
        ),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_findings(row: str) -> None:
    make, expected = ROWS[row]
    world = make()
    assert world.wanted is not None
    found = world.project.draft(world.wanted, **world.options)
    assert [each for each in found.plan.findings if each.code == expected.code] == [expected]
    assert len(found.plan.findings) <= 2


def _codes() -> Iterator[str]:
    """Every code that stands in the package."""
    for path in (*Path(reconciler.diff.__file__).parent.glob("*.py"), Path(reconciler.binding.__file__)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in CODES:
                yield str(node.value)


def test_no_finding_is_missing_here() -> None:
    assert {finding.code for _, finding in ROWS.values()} == set(_codes())
