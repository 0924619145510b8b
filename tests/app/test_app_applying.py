"""Who is told what of an apply, in which order; who is asked; what is locked meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from reconciler.app import Exit, Options, Outcome, Plan, Workspace
from reconciler.app.applying import Applying, ApplyResult
from reconciler.app.caller import Question, Unattended
from reconciler.app.pipeline import plan_once, prepare
from reconciler.app.savedplans import find_home, save
from reconciler.app.workspace import store_of
from reconciler.errors import ReconcilerError, UnusablePlan
from reconciler.model.doubts import Doubt
from tests.app.app_worlds import edit, workspace


@dataclass
class Told(Unattended):
    """A caller that answers, and a listener that keeps what it was told."""

    answer: bool = True
    said: list[str] = field(default_factory=list)

    def ask(self, question: Question) -> bool:
        self.said.append(f"ask {question.text}")
        return self.answer

    def about(self, digest: str, where: str) -> None:
        self.said.append(f"about {where}")

    def preview(self, plan: Plan, *, asking: bool) -> None:
        self.said.append(f"preview {plan.size} {asking}")

    def looking(self, doubt: Doubt) -> None:
        self.said.append(f"looking {doubt.what}")

    def running(self, plan: Plan) -> "Told":
        self.said.append("running")
        return self

    def nothing(self, plan: Plan, code: Exit) -> None:
        self.said.append(f"nothing {code.name}")

    def declined(self, plan: Plan) -> None:
        self.said.append("declined")

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        self.said.append(f"applied {len(outcomes)} {code.name}")

    def __call__(self, outcome: Outcome) -> None:
        self.said.append(str(outcome.status))

    def close(self) -> None:
        self.said.append("close")


@pytest.fixture
def project(tmp_path) -> Workspace:
    return workspace(tmp_path)


def applied(project: Workspace, told: Told, way: str = "asked") -> ApplyResult:
    job = prepare(project)
    run = Applying(job.project, job.store, told, told, 1, 0.0)
    return asyncio.run((run.asked if way == "asked" else run.unasked)(job, Options()))


RAN = ["running", "done", "done", "done", "done", "close", "applied 4 DONE"]


def test_asked(project):
    told = Told()
    result = applied(project, told)
    assert [line for line in told.said if not line.startswith("ask ")] == ["preview 4 True", *RAN]
    assert told.said[1] == (
        "ask \n3 gateways of 1 campaign: 3 join, 3 start, 3 get firmware.bin.\n"
        "Apply this to the embedded server? Type 'yes': "
    )
    assert (result.exit, len(result.outcomes), result.declined) == (Exit.DONE, 4, False)


def test_unasked(project):
    told = Told()
    assert applied(project, told, "unasked").exit is Exit.DONE
    assert told.said == ["preview 4 False", *RAN]


def test_what_means_nothing_to_devices_is_asked_about_too(project):
    edit(project, "desiredStatus: STARTED", "desiredStatus: STOPPED")
    applied(project, Told())
    edit(project, "description: Line 3", "description: Line three")
    told = Told(answer=False)
    result = applied(project, told)
    assert told.said[1:] == [
        (
            "ask \nNo gateway joins, leaves, starts, stops or gets packages.\n"
            "Apply this to the embedded server? Type 'yes': "
        ),
        "declined",
    ]
    assert (result.declined, result.plan.size, len(result.outcomes)) == (True, 1, 0)


@pytest.mark.parametrize("way", ["asked", "unasked"])
def test_nothing_to_do(project, way):
    applied(project, Told())
    told = Told()
    assert applied(project, told, way).exit is Exit.DONE
    assert told.said == ["preview 0 False", "nothing DONE"]


@pytest.mark.parametrize("way", ["asked", "unasked"])
def test_a_guard(project, way):
    applied(project, Told())
    edit(project, "[gw-1, gw-2, gw-3]", "[]")
    told = Told()
    result = applied(project, told, way)
    assert (result.exit, len(result.outcomes)) == (Exit.GUARD, 0)
    assert told.said[1:] == ["nothing GUARD"]


def test_nobody_to_ask(project):
    class Alone(Told):
        def ask(self, question: Question) -> bool:
            return Unattended.ask(self, question)

    with pytest.raises(ReconcilerError, match="there is no terminal to ask on") as caught:
        applied(project, Alone())
    assert "--auto-approve" in caught.value.hint
    assert store_of(prepare(project).project).holder() is None


def test_a_saved_plan(project):
    job, path = prepare(project), project.folder / "plan.jsonl"
    planned = asyncio.run(plan_once(job, Options()))
    save(path, job.project, job.store, planned, Options())
    file, home = find_home(path, project)
    told = Told()
    run = Applying(home, store_of(home), told, told, 1, 0.0)
    assert asyncio.run(run.rehearsed(file, {}, {})).size == 4
    assert told.said == [f"about From {path}"]
    assert asyncio.run(run.reviewed(file, {}, {})).exit is Exit.DONE
    assert told.said[1:] == [f"about From {path}", "preview 4 False", *RAN]
    with pytest.raises(UnusablePlan, match="can't be applied"):
        asyncio.run(run.reviewed(file, {}, {}))


@dataclass
class Failing(Told):
    """It raises where it is told of `at`."""

    at: str = ""

    def _told(self, what: str) -> None:
        if what == self.at:
            raise ValueError("the value of a secret")

    def running(self, plan: Plan) -> "Told":
        self._told("running")
        return super().running(plan)

    def __call__(self, outcome: Outcome) -> None:
        self._told("outcome")
        super().__call__(outcome)

    def close(self) -> None:
        self._told("close")
        super().close()

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        self._told("applied")
        super().applied(plan, outcomes, code)


@pytest.mark.parametrize("at", ["running", "outcome", "close"])
def test_what_cannot_be_shown_changes_nothing(project, caplog, at):
    told = Failing(at=at)
    assert applied(project, told, "unasked").exit is Exit.DONE
    assert told.said[-1] == "applied 4 DONE"
    assert "progress is shown no longer: this is a bug in reconciler: ValueError in _told, " in caplog.text
    assert "secret" not in caplog.text
    assert applied(project, Told(), "unasked").outcomes == (), "nothing is left to do"


def test_a_result_that_cannot_be_told_is_an_error_once_all_is_done_and_written(project):
    with pytest.raises(ValueError, match="the value"):
        applied(project, Failing(at="applied"), "unasked")
    job = prepare(project)
    assert job.store.holder() is None
    assert '"exit":0' in list(job.store.audit_lines())[-1]
    assert applied(project, Told(), "unasked").outcomes == ()
