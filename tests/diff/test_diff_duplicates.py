"""What may be there twice: named while nobody has decided, and only then."""

import pytest

from reconciler.model import DesiredStatus, Override, PackageById, Severity
from reconciler.state.applied import packages_value
from tests.fakes import Project, campaign, desired, file, holds
from tests.memory_provider import MemoryCampaign, MemoryServer

V1, V2 = file("v1"), file("v2")
STARTED = DesiredStatus.STARTED


def named(project: Project, wanted: object, **options: bool) -> list[str]:
    """The ids that warnings of doubles name, in their order."""
    plan = project.make_plan(wanted, **options)  # type: ignore[arg-type]
    found = [each for each in plan.findings if each.code == "possible-duplicate"]
    assert all(each.severity is Severity.WARNING for each in found)
    return [each.message for each in found]


def line(*more: MemoryCampaign, **fields: object) -> Project:
    project = Project(MemoryServer(MemoryCampaign("1", "line"), *more))
    project.own("line", "1")
    return project


@pytest.mark.parametrize("prune", [False, True])
def test_every_namesake_is_named_by_every_plan_until_it_is_gone(prune: bool) -> None:
    project = line(MemoryCampaign("2", "line"), MemoryCampaign("3", "line"), MemoryCampaign("4", "lines"))
    for _ in range(2):
        first, second = named(project, desired(campaign("line")), prune=prune)
        assert "1, which is Campaign/line, and 2 (CREATED)" in first
        assert "and 3 (CREATED)" in second
    del project.server.by_id["2"], project.server.by_id["3"]
    assert named(project, desired(campaign("line")), prune=prune) == []


def test_it_is_a_word_that_stops_nothing() -> None:
    project = line(MemoryCampaign("2", "line"))
    wanted = desired(campaign("line", status=STARTED))
    assert len(named(project, wanted)) == 1
    assert project.plan(wanted) == ["start-campaign:line"]


def test_what_another_resource_owns_is_no_double() -> None:
    project = line(MemoryCampaign("2", "line"))
    project.own("other", "2")
    assert named(project, desired(campaign("line"), campaign("other", "renamed"))) == []


def test_what_is_taken_by_this_plan_is_no_double() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    assert named(project, desired(campaign("line")), adopt=True) == []


def test_a_name_that_is_to_be_had_is_another_matter() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "before"), MemoryCampaign("2", "line")))
    project.own("line", "1")
    plan = project.make_plan(desired(campaign("line")))
    assert [each.code for each in plan.findings] == ["name-taken"]


def test_whose_name_the_server_keeps_otherwise_has_no_double() -> None:
    """Only what is called the same could have been made twice."""
    project = Project(MemoryServer(MemoryCampaign("1", "LINE"), MemoryCampaign("2", "line")))
    project.own("line", "1", declared={"name": "line"}, kept={"name": "LINE"})
    assert named(project, desired(campaign("line"))) == []
    project.server.by_id["1"].name = "line"
    assert len(named(project, desired(campaign("line")))) == 1


# --- packages ------------------------------------------------------------------------------------


def twice(*campaigns: MemoryCampaign, owned: bool = True) -> Project:
    """A file that was uploaded as p-1, and p-2 that holds the same."""
    packages = [holds("p-1", "fw.bin", V1), holds("p-2", "fw.bin", V1), holds("p-3", "other.bin", V2)]
    project = Project(MemoryServer(*campaigns, packages=packages))
    if owned:
        project.uploaded(V1, "p-1")
    return project


def test_a_package_that_nobody_uses_is_named_until_it_is_gone() -> None:
    project = twice()
    (message,) = named(project, desired(packages=[V1]))
    assert "p-1, which is ours, and p-2 (fw.bin)" in message
    assert len(named(project, desired(packages=[V1]))) == 1
    del project.server.stored["p-2"]
    assert named(project, desired(packages=[V1])) == []


@pytest.mark.parametrize("whose", ["theirs", "ours"])
def test_a_package_that_a_campaign_uses_is_no_double(whose: str) -> None:
    project = twice(MemoryCampaign("1", whose, packages=("p-2",)))
    if whose == "ours":
        project.own("ours", "1")
    assert named(project, desired(campaign("ours"), packages=[V1])) == []


@pytest.mark.parametrize(("used", "asked"), [("p-2", False), ("p-1", True)])
def test_who_uses_a_package_is_asked_only_where_nobody_is_known(used: str, asked: bool) -> None:
    project = twice(MemoryCampaign("1", "ours", packages=(used,)))
    project.own("ours", "1")
    reads = project.reads(desired(campaign("ours"), packages=[V1]))
    assert ("campaigns" in reads) is asked, "that takes the list of all"


def test_a_package_that_an_override_of_ours_gave_is_no_double() -> None:
    project = twice(MemoryCampaign("1", "line", gateways={"a"}))
    had = {"packageOverrides": {packages_value(["p-2"]): frozenset("a")}}
    project.own("line", "1", members=had)
    assert named(project, desired(campaign("line"), packages=[V1])) == []


def test_a_package_that_is_declared_by_its_id_is_no_double() -> None:
    assert named(twice(), desired(packages=[V1, PackageById("p-2")])) == []
    override = Override(frozenset("a"), (PackageById("p-2"),))
    project = twice(MemoryCampaign("1", "line", gateways={"a"}))
    project.own("line", "1")
    wanted = desired(campaign("line", gateways="a", overrides=(override,)), packages=[V1])
    assert named(project, wanted) == []


def test_a_package_of_ours_that_is_gone_has_no_double() -> None:
    project = twice()
    del project.server.stored["p-1"]
    assert named(project, desired(packages=[V1])) == []
    assert [step.partition(":")[0] for step in project.plan(desired(packages=[V1]))] == ["upload-package"]


def test_a_package_of_ours_that_is_gone_has_no_double_where_another_has_one() -> None:
    packages = [holds("p-2", "fw.bin", V1), holds("p-3", "other.bin", V2), holds("p-4", "other.bin", V2)]
    project = Project(MemoryServer(packages=packages))
    project.uploaded(V1, "p-1")
    project.uploaded(V2, "p-3")
    for adopt in (False, True):
        (message,) = named(project, desired(packages=[V1, V2]), adopt=adopt)
        assert "p-3, which is ours, and p-4" in message


def test_marks_that_nobody_trusts_are_not_taken_because_they_were_read() -> None:
    """What is read to find doubles is not what a lost package is replaced by."""
    project = twice(owned=False)
    assert [step.partition(":")[0] for step in project.plan(desired(packages=[V1]))] == ["upload-package"]


def test_of_what_is_gone_nothing_is_there_twice() -> None:
    project = Project(MemoryServer(packages=[holds("p-2", "fw.bin", V1)]))
    project.uploaded(V1, "p-1")
    assert named(project, desired(packages=[V1])) == []
