"""Which live package, or which upload, a declared package is; and which uploads go."""

from dataclasses import replace

import pytest

from reconciler.diff import Diff
from reconciler.diff.packages import bind
from reconciler.model import (
    Change,
    Claim,
    DesiredCampaign,
    Live,
    LivePackage,
    OnRemove,
    Ownership,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    PendingUpload,
    Place,
    Reason,
    Severity,
)
from reconciler.providers.base import Field
from reconciler.state.applied import packages_value
from reconciler.state.base import (
    CampaignAbandoned,
    Intent,
    IntentNoted,
    PackageForgotten,
    PackageUploaded,
    State,
    Uploaded,
    upload_key,
)
from reconciler.state.folding import fold
from tests.fakes import Project, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

V1, V2 = file("v1"), file("v2", "fw2.bin")
HERE = Place("packages.yaml", 3, 5)


def package(package_id: str, name: str = "fw.bin", marked: PackageFile | None = None) -> LivePackage:
    return holds(package_id, name, marked) if marked else LivePackage(package_id, name)


def bound(project: Project, ref: PackageRef, **options: bool) -> tuple[object, Diff]:
    """What the package of a new campaign is bound to, None when the campaign is left out."""
    difference = project.diff(desired(campaign("new", packages=(ref,))), **options)
    for found in difference.campaigns:
        assert found.fields.packages is not None
        return found.fields.packages[0], difference
    return None, difference


def test_by_id() -> None:
    found, difference = bound(Project(MemoryServer(packages=[package("p-1")])), PackageById("p-1", HERE))
    assert (found, difference.findings) == ("p-1", ())


def test_by_name() -> None:
    server = MemoryServer(packages=[package("p-1", "one"), package("p-2", "one more")])
    found, difference = bound(Project(server), PackageByName("one", HERE))
    assert (found, difference.findings) == ("p-1", ())


MISSING = {
    "no such id": (PackageById("p-9", HERE), [], "package-not-found", ["'p-9'"]),
    "no such name": (PackageByName("one", HERE), [package("p-1", "One")], "package-not-found", ["'one'"]),
    "several of the name": (
        PackageByName("one", HERE),
        [package("p-2", "one"), package("p-1", "one")],
        "ambiguous-package",
        ["p-1, p-2", "'one'"],
    ),
}


@pytest.mark.parametrize("row", MISSING)
def test_a_package_that_cannot_be_found_leaves_its_campaign_out(row: str) -> None:
    ref, packages, code, words = MISSING[row]
    project = Project(MemoryServer(packages=packages))
    difference = project.diff(desired(campaign("new", packages=(ref,)), campaign("fine")))
    [finding] = difference.findings
    assert (finding.code, finding.place, finding.severity) == (code, HERE, Severity.ERROR)
    assert all(word in finding.message for word in words)
    assert finding.hint
    assert [found.desired.resource for found in difference.campaigns] == [rid("fine")]
    assert {change.resource for change in difference.changes} == {rid("fine")}


def test_a_package_of_somebody_elses_campaign_is_not_said_to_be_missing() -> None:
    """It was not looked up: its campaign is left out whatever becomes of it."""
    server = MemoryServer(MemoryCampaign("1", "line"), packages=[package("p-1", "one")])
    wanted = desired(campaign("line", packages=(PackageById("p-1"), PackageByName("one"))))
    assert [finding.code for finding in Project(server).diff(wanted).findings] == ["not-ours"]


def test_a_file_that_the_server_lacks_is_uploaded() -> None:
    found, difference = bound(Project(), V1)
    assert found == PendingUpload(V1.sha256)
    assert difference.uploads == (V1,)
    after = {"name": "fw.bin", "sha256": V1.sha256, "size": 2}
    assert difference.changes[0] == Change(V1.resource, "packages", None, after, Reason.NOT_ON_SERVER)


def test_a_file_that_no_campaign_uses_is_uploaded_too() -> None:
    assert Project().diff(desired(packages=[V1])).uploads == (V1,)


@pytest.mark.parametrize(
    ("campaigns", "uploads"),
    [
        ([campaign("theirs", packages=(V1,))], ()),
        ([campaign("theirs", packages=(V1, V2)), campaign("ours", packages=(V2,))], (V2,)),
        ([campaign("theirs"), campaign("ours", packages=(V1,))], (V1,)),
    ],
)
def test_a_file_that_only_a_campaign_of_somebody_else_would_use_is_not_uploaded(
    campaigns: list[DesiredCampaign], uploads: tuple[PackageFile, ...]
) -> None:
    project = Project(MemoryServer(MemoryCampaign("7", "theirs")))
    found = project.diff(desired(*campaigns))
    assert (found.uploads, [f.code for f in found.findings]) == (uploads, ["not-ours"])


def test_what_was_not_looked_up_is_not_there() -> None:
    wanted = desired(campaign("new", packages=(PackageByName("one"), V1)))
    live = Live(claims={rid("new"): Claim(Ownership.NONE)})
    found = bind(wanted, live, State("lineage", "5a17"))
    assert [f.code for f in found.findings] == ["package-not-found"]
    assert found.packages == {V1: PendingUpload(V1.sha256)}


def test_a_file_that_two_campaigns_use_is_uploaded_once() -> None:
    wanted = desired(campaign("a", packages=(V1,)), campaign("b", packages=(V1, V2)))
    assert Project().diff(wanted).uploads == (V1, V2)


def test_a_file_that_we_uploaded() -> None:
    project = Project(MemoryServer(packages=[package("p-1")]))
    project.uploaded(V1, "p-1")
    found, difference = bound(project, V1)
    assert (found, difference.uploads, difference.records) == ("p-1", (), ())


def test_a_file_that_we_uploaded_and_that_is_gone_is_uploaded_again() -> None:
    project = Project()
    project.uploaded(V1, "p-1")
    found, difference = bound(project, V1)
    assert found == PendingUpload(V1.sha256)
    assert difference.changes[0].reason is Reason.GONE_FROM_SERVER


# a mark is trusted only for our own intent, or when the user says so
@pytest.mark.parametrize(
    ("intent", "adopt", "trusted"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_marks(intent: bool, adopt: bool, trusted: bool) -> None:
    project = Project(MemoryServer(packages=[package("p-1", "live.bin", marked=V1), package("p-2")]))
    if intent:
        project.intends(V1, "fw.bin")
    found, difference = bound(project, V1, adopt=adopt)
    if not trusted:
        assert (found, difference.records) == (PendingUpload(V1.sha256), ())
        return
    assert (found, difference.uploads) == ("p-1", ())
    recorded = Uploaded(V1.sha256, "p-1", "live.bin", V1.resource)
    assert difference.records == (PackageUploaded(recorded),)


@pytest.mark.parametrize(("adopt", "taken"), [(False, None), (True, "p-1")])
def test_what_was_there_before_our_upload_is_somebody_elses(adopt: bool, taken: str | None) -> None:
    """Where it isn't to be adopted, the file is uploaded again: what came of the first upload isn't there."""
    project = Project(MemoryServer(packages=[package("p-1", marked=V1)]))
    noted = IntentNoted(Intent(upload_key(V1.sha256), "fw.bin", others=("p-1",)))
    project.state = fold(project.state, [noted])
    found, difference = bound(project, V1, adopt=adopt)
    assert found == (taken or PendingUpload(V1.sha256))
    assert [upload.sha256 for upload in difference.uploads] == ([] if taken else [V1.sha256])


def test_marks_of_another_content_are_not_taken() -> None:
    project = Project(MemoryServer(packages=[package("p-1", marked=V2)]))
    assert bound(project, V1, adopt=True)[0] == PendingUpload(V1.sha256)


def test_two_packages_of_one_mark_are_an_error_that_names_both() -> None:
    project = Project(MemoryServer(packages=[package("p-2", marked=V1), package("p-1", marked=V1)]))
    found, difference = bound(project, V1, adopt=True)
    [finding] = difference.findings
    assert found is None
    assert (finding.code, finding.place, finding.resource) == ("ambiguous-package", V1.place, V1.resource)
    assert "p-1, p-2" in finding.message
    assert difference.uploads == ()


# --- uploads that are no longer declared


def pruned(project: Project, *campaigns: object, **more: object) -> Diff:
    return project.diff(desired(*campaigns, **more), prune=True)  # type: ignore[arg-type]


def world(*campaigns: MemoryCampaign) -> Project:
    """We uploaded v1 as p-1."""
    project = Project(MemoryServer(*campaigns, packages=[package("p-1"), package("p-2")]))
    project.uploaded(V1, "p-1")
    return project


def test_an_upload_that_nobody_uses_goes() -> None:
    project = world()
    difference = pruned(project)
    assert difference.package_removals == (project.state.packages[V1.sha256],)
    before = {"id": "p-1", "name": "fw.bin", "sha256": V1.sha256}
    assert difference.changes == (Change(V1.resource, "packages", before, None, Reason.NO_LONGER_USED),)


def test_an_upload_stays_without_prune() -> None:
    assert world().diff(desired()).package_removals == ()


def test_an_upload_that_is_gone_already_is_forgotten() -> None:
    project = world()
    del project.server.stored["p-1"]
    difference = pruned(project)
    assert (difference.package_removals, difference.changes) == ((), ())
    assert difference.records == (PackageForgotten(V1.sha256),)


@pytest.mark.parametrize("ref", [V1, PackageById("p-1"), PackageByName("fw.bin")], ids=str)
def test_an_upload_that_is_still_declared_stays(ref: PackageRef) -> None:
    difference = pruned(world(), packages=[ref])
    assert (difference.package_removals, difference.findings) == ((), ())


USERS = {
    "somebody else's campaign": (
        [MemoryCampaign("7", "theirs", packages=("p-1",))],
        [],
        "campaigns 7 use it",
    ),
    "our campaign, whose packages are not managed": (
        [MemoryCampaign("1", "line", packages=("p-1",))],
        [campaign("line")],
        "campaigns 1 use it",
    ),
    "our campaign, which can't be compared": (
        [MemoryCampaign("1", "line", packages=("p-1",))],
        [campaign("line", packages=(PackageById("p-9"),))],
        "campaigns 1 use it",
    ),
    "our campaign, whose status nobody knows": (
        [MemoryCampaign("1", "line", "SUSPENDED", packages=("p-1",))],
        [campaign("line", packages=(PackageById("p-2"),))],
        "campaigns 1 use it",
    ),
    "a campaign to be deleted, whose status nobody knows": (
        [MemoryCampaign("1", "line", "SUSPENDED", packages=("p-1",))],
        [],
        "campaigns 1 use it",
    ),
}


@pytest.mark.parametrize("row", USERS)
def test_an_upload_in_use_stays_with_a_word(row: str) -> None:
    campaigns, wanted, words = USERS[row]
    project = world(*campaigns)
    if campaigns[0].id == "1":
        project.own("line", "1")
    difference = pruned(project, *wanted)
    assert difference.package_removals == ()
    [finding] = [f for f in difference.findings if f.code == "package-in-use"]
    assert words in finding.message
    assert finding.severity is Severity.NOTE


def test_an_upload_goes_once_its_users_have_another_one_or_are_deleted() -> None:
    project = world(
        MemoryCampaign("1", "line", packages=("p-1", "p-2")), MemoryCampaign("2", "old", packages=("p-1",))
    )
    project.own("line", "1")
    project.own("old", "2")
    difference = pruned(project, campaign("line", packages=(PackageById("p-2"),)))
    assert [upload.id for upload in difference.package_removals] == ["p-1"]
    assert difference.findings == ()


# the package has another name on the server than the one that we uploaded it with; who is to have it by that
# name → whether it stays. Somebody whose status nobody knows is left as it is, and doesn't have it then.
BY_NAME: dict[str, tuple[list[MemoryCampaign], bool]] = {
    "a new campaign": ([], True),
    "a campaign of ours": ([MemoryCampaign("1", "line")], True),
    "a campaign of ours, whose status nobody knows": ([MemoryCampaign("1", "line", "ODD")], False),
}


@pytest.mark.parametrize("row", BY_NAME)
def test_an_upload_that_got_another_name_stays_for_who_is_to_have_it(row: str) -> None:
    there, stays = BY_NAME[row]
    project = Project(MemoryServer(*there, packages=[package("p-1", "renamed")]))
    project.uploaded(V1, "p-1")
    if there:
        project.own("line", "1")
    found = pruned(project, campaign("line", packages=(PackageByName("renamed"),)), campaign("bare"))
    assert [upload.id for upload in found.package_removals] == ([] if stays else ["p-1"])
    said = "a campaign of this project uses it"
    assert [f.code for f in found.findings if said in f.message] == ["package-in-use"] * stays


def test_overrides_of_campaigns_that_stay_keep_an_upload_and_of_those_that_go_do_not() -> None:
    had = {Field.OVERRIDES: {packages_value(["p-1"]): frozenset({"gw-1"})}}
    for declared, stays in (([campaign("line")], True), ([], False)):
        project = world(MemoryCampaign("1", "line"))
        project.own("line", "1", members=had)
        found = pruned(project, *declared)
        assert bool(found.package_removals) is not stays
        assert [f.code for f in found.findings] == ["package-in-use"] * stays


def abandoned(prune: bool, *refs: PackageRef) -> tuple[Project, Diff]:
    """Campaign old, whose gateway gw-1 has v1 of its own, is abandoned."""
    project = world(MemoryCampaign("1", "old"))
    overrides = {Field.OVERRIDES: {packages_value(["p-1"]): frozenset({"gw-1"})}}
    project.own("old", "1", on_remove=OnRemove.ABANDON, members=overrides)
    return project, project.diff(desired(packages=refs), prune=prune)


@pytest.mark.parametrize("refs", [(), (V1,)], ids=["undeclared too", "still declared"])
@pytest.mark.parametrize("prune", [True, False])
def test_an_upload_that_gateways_of_an_abandoned_campaign_have_is_given_up(
    prune: bool, refs: tuple[PackageRef, ...]
) -> None:
    project, difference = abandoned(prune, *refs)
    assert CampaignAbandoned(rid("old"), (V1.sha256,)) in difference.records
    at_once = prune and not refs
    assert (PackageForgotten(V1.sha256) in difference.records) == at_once
    project.state = fold(project.state, difference.records)
    later = pruned(project)
    assert (difference.package_removals, later.package_removals) == ((), ())
    assert (PackageForgotten(V1.sha256) in later.records) == (not at_once)
    said = [f.message for f in (*difference.findings, *later.findings) if f.resource == V1.resource]
    assert len(said) == 1
    assert "the package fw.bin (id p-1) is no longer declared; it stays on the server" in said[0]


@pytest.mark.parametrize(
    ("name", "description", "kept"),
    [
        ("fw.bin", "for hall 1", []),
        ("fw.bin", "", []),
        ("other.bin", "for hall 1", ["the name `fw.bin`"]),
        ("fw.bin", "for every hall", ["the description `for hall 1`"]),
        ("other.bin", "x", ["the name `fw.bin`", "the description `for hall 1`"]),
    ],
)
def test_what_no_server_changes_is_said(name: str, description: str, kept: list[str]) -> None:
    project = Project(MemoryServer(packages=[package("p-1", "fw.bin", marked=V1)]))
    uploaded = Uploaded(V1.sha256, "p-1", "fw.bin", V1.resource, description="for hall 1")
    project.state = fold(project.state, [PackageUploaded(uploaded)])
    declared = replace(V1, name=name, description=description, place=Place("p.yaml", 3, 5))
    _, difference = bound(project, declared)
    said = [each for each in difference.findings if each.code == "package-kept"]
    assert len(said) == bool(kept)
    for each in said:
        assert (each.severity, each.place) == (Severity.NOTE, Place("p.yaml", 3, 5))
        assert each.message.endswith(f"it keeps {' and '.join(kept)}")
