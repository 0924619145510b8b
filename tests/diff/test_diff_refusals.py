"""Campaigns that are left out, and why."""

from dataclasses import replace

import pytest

from reconciler.diff import CampaignDiff, Diff
from reconciler.diff.refusals import left_by_others, refusal, settle_names
from reconciler.model import (
    CampaignFields,
    Claim,
    DesiredRollout,
    DistributionList,
    Live,
    LiveCampaign,
    Ownership,
    Phase,
    Place,
    RolloutRecord,
    Severity,
)
from reconciler.options import Targets
from reconciler.rollout.revisions import NOBODY_STAYS
from reconciler.state.base import Origin, Owned, Predecessor, State
from tests.actions import needs_of
from tests.diff.diff_parts import live
from tests.fakes import Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

NAME = Place("line.yaml", 9, 3)


def left_out(difference: Diff, resource: str = "line") -> bool:
    about = {change.resource for change in difference.changes}
    about |= {found.desired.resource for found in difference.campaigns}
    return rid(resource) not in about


def test_somebody_elses_campaign() -> None:
    project = Project(MemoryServer(MemoryCampaign("7", "line")))
    difference = project.diff(desired(campaign("line", places={"name": NAME}, description="x")))
    [finding] = difference.findings
    assert (finding.code, finding.place, finding.severity) == ("not-ours", NAME, Severity.ERROR)
    assert finding.resource == rid("line")
    assert "id 7" in finding.message
    assert "--adopt" in (finding.hint or "")
    assert left_out(difference)


@pytest.mark.parametrize("adopt", [False, True])
def test_two_campaigns_of_the_name(adopt: bool) -> None:
    project = Project(MemoryServer(MemoryCampaign("8", "line"), MemoryCampaign("7", "line")))
    difference = project.diff(desired(campaign("line")), adopt=adopt)
    [finding] = difference.findings
    assert (finding.code, finding.severity) == ("ambiguous-name", Severity.ERROR)
    assert finding.place == Place("line.yaml", 1, 1)
    assert "7, 8" in finding.message
    assert left_out(difference)


def test_a_rename_to_a_name_that_is_taken() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line"), MemoryCampaign("7", "new")))
    project.own("line", "1")
    difference = project.diff(desired(campaign("line", "new", places={"name": NAME}), campaign("fine")))
    [finding] = difference.findings
    assert (finding.code, finding.place) == ("name-taken", NAME)
    assert "id 1" in finding.message
    assert "campaign 7" in finding.message
    assert left_out(difference)
    assert not left_out(difference, "fine")


def test_a_rename_to_a_free_name() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line"), MemoryCampaign("7", "NEW")))
    project.own("line", "1")
    difference = project.diff(desired(campaign("line", "new")))
    assert (difference.findings, [c.after for c in difference.changes]) == ((), ["new"])


def test_two_campaigns_that_swap_their_names() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "a"), MemoryCampaign("2", "b")))
    project.own("a", "1")
    project.own("b", "2")
    difference = project.diff(desired(campaign("a", "b"), campaign("b", "a")))
    assert difference.findings == ()
    assert [(c.before, c.after) for c in difference.changes] == [("a", "b"), ("b", "a")]


def test_a_name_that_a_campaign_of_ours_keeps_is_taken() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "a"), MemoryCampaign("2", "b")))
    project.own("a", "1")
    project.own("b", "2")
    difference = project.diff(desired(campaign("a", "b"), campaign("b")))
    assert [finding.code for finding in difference.findings] == ["name-taken"]
    assert left_out(difference, "a")


def test_a_name_is_taken_only_from_who_gives_it_up() -> None:
    """`new` wants a name whose holder is renamed, but the holder can't be: its status is unknown."""
    project = Project(MemoryServer(MemoryCampaign("1", "wanted", "HIBERNATING")))
    project.own("holder", "1")
    found = project.diff(desired(campaign("holder", "other"), campaign("new", "wanted")))
    assert [finding.code for finding in found.findings] == ["name-taken"]
    assert [c.desired.resource for c in found.campaigns] == [rid("holder")]


def test_a_name_that_a_prune_frees_may_be_taken() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "wanted"), MemoryCampaign("2", "mine")))
    project.own("gone", "1")
    project.own("kept", "2")
    wish = desired(campaign("kept", "wanted"))
    assert [f.code for f in project.diff(wish).findings] == ["name-taken", "not-declared"]
    plan = project.make_plan(wish, prune=True)
    assert [f.code for f in plan.findings] == []
    edit = next(step for step in plan.steps() if step.operation.name == "edit-campaign")
    assert [step.operation.name for step in needs_of(plan, edit)] == ["delete-campaign"]


# live campaigns by id (*: somebody else's, ?: of an unknown status), the names that ours are to have (who is
# left out goes) → who can't have its name, and who has it
NAMES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "a chain whose last name is free": ({"a": "A", "b": "B"}, {"a": "B", "b": "C"}, {}),
    "a chain whose last name is taken": (
        {"a": "A", "b": "B", "c": "C", "x*": "D"}, {"a": "B", "b": "C", "c": "D"},
        {"a": "b", "b": "c", "c": "x"},
    ),
    "a new one at the end of a chain whose last name is taken": (
        {"a": "A", "x*": "B"}, {"a": "B", "new": "A"}, {"a": "x", "new": "a"},
    ),
    "a ring": ({"a": "A", "b": "B", "c": "C"}, {"a": "B", "b": "C", "c": "A"}, {}),
    "a ring, and somebody outside wants a name of it": (
        {"a": "A", "b": "B", "c": "C"}, {"a": "B", "b": "A", "c": "D"}, {},
    ),
    "a ring, of which one name has a twin": (
        {"a": "A", "b": "B", "x*": "B"}, {"a": "B", "b": "A"}, {"a": "x", "b": "a"},
    ),
    "two of the name, of which one gives it up": (
        {"a": "A", "b": "B", "x*": "B"}, {"a": "B", "b": "C"}, {"a": "x"},
    ),
    "two of the name, of which both give it up": (
        {"a": "A", "b": "B", "c": "B"}, {"a": "B", "b": "C", "c": "D"}, {},
    ),
    "several who keep it": (
        {"a": "A", "x*": "B", "y*": "B", "b": "B"}, {"a": "B", "b": "C"}, {"a": "x, y"},
    ),
    "one that is deleted gives it up": ({"a": "A", "b": "B"}, {"a": "B"}, {}),
    "one that is to be deleted in a status that nobody knows keeps it": (
        {"a": "A", "b?": "B"}, {"a": "B"}, {"a": "b"},
    ),
    "one that is to be renamed in a status that nobody knows keeps it": (
        {"a": "A", "b?": "B"}, {"a": "B", "b": "C"}, {"a": "b"},
    ),
    "one that wants it is in a status that nobody knows": ({"a?": "A", "x*": "B"}, {"a": "B"}, {"a": "x"}),
    "who is refused keeps its name from two": (
        {"a": "A", "b": "B", "x*": "C"}, {"a": "C", "b": "A", "new": "A"}, {"a": "x", "b": "a", "new": "a"},
    ),
    "the name that it has": ({"a": "A", "x*": "A"}, {"a": "A"}, {}),
    "the name that it has, and that another one wants": (
        {"a": "A", "x*": "A", "b": "B"}, {"a": "A", "b": "A"}, {"b": "a, x"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", NAMES)
def test_who_can_have_its_name(row: str) -> None:
    there, wanted, refused = NAMES[row]
    fakes = {
        key[0]: MemoryCampaign(key[0], name, "ODD" if key.endswith("?") else "CREATED")
        for key, name in there.items()
    }
    project = Project(MemoryServer(*fakes.values()))
    for key in there:
        if not key.endswith("*"):
            project.own(key.rstrip("?"), key[0])
    difference = project.diff(desired(*(campaign(*each) for each in wanted.items())), prune=True)
    said = [
        (f.resource.name, f.message.partition("the live campaign ")[2].removesuffix(" has it and keeps it"))
        for f in difference.findings
        if f.code == "name-taken" and f.resource
    ]
    assert sorted(said) == sorted(refused.items()), "each is said once"
    assert {c.desired.resource.name for c in difference.campaigns} == wanted.keys() - refused.keys()


def test_who_is_refused_is_told_in_one_order() -> None:
    """Who can't have its name because of others comes after those: number 1 and 8 want that of number 0."""
    names = [f"line-{number}" for number in range(9)]
    project = Project(MemoryServer(*(MemoryCampaign(name, name) for name in (*names, "taken"))))
    for name in names:
        project.own(name, name)
    wanted = {names[0]: "taken", names[1]: names[0], names[8]: names[0]}
    found = project.diff(desired(*(campaign(name, wanted.get(name, f"free {name}")) for name in names)))
    assert [f.resource for f in found.findings] == [rid(names[0]), rid(names[1]), rid(names[8])]


def test_of_several_who_are_left_alone_and_have_the_name_the_first_is_named() -> None:
    names = [f"keeper-{number:02}" for number in range(12)]
    project = Project(
        MemoryServer(
            MemoryCampaign("1", "line"), *(MemoryCampaign(name, "wanted") for name in reversed(names))
        )
    )
    project.own("line", "1")
    for name in reversed(names):
        project.own(name, name)
    everything = desired(campaign("line", "wanted"), *(campaign(name, f"free {name}") for name in names))
    made = project.draft(everything, targets=Targets((rid("line"),)))  # type: ignore[arg-type]
    assert [f.hint for f in made.plan.findings] == ["target Campaign/keeper-00, too"]


def test_a_name_that_was_not_looked_up_is_free() -> None:
    found = CampaignDiff(campaign("new"), None, CampaignFields("new"))
    assert settle_names([found], [], Live(), {}) == ()


def test_a_distribution_list_can_not_be_set_without_an_interval() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1")
    found = project.diff(desired(campaign("line", distribution=DistributionList("f-1"))))
    assert [finding.code for finding in found.findings] == ["interval-needed"]
    assert found.changes == ()


# --- deleted from the server, while earlier revisions go on there -------------------------------------------

LINE = rid("line")
IN_WAVES = DesiredRollout("policy", (), "seed")


def earlier(phase: Phase) -> LiveCampaign:
    return replace(live(), phase=phase)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("ended", [False, True])
def test_what_is_gone_is_not_made_anew_beside_an_earlier_revision(phase: Phase, ended: bool) -> None:
    known = (Predecessor("1", ended=True), Predecessor("2"), Predecessor("3", ended=ended), Predecessor("4"))
    owned = Owned(LINE, "9", Origin.CREATED, predecessors=known)
    state = State("lineage", "5a17", campaigns={LINE: owned})
    running = earlier(Phase.RUNNING)
    there = Live(gone=frozenset({LINE}), by_id={"1": running, "2": None, "3": earlier(phase), "4": running})
    wanted = campaign("line", places={"name": NAME}, rollout=IN_WAVES)
    found = left_by_others(wanted, there, state)
    left = ["4"] if ended or phase in NOBODY_STAYS else ["3", "4"]
    assert found is not None
    assert (found.code, found.place, found.resource) == ("earlier-revisions-left", NAME, LINE)
    assert found.severity is Severity.ERROR
    assert found.message.endswith(f"earlier revisions of it go on there: {', '.join(left)}")
    assert left_by_others(wanted, replace(there, gone=frozenset()), state) is None
    assert left_by_others(replace(wanted, rollout=None), there, state) is None
    assert left_by_others(wanted, there, State("lineage", "5a17")) is None
    over = replace(there, by_id={**there.by_id, "3": None, "4": None})
    assert left_by_others(wanted, over, state) is None
    rolled = State("lineage", "5a17", campaigns={LINE: replace(owned, rollout=RolloutRecord("revision"))})
    assert left_by_others(replace(wanted, rollout=None), there, rolled) == found


@pytest.mark.parametrize("ownership", Ownership)
def test_each_claim_is_refused_or_not(ownership: Ownership) -> None:
    codes = {"NOT_OURS": "not-ours", "AMBIGUOUS": "ambiguous-name", "UNREADABLE": "not-answering"}
    wanted = campaign("line", places={"name": NAME})
    found = refusal(wanted, Claim(ownership, ("7",)), {})
    expected = codes.get(ownership.name)
    assert (found and (found.code, found.place, found.resource)) == (expected and (expected, NAME, LINE))
