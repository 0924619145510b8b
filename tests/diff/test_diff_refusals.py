"""Campaigns that are left out, and why."""

import pytest

from reconciler.diff import Diff
from reconciler.model import DistributionList, Place, Severity
from tests.actions import needs_of
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


def test_a_distribution_list_can_not_be_set_without_an_interval() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1")
    found = project.diff(desired(campaign("line", distribution=DistributionList("f-1"))))
    assert [finding.code for finding in found.findings] == ["interval-needed"]
    assert found.changes == ()
