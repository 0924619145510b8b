"""What is said of an apply that went through in part: all, with ids that are known and advice that fits."""

import asyncio
import json

import jsonschema
import pytest

from reconciler.apply import Applied
from reconciler.apply.run import UNRECORDED
from reconciler.errors import Exit
from reconciler.model import Need, Outcome, OutcomeStatus, Skip
from reconciler.report.apply_summary import applied_lines
from reconciler.report.plan_document import applied_chunks
from reconciler.validation.schemas import schema
from tests.apply.apply_script import Script, apply, campaign, group, plan

LINE_4 = campaign("line-4")
DEVICES = "/api/campaigns/id-of-line-3/devices"


def lines(made, applied, code=Exit.PARTLY) -> list[str]:
    return list(applied_lines(made, applied.outcomes, code))


def document(made, applied):
    text = "".join(applied_chunks(made, applied.outcomes, Exit.PARTLY))
    found = json.loads(text)
    jsonschema.Draft202012Validator(schema("plan")).validate(found)
    return {outcome["step"]: outcome for outcome in found["outcomes"]}


@pytest.fixture
def partly():
    """One campaign is made except for a gateway, another one is done."""
    create = group("create-campaign")
    add = group("add-gateways", gateways="abcd", per_call=4, needs=[create.key])
    things = group("run-on-things", gateways="abcd", per_call=4, needs=[Need(add.key, by_gateway=True)])
    start = group("start-campaign", needs=[create.key, add.key, things.key])
    other = group("create-campaign", LINE_4)
    more = group("add-gateways", LINE_4, gateways="abcd", per_call=2, needs=[other.key])
    made = plan(create, add, things, start, other, more)
    script = Script(
        {"add-gateways:line-3:1": "404 404 ok 404 ok"},
        {"add-gateways:line-3:1": "left:a,b,c,d"},
    )
    return made, apply(made, script, parallelism=1)


def test_done_failed_and_skipped_are_all_listed(partly):
    needs = "needs add-gateways:line-3:1, which is not done"
    assert lines(*partly) == [
        "failed: Campaign/line-3: add-gateways",
        "  4 gateways: not done for 1 of 4 gateways: b: no (5 attempts)",
        "  next: fix the cause and apply again: only what is missing is sent",
        "skipped: Campaign/line-3: run-on-things",
        f"  4 gateways: not sent for b: {needs}",
        "skipped: Campaign/line-3: start-campaign",
        f"  {needs}",
        "  next: apply again once what it needs is done",
        "done: Campaign/line-3: create-campaign",
        "done: Campaign/line-4: create-campaign, add-gateways × 2",
        "Applied to https://pulse.example.com: 4 done, 1 failed, 2 skipped.",
        "Exit code 3: some steps failed; all others are done or listed above.",
    ]


def test_the_document_lists_every_step_and_what_is_left_of_it(partly):
    outcomes = document(*partly)
    assert [outcomes[step.id]["status"] for step in partly[0].steps()] == [
        *("done", "failed", "skipped", "skipped"),
        *("done", "done", "done"),
    ]
    assert outcomes["add-gateways:line-3:1"]["left"] == ["b"]
    assert outcomes["run-on-things:line-3:1"]["left"] == ["b"]
    assert outcomes["start-campaign:line-3"]["skip"] == "not-done"
    assert {"left", "skip"}.isdisjoint(outcomes["create-campaign:line-3"])


def test_where_all_is_done_it_is_only_counted():
    made = plan(group("create-campaign"))
    assert lines(made, apply(made, Script()), Exit.DONE) == ["Applied to https://pulse.example.com: 1 done."]


def test_many_resources_are_cut():
    many = [group("create-campaign", campaign(f"line-{number:02}")) for number in range(25)]
    made = plan(*many, group("edit-campaign"))
    said = lines(made, apply(made, Script({"edit-campaign": "400"})))
    assert sum(line.startswith("done: Campaign/") for line in said) == 20
    assert "done: steps of 5 more resources; --output json lists them all" in said


# --- why a step was skipped, and what to do about it -----------------------------------------------


def advice(made, applied) -> dict[str, str]:
    """Operation → what to do next, of what was skipped."""
    said = lines(made, applied)
    found = [at for at, line in enumerate(said) if line.startswith("skipped: ")]
    # What several are to do next stands below the last of them.
    nexts = [next(each for each in said[at:] if each.startswith("  next: ")) for at in found]
    return {said[at].split(": ")[2]: n.removeprefix("  next: ") for at, n in zip(found, nexts, strict=True)}


def test_after_a_run_on_things_in_doubt():
    """Nobody sends it again: what needs it must not wait for that."""
    things = group("run-on-things", gateways="a", per_call=1)
    close = group("close-gateway", gateways="a", per_call=1, needs=[Need(things.key, by_gateway=True)])
    start = group("start-campaign", needs=[things.key, close.key])
    made = plan(things, close, start)
    applied = apply(made, Script({"run-on-things": "cut"}))
    assert {o.skip for o in applied.outcomes if o.status is OutcomeStatus.SKIPPED} == {Skip.IN_DOUBT}
    said = lines(made, applied)
    assert said[0] == "unknown: Campaign/line-3: run-on-things"
    assert said[2] == "  next: look at the server; this operation is never sent twice by itself"
    assert "needs run-on-things:line-3:a, of which nobody knows whether it is done" in said[4]
    wanted = "apply again: it goes on, without what is in doubt; that is sent again by --reassert only"
    assert advice(made, applied) == {"close-gateway": wanted, "start-campaign": wanted}


def test_after_what_waits_for_a_person():
    approve = group("approve-campaign")
    start = group("start-campaign", needs=[approve.key])
    made = plan(approve, start)
    applied = apply(made, Script({"approve-campaign": "waits"}))
    assert advice(made, applied) == {"start-campaign": "apply again once somebody has acted on the server"}


def test_after_an_interruption():
    stop = asyncio.Event()
    stop.set()
    made = plan(group("edit-campaign"))
    applied = apply(made, Script(), stop=stop)
    assert lines(made, applied)[:2] == [
        "not sent: 1 call of 1 resource, because the run was interrupted",
        "  next: apply again: it goes on from here",
    ]


def test_while_the_state_can_not_be_written():
    made = plan(group("edit-campaign"))
    (step,) = made.steps()
    outcome = Outcome(step, OutcomeStatus.SKIPPED, UNRECORDED, 0, skip=Skip.UNRECORDED)
    wanted = "see to it that the state can be written, then apply again"
    assert advice(made, Applied((outcome,))) == {"edit-campaign": wanted}
