"""What counts in fingerprints; they are the same in another process, where sets have another order."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from reconciler.model import (
    Aspects,
    Assignment,
    Callback,
    CallbackEvent,
    CampaignSummary,
    DeliveryTerms,
    DistributionList,
    Kind,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    OnRemove,
    Override,
    PackageById,
    PackageByName,
    Phase,
    Place,
    ResourceId,
    SchedulePhase,
    Scope,
    StepGroup,
    Verb,
    Window,
)
from reconciler.plan import Plan
from reconciler.plan.fingerprints import Fingerprint, Of, _members, fingerprints, sound, touched_of
from reconciler.plan.touched import Touched
from reconciler.state.applied import packages_value
from reconciler.state.base import Intent, Origin, Owned, State, Uploaded, upload_key
from tests.actions import action
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import SERVER, MemoryCampaign, MemoryServer
from tests.plan.plan_files import Made, planned

ROOT = Path(__file__).parents[2]
PLACE = Place("c.yaml", 1, 1)
LETTERS = "abcdefgh"


def world() -> Made:
    """A plan of many names, packages, gateways and values, some of which go away."""
    ids = [f"gw-{number}" for number in range(40)]
    packages = [LivePackage(f"p-{letter}", f"name-{letter}") for letter in (*LETTERS, "z")]
    uploads = [file(f"v{number}") for number in range(8)]
    live = [
        MemoryCampaign(
            f"c-{letter}",
            f"line-{letter}",
            "STARTED",
            packages=(*(f"p-{each}" for each in LETTERS[at:]), *(["p-z"] if letter not in "ef" else [])),
            gateways=set(ids[at:]),
            overrides=dict.fromkeys(ids[at + 2 : at + 9], (f"p-{LETTERS[at]}", "p-a")),
            distribution=DistributionList("dl", 60) if at == 3 else None,
        )
        for at, letter in enumerate(LETTERS)
    ]
    project = Project(MemoryServer(*live, packages=packages))
    window = Window(NOW + 1, NOW + 10**9)
    wanted = []
    for at, letter in enumerate(LETTERS[:6]):
        members = {
            "packageOverrides": {packages_value(["p-a", "p-b"]): frozenset(ids[at + 2 : at + 20])},
            "schedules.download": {f"{NOW}/{NOW + at + 5}": frozenset(ids[at:])},
        }
        if at < 4:
            project.own(f"line-{letter}", f"c-{letter}", members=members)
        wanted.append(
            campaign(
                f"line-{letter}",
                name=f"line-{LETTERS[(at + 1) % 4]}" if at < 4 else f"new-{letter}",
                packages=(PackageById("p-a"), PackageByName(f"name-{letter}"), uploads[at]),
                gateways={*ids[at + 1 :], f"more-{letter}"},
                overrides=(Override(frozenset(ids[at + 3 : at + 12]), (PackageById("p-b"),), PLACE),),
                schedules=(Assignment(dict.fromkeys(SchedulePhase, window), None, PLACE),),
                callbacks={CallbackEvent.STATE_CHANGE: Callback("here", frozenset({"B", "A", "C"}))},
                things=dict.fromkeys(ids[at + 1 :], ("t-2", "t-1")),
            )
        )
    for letter in LETTERS[6:]:
        project.own(f"line-{letter}", f"c-{letter}")
    project.uploaded(uploads[7], "p-z")
    project.uploaded(uploads[1], "p-b")
    project.intends(uploads[2], "fw.bin")
    return asyncio.run(planned(project, desired(*wanted), prune=True, adopt=True))


def told() -> str:
    """All fingerprints, and a plan file as it is written."""
    made = world()
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.plan")
        made.save(path)
        return repr([(each.of, each.key, each.facts) for each in made.fingerprints]) + path.read_text()


def test_the_world_has_every_kind_of_fingerprint() -> None:
    assert {each.of for each in world().fingerprints} == set(Of)


def test_fingerprints_and_plans_are_the_same_whatever_order_sets_have() -> None:
    code = "from tests.plan.test_plan_fingerprints import told; print(told())"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1


# --- what counts -----------------------------------------------------------------------------------

LINE, OTHER, THIRD, LOST = (rid(name) for name in ("line", "other", "third", "lost"))
SET = ResourceId(Kind.PACKAGE_SET, "firmware")
V1, V2, V3 = file("v1"), file("v2"), file("v3")
ONE = LiveCampaign(
    "1",
    "line",
    "READY",
    Phase.READY,
    "text",
    ("p-1", "p-2"),
    Membership({"idle": frozenset("abc")}),
    distribution_read=True,
    overrides={"a": ("p-1", "p-2"), "b": ("p-3",)},
)
LISTED = replace(ONE, id="2", name="listed", distribution=DistributionList("dl", 60))
BARE = LiveCampaign("3", "bare", "READY", Phase.READY)
LIVE = Live(
    by_id={"1": ONE, "2": LISTED, "3": BARE, "9": None},
    campaigns={LINE: ONE},
    namesakes={
        "line": tuple(CampaignSummary(key, "line", "READY") for key in ("1", "7")),
        "free": (),
        "unasked": (),
    },
    package_ids={"p-1": True, "p-9": False, "unasked": True},
    named_packages={"fw": tuple(LivePackage(key, "fw") for key in ("p-1", "p-2")), "none": ()},
    packages_by_content={V2.sha256: (LivePackage("p-2", "fw", sha256=V2.sha256),)},
    users={"p-1": frozenset("12")},
)
OWNED = Owned(
    LINE,
    "1",
    Origin.CREATED,
    status="STARTED",
    applied={"settings": {"A": {"value": "a"}}},
    members={"gateways": {"added": frozenset("ab")}, "schedules.download": {"1/2": frozenset("a")}},
)
STATE = State(
    "lineage",
    "5a17",
    campaigns={LINE: OWNED, THIRD: Owned(THIRD, "3", Origin.ADOPTED), LOST: Owned(LOST, "9", Origin.CREATED)},
    packages={V1.sha256: Uploaded(V1.sha256, "p-1", "fw.bin", SET)},
    intents={
        str(LINE): Intent(str(LINE), "line", {"settings": {}}),
        upload_key(V2.sha256): Intent(upload_key(V2.sha256), "fw.bin"),
    },
)
TOUCHED = Touched(
    Scope(
        campaigns=dict.fromkeys(("1", "2", "3", "9"), Aspects()),
        names=frozenset({"line", "free"}),
        package_ids=frozenset({"p-1", "p-9"}),
        package_names=frozenset({"fw", "none"}),
        contents=frozenset({V2.sha256}),
        users=frozenset({"p-1", "p-5"}),
    ),
    frozenset({LINE, OTHER, THIRD}),
    frozenset({V1.sha256, V2.sha256, V3.sha256}),
)
PLAN = Plan(
    SERVER,
    (
        StepGroup(
            "add-gateways:listed",
            action(Verb.ADD, rid("listed"), target="2", gateways=("a", "x")),
            PULSE.operations["add-gateways"],
            100,
        ),
    ),
)


def taken(live: Live = LIVE, state: State = STATE) -> tuple[Fingerprint, ...]:
    return fingerprints(PLAN, TOUCHED, live, state)


def live(key: str, **values: Any) -> tuple[Live, State]:
    """Live campaign `key` has other values."""
    found = LIVE.by_id[key]
    assert found is not None
    return replace(LIVE, by_id={**LIVE.by_id, key: replace(found, **values)}), STATE


def other(**values: Any) -> tuple[Live, State]:
    """Other things were read: added to what a mapping holds."""
    more = {n: {**getattr(LIVE, n), **v} if isinstance(v, Mapping) else v for n, v in values.items()}
    return replace(LIVE, **more), STATE


def knows(**values: Any) -> tuple[Live, State]:
    """The state says something else of the campaign."""
    return LIVE, replace(STATE, campaigns={**STATE.campaigns, LINE: replace(OWNED, **values)})


def uploaded(**values: Any) -> tuple[Live, State]:
    known = replace(STATE.packages[V1.sha256], **values)
    return LIVE, replace(STATE, packages={**STATE.packages, V1.sha256: known})


def intends(key: str, **values: Any) -> tuple[Live, State]:
    return LIVE, replace(STATE, intents={**STATE.intents, key: replace(STATE.intents[key], **values)})


def packages(*names: str) -> tuple[LivePackage, ...]:
    return tuple(LivePackage(name, "fw") for name in names)


def members(*ids: str) -> Membership:
    return Membership({"idle": frozenset(ids)})


def telling(values: Mapping[str, frozenset[str]], name: str = "schedules.download") -> Membership:
    """What the server tells of single gateways."""
    return replace(members(*"abc"), values={name: values})


ENTRY, UPLOAD = f"entry {LINE}", f"upload {V1.sha256}"
NONE: list[str] = []

# what is otherwise → whose fingerprints are other ones
COUNTS: dict[str, tuple[Callable[[], tuple[Live, State]], list[str]]] = {
    "nothing": (lambda: (LIVE, STATE), NONE),
    "the name": (lambda: live("1", name="x"), ["campaign 1"]),
    "the status": (lambda: live("1", status="x"), ["campaign 1"]),
    "what the status means": (lambda: live("1", phase=Phase.RUNNING), NONE),
    "the description": (lambda: live("1", description=""), ["campaign 1"]),
    "a package less": (lambda: live("1", packages=("p-1",)), ["campaign 1"]),
    "the order of packages, and one twice": (lambda: live("1", packages=("p-2", "p-1", "p-2")), NONE),
    "a member more": (lambda: live("1", gateways=members(*"abcd")), ["campaign 1"]),
    "a member less": (lambda: live("1", gateways=members(*"ab")), ["campaign 1"]),
    "states of members": (
        lambda: live("1", gateways=Membership({"x": frozenset("a"), "y": frozenset("bc")})), NONE,
    ),
    "closed members": (lambda: live("1", gateways=replace(members(*"abc"), closed=frozenset("a"))), NONE),
    "what the server tells of single gateways": (
        lambda: live("1", gateways=telling({"1/2": frozenset("a")})), ["campaign 1"],
    ),
    "what only some servers tell": (lambda: live("1", applied={"settings": {"A": "b"}}), ["campaign 1"]),
    "how it is delivered": (lambda: live("1", delivery=DeliveryTerms()), ["campaign 1"]),
    "who changed it last": (lambda: live("1", modified_by="somebody"), NONE),
    "a list that was not read": (lambda: live("1", distribution_read=False), ["campaign 1"]),
    "a distribution list": (lambda: live("1", distribution=DistributionList("dl", 60)), ["campaign 1"]),
    "no distribution list": (lambda: live("2", distribution=None), ["campaign 2"]),
    "another distribution list": (
        lambda: live("2", distribution=DistributionList("x", 60)), ["campaign 2"],
    ),
    "another interval": (lambda: live("2", distribution=DistributionList("dl", 5)), ["campaign 2"]),
    "no interval": (lambda: live("2", distribution=DistributionList("dl")), ["campaign 2"]),
    "packages of a gateway": (
        lambda: live("1", overrides={"a": ("p-3",), "b": ("p-3",)}), ["campaign 1"],
    ),
    "the order of packages of a gateway": (
        lambda: live("1", overrides={"b": ("p-3",), "a": ("p-2", "p-1")}), NONE,
    ),
    "packages of another gateway": (
        lambda: live("1", overrides={**ONE.overrides, "c": ("p-3",)}), ["campaign 1"],
    ),
    "a member that the list added": (lambda: live("2", gateways=members(*"abcd")), NONE),
    "a member that the plan names": (lambda: live("2", gateways=members(*"abcx")), ["campaign 2"]),
    "a member that the plan names, which left": (lambda: live("2", gateways=members(*"bc")), ["campaign 2"]),
    "the campaign is gone": (lambda: other(by_id={"1": None}), ["campaign 1"]),
    "the campaign is back": (lambda: other(by_id={"9": BARE}), ["campaign 9"]),
    "who was not asked about": (lambda: other(by_id={"5": ONE}), NONE),
    "its owner": (
        lambda: (
            LIVE, replace(STATE, campaigns={**STATE.campaigns, OTHER: Owned(OTHER, "3", Origin.CREATED)}),
        ),
        ["campaign 3", "owner 3", f"entry {OTHER}"],
    ),
    "whose it becomes": (lambda: other(campaigns={rid("x"): BARE}), ["campaign 3"]),
    "a namesake": (
        lambda: other(namesakes={"free": (CampaignSummary("5", "free", "READY"),)}), ["name free"],
    ),
    "another namesake": (lambda: other(namesakes={"line": LIVE.namesakes["line"][:1]}), ["name line"]),
    "the order and the status of namesakes": (
        lambda: other(namesakes={"line": tuple(CampaignSummary(key, "line", "x") for key in "71")}), NONE,
    ),
    "a name that was not asked about": (
        lambda: other(namesakes={"unasked": (CampaignSummary("5", "x", "READY"),)}), NONE,
    ),
    "a package is gone": (lambda: other(package_ids={"p-1": False}), ["package p-1"]),
    "a package is back": (lambda: other(package_ids={"p-9": True}), ["package p-9"]),
    "a package of the name": (
        lambda: other(named_packages={"fw": packages("p-1", "p-2", "p-3")}), ["package-name fw"],
    ),
    "the first of the name": (lambda: other(named_packages={"none": packages("p-1")}), ["package-name none"]),
    "the order of packages of the name": (lambda: other(named_packages={"fw": packages("p-2", "p-1")}), NONE),
    "the description of a package": (
        lambda: other(named_packages={"fw": (LivePackage("p-1", "fw", "x", "y"), *packages("p-2"))}), NONE,
    ),
    "another package of the content": (
        lambda: other(packages_by_content={V2.sha256: packages("p-5")}), [f"content {V2.sha256}"],
    ),
    "who uses it": (lambda: other(users={"p-1": frozenset("1")}), ["users p-1"]),
    "who uses what nobody used": (lambda: other(users={"p-5": frozenset("1")}), ["users p-5"]),
    "users that nobody read": (lambda: other(users=None), ["users p-1"]),
    "how it became ours": (lambda: knows(origin=Origin.ADOPTED), [ENTRY]),
    "what becomes of it": (lambda: knows(on_remove=OnRemove.ABANDON), [ENTRY]),
    "the wish that was met": (lambda: knows(status=None), [ENTRY]),
    "a bracket": (lambda: knows(return_to="STARTED"), [ENTRY]),
    "what was applied": (lambda: knows(applied={"settings": {"A": {"value": "b"}}}), [ENTRY]),
    "a gateway more": (
        lambda: knows(members={**OWNED.members, "gateways": {"added": frozenset("abc")}}), [ENTRY],
    ),
    "another value": (
        lambda: knows(members={**OWNED.members, "schedules.download": {"1/3": frozenset("a")}}), [ENTRY],
    ),
    "another field": (lambda: knows(members={"gateways": OWNED.members["gateways"]}), [ENTRY]),
    "the order of fields": (lambda: knows(members=dict(reversed(OWNED.members.items()))), NONE),
    "another campaign is ours": (
        lambda: knows(id="7"), ["owner 1", ENTRY],
    ),
    "an entry is gone": (
        lambda: (LIVE, replace(STATE, campaigns={}, intents={})),
        ["campaign 3", "campaign 9", "owner 1", "owner 3", "owner 9", ENTRY, f"entry {THIRD}",
         f"upload {V2.sha256}"],
    ),
    "the name of an intent": (lambda: intends(str(LINE), name="x"), [ENTRY]),
    "what an intent carries": (lambda: intends(str(LINE), applied={}), [ENTRY]),
    "no intent": (
        lambda: (LIVE, replace(STATE, intents={k: v for k, v in STATE.intents.items() if k != str(LINE)})),
        [ENTRY],
    ),
    "an intent of another": (
        lambda: (LIVE, replace(STATE, intents={**STATE.intents, str(OTHER): Intent(str(OTHER), "x")})),
        [f"entry {OTHER}"],
    ),
    "the package of an upload": (lambda: uploaded(id="p-7"), [UPLOAD]),
    "left behind": (lambda: uploaded(left_behind=True), [UPLOAD]),
    "what an upload is called": (lambda: uploaded(name="x", resource=LINE), NONE),
    "the name of the intent of an upload": (
        lambda: intends(upload_key(V2.sha256), name="x"), [f"upload {V2.sha256}"],
    ),
    "what the intent of an upload carries": (
        lambda: intends(upload_key(V2.sha256), applied={"x": 1}), [f"upload {V2.sha256}"],
    ),
    "another upload": (
        lambda: (LIVE, replace(STATE, packages={**STATE.packages, V3.sha256: STATE.packages[V1.sha256]})),
        [f"upload {V3.sha256}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", COUNTS)
def test_what_counts(row: str) -> None:
    make, expected = COUNTS[row]
    before, after = ({f"{each.of} {each.key}": each for each in taken(*two)} for two in ((), make()))
    assert before.keys() == after.keys()
    assert [key for key in before if before[key] != after[key]] == expected


def test_each_value_of_each_gateway_counts() -> None:
    told = [
        telling({}),
        telling({"1/2": frozenset("a")}),
        telling({"1/2": frozenset("ab")}),
        telling({"1/3": frozenset("a")}),
        telling({"1/2": frozenset("a")}, "schedules.execution"),
    ]
    seen = [{str(each) for each in taken(*live("1", gateways=one)) if each.key == "1"} for one in told]
    assert len(set(map(frozenset, seen))) == len(told)


def test_what_they_say() -> None:
    told = {f"{each.of} {each.key}": each for each in taken()}
    facts = {key: each.facts for key, each in told.items() if each.of not in (Of.ENTRY, Of.UPLOAD)}
    assert facts == {
        "campaign 1": {
            "name": "line", "status": "READY", "description": "text", "packages": ["p-1", "p-2"],
            "distributionList": None,
        },
        "campaign 2": {
            "name": "listed", "status": "READY", "description": "text", "packages": ["p-1", "p-2"],
            "distributionList": {"id": "dl", "interval": 60},
        },
        "campaign 3": {"name": "bare", "status": "READY", "description": "", "packages": []},
        "campaign 9": None,
        "owner 1": {"resource": "Campaign/line"},
        "owner 2": None,
        "owner 3": {"resource": "Campaign/third"},
        "owner 9": {"resource": "Campaign/lost"},
        "name free": {"ids": []},
        "name line": {"ids": ["1", "7"]},
        "package p-1": {},
        "package p-9": None,
        "package-name fw": {"ids": ["p-1", "p-2"]},
        "package-name none": {"ids": []},
        f"content {V2.sha256}": {"ids": ["p-2"]},
        "users p-1": {"ids": ["1", "2"]},
        "users p-5": {"ids": []},
    }  # fmt: skip
    assert {key: dict(each.gateways) for key, each in told.items() if each.gateways} == {
        "campaign 1": {
            "gateways": frozenset("abc"), '["p-1", "p-2"]': frozenset("a"), '["p-3"]': frozenset("b"),
        },
        "campaign 2": {
            "gateways": frozenset("a"), '["p-1", "p-2"]': frozenset("a"), '["p-3"]': frozenset("b"),
        },
    }  # fmt: skip
    resources = {key: each.resource for key, each in told.items() if each.resource}
    assert resources == {
        "campaign 1": LINE, "campaign 2": rid("listed"), "campaign 3": THIRD, "campaign 9": LOST,
    }  # fmt: skip
    assert told[f"upload {V1.sha256}"].facts == {"id": "p-1"}
    assert told[f"upload {V2.sha256}"].facts == {"intent": "fw.bin"}
    assert told[f"upload {V3.sha256}"].facts is None
    assert told[f"entry {OTHER}"].facts is None
    assert set(told[ENTRY].facts or {}) == {
        "id", "origin", "onRemove", "status", "returnTo", "applied", "members", "intent",
    }  # fmt: skip
    assert set(told[f"entry {THIRD}"].facts or {}) == set(told[ENTRY].facts or {}) - {"intent"}
    order = [(list(Of).index(each.of), each.key) for each in taken()]
    assert order == sorted(order)


def test_an_intent_is_told_by_its_name_and_what_it_carries() -> None:
    """As in the plan files that others have."""
    for applied in ({}, {"settings": {}}):
        found = {each.key: each.facts for each in taken(*intends(str(LINE), name="x", applied=applied))}
        text = json.dumps(["x", applied], sort_keys=True)
        assert (found[str(LINE)] or {})["intent"] == sha256(text.encode()).hexdigest()


def test_a_distribution_list_without_an_interval_says_so() -> None:
    found = taken(*live("2", distribution=DistributionList("dl")))
    (facts,) = (each.facts or {} for each in found if (each.of, each.key) == (Of.CAMPAIGN, "2"))
    assert facts["distributionList"] == {"id": "dl", "interval": None}


def test_what_is_to_be_read_to_take_them_again() -> None:
    again = touched_of(taken())
    of_one = Aspects(members=True, distribution=True, overrides=frozenset("ab"))
    assert again == replace(
        TOUCHED,
        scope=replace(TOUCHED.scope, campaigns={"1": of_one, "2": of_one, "3": Aspects(), "9": Aspects()}),
    )


@pytest.mark.parametrize("of", [Of.NAME, Of.PACKAGE_NAME, Of.CONTENT, Of.USERS])
@pytest.mark.parametrize("facts", [None, {}, {"ids": "ab"}, {"ids": ["a", 1]}, {"ids": None}])
def test_fingerprints_without_their_ids_are_none_of_ours(of: Of, facts: Any) -> None:
    with pytest.raises(ValueError, match=f"the fingerprint of the {of} 'x' lacks its ids"):
        sound(Fingerprint(of, "x", facts))
    for ids in ([], ["a", "b"]):
        good = Fingerprint(of, "x", {"ids": ids})
        assert sound(good) is good


def test_an_entry_of_no_resource_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        sound(Fingerprint(Of.ENTRY, "nonsense", None))
    for each in taken():
        assert sound(each) is each


def test_who_has_a_value_is_told_in_one_order() -> None:
    """A set has another order in each process; a list stands for that."""
    one, other = ({"gateways": {"added": each}} for each in (["gw-1", "gw-2"], ["gw-2", "gw-1"]))
    assert _members(one) == _members(other)  # type: ignore[arg-type]
