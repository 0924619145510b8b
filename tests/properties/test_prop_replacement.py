"""Campaigns that the server can't edit, whatever Git wants next, people do and ends a run.

It comes to rest as declared, with one campaign of each name under way.
`MemoryServer` itself fails a test that starts a successor while the one before it may run.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import DesiredStatus, LivePackage, PackageById, Phase
from reconciler.providers.base import Facts
from tests.fakes import Project, campaign, desired, rid
from tests.memory_provider import IMMUTABLE, IMMUTABLE_LATE, MemoryCampaign, MemoryServer
from tests.scenarios.test_replacement import Dying, Killed, send

NAMES = ("line", "other")
packages = st.lists(st.sampled_from(["p-1", "p-2", "p-3"]), min_size=1, max_size=2, unique=True)
fields = st.fixed_dictionaries(
    {"packages": packages.map(lambda ids: tuple(map(PackageById, ids)))},
    optional={
        "gateways": st.frozensets(st.sampled_from("abcdef"), max_size=4),
        "description": st.sampled_from(["one", "two"]),
        "settings": st.sampled_from([{}, {"A": "1"}, {"A": "2"}]),
        "name": st.sampled_from(["line", "other", "third"]),
        "status": st.sampled_from(DesiredStatus),
    },
)
wishes = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, fields))
meddling = st.sampled_from(["nothing", "pause", "end", "finish", "rename", "forget", "wait"])
ends = st.none() | st.tuples(st.integers(0, 12), st.booleans())
stories = st.lists(st.tuples(wishes, st.booleans(), meddling, ends), min_size=1, max_size=4)


def wanted(wish: dict[str, dict[str, Any]]) -> Any:
    """Two campaigns never have one name."""
    taken: set[str] = set()
    made = []
    for resource, said in wish.items():
        name = said.get("name", resource)
        while name in taken:
            name += "x"
        taken.add(name)
        rest = {key: value for key, value in said.items() if key != "name"}
        made.append(campaign(resource, name, approve=True, **rest))
    return desired(*made)


def meddle(made: Project, how: str) -> None:
    """What people, and time, do to the first campaign."""
    lives = [
        each for each in made.server.by_id.values() if phase(made, each) in (Phase.RUNNING, Phase.PAUSED)
    ]
    word = {"pause": Phase.PAUSED, "end": Phase.ENDED, "finish": Phase.FINISHED}
    for each in lives[:1]:
        if how in word:
            each.status = made.server.word(word[how])
        elif how == "rename":
            each.description = "somebody's"
    if how == "forget" and made.server.facts.knows("retire"):  # type: ignore[arg-type]
        made.state = Project().state


def phase(made: Project, each: MemoryCampaign) -> Phase:
    return made.server.facts.phase(each.status)


@pytest.mark.parametrize("busy", [0, 1])
@pytest.mark.parametrize("facts", [IMMUTABLE, IMMUTABLE_LATE], ids=["gateways first", "gateways last"])
@settings(max_examples=40)
@given(stories, st.booleans())
def test_it_comes_to_rest(facts: Facts, busy: int, story: list[Any], approval: bool) -> None:
    stored = [LivePackage(f"p-{n}", f"package {n}") for n in (1, 2, 3)]
    made = Project(
        MemoryServer(packages=stored, facts=facts, busy=busy, approval_needed=approval and facts is IMMUTABLE)
    )
    for wish, prune, people, end in story:
        target = wanted(wish)
        options = {"prune": prune, "adopt": True, "resume": True}
        if end is not None:
            at, sent = end
            with suppress(Killed):
                send(made, made.make_plan(target, **options), Dying(made.server, at, sent))
        meddle(made, people)
    refused = settle(made, target, options)
    judge(made, target, refused, pruned=prune)


def settle(made: Project, target: Any, options: dict[str, bool]) -> set[Any]:
    """The campaigns that can't be as declared, for a name that somebody keeps."""
    for _ in range(4):
        plan = made.make_plan(target, **options)
        if plan.empty:
            if plan.records:
                send(made, plan)
            return {each.resource for each in plan.findings if each.is_error}
        outcomes = send(made, plan)
        assert all(each.settled for each in outcomes), [o.message for o in outcomes if not o.settled]
    raise AssertionError([step.id for step in made.make_plan(target, **options).steps()])


def judge(made: Project, target: Any, refused: set[Any], *, pruned: bool) -> None:
    over = (Phase.ENDED, Phase.FINISHED)
    for each in target.campaigns:
        if each.resource in refused:
            continue
        owned = made.state.campaigns[each.resource]
        live = made.server.by_id[owned.id]
        assert live.name == each.name
        assert set(live.packages) == {ref.id for ref in each.packages}
        assert each.gateways is None or live.gateways == each.gateways
        assert each.description in (None, live.description)
        assert each.settings is None or live.settings == each.settings
        if each.status is DesiredStatus.STARTED:
            assert phase(made, live) in (Phase.RUNNING, Phase.FINISHED, Phase.ENDED)
        elif each.status is DesiredStatus.STOPPED:
            assert phase(made, live) is not Phase.RUNNING
        assert not pruned or owned.predecessors == ()
        for former in owned.predecessors:
            assert former.ended
            assert former.id not in made.server.by_id or phase(made, made.server.by_id[former.id]) in over
        assert owned.return_to is None
        assert str(each.resource) not in made.state.intents
    assert {rid(name) for name in NAMES} >= made.state.campaigns.keys()
