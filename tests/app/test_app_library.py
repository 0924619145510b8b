"""The library: what it returns and raises; it prints nothing, asks only `approve`, and ends no process."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.app import (
    Exit,
    Options,
    Outcome,
    OutcomeStatus,
    Plan,
    Targets,
    Workspace,
    apply,
    open_project,
    plan,
    status,
    validate,
)
from reconciler.model import Kind, ResourceId
from reconciler.state.stores import open_store
from tests.app.app_worlds import edit, workspace


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A folder without a project file, on the embedded server."""
    return workspace(tmp_path)


@pytest.fixture(autouse=True)
def _silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


def names(made: Plan) -> list[str]:
    return [step.operation.name for step in made.steps()]


def yes(made: Plan) -> bool:
    return True


def never(made: Plan) -> bool:
    raise AssertionError("nobody is to be asked")


def test_the_whole_way(project):
    checked = validate(project)
    assert (checked.sound, checked.documents, checked.findings) == (True, 3, ())
    wanted = ["upload-package", "create-campaign", "add-gateways", "start-campaign"]
    made = plan(project)
    assert [name for name in names(made) if name in wanted] == wanted
    asked: list[Plan] = []
    told: list[Outcome] = []
    result = apply(project, approve=lambda it: not asked.append(it), on_outcome=told.append)
    assert [names(it) for it in asked] == [names(made)]
    assert (result.exit, result.declined) == (Exit.DONE, False)
    assert list(result.outcomes) == told
    assert [it.step.operation.name for it in told] == names(made)
    (row,) = status(project, limit=2).rows
    assert (row.status, row.gateways.total, len(row.gateways.listed)) == ("STARTED", 3, 2)
    assert plan(project).empty
    assert apply(project, approve=never).exit is Exit.DONE


def test_a_no_sends_and_writes_nothing(project):
    result = apply(project, approve=lambda it: False)
    assert (result.exit, result.declined, len(result.outcomes)) == (Exit.DONE, True, 0)
    assert not plan(project).empty
    assert not open_store("file:.reconciler/state.json", root=project.folder).load().begun


def test_findings_come_with_the_error(project):
    edit(project, "gatewayLists: [hall]", "gatewayLists: [hall, attic]\n  approve: perhaps")
    found = {finding.code for finding in validate(project).findings}
    assert len(found) == 2
    for call in (lambda: plan(project), lambda: apply(project, approve=never), lambda: status(project)):
        with pytest.raises(errors.InvalidInput) as caught:
            call()
        assert {finding.code for finding in caught.value.findings} == found


def test_options_narrow_a_plan(project):
    edit(
        project,
        "kind: Campaign\n",
        "kind: Campaign\nmetadata: {name: other}\nspec: {packageSet: firmware}\n---\n"
        "apiVersion: reconciler/v1\nkind: Campaign\n",
    )
    only = Options(targets=Targets((ResourceId(Kind.CAMPAIGN, "other"),)))
    assert names(plan(project)).count("create-campaign") == 2
    assert names(plan(project, only)) == ["upload-package", "create-campaign"]


def test_a_guard_stands_until_it_is_waived(project):
    assert apply(project, approve=yes).exit is Exit.DONE
    edit(project, "[gw-1, gw-2, gw-3]", "[]")
    refused = apply(project, approve=never)
    assert (refused.exit, len(refused.outcomes)) == (Exit.GUARD, 0)
    guards = {trip.guard: "it is scrapped" for trip in refused.plan.tripped}
    assert apply(project, approve=yes, waivers=guards).exit is Exit.DONE


def test_what_changes_while_somebody_decides_stops_it(project):
    def slow(made: Plan) -> bool:
        other = threading.Thread(target=apply, args=(project,), kwargs={"approve": yes})
        other.start()
        other.join()
        return True

    with pytest.raises(errors.StalePlan):
        apply(project, approve=slow)
    assert plan(project).empty


@pytest.mark.parametrize("after", [0, 1])
def test_stop_begins_nothing_new(project, after):
    stop = threading.Event()
    told: list[Outcome] = []

    def on_outcome(outcome: Outcome) -> None:
        told.append(outcome)
        stop.set()

    if not after:
        stop.set()
    result = apply(project, approve=yes, parallelism=1, on_outcome=on_outcome, stop=stop)
    assert result.exit is Exit.ERROR
    assert [it.status for it in result.outcomes].count(OutcomeStatus.DONE) == after
    assert result.outcomes[-1].status is OutcomeStatus.SKIPPED
    assert apply(project, approve=yes).exit is Exit.DONE


def test_a_listener_that_fails_ends_the_run_in_good_order(project):
    def failing(outcome: Outcome) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        apply(project, approve=yes, parallelism=1, on_outcome=failing)
    store = open_store("file:.reconciler/state.json", root=project.folder)
    assert store.holder() is None
    assert len(store.load().packages) == 1  # what was done is recorded
    assert apply(project, approve=yes).exit is Exit.DONE


def test_who_decides_may_fail(project):
    with pytest.raises(AssertionError, match="nobody"):
        apply(project, approve=never)
    assert apply(project, approve=yes).exit is Exit.DONE


def test_a_server_that_is_not_there_is_one_of_our_errors(project):
    there = open_project(project.folder, paths=["resources"], url="http://127.0.0.1:9", environ={})
    with pytest.raises(errors.ServerError, match="refused the connection"):
        plan(there)


def test_in_an_event_loop_it_takes_a_thread(project):
    async def body() -> Plan:
        with pytest.raises(RuntimeError, match="to_thread"):
            plan(project)
        return await asyncio.to_thread(plan, project)

    assert asyncio.run(body()).size > 0


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(errors.ReconcilerError, match="there is no folder"):
        open_project(tmp_path / "gone")


def test_the_environment_of_the_process_counts_unless_one_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("RECONCILER_ENVIRONMENT", "night")
    assert open_project(tmp_path).environment_given
    assert not open_project(tmp_path, environ={}).environment_given
