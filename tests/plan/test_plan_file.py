"""A plan in a file is the plan that was made, and nothing else."""

import os
import stat
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import event, given
from jsonschema import Draft202012Validator
from plan_files import SECRETS, Case, Made, cases, forged, lines_of, reread

from reconciler.errors import Exit, ReconcilerError, UnusablePlan
from reconciler.model import (
    CampaignFields,
    Change,
    EditCampaign,
    Finding,
    FromEnv,
    FromFile,
    Live,
    Need,
    PackageFile,
    PendingUpload,
    Place,
    Reason,
    RolloutStatus,
    SchedulePhase,
    Secret,
    Severity,
    StepGroup,
    UploadPackage,
    Verb,
    Window,
)
from reconciler.options import Options, Selector, Targets
from reconciler.plan import Plan
from reconciler.plan.file import Head, MadeIn, MadeOn, open_plan, plan_digest, salted, write_plan
from reconciler.plan.file.lines import ITEMS_A_LINE, LONG, dumped, entries, rebuilt
from reconciler.plan.fingerprints import Fingerprint, Of
from reconciler.plan.model import (
    CampaignImpact,
    Devices,
    GuardTrip,
    HeldBack,
    Impact,
    Packages,
    Partial,
    Snapshot,
)
from reconciler.rollout.views import RolloutView
from reconciler.state.base import (
    CampaignOwned,
    FieldApplied,
    MembersApplied,
    Origin,
    Owned,
    State,
    StatusSet,
)
from reconciler.validation.schemas import schema
from tests.actions import action
from tests.fakes import PULSE, file, rid
from tests.memory_provider import SERVER
from tests.properties.prop_strategies import examples

VALIDATOR = Draft202012Validator(dict(schema("plan-file")))
KEY = Secret("environment variable KEY", "canary-71aa", FromEnv("KEY"))
OPERATIONS = PULSE.operations


def made(**fields_of_plan: object) -> Made:
    plan = Plan(SERVER, **fields_of_plan)  # type: ignore[arg-type]
    return Made(plan, Live(), State("lineage", "5a17", serial=7))


def group(verb: Verb = Verb.START, **values: object) -> StepGroup:
    target = None if verb in (Verb.UPLOAD, Verb.CREATE) else "c-1"
    found = action(verb, rid("line"), Reason.ASKED, **{"target": target, **values})
    return StepGroup("start-campaign:line", found, OPERATIONS["start-campaign"], 0)


def uploaded(plan: Plan) -> list[PackageFile]:
    return [group.action.file for group in plan.groups if isinstance(group.action, UploadPackage)]


@given(cases())
@examples(30)
def test_what_is_read_is_what_was_written(case: Case) -> None:
    made = case.planned()
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "one"), Path(folder, "two")
        made.save(first)
        saved = reread(first, SECRETS)
        assert saved.plan == made.plan
        assert saved.fingerprints == made.fingerprints
        assert saved.head.options == made.options
        assert [g.needs for g in saved.plan.groups] == [g.needs for g in made.plan.groups]
        files = uploaded(saved.plan)
        for read, known in zip(files, uploaded(made.plan), strict=True):
            assert {f.name: getattr(read, f.name) for f in fields(read) if f.name != "path"} == {
                f.name: getattr(known, f.name) for f in fields(known) if f.name != "path"
            }
        assert plan_digest(saved.plan) == plan_digest(made.plan)
        replace(made, plan=saved.plan).save(second)
        assert first.read_bytes() == second.read_bytes()
        for line in lines_of(first):
            VALIDATOR.validate(line)
            event(line["type"])


def test_a_plan_file_says_what_it_holds(tmp_path: Path) -> None:
    """Each field of a plan, so that one that is added is not forgotten."""
    ids = tuple(f"gw-{number:03}" for number in range(3))
    owned = Owned(rid("line"), "c-1", Origin.ADOPTED, members={"x": {"1": frozenset(ids)}})
    finding = Finding(
        "held", "somebody\nstopped \ud800 it", Place("a.yaml", 1, 2), "wait", rid("line"), Severity.NOTE
    )
    guard = GuardTrip("maxDeletes", "too many", rid("line"), 2, 1, "because", Place("b.yaml", 3, 4))
    devices = Devices(1, 2, 3, 4, 5, 6, 7, 8)
    impact = CampaignImpact(
        rid("line"),
        "Line",
        2,
        1,
        shared={rid("other"): 3},
        devices=devices,
        packages=Packages(("a",), ("b",)),
    )
    options = Options(adopt=True, targets=Targets((rid("line"),), (Selector("site", "berlin", True),)))
    found = made(
        groups=(group(Verb.ADD, gateways=ids),),
        changes=(Change(rid("line"), "f", {"a": [1.5, None, True]}, "b", Reason.DIFFERS, members=ids),),
        findings=(finding,),
        impact=Impact((impact,), 3, ("EDIT_CAMPAIGN",), devices),
        records=(CampaignOwned(owned), MembersApplied(rid("line"), "f", "v", ids)),
        unreadable={rid("line"): ("settings",)},
        declares={rid("line"): {"name": "Line", "gateways": {"count": 2, "digest": "9f"}}},
        guards=(guard,),
        partial=Partial(("--target Campaign/line",), 1, 4),
        snapshot=Snapshot(1, 2),
        package_names={"p-1": "fw.bin"},
        rollouts=(RolloutView(rid("line"), "careful", RolloutStatus.PAUSED, 5, 1),),
        waits=(HeldBack(rid("line"), ("add",), 2, 5, ("nights",), ""),),
    )
    blank = Plan(SERVER)
    assert [f.name for f in fields(blank) if getattr(found.plan, f.name) == getattr(blank, f.name)] == [
        "server"
    ]
    found = replace(found, options=options)
    found.save(tmp_path / "plan")
    saved = reread(tmp_path / "plan")
    assert saved.plan == found.plan
    assert saved.head.options == options
    for line in lines_of(tmp_path / "plan"):
        VALIDATOR.validate(line)


def test_many_gateways_are_written_once_in_lines_of_bounded_length(tmp_path: Path) -> None:
    count = 2 * ITEMS_A_LINE + 1
    ids = tuple(f"gw-{number:06}" for number in range(count))
    window = Window(1, 2)
    schedules = [group(Verb.SCHEDULE, gateways=ids, phase=phase, window=window) for phase in SchedulePhase]
    groups = [replace(each, key=f"{each.key}#{n}", per_call=1) for n, each in enumerate(schedules)]
    things = group(Verb.THINGS, gateways=ids, things=dict.fromkeys(ids, ("t-1",)))
    found = made(
        groups=(*groups, things),
        changes=(Change(rid("line"), "f", None, 1, Reason.DIFFERS, members=(*ids[:1], *ids[1:])),),
        records=(
            CampaignOwned(Owned(rid("line"), "c", Origin.CREATED, members={"f": {"v": frozenset(ids)}})),
        ),
    )
    found.save(tmp_path / "plan")
    lists = [line for line in lines_of(tmp_path / "plan") if line["type"] == "list"]
    assert [(line["list"], len(line["items"])) for line in lists] == [
        (number, length) for number in (1, 2) for length in (ITEMS_A_LINE, ITEMS_A_LINE, 1)
    ]
    for line in lines_of(tmp_path / "plan"):
        VALIDATOR.validate(line)
    saved = reread(tmp_path / "plan")
    assert saved.plan == found.plan
    assert saved.plan.size == 3 * count + 1
    first, second, third, _ = (each.gateways for each in saved.plan.groups)
    assert first is second is third, "read once, too"


# --- whole or not at all ------------------------------------------------------------------------


def small(tmp_path: Path) -> Path:
    path = tmp_path / "plan.jsonl"
    made(groups=(group(),), impact=Impact(requests=1)).save(path)
    return path


def test_every_truncated_byte_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UnusablePlan) as caught:
            open_plan(path)
        assert caught.value.exit_code is Exit.STALE_PLAN
        assert caught.value.findings[0].code == "altered-plan"


def test_every_flipped_byte_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    whole = bytearray(path.read_bytes())
    for index in range(len(whole)):
        flip = 1 << index % 8
        whole[index] ^= flip
        path.write_bytes(whole)
        whole[index] ^= flip
        with pytest.raises(UnusablePlan):
            open_plan(path)


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}\n", b"\0"])
def test_whatever_follows_is_refused(tmp_path: Path, more: bytes) -> None:
    path = small(tmp_path)
    with path.open("ab") as file_:
        file_.write(more)
    with pytest.raises(UnusablePlan, match="can't be applied; nothing was written"):
        open_plan(path)


@pytest.mark.parametrize(
    "content", [b"", b"kind: Campaign\n", b"[]\n", b'{"type": "end"}\n', b"\xff\xfe", b"[" * 9999]
)
def test_what_is_no_plan_file_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(UnusablePlan) as caught:
        open_plan(path)
    assert caught.value.findings[0].message == f"{path} is not a plan file, or was altered"


def test_another_version_is_said_so(tmp_path: Path) -> None:
    path = small(tmp_path)
    first, *rest = lines_of(path)[:-1]
    forged(path, [{**first, "formatVersion": 2, "version": "9.9.9"}, *rest])
    with pytest.raises(UnusablePlan) as caught:
        open_plan(path)
    (finding,) = caught.value.findings
    assert finding.code == "foreign-plan"
    assert "has the format version 2, and this reconciler" in finding.message
    assert "it was made by 9.9.9" in finding.message


def test_one_that_holds_the_key_of_its_digests_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    first, *rest = lines_of(path)[:-1]
    forged(path, [{**first, "state": {"serial": 0, "salt": "5a17"}}, *rest])
    with pytest.raises(UnusablePlan) as caught:
        open_plan(path)
    (finding,) = caught.value.findings
    assert finding.code == "foreign-plan"
    assert "holds the key of its digests of secrets" in finding.message


START = {"verb": "start", "resource": "Campaign/a", "reason": "asked"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ([], "an object belongs here"),
        ({"type": "surprise"}, "there is no line of the type 'surprise'"),
        ({"type": ["group"]}, "there is no line of the type ['group']"),
        ({"type": "group", "key": "x"}, "group.action is missing"),
        ({"type": "impact"}, "there are 2 lines of the type impact"),
        ({"type": "unreadable", "resource": "line", "fields": []}, "unreadable.resource: KIND/NAME belongs"),
        ({"type": "unreadable", "resource": "Campaign/a", "fields": "list:9"}, "number of a list before it"),
        ({"type": "unreadable", "resource": "Campaign/a", "fields": "many"}, "a list belongs here"),
        ({"type": "record", "event": "campaign-painted"}, "record.event: intent-noted or"),
        ({"type": "finding", "code": "x", "message": "y", "why": 1}, "finding.why is not known"),
        ({"type": "list", "list": 1, "items": "x"}, "a list that nobody has named yet"),
        (
            {
                "type": "group",
                "key": "x",
                "action": START,
                "operation": "start-campaign",
                "needs": [{"group": "y"}],
            },
            "x needs y, which doesn't stand before it",
        ),
        (
            {"type": "group", "key": "x", "action": START, "operation": "paint"},
            "an operation of this server belongs here",
        ),
        (
            {"type": "fingerprint", "of": "entry", "key": "line", "facts": None},
            "'line' is not KIND/NAME",
        ),
        (
            {"type": "fingerprint", "of": "name", "key": "line", "facts": None},
            "the fingerprint of the name 'line' lacks its ids",
        ),
        (
            {"type": "fingerprint", "of": "users", "key": "p-1", "facts": {"ids": [1]}},
            "the fingerprint of the users 'p-1' lacks its ids",
        ),
        (
            {"type": "fingerprint", "of": "content", "key": "ab", "facts": {"ids": "c-1"}},
            "the fingerprint of the content 'ab' lacks its ids",
        ),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(tmp_path: Path, line: Any, why: str) -> None:
    path = small(tmp_path)
    forged(path, [*lines_of(path)[:-1], line])
    with pytest.raises(UnusablePlan) as caught:
        reread(path)
    (finding,) = caught.value.findings
    assert finding.code == "foreign-plan"
    assert why in finding.message


def test_a_first_line_that_makes_no_sense_is_said(tmp_path: Path) -> None:
    path = small(tmp_path)
    first, *rest = lines_of(path)[:-1]
    forged(path, [{**first, "surprise": 1}, *rest])
    with pytest.raises(UnusablePlan) as caught:
        open_plan(path)
    assert caught.value.findings[0].message == f"{path} was altered: plan.surprise is not known"


def test_a_long_list_of_other_things_than_text(tmp_path: Path) -> None:
    many = tuple(Need(f"start-campaign:{number}") for number in range(LONG + 1))
    groups = [replace(group(), key=need.group) for need in many]
    made(groups=(*groups, replace(group(), key="last", needs=many))).save(tmp_path / "plan")
    assert reread(tmp_path / "plan").plan.groups[-1].needs == many
    lines = lines_of(tmp_path / "plan")[:-1]
    forged(tmp_path / "plan", [{**line, "items": [1]} if line["type"] == "list" else line for line in lines])
    with pytest.raises(UnusablePlan):
        reread(tmp_path / "plan")


def test_a_list_that_goes_on_after_it_was_named(tmp_path: Path) -> None:
    path = small(tmp_path)
    part = {"type": "list", "list": 1, "items": ["a"]}
    unreadable = {"type": "unreadable", "resource": "Campaign/a", "fields": "list:1"}
    forged(path, [*lines_of(path)[:-1], part, part, unreadable])
    assert reread(path).plan.unreadable == {rid("a"): ("a", "a")}
    forged(path, [*lines_of(path)[:-1], part])
    with pytest.raises(UnusablePlan) as caught:
        reread(path)
    assert "items: a list that nobody has named yet belongs here" in caught.value.findings[0].message


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    made(groups=(group(Verb.UPLOAD, file=file("v1")),)).save(path)
    lines = lines_of(path)[:-1]
    (upload,) = (line for line in lines if line["type"] == "group")
    upload["action"]["file"]["path"] = 5
    forged(path, lines)
    with pytest.raises(UnusablePlan) as caught:
        reread(path)
    assert "group.action.file.path: a string belongs here" in caught.value.findings[0].message


def test_a_list_of_anything_but_text_is_no_list_of_gateways(tmp_path: Path) -> None:
    path = small(tmp_path)
    unreadable = {"type": "unreadable", "resource": "Campaign/a", "fields": "list:1"}
    forged(path, [*lines_of(path)[:-1], {"type": "list", "list": 1, "items": ["a", 1]}, unreadable])
    with pytest.raises(UnusablePlan) as caught:
        reread(path)
    assert "unreadable.fields: a list of strings belongs here" in caught.value.findings[0].message


def test_a_file_that_is_changed_between_the_looks_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    opened = open_plan(path)
    made(groups=(group(), replace(group(), key="another"))).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"another", b"an0ther"))
    with pytest.raises(UnusablePlan):
        opened.read(tmp_path, OPERATIONS, lambda secret: secret)


# --- writing ------------------------------------------------------------------------------------


def test_it_is_for_its_owner_only_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text("before")
    path.chmod(0o644)
    small(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["plan.jsonl"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "plan").write_text("somebody's")
    link = tmp_path / "plan.jsonl"
    link.symlink_to(tmp_path / "real" / "plan")
    with pytest.raises(ReconcilerError, match="is a link, and links are not followed"):
        small(tmp_path)
    assert link.is_symlink()
    assert (tmp_path / "real" / "plan").read_text() == "somebody's"


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text("before")
    unread = Secret("environment variable KEY", None, FromEnv("KEY"))
    fields_ = {"name": "x", "settings": {"K": unread}}
    with pytest.raises(ValueError, match="was not read"):
        made(groups=(group(Verb.EDIT, fields=CampaignFields(**fields_)),)).save(path)  # type: ignore[arg-type]
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.jsonl"]


@pytest.mark.parametrize("name", ["nowhere/plan", "folder"])
def test_where_nothing_can_be_written_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReconcilerError) as caught:
        made().save(tmp_path / name, tmp_path)
    assert name in caught.value.message
    assert caught.value.hint


def test_what_cant_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="can't be read: No such file"):
        open_plan(tmp_path / "nothing")


# --- secrets, files, digests --------------------------------------------------------------------


def edit(**fields_: object) -> StepGroup:
    return group(Verb.EDIT, fields=CampaignFields("Line", **fields_))  # type: ignore[arg-type]


def test_secrets_travel_by_where_they_come_from(tmp_path: Path) -> None:
    in_file = Secret("file keys/line", "canary-90ff", FromFile(tmp_path / "keys" / "line"))
    found = made(groups=(edit(settings={"A": KEY, "B": in_file, "LEVEL": "debug"}),))
    found.save(tmp_path / "plan")
    text = (tmp_path / "plan").read_text()
    assert "canary" not in text
    assert KEY.digest("5a17") in text
    assert '"fromFile":"keys/line"' in text
    opened = open_plan(tmp_path / "plan").read(tmp_path, OPERATIONS, lambda secret: secret)
    sealed = {each.secret.source: each for each in opened.secrets}
    assert sealed["file keys/line"].secret.origin == FromFile(tmp_path / "keys" / "line")
    assert sealed["environment variable KEY"].digest == KEY.digest("5a17")
    assert not sealed["environment variable KEY"].secret.known
    (read,) = opened.plan.groups
    assert isinstance(read.action, EditCampaign)
    assert read.action.fields.settings is not None
    assert read.action.fields.settings["LEVEL"] == "debug"
    with pytest.raises(ValueError, match="nothing tells how to read the secret from x again"):
        made(groups=(edit(settings={"A": Secret("x", "y")}),)).save(tmp_path / "plan")


def test_paths_are_those_of_the_project_that_it_is_applied_in(tmp_path: Path) -> None:
    root, other = tmp_path / "one", tmp_path / "two"
    package = replace(file("v1"), path=root / "sub" / "fw.bin")
    outside = replace(file("v2"), path=tmp_path / "fw.bin")
    uploads = (group(Verb.UPLOAD, file=package), replace(group(Verb.UPLOAD, file=outside), key="2"))
    made(groups=uploads).save(tmp_path / "plan", root)
    read = open_plan(tmp_path / "plan").read(other, OPERATIONS, lambda secret: secret)
    paths = [each.path for each in uploaded(read.plan)]
    assert paths == [other / "sub" / "fw.bin", tmp_path / "fw.bin"]


def test_the_digest_of_a_plan_is_of_what_it_does() -> None:
    plan = made(groups=(edit(settings={"A": KEY}), group(Verb.UPLOAD, file=file("v1")))).plan
    assert len(plan_digest(plan)) == 64
    rotated = Secret(KEY.source, "another", KEY.origin)
    elsewhere = replace(file("v1"), path=Path("/elsewhere/fw.bin"))
    trip = GuardTrip("maxDeletes", "too many")
    needless = Finding("waiver-not-needed", "so", severity=Severity.NOTE)
    same = [
        replace(plan, groups=(edit(settings={"A": rotated}), plan.groups[1])),
        replace(plan, groups=(plan.groups[0], group(Verb.UPLOAD, file=elsewhere))),
        replace(plan, findings=(needless,)),
        replace(plan, snapshot=Snapshot(1, 2)),
        replace(plan, guards=(trip,)),
    ]
    assert {plan_digest(each) for each in same} == {plan_digest(plan)}
    others = [
        replace(plan, groups=plan.groups[:1]),
        replace(plan, groups=(edit(settings={"A": "plain"}), plan.groups[1])),
        replace(plan, server=replace(plan.server, organization="acme")),
        replace(plan, findings=(replace(needless, code="held"),)),
    ]
    assert len({plan_digest(each) for each in (plan, *others)}) == len(others) + 1


def test_which_plans_hold_digests_of_secrets() -> None:
    recorded = FieldApplied(rid("line"), "settings", {"A": {"digest": "9f"}, "B": {"value": "x"}})
    assert salted(made(groups=(edit(settings={"A": KEY}),)).plan)
    assert salted(made(records=(recorded,)).plan)
    plain = replace(recorded, value={"B": {"value": "x"}})
    other = FieldApplied(rid("line"), "callbackSet.completed", {"digest": "9f"})
    assert not salted(made(groups=(edit(), group()), records=(plain, other)).plan)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_line_holds_no_number_that_json_lacks(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumped({"x": number})


# --- while it is written -------------------------------------------------------------------------


def saved(path: Path, *, told: Iterator[Fingerprint]) -> None:
    plan = made(groups=(group(),)).plan
    head = Head("0.1.0", plan.server, MadeIn("/project"), MadeOn(7), Options())
    write_plan(path, head, plan, told, root=path.parent, salt="5a17")


def test_until_it_is_whole_it_is_a_hidden_file_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text("before")

    def told() -> Iterator[Fingerprint]:
        (other,) = set(tmp_path.iterdir()) - {path}
        assert other.name.startswith(".plan.jsonl.")
        assert path.read_text() == "before"
        yield Fingerprint(Of.PACKAGE, "p-1", {})

    saved(path, told=told())
    assert list(tmp_path.iterdir()) == [path]
    assert reread(path).fingerprints == (Fingerprint(Of.PACKAGE, "p-1", {}),)


def test_why_it_could_not_be_made_is_said_even_when_nothing_is_left_to_tidy_up(tmp_path: Path) -> None:
    def told() -> Iterator[Fingerprint]:
        (part,) = tmp_path.iterdir()
        part.unlink()
        raise ValueError("no more")
        yield

    with pytest.raises(ValueError, match="no more"):
        saved(tmp_path / "plan", told=told())


def test_it_is_on_the_disk_before_it_has_its_name_and_the_name_is_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "plan", list[tuple[str, int, bool]]()
    sync = os.fsync

    def noted(descriptor: int) -> None:
        seen.append(("file", os.fstat(descriptor).st_size, path.exists()))
        sync(descriptor)

    monkeypatch.setattr("reconciler.plan.file.disk.os.fsync", noted)
    monkeypatch.setattr(
        "reconciler.plan.file.disk.sync_folder",
        lambda folder: seen.append((folder.name, path.stat().st_size, path.exists())),
    )
    saved(path, told=iter(()))
    size = path.stat().st_size
    assert seen == [("file", size, False), (tmp_path.name, size, True)]


# --- lines that are not there --------------------------------------------------------------------


def test_a_file_of_no_lines_is_a_plan_of_nothing() -> None:
    assert rebuilt(SERVER, {}) == Plan(SERVER)


def test_the_first_need_that_is_missing_is_named() -> None:
    names = [f"group-{number:02}" for number in range(20)]
    wanting = replace(group(), needs=tuple(map(Need, reversed(names))))
    with pytest.raises(ValueError, match=f"{wanting.key} needs group-00, which"):
        rebuilt(SERVER, {"group": [wanting]})
    before = [replace(group(), key=name) for name in names[:7]]
    with pytest.raises(ValueError, match="needs group-07, which"):
        rebuilt(SERVER, {"group": [*before, wanting]})


@pytest.mark.parametrize("kind", ["impact", "partial", "snapshot"])
def test_of_what_a_plan_has_one_there_is_one_line(kind: str) -> None:
    with pytest.raises(ValueError, match=f"there are 2 lines of the type {kind}"):
        rebuilt(SERVER, {kind: [None, None]})


def test_two_groups_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match=f"there are two groups {group().key}"):
        rebuilt(SERVER, {"group": [group(), group()]})


def test_a_package_is_carried_behind_its_upload() -> None:
    content = file("v1")
    brings = group(Verb.EDIT, fields=CampaignFields("x", "", (PendingUpload(content.sha256),)))
    uploads = replace(group(Verb.UPLOAD, file=content), key="upload")
    assert rebuilt(SERVER, {"group": [uploads, brings]}).groups == (uploads, brings)
    for groups in ([brings], [brings, uploads]):
        with pytest.raises(
            ValueError, match=f"{brings.key} carries a package that nothing before it uploads"
        ):
            rebuilt(SERVER, {"group": groups})


def test_what_cant_be_read_back_stands_in_one_order() -> None:
    fields_ = {rid(name): (name,) for name in "dbca"}
    lines = [value for kind, value in entries(made(unreadable=fields_).plan) if kind == "unreadable"]
    assert [line.fields for line in lines] == [(name,) for name in "abcd"]


SECRET = FieldApplied(rid("line"), "settings", {"A": {"digest": "9f"}, "B": {"value": "x"}})
PLAIN = replace(SECRET, value={"B": {"value": "x"}})
OTHERS = (
    FieldApplied(rid("line"), "callbackSet.completed", {"A": {"digest": "9f"}}),
    StatusSet(rid("line"), None),
    CampaignOwned(Owned(rid("line"), "1", Origin.ADOPTED)),
)


@pytest.mark.parametrize(
    ("settings", "records", "expected"),
    [
        ([{"LEVEL": "debug", "A": KEY}], (), True),
        ([{"LEVEL": "debug"}, {"A": KEY, "B": "b"}], (), True),
        ([{"LEVEL": "debug"}, None], (), False),
        ([{}], (PLAIN, SECRET), True),
        ([None], (*OTHERS, SECRET, PLAIN), True),
        ([{"LEVEL": "debug"}], (*OTHERS, PLAIN), False),
        ([], (), False),
    ],
)
def test_digests_of_secrets_are_found_among_others(settings: Any, records: Any, expected: bool) -> None:
    groups = tuple(edit(settings=each) for each in settings)
    assert salted(made(groups=(*groups, group()), records=records).plan) is expected


@pytest.mark.parametrize(
    ("number", "lists"), [(1, []), (100, []), (101, [101]), (10_000, [10_000]), (10_001, [10_000, 1])]
)
def test_up_to_a_hundred_items_stand_where_they_belong_and_more_in_lines_of_ten_thousand(
    number: int, lists: list[int], tmp_path: Path
) -> None:
    ids = tuple(f"gw-{each:05}" for each in range(number))
    made(groups=(group(Verb.ADD, gateways=ids),)).save(tmp_path / "plan")
    lines = lines_of(tmp_path / "plan")
    assert [len(line["items"]) for line in lines if line["type"] == "list"] == lists
    (line,) = (line for line in lines if line["type"] == "group")
    assert line["action"]["gateways"] == ("list:1" if lists else [*ids])
