"""What was there before is never taken for what a create or an upload in doubt made, however alike."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply import Applied, apply_plan
from reconciler.apply.earlier import AGE, CAME, THERE, EarlierPackages
from reconciler.errors import ReconcilerError, Refused, ServerError, Unclear
from reconciler.model import (
    CampaignFields,
    CreateCampaign,
    DeletePackage,
    LivePackage,
    OutcomeStatus,
    Reason,
    Step,
    UploadPackage,
)
from reconciler.providers.base import Bindings, Readback, Result
from reconciler.state.base import Intent, upload_key
from tests.apply.apply_script import no_delay
from tests.fakes import MemorySession, Project, Ticking, campaign, desired, file, holds, rid
from tests.memory_provider import IMMUTABLE, MemoryServer

V1 = file("v1")
KEY = upload_key(V1.sha256)
CUT = Unclear("the connection was cut", request="POST /x")
LINE = desired(campaign("line", packages=(V1,)))
THEIRS = holds("THEIR-1", "fw.bin", V1)
CAME_NOW = holds("p-late", "fw.bin", V1)


class Cut(MemoryServer):
    """The answers to uploads are lost; what they make is listed `lag` seconds later."""

    def __init__(self, *packages: LivePackage, lag: float = 0.0, **more: Any) -> None:
        super().__init__(packages=packages, **more)
        self.time, self.lag = Ticking(), lag
        self.uploads = 0
        self.shown: dict[str, float] = {}
        self.answers: list[ReconcilerError] = []
        """To the list of packages, before it is read."""

    @contextmanager
    def _listing(self) -> Iterator[None]:
        whole = dict(self.stored)
        for key, at in self.shown.items():
            if at > self.time.now:
                self.stored.pop(key, None)
        yield
        self.stored = whole

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        if self.answers:
            raise self.answers.pop(0)
        with self._listing():
            return await super().packages_of(contents)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        with self._listing():
            return await super().verify(step, bindings)

    async def run(self, step: Step, bindings: Bindings) -> Result:
        made = await super().run(step, bindings)
        if isinstance(step.action, UploadPackage):
            self.uploads += 1
            assert made.created is not None
            self.shown[made.created] = self.time.now + self.lag
            raise CUT
        return made


def apply(project: Project, **options: bool) -> Applied:
    server, plan, session = project.server, project.make_plan(LINE, **options), MemorySession(project.state)
    assert isinstance(server, Cut)
    settling = server.time.settling
    applied = asyncio.run(
        apply_plan(plan, server, session, delay=no_delay, parallelism=1, source=server, settling=settling)
    )
    project.state = session.state
    return applied


def intends(project: Project, *others: str) -> None:
    """A run before noted an upload, and died."""
    project.state = replace(project.state, intents={KEY: Intent(KEY, V1.name, others=others)})


@pytest.mark.parametrize("facts", [None, IMMUTABLE])
@pytest.mark.parametrize("lag", [0, 3, 20])
def test_another_package_of_that_content_stays_theirs(lag: float, facts: Any) -> None:
    server = Cut(THEIRS, lag=lag, facts=facts)
    project = Project(server)
    assert not apply(project).failed
    assert server.uploads == 1, "what is on its way is waited for"
    ours = project.state.packages[V1.sha256].id
    assert {THEIRS.id, ours} == set(server.stored)
    assert ours != THEIRS.id
    assert project.plan(LINE) == []
    pruned = project.make_plan(desired(), prune=True)
    gone = [g.action.target for g in pruned.groups if isinstance(g.action, DeletePackage)]
    assert gone == [ours]


@pytest.mark.parametrize("others", [("THEIR-1",), ("their-1",)], ids=["as it is", "in another form"])
def test_a_run_that_died_tells_the_next_one_what_was_there(others: tuple[str, ...]) -> None:
    project = Project(Cut(THEIRS))
    intends(project, *others)
    assert any(each.startswith("upload-package") for each in project.plan(LINE)), "theirs isn't what it made"
    project = Project(Cut(THEIRS, CAME_NOW))
    intends(project, *others)
    plan = project.make_plan(LINE)
    assert not any(step.id.startswith("upload-package") for step in plan.steps())
    project.apply(plan)
    assert project.state.packages[V1.sha256].id == CAME_NOW.id


def test_who_adopts_takes_theirs_where_nothing_else_came() -> None:
    for there, taken in [((THEIRS,), THEIRS), ((THEIRS, CAME_NOW), CAME_NOW)]:
        project = Project(Cut(*there))
        intends(project, THEIRS.id)
        project.apply(project.make_plan(LINE, adopt=True))
        assert project.state.packages[V1.sha256].id == taken.id


def test_what_git_gave_up_is_not_said_to_be_theirs() -> None:
    project = Project(Cut(THEIRS))
    intends(project, THEIRS.id)
    found = project.make_plan(desired(campaign("line")))
    assert [finding.code for finding in found.findings] == []
    project.server.stored[CAME_NOW.id] = CAME_NOW
    [finding] = project.make_plan(desired(campaign("line"))).findings
    assert finding.code == "perhaps-ours"
    assert CAME_NOW.id in finding.message
    assert THEIRS.id not in finding.message


def came_meanwhile(*came: LivePackage, known: tuple[str, ...] = (THEIRS.id,)) -> tuple[Cut, Project, Applied]:
    """A run before sent an upload; what it made shows up between the plan and the upload."""
    server = Cut(THEIRS)
    project = Project(server)
    intends(project, *known)
    plan, session = project.make_plan(LINE), MemorySession(project.state)
    server.stored |= {package.id: package for package in came}
    applied = asyncio.run(apply_plan(plan, server, session, delay=no_delay, parallelism=1, source=server))
    project.state = session.state
    return server, project, applied


def test_what_came_since_the_plan_is_not_sent_again() -> None:
    server, project, applied = came_meanwhile(CAME_NOW)
    first = applied.outcomes[0]
    assert (first.status, first.message, first.attempts) == (OutcomeStatus.NOT_NEEDED, CAME, 0)
    assert server.uploads == 0
    assert project.state.packages[V1.sha256].id == CAME_NOW.id
    assert project.state.intents == {}
    assert not applied.failed
    assert [each.packages for each in server.by_id.values()] == [(CAME_NOW.id,)]


def test_where_two_came_nobody_can_tell_and_nothing_is_sent() -> None:
    server, project, applied = came_meanwhile(CAME_NOW, replace(CAME_NOW, id="p-other"))
    first = applied.outcomes[0]
    assert (first.status, first.attempts, server.uploads) == (OutcomeStatus.FAILED, 0, 0)
    assert "p-late and p-other" in first.message
    assert project.state.intents[KEY].others == (THEIRS.id,), "the next run still knows"


@pytest.mark.parametrize("error", [CUT, ServerError("the list can't be read", request="GET /x")])
def test_while_the_list_can_not_be_read_nothing_is_sent(error: ReconcilerError) -> None:
    server = Cut(THEIRS)
    server.answers = [error]
    project = Project(server)
    first = apply(project).outcomes[0]
    assert (first.status, first.attempts, server.uploads) == (OutcomeStatus.FAILED, 0, 0)
    assert first.message.startswith("not sent, because a read that comes first failed: ")
    assert project.state.intents == {}


def test_what_nobody_foresaw_in_the_list_stays_in_its_step() -> None:
    server = Cut(THEIRS)
    server.answers = [ValueError("a bug")]  # type: ignore[list-item]
    project = Project(server)
    applied = apply(project)
    assert applied.outcomes[0].status is OutcomeStatus.FAILED
    assert server.uploads == 0


def test_who_may_not_list_may_upload() -> None:
    server = Cut()
    server.answers = [Refused("403 forbidden", request="GET /x", status=403)]
    assert not apply(Project(server)).failed
    assert server.uploads == 1


def test_uploads_of_a_few_seconds_share_a_list() -> None:
    time, server = Ticking(), MemoryServer(packages=[THEIRS])
    two = file("v2")

    async def body() -> None:
        earlier = EarlierPackages(server, [V1.sha256, two.sha256], clock=lambda: time.now)
        both = await asyncio.gather(earlier.holding(V1.sha256), earlier.holding(two.sha256))
        assert both == [[THEIRS.id], []]
        assert len(server.log) == 1
        time.now += AGE
        await earlier.holding(V1.sha256)
        assert len(server.log) == 1
        time.now += 0.1
        server.stored = {}
        assert await earlier.holding(V1.sha256) == []
        assert len(server.log) == 2

    asyncio.run(body())


UUID = "0C0FFEE0-0000-4000-8000-00000000000A"


@pytest.mark.parametrize(
    ("found", "may"),
    [
        ("new", True),
        ("mine", True),
        (UUID, False),
        (UUID.lower().replace("-", ""), False),
        ("before", False),
        ("BEFORE", False),
    ],
)
def test_a_create_never_made_what_is_another_campaigns_or_what_it_replaces(found: str, may: bool) -> None:
    create = CreateCampaign(rid("line"), Reason.NOT_ON_SERVER, CampaignFields("Line"), replaces="before")
    owners = {"0c0ffee0000040008000000000000" + "00a": rid("other"), "mine": rid("line")}
    assert Bindings(owners=owners).may_be(create, found) is may


@pytest.mark.parametrize(("found", "may"), [("new", True), ("THEIR-1", False), ("their-1", False)])
def test_an_upload_never_made_what_was_there(found: str, may: bool) -> None:
    upload = UploadPackage(rid("fw"), Reason.NOT_ON_SERVER, V1)
    assert Bindings(others={V1.sha256: ["Their-1"]}).may_be(upload, found) is may
    assert Bindings(others={file("v2").sha256: ["Their-1"]}).may_be(upload, found)


def test_what_is_listed_by_another_form_of_its_id_is_not_sent_again() -> None:
    """The server gave the id in capitals, and doesn't know it so."""
    server = Cut(replace(THEIRS, id="fw-1"), THEIRS)
    project = Project(server)
    project.uploaded(V1, "FW-1")
    applied = apply(project)
    first = applied.outcomes[0]
    assert (first.status, first.message, server.uploads) == (OutcomeStatus.NOT_NEEDED, THERE, 0)
    assert not applied.failed
    assert project.state.packages[V1.sha256].id == "fw-1"
    assert project.plan(LINE) == []


def test_what_nobody_holds_is_held_by_nobody() -> None:
    """Also where the server tells only of those that it has."""

    class Terse(MemoryServer):
        async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
            return {sha256: found for sha256, found in (await super().packages_of(contents)).items() if found}

    async def main() -> list[list[str]]:
        earlier = EarlierPackages(Terse(packages=[THEIRS]), [V1.sha256, "0" * 64])
        return [await earlier.holding(V1.sha256), await earlier.holding("0" * 64)]

    assert asyncio.run(main()) == [["THEIR-1"], []]
