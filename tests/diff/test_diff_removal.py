"""What is ours and no longer declared."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff, Removal
from reconciler.diff.model import Former
from reconciler.diff.removal import remove_campaigns, remove_packages
from reconciler.model import (
    CampaignFields,
    Change,
    Live,
    LiveCampaign,
    LivePackage,
    OnRemove,
    PackageById,
    Phase,
    Reason,
    Severity,
)
from reconciler.options import Options
from reconciler.state.applied import packages_value
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    IntentDropped,
    Origin,
    Owned,
    PackageForgotten,
    State,
    Uploaded,
    upload_key,
)
from tests.diff.diff_parts import live
from tests.fakes import Project, campaign, desired, file, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

OLD = rid("old")


def compared(*, on_remove: OnRemove, prune: bool, live: bool = True, complete: bool = True) -> Diff:
    project = Project(MemoryServer(*([MemoryCampaign("1", "old", "STOPPED")] if live else [])))
    project.own("old", "1", on_remove=on_remove)
    return project.diff(desired(complete=complete), prune=prune)


# onRemove, --prune, live → (deleted, forgotten, finding): the table of ``reconciler.diff.removal``
ROWS = [
    (OnRemove.DELETE, True, True, (True, False, None)),
    (OnRemove.DELETE, True, False, (False, True, None)),
    (OnRemove.DELETE, False, True, (False, False, "not-declared")),
    (OnRemove.DELETE, False, False, (False, False, "not-declared")),
    (OnRemove.ABANDON, True, True, (False, True, "abandoned")),
    (OnRemove.ABANDON, True, False, (False, True, "abandoned")),
    (OnRemove.ABANDON, False, True, (False, True, "abandoned")),
    (OnRemove.ABANDON, False, False, (False, True, "abandoned")),
]


@pytest.mark.parametrize(("on_remove", "prune", "live", "expected"), ROWS)
def test_the_table(
    on_remove: OnRemove, prune: bool, live: bool, expected: tuple[bool, bool, str | None]
) -> None:
    deleted, forgotten, code = expected
    difference = compared(on_remove=on_remove, prune=prune, live=live)
    assert [removal.live.id for removal in difference.removals] == ["1"] * deleted
    event = CampaignAbandoned(OLD) if code == "abandoned" else CampaignForgotten(OLD)
    assert difference.records == ((event,) if forgotten else ())
    assert [f.code for f in difference.findings] == ([code] if code else [])
    assert all((f.resource, f.severity) == (OLD, Severity.NOTE) for f in difference.findings)
    assert all("id 1" in f.message for f in difference.findings)
    before = {"id": "1", "name": "old", "status": "STOPPED"}
    change = Change(OLD, "campaign", before, None, Reason.REMOVED_FROM_GIT)
    assert difference.changes == ((change,) if deleted else ())


@pytest.mark.parametrize("on_remove", OnRemove)
def test_nothing_goes_while_a_part_of_the_project_is_left_out(on_remove: OnRemove) -> None:
    difference = compared(on_remove=on_remove, prune=True, complete=False)
    assert (difference.removals, difference.findings, difference.records) == ((), (), ())


@pytest.mark.parametrize("prune", [False, True])
def test_a_campaign_that_a_renamed_resource_claims_moves(prune: bool) -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    project.own("old", "1")
    difference = project.diff(desired(campaign("new", "old")), prune=prune)
    assert (difference.removals, difference.findings, difference.changes) == ((), (), ())


def test_a_claim_that_cannot_be_decided_protects_both() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line"), MemoryCampaign("2", "line")))
    project.own("old", "1")
    project.own("older", "2")
    difference = project.diff(desired(campaign("line")), prune=True)
    assert difference.removals == ()
    assert [finding.code for finding in difference.findings] == ["ambiguous-name"]


def test_what_nobody_owns_is_never_deleted() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "theirs")))
    project.own("old", "2")
    assert project.diff(desired(), prune=True).removals == ()


# --- creates whose answer was lost, and that Git has given up since ---------------------------------------


@pytest.mark.parametrize("prune", [False, True])
def test_what_an_interrupted_create_may_have_made_is_named_and_never_deleted(prune: bool) -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    project.intends("old", "old")
    difference = project.diff(desired(), prune=prune)
    assert (difference.removals, difference.records) == ((), ())
    (finding,) = difference.findings
    assert (finding.code, finding.resource, finding.severity) == ("perhaps-ours", OLD, Severity.NOTE)
    assert "'old' (id 1) may be ours" in finding.message


@pytest.mark.parametrize("owner", [None, "new"])
def test_an_interrupted_create_is_forgotten_when_there_is_nothing_that_it_may_have_made(
    owner: str | None,
) -> None:
    project = Project(MemoryServer(*([MemoryCampaign("1", "old")] if owner else [])))
    project.intends("old", "old")
    wanted = desired()
    if owner:
        project.own(owner, "1")
        wanted = desired(campaign(owner, "old"))
    difference = project.diff(wanted)
    assert (difference.removals, difference.findings) == ((), ())
    assert difference.records == (IntentDropped(str(OLD)),)


def test_an_interrupted_create_stays_in_mind_while_a_part_of_the_project_is_left_out() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    project.intends("old", "old")
    project.intends(file("one"), "one.bin")
    assert project.reads(desired(complete=False)) == []
    difference = project.diff(desired(complete=False))
    assert (difference.removals, difference.findings, difference.records) == ((), (), ())


def test_what_an_interrupted_create_may_have_made_is_not_what_somebody_else_has_or_takes_over() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    project.intends("old", "old")
    adopted = project.diff(desired(campaign("new", "old")), adopt=True)
    assert ([f.code for f in adopted.findings], adopted.records[-1]) == ([], IntentDropped(str(OLD)))
    project.own("gone", "1")
    owned = project.diff(desired())
    assert [f.code for f in owned.findings] == ["not-declared"]
    assert owned.records == (IntentDropped(str(OLD)),)


def test_what_was_not_looked_up_is_nobodys() -> None:
    project = Project()
    project.intends("old", "old")
    found = remove_campaigns(desired(), Live(), project.state, Options())
    assert found == ((), (), (IntentDropped(str(OLD)),))


# --- one order ------------------------------------------------------------------------------------

NAMES = [f"old-{number:02}" for number in range(12)]


def many(on_remove: OnRemove, *, live: bool) -> Project:
    project = Project(MemoryServer(*(MemoryCampaign(n, n) for n in reversed(NAMES) if live)))
    for name in reversed(NAMES):
        project.own(name, name, on_remove=on_remove)
    return project


def test_all_that_goes_is_told_in_one_order() -> None:
    expected = list(map(rid, NAMES))
    abandoned = many(OnRemove.ABANDON, live=True).diff(desired())
    assert list(abandoned.records) == list(map(CampaignAbandoned, expected))
    assert [f.resource for f in abandoned.findings] == expected
    gone = many(OnRemove.DELETE, live=False).diff(desired(), prune=True)
    assert list(gone.records) == list(map(CampaignForgotten, expected))
    deleted = many(OnRemove.DELETE, live=True).diff(desired(), prune=True)
    assert [removal.owned.resource for removal in deleted.removals] == expected


def test_uploads_that_gateways_of_an_abandoned_campaign_keep() -> None:
    """Sorted by their content; what somebody else uploaded is none of ours."""
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    uploads = [file(f"content {number}") for number in range(8)]
    for number, each in enumerate(uploads):
        project.uploaded(each, f"p-{number}")
        project.server.stored[f"p-{number}"] = LivePackage(f"p-{number}", "fw.bin")
    given = [f"p-{number}" for number in range(7)]
    values = {
        packages_value([*given[:3], "theirs"]): frozenset("a"),
        packages_value(given[3:]): frozenset("b"),
    }
    project.own("old", "1", on_remove=OnRemove.ABANDON, members={"packageOverrides": values})
    project.own("lost", "9")
    found = project.diff(desired(), prune=True)
    kept = tuple(sorted(each.sha256 for each in uploads[:7]))
    assert found.records == (
        CampaignForgotten(rid("lost")),
        CampaignAbandoned(OLD, kept),
        *map(PackageForgotten, kept),
    )
    assert [upload.id for upload in found.package_removals] == ["p-7"]


def test_of_what_the_server_contradicts_itself_nothing_is_concluded() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old")))
    project.own("old", "1")
    live = replace(project.live(desired(), prune=True), campaigns={}, unreadable=frozenset({OLD}))
    removals, (finding,), forgotten = remove_campaigns(desired(), live, project.state, Options(prune=True))
    assert (removals, forgotten) == ((), ())
    assert (finding.code, finding.resource, finding.severity) == ("not-answering", OLD, Severity.ERROR)


# --- who uses an upload that is no longer declared ----------------------------------------------------------

LINE = rid("line")
GOES = Uploaded("5a", "p", "fw.bin", LINE)
NOW_ITS = CampaignFields("line", packages=("q",))
HAS_IT = CampaignFields("line", packages=("p",))
RUNS = replace(live(), phase=Phase.RUNNING)


def there(campaign_id: str, **values: Any) -> LiveCampaign:
    return replace(RUNS, id=campaign_id, **values)


def declared(fields: CampaignFields | None = None, **values: Any) -> CampaignDiff:
    return CampaignDiff(campaign("line"), there("1"), fields or NOW_ITS, **values)


def removed(**values: Any) -> Removal:
    return Removal(Owned(rid("old"), "1", Origin.CREATED), there("1"), **values)


SOMEBODY = frozenset("a")
MADE_ANEW = CampaignDiff(campaign("line"), None, CampaignFields("line", packages=("q",)))
USERS: dict[str, tuple[str, list[CampaignDiff], list[Removal], str | None]] = {
    # who uses it; what is declared, what is deleted; for whom it stays, None: it goes
    "nobody": ("", [], [], None),
    "somebody's": ("9", [], [], "9"),
    "gets others": ("1", [declared()], [], None),
    "is among those that it gets": ("1", [declared(CampaignFields("line", packages=("q", "p")))], [], "1"),
    "its packages aren't managed": ("1", [declared(CampaignFields("line"))], [], "1"),
    "gets others, and somebody's": ("19", [declared()], [], "9"),
    "is deleted": ("1", [], [removed()], None),
    "is deleted, and nobody knows how it is": (
        "1", [], [replace(removed(), live=there("1", phase=Phase.UNKNOWN))], "1",
    ),
    "gets others, and nobody knows how it is": (
        "1", [replace(declared(), live=there("1", phase=Phase.UNKNOWN))], [], "1",
    ),
    "is replaced": ("1", [declared(successor=MADE_ANEW)], [], None),
    "is replaced by one that has it": (
        "1", [declared(successor=replace(MADE_ANEW, fields=HAS_IT))], [], "",
    ),
    "is replaced, and some stay in it": (
        "1",
        [declared(successor=MADE_ANEW, itself=Former("1", there("1"), ended=False, staying=SOMEBODY))],
        [],
        "1",
    ),
    "is replaced, and nobody stays in it": (
        "1", [declared(successor=MADE_ANEW, itself=Former("1", there("1"), ended=False))], [], None,
    ),
    "was replaced": ("2", [declared(formers=(Former("2", there("2"), ended=False),))], [], None),
    "was replaced, and some stay in it": (
        "2", [declared(formers=(Former("2", there("2"), ended=False, staying=SOMEBODY),))], [], "2",
    ),
    "was replaced, and isn't touched any more": (
        "2", [declared(formers=(Former("2", None, ended=True),))], [], "2",
    ),
    "was replaced by one that is deleted": (
        "2", [], [removed(formers=(Former("2", there("2"), ended=False),))], None,
    ),
    "is to be created with it": (
        "", [replace(MADE_ANEW, fields=CampaignFields("line", packages=("p",)))], [], "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", USERS)
def test_an_upload_stays_for_whoever_uses_it_after_the_plan(row: str) -> None:
    users, campaigns, removals, still = USERS[row]
    known = Live(users={"p": frozenset(users)}, package_ids={"p": True})
    state = State("lineage", "5a17")
    packages, findings, forgotten = remove_packages(
        known, state, [GOES], campaigns, removals, keep={}, given_up=()
    )
    assert (packages, forgotten) == (((GOES,) if still is None else ()), ())
    if still is None:
        assert findings == ()
        return
    [finding] = findings
    assert (finding.code, finding.resource, finding.severity) == ("package-in-use", LINE, Severity.NOTE)
    who = f"campaigns {still} use it" if still else "a campaign of this project uses it"
    assert finding.message == f"the package fw.bin (id p) is no longer declared; it stays, for {who}"


@pytest.mark.parametrize(
    ("keep", "used", "goes", "kept"),
    [
        (1, "", "ab", "c"),
        (2, "", "a", "bc"),
        (3, "", "", "abc"),
        (9, "", "", "abc"),
        # What is in use stays anyway, and counts.
        (1, "c", "ab", ""),
        (2, "c", "a", "b"),
        (1, "a", "b", "c"),
    ],
)
def test_the_newest_that_go_are_kept(keep: int, used: str, goes: str, kept: str) -> None:
    """By when they were uploaded, else by their content; the word names only what would go without it."""
    since = {"a": None, "b": 5, "c": 6}
    uploads = [Uploaded(key, key, f"{key}.bin", LINE, since=since[key]) for key in "cab"]
    other = Uploaded("d", "d", "d.bin", rid("other"))
    known = Live(users={key: frozenset("9") for key in used}, package_ids=dict.fromkeys("abcd", True))
    packages, findings, _ = remove_packages(
        known, State("lineage", "5a17"), [*uploads, other], (), (), keep={LINE: keep}, given_up=()
    )
    assert sorted(each.id for each in packages) == [*goes, "d"]
    said = [each.message for each in findings if each.code == "upload-kept"]
    assert len(said) == bool(kept)
    for message in said:
        assert sorted(key for key in "abcd" if f"{key}.bin (id {key})" in message) == [*kept]
        assert message.startswith(f"Campaign/line keeps {keep} earlier upload")


# --- uploads whose answer was lost, and whose file Git has given up since ----------------------------------


def after_a_lost_upload(*there: LivePackage) -> Project:
    project = Project(MemoryServer(packages=there))
    project.intends(file("one"), "one.bin")
    return project


MADE = LivePackage("p-1", "one.bin", sha256=file("one").sha256)


@pytest.mark.parametrize("prune", [False, True])
def test_what_an_interrupted_upload_may_have_made_is_named_and_never_deleted(prune: bool) -> None:
    difference = after_a_lost_upload(MADE, LivePackage("p-2", "two")).diff(desired(), prune=prune)
    assert (difference.package_removals, difference.records) == ((), ())
    (finding,) = difference.findings
    assert (finding.code, finding.severity) == ("perhaps-ours", Severity.NOTE)
    assert "the package of its content (id p-1) may be ours, and stays on the server" in finding.message
    assert (
        finding.hint == "`reconciler package delete p-1` where no campaign uses it, or declare the file again"
    )


def test_an_interrupted_upload_is_forgotten_when_there_is_nothing_that_it_may_have_made() -> None:
    difference = after_a_lost_upload(LivePackage("p-2", "two")).diff(desired())
    assert (difference.findings, difference.records) == ((), (IntentDropped(upload_key(file("one").sha256)),))


def test_what_an_interrupted_upload_may_have_made_is_not_what_is_ours_or_declared() -> None:
    project = after_a_lost_upload(MADE)
    declared = project.diff(desired(packages=[PackageById("p-1")]))
    assert (declared.findings, len(declared.records)) == ((), 1)
    project.uploaded(file("one"), "p-1")
    assert project.diff(desired()).findings == ()


def test_an_interrupted_upload_of_a_file_that_is_declared_is_not_given_up() -> None:
    difference = after_a_lost_upload(MADE).diff(desired(packages=[file("one")]))
    assert "perhaps-ours" not in [found.code for found in difference.findings]
    assert not [record for record in difference.records if isinstance(record, IntentDropped)]
