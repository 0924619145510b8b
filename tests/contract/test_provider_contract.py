"""What any provider must do: its facts are consistent, its reads whole, its writes have their effect, and the
pipeline comes to rest on it.

Each test runs against every kind of server in `provider_benches`: Pulse over TCP in each dialect, and a kind
in memory that has little in common with it; the reads against snapshots of both, too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_benches import ALL_FACTS, BENCHES, Bench, acting

from reconciler.app.pipeline import draft
from reconciler.apply import apply_plan
from reconciler.errors import Refusal, Refused
from reconciler.loading import load
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignFields,
    DesiredStatus,
    DistributionList,
    Membership,
    OutcomeStatus,
    Phase,
    Repeat,
    SchedulePhase,
    UploadMode,
    Verb,
    Window,
)
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.replacement import draft_of
from reconciler.providers.base import Bindings, Changing, Facts, Field, Reads, Stage
from reconciler.providers.base.facts import KNOWN
from reconciler.providers.base.questions import Questions
from reconciler.providers.snapshot import saved_server
from reconciler.resolve import resolve
from reconciler.snapshot import Header, open_snapshot, take
from reconciler.state.applied import callback_field, callback_value
from reconciler.state.base import State
from reconciler.validation import validate
from tests.actions import action
from tests.fakes import AT_ONCE, MemorySession

NOW = 1_800_000_000_000
VERBS = {
    Field.NAME: {Verb.CREATE, Verb.EDIT},
    Field.DESCRIPTION: {Verb.CREATE, Verb.EDIT},
    Field.PACKAGES: {Verb.CREATE, Verb.EDIT},
    Field.SETTINGS: {Verb.CREATE, Verb.EDIT},
    Field.GATEWAYS: {Verb.ADD, Verb.REMOVE},
    Field.DISTRIBUTION: {Verb.DISTRIBUTE},
    Field.OVERRIDES: {Verb.OVERRIDE},
    Field.SCHEDULES: {Verb.SCHEDULE},
    Field.CALLBACKS: {Verb.CALLBACK},
    Field.CLOSED: {Verb.CLOSE},
    Field.THINGS: {Verb.THINGS},
    Field.STATUS: {Verb.START, Verb.STOP},
    Field.DELIVERY: {Verb.CREATE},
}
"""What sets a field."""
CLEARS = {Field.DESCRIPTION, Field.PACKAGES, Field.SETTINGS, Field.GATEWAYS, Field.CALLBACKS}
"""What the core knows how to take back."""
READS_OF = {"distribution_list": Field.DISTRIBUTION, "overrides": Field.OVERRIDES}

every_facts = pytest.mark.parametrize("facts", ALL_FACTS.values(), ids=ALL_FACTS.keys())


@pytest.fixture(params=BENCHES)
def on(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    """Runs a test's body on an empty server of each kind."""

    def run(body: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            async with BENCHES[request.param](tmp_path) as bench:
                await body(bench)

        asyncio.run(main())

    return run


# --- facts -----------------------------------------------------------------------------------------


def known(facts: Facts) -> set[Verb]:
    return {verb for rank in facts.order for verb in rank}


@every_facts
def test_each_verb_has_one_rank_and_what_a_plan_needs_is_there(facts: Facts) -> None:
    ranked = [verb for rank in facts.order for verb in rank]
    assert len(ranked) == len(set(ranked))
    assert {Verb.CREATE, Verb.DELETE, Verb.START, Verb.STOP} <= set(ranked)
    assert facts.interrupting <= set(ranked)
    assert facts.allowed.keys() - {Verb.APPROVE} <= set(ranked)


@every_facts
def test_the_order_is_one_that_can_work(facts: Facts) -> None:
    """Where both are known, the first comes before the second, whatever else the server wants."""
    changes = known(facts) - {Verb.UPLOAD, Verb.STOP, Verb.START, Verb.DELETE, Verb.DELETE_PACKAGE}
    pairs = [(Verb.UPLOAD, Verb.CREATE), (Verb.UPLOAD, Verb.EDIT), (Verb.UPLOAD, Verb.OVERRIDE)]
    pairs += [(Verb.STOP, verb) for verb in changes] + [(verb, Verb.START) for verb in changes]
    first = {Verb.CREATE, Verb.EDIT, Verb.RETIRE, *({Verb.ADD} if facts.members_first else ())}
    pairs += [(verb, other) for verb in (Verb.CREATE, Verb.EDIT) for other in changes - first]
    # A successor is there, whole and approved, before the one that it replaces ends.
    pairs += [(Verb.RETIRE, Verb.CREATE), (Verb.UPLOAD, Verb.ADD)]
    pairs += [(verb, Verb.END) for verb in changes - {Verb.END}] + [(Verb.END, Verb.DELETE)]
    pairs += [(Verb.ADD, verb) for verb in (Verb.OVERRIDE, Verb.SCHEDULE, Verb.THINGS, Verb.CLOSE)]
    pairs += [(Verb.STOP, Verb.DELETE), (Verb.EDIT, Verb.DELETE_PACKAGE), (Verb.DELETE, Verb.DELETE_PACKAGE)]
    for first, second in pairs:
        if {first, second} <= known(facts):
            assert facts.place(first) < facts.place(second), (first, second)


@every_facts
def test_a_server_that_cannot_edit_can_replace(facts: Facts) -> None:
    assert facts.replaces is facts.knows(Verb.END)
    assert facts.replaces or not facts.knows(Verb.RETIRE)
    if facts.replaces:
        assert facts.changing(Field.NAME) is Changing.EDITED or not facts.knows(Verb.RETIRE)
        assert facts.lower(action(Verb.END)).operation.repeat is Repeat.VERIFY_FIRST
        assert {facts.allows(Verb.END, phase) for phase in (Phase.READY, Phase.RUNNING, Phase.PAUSED)} == {
            True
        }
        assert facts.allows(Verb.DELETE, Phase.ENDED)
        limit = facts.limits.name
        made = facts.retired_name("n" * 500, "id-1")
        assert made.endswith("id-1")
        assert limit is None or len(made) <= limit
    if facts.members_first:
        assert facts.lower(action(Verb.ADD)).operation.repeat is not Repeat.NEVER


@every_facts
def test_every_verb_lowers_to_an_operation(facts: Facts) -> None:
    for verb in known(facts):
        for event in CallbackEvent:
            for phase in SchedulePhase:
                lowered = facts.lower(acting(verb, event=event, phase=phase, gateways=("a",)))
                operation = lowered.operation
                assert facts.operations[operation.name] == operation
                assert operation.name in facts.writes[verb]
                assert operation.repeat in Repeat
                about_gateways = hasattr(action(verb), "gateways")
                assert (lowered.per_call > 0) is about_gateways
                assert operation.path.count("{") <= (2 if lowered.per_call == 1 else 1)
                assert all(operation.permissions)


@every_facts
def test_every_operation_is_a_write_a_read_or_a_question(facts: Facts) -> None:
    writes = {name for names in facts.writes.values() for name in names}
    assert facts.writes.keys() == known(facts)
    assert facts.reads.keys() <= {name for name in vars(Reads) if not name.startswith("_")}
    assert facts.questions.keys() <= {name for name in vars(Questions) if not name.startswith("_")}
    assert writes | {*facts.reads.values()} | {*facts.questions.values()} == facts.operations.keys()


@every_facts
def test_every_upload_lowers(facts: Facts) -> None:
    from tests.actions import FILE

    for mode in UploadMode:
        assert facts.lower(action(Verb.UPLOAD, file=replace(FILE, mode=mode))).per_call == 0


@every_facts
def test_what_makes_something_or_takes_it_away_is_never_just_repeated(facts: Facts) -> None:
    for verb in known(facts) & {Verb.CREATE, Verb.UPLOAD, Verb.DELETE, Verb.DELETE_PACKAGE, Verb.THINGS}:
        assert facts.lower(action(verb)).operation.repeat is not Repeat.IDEMPOTENT
    for verb in known(facts) & {Verb.DELETE, Verb.REMOVE, Verb.CLOSE, Verb.DELETE_PACKAGE}:
        assert facts.lower(action(verb)).operation.destructive


@every_facts
def test_a_field_has_its_verbs_and_what_is_lacking_has_none(facts: Facts) -> None:
    for name in Field:
        if facts.supports(name) and facts.changing(name) is Changing.REPLACED:
            assert Verb.CREATE in known(facts)
        elif facts.supports(name):
            assert VERBS[name] <= known(facts), name
        else:
            # What makes a campaign sets what there is.
            assert VERBS[name].isdisjoint(known(facts) - {Verb.CREATE, Verb.EDIT}), name
            assert not facts.readable(name)
            assert not facts.clearable(name)
        assert not facts.clearable(name) or name in CLEARS, f"nothing takes {name} back"


@every_facts
def test_statuses_and_phases_are_total(facts: Facts) -> None:
    assert all(word == word.upper() for word in facts.phases)
    assert {Phase.READY, Phase.RUNNING, Phase.PAUSED} <= set(facts.phases.values()) <= KNOWN
    for verb in Verb:
        assert facts.allowed.get(verb, KNOWN) <= KNOWN
        for phase in Phase:
            assert facts.allows(verb, phase) in (True, False)
            assert not facts.allows(verb, phase) or verb in known(facts)
        assert facts.allows(verb, Phase.UNKNOWN) is all(facts.allows(verb, phase) for phase in KNOWN)
    assert facts.allows(Verb.START, Phase.READY)
    assert facts.allows(Verb.START, Phase.PAUSED)
    assert facts.allows(Verb.STOP, Phase.RUNNING)


@given(st.text())
def test_any_word_for_a_status_or_a_state_means_something(word: str) -> None:
    for facts in ALL_FACTS.values():
        assert facts.phase(word) in Phase
        assert facts.phase(f" {word.lower()} ") in Phase
        stage = facts.stage(word)
        assert (stage is Stage.UNKNOWN) is (word not in facts.states)
        assert facts.in_flight(word) is (stage in (Stage.UNDER_WAY, Stage.UNKNOWN))
        assert {facts.past(word, phase) for phase in SchedulePhase} <= {True, False}


@every_facts
def test_states_go_from_idle_to_done(facts: Facts) -> None:
    way = [state for state in facts.states if facts.stage(state) is not Stage.FAILED]
    stages = [facts.stage(state) for state in way]
    order = [Stage.IDLE, Stage.UNDER_WAY, Stage.DONE]
    assert sorted(stages, key=order.index) == stages
    assert (stages[0], stages[-1]) == (Stage.IDLE, Stage.DONE)
    for phase in SchedulePhase:
        past = [facts.past(state, phase) for state in way]
        assert sorted(past) == past, "what is past stays past"
    failed = [state for state in facts.states if state not in way]
    assert failed
    assert sorted([*failed, "nobody knows", *reversed(way)], key=facts.rank) == [
        *way,
        "nobody knows",
        *failed,
    ]


@every_facts
def test_each_read_is_an_operation_and_what_is_lacking_is_not_read(facts: Facts) -> None:
    reads = {name for name in vars(Reads) if not name.startswith("_")} - {"parallelism", "requests"}
    lacking = {name for name, of in READS_OF.items() if not facts.supports(of)}
    assert facts.reads.keys() == reads - lacking
    assert set(facts.reads.values()) <= facts.operations.keys()


@every_facts
def test_limits_are_limits(facts: Facts) -> None:
    limits = facts.limits
    lengths = (limits.name, limits.description, limits.package_name, limits.package_description, limits.id)
    assert all(length is None or length > 0 for length in (*lengths, *limits.upload.values()))
    assert all(limits.reserved_ids.values()), "each says why"


# --- reads -----------------------------------------------------------------------------------------


async def furnish(bench: Bench) -> dict[str, Any]:
    """A server with something of everything that it knows."""
    facts = bench.facts
    file = bench.file()
    package = await bench.upload(file)
    other = await bench.upload(bench.file(name="fw.bi"))
    settings = {"LEVEL": "info"}
    line = await bench.create("line", description="text", packages=(package,), settings=settings)
    others = [await bench.create(name) for name in ("line 2", "lin", *(f"c{n:02}" for n in range(20)))]
    await bench.do(Verb.ADD, target=line, gateways=bench.gateways)
    callback = Callback("dest", frozenset({next(iter(facts.states))}))
    if bench.knows(Verb.CALLBACK):
        await bench.do(Verb.CALLBACK, target=line, event=CallbackEvent.STATE_CHANGE, callback=callback)
    if bench.knows(Verb.OVERRIDE):
        await bench.do(Verb.OVERRIDE, target=line, gateways=bench.gateways[:1], packages=(other,))
    if bench.knows(Verb.DISTRIBUTE):
        await bench.do(Verb.DISTRIBUTE, target=line, distribution=DistributionList("list-1", 60))
    return {"file": file, "package": package, "other": other, "line": line, "others": others}


async def check_reads(bench: Bench, reads: Reads, made: dict[str, Any]) -> None:
    facts, line = bench.facts, made["line"]
    # Absent is None; names are exact; none is none.
    assert await reads.campaign("nobody") is None
    assert await reads.package("nobody") is None
    assert await reads.campaigns(["nobody"]) == await reads.campaigns([]) == ()
    assert await reads.packages(["nobody"]) == await reads.packages([]) == ()
    [found] = await reads.campaigns(["line"])
    assert (found.id, found.name, facts.phase(found.status)) == (line, "line", Phase.READY)
    assert {each.name for each in await reads.campaigns(["line 2", "lin"])} == {"line 2", "lin"}
    assert [each.id for each in await reads.packages(["fw.bi"])] == [made["other"]]
    # Lists are whole, and nothing is there twice.
    listed = await reads.campaigns()
    assert sorted(each.id for each in listed) == sorted([line, *made["others"]])
    assert {each.id for each in await reads.packages()} == {made["package"], made["other"]}
    members = await reads.gateways(line)
    assert isinstance(members, Membership)
    assert sorted(members) == list(bench.gateways)
    assert members.states.keys() <= facts.states.keys()
    # What a campaign is.
    live = await reads.campaign(line)
    assert live is not None
    assert (live.id, live.name, live.description, live.packages) == (line, "line", "text", (made["package"],))
    assert live.phase is facts.phase(live.status) is Phase.READY
    assert (live.gateways, live.distribution, live.distribution_read) == (None, None, False)
    if facts.supports(Field.OVERRIDES):
        effective = await reads.overrides(line, bench.gateways[:2])
        assert effective == {bench.gateways[0]: (made["other"],), bench.gateways[1]: (made["package"],)}
    if bench.knows(Verb.DISTRIBUTE):
        assert await reads.distribution_list(line) == DistributionList("list-1", 60)
        assert await reads.distribution_list(made["others"][0]) is None
    # Only what can be read is told.
    told = dict(live.applied)
    assert (told.pop(Field.SETTINGS, None) == {"LEVEL": {"value": "info"}}) is facts.readable(Field.SETTINGS)
    callback = Callback("dest", frozenset({next(iter(facts.states))}))
    key = callback_field(CallbackEvent.STATE_CHANGE)
    assert (told.pop(key, None) == callback_value(callback)) is facts.readable(Field.CALLBACKS)
    assert told == {}
    # Packages are found by what they hold.
    content, nothing = made["file"].sha256, "0" * 64
    found_by = await reads.packages_of([content, nothing])
    assert {sha: [each.id for each in them] for sha, them in found_by.items()} == {
        nothing: [],
        content: [made["package"]],
    }
    package = await reads.package(made["package"])
    assert package is not None
    assert content.startswith(facts.digits(package) or "?")
    assert package.name == "fw.bin"


def test_reads(on: Any) -> None:
    async def body(bench: Bench) -> None:
        await check_reads(bench, bench.provider.reads, await furnish(bench))

    on(body)


def test_reads_of_a_snapshot(on: Any, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        made = await furnish(bench)
        state, out = State("lineage", "salt", server=bench.provider.server), BytesIO()
        header = Header(bench.provider.server, NOW, "all")
        asked = frozenset(bench.gateways[:2])
        await take(
            bench.provider.reads,
            bench.facts,
            header,
            out,
            load=lambda: state,
            overridden=lambda live: asked if live.id == made["line"] else (),
        )
        path = tmp_path / "snapshot"
        path.write_bytes(out.getvalue())
        await check_reads(bench, saved_server(open_snapshot(path), bench.facts).reads, made)

    on(body)


# --- writes ----------------------------------------------------------------------------------------


def test_each_verb_has_its_effect(on: Any) -> None:
    async def body(bench: Bench) -> None:
        reads, gateways = bench.provider.reads, bench.gateways
        package, other = await bench.upload(bench.file()), await bench.upload(bench.file())
        line = await bench.create("line", description="a", packages=(package,))

        async def live() -> Any:
            found = await reads.campaign(line)
            assert found is not None
            return found

        fields = CampaignFields("line b", "b", (other,), {"K": "v"})
        await bench.do(Verb.EDIT, target=line, fields=fields)
        assert ((await live()).name, (await live()).description) == ("line b", "b")
        edited = bench.facts.changing(Field.PACKAGES) is Changing.EDITED
        held = (other,) if edited else (package,)
        assert (await live()).packages == held
        await bench.do(Verb.EDIT, target=line, fields=CampaignFields("line b", None, None, {}))
        assert ((await live()).description, (await live()).packages) == ("b", held), "unmanaged stays"
        await bench.do(Verb.ADD, target=line, gateways=gateways)
        await bench.do(Verb.REMOVE, target=line, gateways=gateways[5:7])
        assert sorted(await reads.gateways(line)) == [*gateways[:5], *gateways[7:]]
        if bench.knows(Verb.CLOSE):
            await bench.do(Verb.CLOSE, target=line, gateways=gateways[:2])
            members, closed = await reads.gateways(line), frozenset(gateways[:2])
            # Who never began may just be out, which is closed enough.
            assert members.closed | members.lacking(closed) == closed
        if bench.knows(Verb.SCHEDULE):
            for phase in SchedulePhase:
                await bench.do(
                    Verb.SCHEDULE, target=line, gateways=gateways[2:4], phase=phase, window=Window(1, 2)
                )
        if bench.knows(Verb.THINGS):
            await bench.do(Verb.THINGS, target=line, gateways=gateways[2:3], things={gateways[2]: ("t",)})
        await bench.do(Verb.START, target=line)
        assert (await live()).phase is Phase.RUNNING
        await bench.do(Verb.STOP, target=line)
        assert (await live()).phase is Phase.PAUSED
        await bench.do(Verb.DELETE, target=line)
        assert await reads.campaign(line) is None
        await bench.do(Verb.DELETE_PACKAGE, target=other)
        assert await reads.package(other) is None
        assert await reads.package(package) is not None

    on(body)


def test_a_successor_is_another_campaign_and_the_one_before_it_ends(on: Any) -> None:
    async def body(bench: Bench) -> None:
        if not bench.facts.replaces:
            return
        reads, gateways = bench.provider.reads, bench.gateways[:2]
        old = await bench.create("line")
        await bench.do(Verb.ADD, target=old, gateways=gateways)
        await bench.do(Verb.START, target=old)
        if bench.knows(Verb.RETIRE):
            name = bench.facts.retired_name("line", old)
            await bench.do(Verb.RETIRE, target=old, name=name)
            assert [each.id for each in await reads.campaigns([name])] == [old]
            await bench.do(Verb.RETIRE, target=old, name=name)
        draft = draft_of(old, gateways) if bench.facts.members_first else None
        if draft:
            await bench.do(Verb.ADD, gateways=gateways, draft=draft)
        step = bench.step(Verb.CREATE, fields=await bench.fields("line"), replaces=old, draft=draft)
        assert not (await bench.provider.writes.verify(step, Bindings())).done, "the old one is none"
        new = (await bench.provider.writes.run(step, Bindings())).created
        assert new not in (None, old)
        found = await bench.provider.writes.verify(step, Bindings())
        assert (found.done, found.created) == (True, new)
        if draft:
            assert set(await reads.gateways(new)) == set(gateways)
        assert bench.facts.phase((await reads.campaign(old)).status) is Phase.RUNNING, "it runs on"
        ends = bench.step(Verb.END, target=old, successor=new, before_start=True)
        assert not (await bench.provider.writes.verify(ends, Bindings())).done
        assert (await bench.provider.writes.run(ends, Bindings())).status is OutcomeStatus.DONE
        assert (await bench.provider.writes.verify(ends, Bindings())).done
        assert bench.facts.phase((await reads.campaign(old)).status) is Phase.ENDED
        await bench.do(Verb.START, target=new)
        await bench.do(Verb.DELETE, target=old, predecessor=True)
        assert await reads.campaign(old) is None
        assert bench.facts.phase((await reads.campaign(new)).status) is Phase.RUNNING

    on(body)


def test_a_callback_goes_where_it_can(on: Any) -> None:
    async def body(bench: Bench) -> None:
        if not bench.knows(Verb.CALLBACK):
            return
        line = await bench.create("line")
        event = CallbackEvent.COMPLETED
        await bench.do(Verb.CALLBACK, target=line, event=event, callback=Callback("d"))
        if bench.facts.clearable(Field.CALLBACKS):
            await bench.do(Verb.CALLBACK, target=line, event=event, callback=None)
            assert callback_field(event) not in (await bench.provider.reads.campaign(line)).applied
        else:
            with pytest.raises(Refused):
                await bench.do(Verb.CALLBACK, target=line, event=event, callback=None)

    on(body)


def values(bench: Bench, verb: Verb, line: str) -> dict[str, Any]:
    """An action of `verb` that changes something for a campaign with one gateway."""
    return {
        Verb.EDIT: {"fields": CampaignFields("line", "other", (), {})},
        Verb.ADD: {"gateways": bench.gateways[1:2]},
        Verb.REMOVE: {"gateways": bench.gateways[:1]},
        Verb.OVERRIDE: {"gateways": bench.gateways[:1], "packages": ()},
        Verb.SCHEDULE: {"gateways": bench.gateways[:1]},
        Verb.THINGS: {"gateways": bench.gateways[:1], "things": {bench.gateways[0]: ("t",)}},
        Verb.CLOSE: {"gateways": bench.gateways[:1]},
        Verb.CALLBACK: {"callback": Callback("d")},
        Verb.DISTRIBUTE: {"distribution": DistributionList("d", 60)},
    }.get(verb, {})


@pytest.mark.parametrize("phase", [Phase.READY, Phase.RUNNING, Phase.PAUSED])
def test_what_the_facts_forbid_is_refused_and_what_they_allow_is_taken(on: Any, phase: Phase) -> None:
    async def body(bench: Bench) -> None:
        about_campaigns = known(bench.facts) - {Verb.CREATE, Verb.UPLOAD, Verb.DELETE_PACKAGE, Verb.APPROVE}
        for number, verb in enumerate(sorted(about_campaigns)):
            line = await bench.create(f"n{number}")
            await bench.do(Verb.ADD, target=line, gateways=bench.gateways[:1])
            if phase is not Phase.READY:
                await bench.do(Verb.START, target=line)
            if phase is Phase.PAUSED:
                await bench.do(Verb.STOP, target=line)
            more = {"target": line, **values(bench, verb, line)}
            if verb is Verb.EDIT:
                more["fields"] = CampaignFields(f"n{number}", "other", (), {})
            if bench.facts.allows(verb, phase):
                await bench.do(verb, **more)
            else:
                # What runs already may be started once more: it is said, and not sent.
                with pytest.raises(Refused) if verb is not Verb.START else suppress(Refused):
                    assert (await bench.do(verb, **more)).status is OutcomeStatus.NOT_NEEDED
                assert bench.facts.phase((await bench.provider.reads.campaign(line)).status) is phase

    on(body)


def test_what_the_server_lacks_is_never_lowered(on: Any) -> None:
    async def body(bench: Bench) -> None:
        for verb in set(Verb) - known(bench.facts):
            with pytest.raises((KeyError, Refused)):
                bench.facts.lower(action(verb))

    on(body)


# --- after an unclear answer -------------------------------------------------------------------------


def test_verify_tells_what_became_of_a_step(on: Any) -> None:
    async def body(bench: Bench) -> None:
        writes, gateways = bench.provider.writes, bench.gateways

        async def told(verb: Verb, **more: Any) -> None:
            step = bench.step(verb, **more)
            if step.operation.repeat is not Repeat.VERIFY_FIRST:
                return
            before = await writes.verify(step, Bindings())
            assert not before.done
            result = await writes.run(step, Bindings())
            after = await writes.verify(step, Bindings())
            assert after.done
            if result.created:
                assert after.created == result.created

        file = bench.file()
        await told(Verb.UPLOAD, resource=file.resource, file=file)
        await told(Verb.CREATE, fields=await bench.fields("line"))
        [found] = await bench.provider.reads.campaigns(["line"])
        some = gateways[: bench.facts.lower(action(Verb.ADD)).per_call]
        await told(Verb.ADD, target=found.id, gateways=some)
        step = bench.step(Verb.ADD, target=found.id, gateways=(some[0], "stranger"))
        assert (await writes.verify(step, Bindings())).remaining == ("stranger",)
        await told(Verb.REMOVE, target=found.id, gateways=some[:1])
        if bench.knows(Verb.CLOSE):
            await told(Verb.CLOSE, target=found.id, gateways=some[1:2])
        await told(Verb.START, target=found.id)
        await told(Verb.STOP, target=found.id)
        await told(Verb.DELETE, target=found.id)
        [package] = await bench.provider.reads.packages()
        await told(Verb.DELETE_PACKAGE, target=package.id)

    on(body)


def test_what_is_idempotent_may_be_sent_twice(on: Any) -> None:
    async def body(bench: Bench) -> None:
        line = await bench.create("line")
        await bench.do(Verb.ADD, target=line, gateways=bench.gateways[:2])
        for verb in sorted(known(bench.facts)):
            if bench.facts.lower(action(verb)).operation.repeat is Repeat.IDEMPOTENT:
                more = values(bench, verb, line)
                await bench.do(verb, target=line, **more)
                await bench.do(verb, target=line, **more)

    on(body)


def test_what_is_gone_is_refused_as_gone(on: Any) -> None:
    async def body(bench: Bench) -> None:
        for verb in (Verb.EDIT, Verb.DELETE, Verb.START):
            with pytest.raises(Refused) as caught:
                await bench.do(verb, target="nobody", fields=CampaignFields("line", "a", (), {}))
            assert {Refusal.NO_SUCH_OBJECT, Refusal.MAY_HAVE_HAPPENED} <= caught.value.meaning
        # Whatever is asked of it: what this run made a moment ago may answer so, and is waited for.
        some = known(bench.facts) - {Verb.CREATE, Verb.UPLOAD, Verb.DELETE_PACKAGE, Verb.APPROVE}
        for verb in sorted(some):
            more = values(bench, verb, "line")
            with pytest.raises(Refused) as caught:
                await bench.do(verb, target="nobody", **more)
            assert Refusal.NO_SUCH_OBJECT in caught.value.meaning, verb
        with pytest.raises(Refused) as caught:
            await bench.do(Verb.DELETE_PACKAGE, target="nobody")
        assert {Refusal.NO_SUCH_OBJECT, Refusal.MAY_HAVE_HAPPENED} <= caught.value.meaning

    on(body)


# --- the whole pipeline --------------------------------------------------------------------------------

FIELDS = {
    Field.SETTINGS: "settings: {LEVEL: info}",
    Field.OVERRIDES: "packageOverrides: [{gateways: [gw-02], packageSet: special}]",
    Field.CALLBACKS: "callbackSet: hooks",
    Field.DISTRIBUTION: "distributionList: {distributionListId: d, reevaluationIntervalSeconds: 60}",
    Field.SCHEDULES: "schedules: [{schedule: night}]",
    Field.CLOSED: "closedGateways: [gw-03]",
    Field.THINGS: "runOnThings: true",
}
YAML = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec: {packages: [{file: fw.bin}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: special}
spec: {packages: [{file: fx.bin}]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [gw-01, gw-02, gw-03], things: {gw-01: [t]}}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec: {download: {begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: hooks}
spec: {completed: {notificationDestinationId: d-1}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line}
spec:
  description: text
  packageSet: firmware
  gatewayLists: [hall]
  desiredStatus: STARTED
"""


class Run:
    """YAML on one side, a bench on the other."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.session = MemorySession(State("lineage", "5a17", server=bench.provider.server))
        for name, content in (("fw.bin", b"fw"), ("fx.bin", b"fx")):
            (bench.folder / name).write_bytes(content)

    async def plan(self, text: str, **options: bool) -> Plan:
        path = self.bench.folder / "resources.yaml"
        path.write_text(text)
        loaded = load([path], base=self.bench.folder)
        valid = validate(loaded.documents)
        resolved = resolve(valid.documents, self.bench.facts, root=self.bench.folder, environ={})
        errors = [f for f in (*loaded.findings, *valid.findings, *resolved.findings) if f.is_error]
        assert not errors, errors
        made = await draft(
            resolved.desired,
            self.session.state,
            self.bench.provider,
            Options(**options),
            now=NOW,
            lookout=AT_ONCE,
        )
        return made.plan

    async def apply(self, text: str, **options: bool) -> Plan:
        plan = await self.plan(text, **options)
        assert not [finding for finding in plan.findings if finding.is_error]
        applied = await apply_plan(
            plan,
            self.bench.provider.writes,
            self.session,
            delay=lambda attempts, asked, waited: None,
            parallelism=4,
            settling=AT_ONCE.settling,
        )
        assert not applied.failed, [outcome for outcome in applied.outcomes if not outcome.settled]
        again = await self.plan(text, **options)
        assert [step.id for step in again.steps()] == [], "it came to rest"
        assert not again.changes
        return plan


def resources(facts: Facts, **changed: str) -> str:
    here = {name: line for name, line in FIELDS.items() if facts.supports(name)}
    if facts.lists_decide:
        del here[Field.DISTRIBUTION]
    more = "".join(f"  {line}\n" for line in here.values())
    text = YAML + more
    for old, new in changed.items():
        text = text.replace(old, new)
    return text


def test_a_project_comes_to_rest_whatever_changes(on: Any) -> None:
    async def body(bench: Bench) -> None:
        run, text = Run(bench), resources(bench.facts)
        await run.apply(text)
        [summary] = await bench.provider.reads.campaigns(["line"])
        assert bench.facts.phase(summary.status) is Phase.RUNNING
        for old, new in (
            ("description: text", "description: other"),
            ("LEVEL: info", "LEVEL: debug"),
            ("{LEVEL: debug}", "{}"),
            ("gw-02, gw-03]", "gw-02, gw-03, gw-04]"),
            ("packageOverrides: [{gateways: [gw-02], packageSet: special}]", "packageOverrides: []"),
            ("[gw-01, gw-02, gw-03, gw-04], things: {gw-01: [t]}", "[gw-01, gw-03]"),
            ("notificationDestinationId: d-1", "notificationDestinationId: d-2"),
            ("packageSet: firmware", "packageSet: special"),
            (f"desiredStatus: {DesiredStatus.STARTED}", f"desiredStatus: {DesiredStatus.STOPPED}"),
        ):
            if old not in text:
                assert not all(map(bench.facts.supports, FIELDS)), old
                continue
            text = text.replace(old, new)
            if new == "[gw-01, gw-03]":
                text = text.replace("  runOnThings: true\n", "")
            await run.apply(text)
        await run.apply("\n---\n".join(text.split("\n---\n")[:-1]), prune=True)
        assert await bench.provider.reads.campaigns() == ()

    on(body)


def test_what_a_server_lacks_is_found_at_its_place(tmp_path: Path) -> None:
    for facts in ALL_FACTS.values():
        asked = {name: line for name, line in FIELDS.items() if not facts.lists_decide or "List" not in name}
        lacking = {name for name in asked if not facts.supports(name)}
        text = YAML + "".join(f"  {line}\n" for line in asked.values())
        path = tmp_path / "resources.yaml"
        path.write_text(text)
        (tmp_path / "fw.bin").write_bytes(b"fw")
        (tmp_path / "fx.bin").write_bytes(b"fx")
        valid = validate(load([path], base=tmp_path).documents)
        findings = resolve(valid.documents, facts, root=tmp_path, environ={}).findings
        found = [finding for finding in findings if finding.code == "unsupported-field"]
        assert len(found) == len(lacking)
        lines = text.splitlines()
        for finding in found:
            assert finding.place is not None
            key, _, _ = lines[finding.place.line - 1].partition(": ")
            assert key.strip() in {FIELDS[name].partition(":")[0] for name in lacking}
            assert finding.place.column == len(key) + 3
            assert key.strip() in finding.message
