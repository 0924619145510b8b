"""Plans that replace a campaign: their order among others, their files, and what reports say of them."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plan_files import Made, planned, stale_now

from reconciler.diff import CampaignDiff, Run, Transition
from reconciler.diff.model import Former
from reconciler.model import (
    CampaignFields,
    DesiredRollout,
    DesiredStatus,
    LiveCampaign,
    LivePackage,
    PackageById,
    Phase,
    Reason,
    RemoveGateways,
    StartCampaign,
    StopCampaign,
    Verb,
)
from reconciler.plan.file import open_plan
from reconciler.plan.replacement import draft_of, leaves_of, rests_of, thaws_of
from reconciler.report.markdown import plan_markdown
from reconciler.report.plan_document import plan_chunks
from reconciler.report.plan_text import plan_lines
from reconciler.state.base import Predecessor
from tests.actions import needs_of
from tests.fakes import Project, campaign, desired, file, rid
from tests.memory_provider import IMMUTABLE, IMMUTABLE_LATE, MemoryCampaign, MemoryServer

ONE, TWO = PackageById("p-1"), PackageById("p-2")


def project(*campaigns: MemoryCampaign) -> Project:
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    made = Project(MemoryServer(*campaigns, packages=packages, facts=IMMUTABLE))
    for each in campaigns:
        made.own(each.name, each.id)
    return made


def running(key: str, name: str, gateways: str = "ab", package: str = "p-1") -> MemoryCampaign:
    return MemoryCampaign(key, name, "ROLLING", packages=(package,), gateways=set(gateways))


def line(name: str = "line", **fields: object) -> object:
    return campaign(name, **{"packages": (TWO,), "gateways": "ab", **fields})


def made_by(found: Project, *wanted: object, **options: bool) -> Made:
    return asyncio.run(planned(found, desired(*wanted), **options))  # type: ignore[arg-type]


def before(made: Made, verb: Verb, name: str) -> set[str]:
    """What the first step of `verb` for a campaign waits for, at first hand."""
    step = next(step for step in made.plan.steps() if (step.action.verb, step.resource.name) == (verb, name))
    return {each.id for each in needs_of(made.plan, step)}


# --- the order -----------------------------------------------------------------------------------------


def test_the_start_waits_for_the_end_and_the_end_for_everything() -> None:
    made = made_by(project(running("1", "line")), line())
    assert before(made, Verb.RETIRE, "line") == {"take-targets:line:1"}
    assert before(made, Verb.CREATE, "line") == {"take-targets:line:1", "rename-rollout:line"}
    assert "make-rollout:line" in before(made, Verb.END, "line")
    assert "end-rollout:line" in before(made, Verb.START, "line")
    [start] = [group for group in made.plan.groups if group.action.verb is Verb.START]
    assert {need.group for need in start.needs if not need.even_failed} == {"end-rollout:line"}


@pytest.mark.parametrize(("wish", "stops"), [(DesiredStatus.STOPPED, True), (None, False)])
def test_one_that_is_to_stand_still_is_stopped_before_it_is_replaced(
    wish: DesiredStatus | None, stops: bool
) -> None:
    made = made_by(project(running("1", "line")), line(status=wish))
    steps = [
        (step.action.verb, step.action.target) for step in made.plan.steps() if step.action.verb is Verb.STOP
    ]  # type: ignore[union-attr]
    assert steps == ([(Verb.STOP, "1")] if stops else [])
    assert (Verb.START in {step.action.verb for step in made.plan.steps()}) is not stops
    if stops:
        assert "halt-rollout:line" in before(made, Verb.END, "line")


def test_what_a_successor_needs_is_uploaded_before_anything_else() -> None:
    made = made_by(project(running("1", "line")), line(packages=(file("v1"),)))
    [upload] = [step.id for step in made.plan.steps() if step.action.verb is Verb.UPLOAD]
    assert upload in before(made, Verb.CREATE, "line")


def test_gateways_leave_a_running_campaign_before_they_join_the_one_that_replaces_another() -> None:
    found = project(running("1", "line", "ab"), running("2", "other", "cd"))
    made = made_by(found, line(gateways="abc"), line("other", packages=(ONE,), gateways="d"))
    assert "leave-target:other:c" in before(made, Verb.START, "line")
    back = made_by(found, line(gateways="a"), line("other", packages=(ONE,), gateways="bcd"))
    assert "end-rollout:line" in before(back, Verb.ADD, "other")


def test_names_are_handed_over_by_who_makes_room() -> None:
    found = project(running("1", "line"), running("2", "other"))
    wanted = [campaign("line", "new", packages=(TWO,)), campaign("other", "line", packages=(TWO,))]
    made = made_by(found, *wanted)
    assert "rename-rollout:line" in before(made, Verb.CREATE, "other")
    found.apply(made.plan)
    assert {each.name: each.status for each in found.server.by_id.values()} == {
        "new ~1": "OVER", "line ~2": "OVER", "new": "ROLLING", "line": "ROLLING",
    }  # fmt: skip


def test_a_name_that_is_never_given_up_is_not_taken() -> None:
    """Where two may have one name, whoever is replaced can't be renamed: a create would be taken for it."""
    found = Project(MemoryServer(running("2", "other"), facts=IMMUTABLE_LATE))
    found.server.stored |= {key: LivePackage(key, key) for key in ("p-1", "p-2")}
    found.own("other", "2")
    wanted = [campaign("line", "other", packages=(ONE,)), campaign("other", "else", packages=(TWO,))]
    made = made_by(found, *wanted)
    assert [finding.code for finding in made.plan.findings] == ["name-taken"]
    assert {group.action.resource.name for group in made.plan.groups} == {"other"}


def test_a_package_goes_after_the_campaign_that_had_it() -> None:
    found = project()
    first, second = file("v1"), file("v2")
    found.apply(made_by(found, line(packages=(first,))).plan)
    made = made_by(found, line(packages=(second,)), prune=True)
    assert "drop-rollout:line" in {
        each.id
        for step in made.plan.steps()
        if step.action.verb is Verb.DELETE_PACKAGE
        for each in needs_of(made.plan, step)
    }
    found.apply(made.plan)
    assert [each.sha256 for each in found.server.stored.values() if each.sha256] == [second.sha256]


def test_other_gateways_or_another_predecessor_are_another_draft() -> None:
    drafts = [
        draft_of(replaces, gateways)
        for replaces in (None, "", "None", "1")
        for gateways in ((), ("a",), ("b",), ("a", "b"), ("ab",))
    ]
    assert len({each.key for each in drafts}) == len(drafts)
    assert draft_of("1", ("a", "b")) == draft_of("1", iter(("a", "b")))
    assert draft_of("1", ("a", "b")).size == 2


# --- in a file -----------------------------------------------------------------------------------------


def test_a_saved_plan_is_read_and_applied_as_it_was_made(tmp_path: Path) -> None:
    found = project(running("1", "line"))
    made = made_by(found, line())
    made.save(tmp_path / "plan")
    again = open_plan(tmp_path / "plan").read(tmp_path, IMMUTABLE.operations, lambda secret: secret)
    assert again.plan == made.plan
    assert not asyncio.run(stale_now(made, found))
    found.apply(again.plan)
    assert made_by(found, line()).plan.empty


@pytest.mark.parametrize("what", ["status", "name", "packages"])
def test_it_is_stale_when_what_is_to_be_ended_has_changed(what: str) -> None:
    found = project(running("2", "line", package="p-2"), running("1", "line ~1"))
    found.own("line", "2", predecessors=(Predecessor("1"),), return_to="STARTED")
    found.server.by_id["2"].status = "DRAFTED"
    del found.state.campaigns[rid("line ~1")]  # type: ignore[attr-defined]
    made = made_by(found, line())
    assert [step.id for step in made.plan.steps()] == ["end-rollout:line", "start-rollout:line"]
    assert not asyncio.run(stale_now(made, found))
    old = found.server.by_id["1"]
    setattr(old, what, {"status": "HALTED", "name": "else", "packages": ("p-2",)}[what])
    [finding] = asyncio.run(stale_now(made, found))
    assert "campaign 1" in finding.message


# --- what is said --------------------------------------------------------------------------------------


def test_the_plan_says_in_plain_words_that_it_replaces_the_campaign() -> None:
    made = made_by(project(running("1", "line")), line())
    words = "replaces the campaign: the server can't edit packages"
    assert words in "\n".join(plan_lines(made.plan))
    assert words in plan_markdown(made.plan)
    document = json.loads("".join(plan_chunks(made.plan)))
    [row] = document["impact"]["campaigns"]
    assert (row["replaced"], row["created"], row["deleted"]) == (["packages"], False, False)
    assert made.plan.impact.requests == made.plan.size + 1, "an end makes one more call"


def test_what_an_earlier_run_left_is_said_too() -> None:
    found = project(running("2", "line", package="p-2"), running("1", "line ~1"))
    found.own("line", "2", predecessors=(Predecessor("1"),))
    del found.state.campaigns[rid("line ~1")]  # type: ignore[attr-defined]
    made = made_by(found, line())
    assert "ends 1 campaign that it replaced" in "\n".join(plan_lines(made.plan))


# --- who leaves what was replaced ---------------------------------------------------------------------------

IN_WAVES = DesiredRollout("policy", (), "seed")
KEEPS, STARTS, STOPS = (Transition(run) for run in (Run.KEEP, Run.START, Run.STOP))
MADE_ANEW = CampaignDiff(campaign("line"), None, CampaignFields("line"))


def there(phase: Phase) -> LiveCampaign:
    return LiveCampaign("9", "line", phase.value, phase)


def former(staying: str = "", leaving: str = "bcd", *, ended: bool = False, live: bool = True) -> Former:
    """The campaign 1, which was replaced by 9."""
    known = replace(there(Phase.RUNNING), id="1") if live else None
    return Former("1", known, ended, frozenset(staying), frozenset(leaving))


# phase of the one that is, what becomes of it, the one before; more of it → who leaves that one
LEAVES: dict[str, tuple[Phase, Transition, Former, dict[str, Any], str]] = {
    "it runs, and some stay there": (Phase.RUNNING, KEEPS, former("a"), {}, "bcd"),
    "it runs, and all move": (Phase.RUNNING, KEEPS, former(), {"gained": ("c", "x")}, "c"),
    "it runs, and nobody joins it": (Phase.RUNNING, KEEPS, former(), {}, ""),
    "it starts, and some stay there": (Phase.PAUSED, STARTS, former("a"), {}, "bcd"),
    "it starts, and all move": (Phase.PAUSED, STARTS, former(), {"gained": ("c",)}, ""),
    # Who is declared is to move once it runs.
    "it stands still": (Phase.PAUSED, KEEPS, former("a"), {}, "d"),
    "it stands still, and all move": (Phase.PAUSED, KEEPS, former(), {"gained": ("c",)}, ""),
    "it is stopped": (Phase.RUNNING, STOPS, former("a"), {}, "d"),
    "it is stopped, and all move": (Phase.RUNNING, STOPS, former(), {"gained": ("c",)}, ""),
    "its successor starts": (
        Phase.RUNNING,
        KEEPS,
        former("a"),
        {"successor": MADE_ANEW, "starts": True},
        "bcd",
    ),
    "its successor stands still": (Phase.RUNNING, KEEPS, former("a"), {"successor": MADE_ANEW}, "d"),
    "nobody leaves": (Phase.RUNNING, KEEPS, former("a", ""), {}, ""),
    "that one has ended": (Phase.RUNNING, KEEPS, former("a", ended=True), {}, ""),
    "that one was not read": (Phase.RUNNING, KEEPS, former("a", live=False), {}, ""),
}


@pytest.mark.parametrize("rollout", [IN_WAVES, None])
@pytest.mark.parametrize("row", LEAVES)
def test_who_leaves_what_was_replaced(row: str, rollout: Any) -> None:
    phase, transition, before, more, leave = LEAVES[row]
    wanted = replace(campaign("line", gateways="b", rollout=rollout), whole=frozenset("bc"))
    found = CampaignDiff(
        wanted, there(phase), CampaignFields("line"), transition=transition, formers=(before,), **more
    )
    starts = more.get("starts", transition is STARTS)
    expected = RemoveGateways(
        rid("line"),
        Reason.MOVES if rollout else Reason.REPLACED,
        "1",
        tuple(leave),
        moving=True,
        successor=None if "successor" in more else "9",
        before_start=starts,
    )
    assert list(leaves_of(found)) == ([expected] if leave else [])


# --- what goes on for whoever stays, and is to stand still --------------------------------------------------


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("staying", ["", "a"])
@pytest.mark.parametrize(
    ("rests", "halts", "why"),
    [
        (False, "", None),
        (True, "", Reason.WANTS_STOPPED),
        (False, "1", Reason.FREEZE),
        (True, "1", Reason.WANTS_STOPPED),
        (False, "7", None),
    ],
)
def test_what_runs_for_others_is_stopped_by_git_or_a_freeze(
    phase: Phase, staying: str, rests: bool, halts: str, why: Reason | None
) -> None:
    wanted = replace(campaign("line"), rests=rests, halts=frozenset(halts))
    before = replace(former(staying), live=replace(there(phase), id="1"))
    unread = replace(before, live=None)
    found = CampaignDiff(wanted, there(Phase.PAUSED), CampaignFields("line"), formers=(before, unread))
    stops = phase is Phase.RUNNING and ("1" in halts or (rests and bool(staying)))
    expected = [StopCampaign(rid("line"), why, "1", predecessor=True)] if stops and why else []
    assert list(rests_of(found, IMMUTABLE)) == expected
    never = replace(IMMUTABLE, allowed={**IMMUTABLE.allowed, Verb.STOP: frozenset()})
    assert list(rests_of(found, never)) == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("staying", ["", "a"])
@pytest.mark.parametrize("thaws", ["", "1", "7"])
def test_what_a_freeze_stopped_is_started_for_those_who_stay(phase: Phase, staying: str, thaws: str) -> None:
    wanted = replace(campaign("line"), thaws=frozenset(thaws))
    before = replace(former(staying), live=replace(there(phase), id="1"))
    unread = replace(before, live=None)
    found = CampaignDiff(wanted, there(Phase.PAUSED), CampaignFields("line"), formers=(unread, before))
    starts = phase in (Phase.READY, Phase.PAUSED) and staying and thaws == "1"
    expected = [StartCampaign(rid("line"), Reason.FREEZE_OVER, "1", predecessor=True)] if starts else []
    assert list(thaws_of(found, IMMUTABLE)) == expected
