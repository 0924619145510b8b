"""The file of a snapshot: whole or refused, the same for the same content, as its schema says."""

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.errors import ReconcilerError, StateError
from reconciler.model import (
    DeliveryTerms,
    DesiredCampaign,
    DistributionList,
    Force,
    Kind,
    LiveCampaign,
    LivePackage,
    Membership,
    Only,
    Override,
    PackageById,
    Phase,
    Place,
    ResourceId,
    Server,
)
from reconciler.model import Desired as Wanted
from reconciler.snapshot import Header, Overrides, gateways_to_ask, open_snapshot, read_state
from reconciler.snapshot.line_format import IDS_PER_LINE, Writer, write_state
from reconciler.state.applied import withheld
from reconciler.state.base import MembersApplied, Origin, Owned, State
from reconciler.state.folding import fold
from reconciler.validation.schemas import schema
from tests.conftest import Golden
from tests.memory_provider import MemoryCampaign, MemoryServer
from tests.snapshot.snapshot_worlds import saved_at, taken
from tests.state.state_strategies import states

SERVER = Server("pulse", "https://pulse.example.com", "org-1")
HEADER = Header(SERVER, 1_790_000_000_000, "all", "plant", "production")
VALIDATOR = Draft202012Validator(schema("snapshot"))

texts = st.text(max_size=5)
ids = st.frozensets(st.text(min_size=1, max_size=3), max_size=4)
lives = st.builds(
    LiveCampaign,
    id=st.just(""),
    name=texts,
    status=texts,
    phase=st.just(Phase.UNKNOWN),
    description=texts,
    packages=st.lists(texts, max_size=3).map(tuple),
    distribution=st.none() | st.builds(DistributionList, texts, st.none() | st.integers(0, 10**9)),
    distribution_read=st.just(True),
    overrides=st.dictionaries(texts, st.lists(texts, max_size=2).map(tuple), max_size=4),
)


@st.composite
def surveyed(draw: st.DrawFn) -> LiveCampaign:
    """A campaign with members, each in one state."""
    from dataclasses import replace

    members = draw(st.dictionaries(texts, st.tuples(texts, st.booleans()), max_size=6))
    states: dict[str, set[str]] = {}
    for gateway, (state, _) in members.items():
        states.setdefault(state, set()).add(gateway)
    closed = frozenset(gateway for gateway, (_, is_closed) in members.items() if is_closed)
    membership = Membership({state: frozenset(each) for state, each in states.items()}, closed)
    return replace(draw(lives), gateways=membership)


def written(
    campaigns: list[LiveCampaign], packages: Sequence[LivePackage] = (), state: State | None = None
) -> bytes:
    out = BytesIO()
    writer = Writer(out, HEADER)
    for live in campaigns:
        writer.campaign(live)
    for package in packages:
        writer.package(package)
    if state:
        write_state(state, writer)
    writer.end()
    return out.getvalue()


@given(
    st.lists(surveyed(), max_size=3), st.lists(st.builds(LivePackage, texts, texts, texts, st.none() | texts))
)
def test_what_is_written_is_read(campaigns: list[LiveCampaign], packages: list[LivePackage]) -> None:
    from dataclasses import replace

    campaigns = [replace(live, id=f"c{number}") for number, live in enumerate(campaigns)]
    packages = [replace(package, id=f"p{number}") for number, package in enumerate(packages)]
    data = written(campaigns, packages)
    assert data == written(campaigns, packages)
    for line in data.splitlines():
        VALIDATOR.validate(json.loads(line))
    with TemporaryDirectory() as folder:
        saved = saved_at(Path(folder) / "s", data)
        assert (saved.header, saved.server) == (HEADER, SERVER)
        assert list(saved.packages.values()) == packages
        for live in campaigns:
            empty = replace(live, gateways=None, overrides={})
            assert saved.campaigns[live.id] == empty
            assert saved.overrides(live.id) == live.overrides
            members = saved.gateways(live.id)
            assert live.gateways is not None
            assert members.closed == live.gateways.closed
            assert members.states == {s: each for s, each in live.gateways.states.items() if each}


@given(states)
def test_of_a_state_everything_but_secrets_comes_back(state: State) -> None:
    assume(all(state.salt not in known for known in (*state.packages, *state.intents)))
    data = written([], [], state)
    for line in data.splitlines():
        VALIDATOR.validate(json.loads(line))
    with TemporaryDirectory() as folder:
        back = read_state(saved_at(Path(folder) / "s", data))
    assert (back.lineage, back.salt, back.server) == ("", "", SERVER)
    assert state.salt.encode() not in data
    assert set(back.campaigns) == set(state.campaigns)
    for resource, owned in state.campaigns.items():
        again = back.campaigns[resource]
        assert (again.id, again.origin, again.on_remove) == (owned.id, owned.origin, owned.on_remove)
        assert (again.status, again.return_to) == (owned.status, owned.return_to)
        assert again.applied == json.loads(json.dumps(withheld(_plain(owned.applied))))
        assert again.members == {name: _apart(groups) for name, groups in owned.members.items()}
    assert back.packages == state.packages
    assert set(back.intents) == set(state.intents)


def _apart(groups: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """A gateway has one value, which arbitrary states don't know: the last one, in order."""
    values = {gateway: value for value in sorted(groups) for gateway in groups[value]}
    kept = {value: frozenset(g for g in each if values[g] == value) for value, each in groups.items()}
    return {value: each for value, each in kept.items() if each}


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list | tuple) or hasattr(value, "items"):
        return (
            {k: _plain(v) for k, v in value.items()}
            if hasattr(value, "items")
            else [_plain(v) for v in value]
        )
    return value


def test_a_snapshot_as_a_person_sees_it(golden: Golden) -> None:
    live = LiveCampaign(
        "8c7f",
        "Line 3",
        "STARTED",
        Phase.UNKNOWN,
        "Größe",
        ("p-1",),
        Membership(
            {"INSTANTIATED": frozenset({"gw-1", "gw-2"}), "FAILED": frozenset({"gw-3"})},
            frozenset({"gw-2"}),
            {"schedules.download": {"1800000000000/1800003600000": frozenset({"gw-1"})}},
        ),
        DistributionList("dl-7", 3600, ("7",)),
        True,
        {"gw-1": ("p-2",)},
        {"settings": {"LEVEL": {"value": "info"}}},
        DeliveryTerms(
            Force.AFTER, 1_800_000_000_000, Only.DOWNLOAD, confirm=True, start_at=1_790_000_000_000
        ),
        modified_by="anna",
    )
    resource = ResourceId(Kind.CAMPAIGN, "line-3")
    settings = {"KEY": {"digest": "9f86"}, "LEVEL": {"value": "info"}}
    owned = Owned(resource, "8c7f", Origin.ADOPTED, status="STARTED", applied={"settings": settings})
    state = fold(
        State("lineage", "salt", campaigns={resource: owned}),
        [MembersApplied(resource, "packageOverrides", '["p-2"]', ("gw-1",))],
    )
    packages = [
        LivePackage("p-1", "fw.bin", "x [sha256:0123456789abcdef]", "0123456789abcdef" * 4, "2.1", "os")
    ]
    golden("snapshot.jsonl", written([live], packages, state).decode())


# --- broken files -------------------------------------------------------------------------------------

WHOLE = written(
    [LiveCampaign("1", "a", "CREATED", Phase.UNKNOWN, gateways=Membership({"X": frozenset("abc")}))],
    [LivePackage("p", "p")],
)


def sealed(*lines: object) -> bytes:
    """A snapshot of any lines, with the digest that they have."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {"kind": "end", "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


FIRST = json.loads(WHOLE.splitlines()[0])


def broken() -> Iterator[tuple[str, bytes, str]]:
    lines = WHOLE.splitlines(keepends=True)
    yield "empty", b"", "cut off"
    yield "without its end", b"".join(lines[:-1]), "cut off"
    yield "cut in its end", WHOLE[:-1], "cut off"
    yield "a line less", b"".join([*lines[:3], *lines[4:]]), "was changed"
    yield "two lines swapped", b"".join([lines[0], lines[3], *lines[1:3], lines[4]]), "was changed"
    yield "a letter other", WHOLE.replace(b'"CREATED"', b'"STARTED"'), "was changed"
    yield "something behind", WHOLE + b"\n", "was changed"
    yield "no JSON", b"kind: snapshot\n", "Expecting value"
    yield "binary", b"\xff\xfe\n", "a whole snapshot"
    yield "another document", b"{}\n", "line 1.kind is missing"
    yield "a list", b"[1]\n", "an object belongs here"
    yield "so deep", b"[" * 100_000 + b"\n", "a whole snapshot"
    yield "another beginning", sealed({"kind": "package"}), "doesn't begin like one"
    yield "only an end", sealed(), "doesn't begin like one"
    yield "two beginnings", sealed(FIRST, FIRST), "another kind of line"
    yield (
        "gateways of nobody",
        sealed(FIRST, {"kind": "gateways", "state": "", "closed": False, "ids": []}),
        "another",
    )
    yield "a kind nobody knows", sealed(FIRST, {"kind": "x"}), "another kind of line"
    yield "a time beyond time", sealed({**FIRST, "taken": 10**18}), "before the year 10000"
    yield "a field too many", sealed({**FIRST, "more": 1}), "more is not known"
    yield (
        "a campaign without a name",
        sealed(FIRST, {"kind": "campaign", "id": "1"}),
        "line 2.name is missing",
    )


@pytest.mark.parametrize(("data", "why"), [case[1:] for case in broken()], ids=[case[0] for case in broken()])
def test_a_broken_file_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as caught:
        saved_at(tmp_path / "s.jsonl", data)
    assert why in caught.value.message
    assert "s.jsonl" in caught.value.message
    assert "Take it again" in str(caught.value.hint)


def test_packages_of_old_files_are_read(tmp_path: Path) -> None:
    """They had their mark beside the description, in which it stands."""
    line = {"kind": "package", "id": "p-1", "name": "fw", "description": "x", "mark": "0123456789abcdef"}
    saved = saved_at(tmp_path / "s.jsonl", sealed(FIRST, line))
    assert saved.packages == {"p-1": LivePackage("p-1", "fw", "x")}


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="format version 2") as caught:
        saved_at(tmp_path / "s", sealed({**FIRST, "formatVersion": 2, "news": 1}))
    assert "newer reconciler" in str(caught.value.hint)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="can't be read: No such file"):
        open_snapshot(tmp_path / "none")
    with pytest.raises(ReconcilerError, match="can't be read: Is a directory"):
        open_snapshot(tmp_path)


@pytest.mark.parametrize("event", [{"event": "package-uploaded"}, {}, 1])
def test_a_state_that_can_not_be_read(event: object, tmp_path: Path) -> None:
    saved = saved_at(tmp_path / "s", sealed(FIRST, {"kind": "state", "event": event}))
    with pytest.raises(ReconcilerError, match="a whole snapshot"):
        read_state(saved)


def test_lists_that_can_not_be_read(tmp_path: Path) -> None:
    campaign = json.loads(WHOLE.splitlines()[1])
    saved = saved_at(
        tmp_path / "s", sealed(FIRST, campaign, {"kind": "gateways"}, {"kind": "overrides", "ids": 1})
    )
    for read in (saved.gateways, saved.overrides):
        with pytest.raises(ReconcilerError, match="a whole snapshot"):
            read("1")


# --- taking one -----------------------------------------------------------------------------------------


def test_one_pass_over_the_server_and_no_more() -> None:
    server = MemoryServer(
        MemoryCampaign("2", "two", gateways={"b", "c"}, closed={"c"}),
        MemoryCampaign("1", "one", gateways={"a"}),
        packages=[LivePackage("p2", "x"), LivePackage("p1", "y")],
    )
    state = State("", "")
    data = asyncio.run(taken(server, lambda: state, gateways_to_ask(Overrides.ALL, Wanted(), state)))
    assert sorted(server.log) == [
        "campaign 1", "campaign 2", "campaigns", "distribution 1", "distribution 2",
        "gateways 1", "gateways 2", "override 1 a", "override 2 b", "packages",
    ]  # fmt: skip
    kinds = [json.loads(line) for line in data.splitlines()]
    assert [line["id"] for line in kinds if line["kind"] in ("campaign", "package")] == ["1", "2", "p1", "p2"]
    again = asyncio.run(taken(server, lambda: state, gateways_to_ask(Overrides.ALL, Wanted(), state)))
    assert data == again


def test_whose_overrides_a_plan_may_ask() -> None:
    ours, other = ResourceId(Kind.CAMPAIGN, "ours"), ResourceId(Kind.CAMPAIGN, "other")

    def declared(resource: ResourceId, name: str, *gateways: str) -> DesiredCampaign:
        override = (Override(frozenset(gateways), (PackageById("p"),)),) if gateways else None
        return DesiredCampaign(resource, name, Place("x", 1, 1), overrides=override)

    desired = Wanted(
        (
            declared(ours, "renamed", "a", "b"),
            declared(other, "two", "c"),
        )
    )
    state = fold(
        State("", "", campaigns={ours: Owned(ours, "1", Origin.CREATED)}),
        [MembersApplied(ours, "packageOverrides", "[]", ("d", "z"))],
    )
    members = Membership({"X": frozenset("abcdef")}, frozenset("b"))

    def live(key: str, name: str) -> LiveCampaign:
        return LiveCampaign(key, name, "", Phase.READY, gateways=members)

    asked = gateways_to_ask(Overrides.DECLARED, desired, state)
    assert asked(live("1", "old name")) == {"a", "d"}, "declared or had one; open members only"
    assert asked(live("2", "two")) == {"c"}, "any of that name may be adopted"
    assert asked(live("3", "stranger")) == frozenset()
    assert gateways_to_ask(Overrides.ALL, desired, state)(live("3", "stranger")) == set("acdef")
    assert not gateways_to_ask(Overrides.NONE, desired, state)(live("1", "old name"))


def test_an_apply_meanwhile_is_noticed() -> None:
    first = State("l", "s")
    second = fold(first, [])
    resource = ResourceId(Kind.CAMPAIGN, "x")
    changed = State("l", "s", campaigns={resource: Owned(resource, "1", Origin.CREATED)})
    for after, fails in ((second, False), (State("other", "salt"), False), (changed, True)):
        answers = iter([first, after])
        taking = taken(MemoryServer(), lambda: next(answers), lambda _: ())  # noqa: B023
        if fails:
            with pytest.raises(StateError, match="somebody applied while the snapshot was taken"):
                asyncio.run(taking)
        else:
            asyncio.run(taking)


def test_a_million_gateways_do_not_stand_in_memory_as_text(tmp_path: Path) -> None:
    """What is held beside the membership itself: lines of a thousand, and where they stand."""
    count = 200_000
    members = Membership({"INSTANTIATED": frozenset(f"gateway-{n:07}" for n in range(count))})
    live = LiveCampaign("1", "a", "STARTED", Phase.RUNNING, gateways=members)
    path = tmp_path / "s.jsonl"
    tracemalloc.start()
    try:
        with path.open("wb") as out:
            writer = Writer(out, HEADER)
            writer.campaign(live)
            writer.end()
        _, wrote = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        held, _ = tracemalloc.get_traced_memory()
        saved = open_snapshot(path)
        _, opened = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 15 * count
    assert wrote < 16 * count, "the sorted ids are references to those that are there"
    assert opened - held < 2 * count
    assert len(saved.lists["1"]) == count / IDS_PER_LINE
    assert saved.gateways("1") == members
