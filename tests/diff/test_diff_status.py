"""Should a campaign run? Every phase × wish × what the state remembers."""

from dataclasses import replace
from itertools import product

import pytest

from reconciler.diff import Diff, Run
from reconciler.diff.status import transition_of
from reconciler.model import DesiredStatus, LiveCampaign, Phase, Place, Reason, Severity
from reconciler.options import Options
from reconciler.state.base import BracketClosed, Origin, Owned, StatusSet
from tests.fakes import Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
STATUSES = ("CREATED", "APPROVED", "APPROVAL_NEEDED", "STARTED", "STOPPED", "SUSPENDED")


def compared(
    live: str,
    wish: DesiredStatus | None,
    *,
    approve: bool = False,
    last: str | None = None,
    return_to: str | None = None,
    resume: bool = False,
) -> Diff:
    project = Project(MemoryServer(MemoryCampaign("1", "line", live)))
    project.own("line", "1", Origin.CREATED, status=last, return_to=return_to)
    return project.diff(desired(campaign("line", status=wish, approve=approve)), resume=resume)


def expected(
    live: str,
    wish: DesiredStatus | None,
    approve: bool,
    last: str | None,
    return_to: str | None,
    resume: bool,
) -> tuple[Run, bool, str | None]:
    """(what becomes of its running, whether it is approved, the code of the finding): the life cycle."""
    waits = live == "APPROVAL_NEEDED"
    if live == "SUSPENDED":
        return Run.KEEP, False, "unknown-status" if wish or return_to else None
    if live == "STARTED":
        return (Run.STOP if wish is STOPPED else Run.KEEP), False, None
    if wish is STOPPED or (wish is None and not return_to):
        return Run.KEEP, approve and waits, None
    if live == "STOPPED" and not return_to and last == "STARTED" and not resume:
        return Run.KEEP, False, "held"
    if waits and not approve:
        return Run.KEEP, False, "waiting-for-approval"
    return Run.START, waits, None


@pytest.mark.parametrize(
    ("live", "wish", "approve"), list(product(STATUSES, (STARTED, STOPPED, None), (False, True)))
)
def test_the_table(live: str, wish: DesiredStatus | None, approve: bool) -> None:
    for last, return_to, resume in product((None, "STARTED", "STOPPED"), (None, "STARTED"), (False, True)):
        difference = compared(live, wish, approve=approve, last=last, return_to=return_to, resume=resume)
        [found] = difference.campaigns
        run, approved, code = expected(live, wish, approve, last, return_to, resume)
        assert (found.transition.run, found.transition.approve) == (run, approved), (last, return_to, resume)
        assert [f.code for f in difference.findings] == ([code] if code else [])
        after = {Run.START: "STARTED", Run.STOP: "STOPPED"}.get(run, "APPROVED" if approved else None)
        changes = [(c.field, c.before, c.after) for c in difference.changes]
        assert changes == ([("status", live, after)] if after else [])
        assert not found.edit


@pytest.mark.parametrize(
    ("live", "wish", "last", "return_to", "resume", "reason"),
    [
        ("CREATED", STARTED, None, None, False, Reason.WANTS_STARTED),
        ("STOPPED", STARTED, "STOPPED", None, False, Reason.WANTS_STARTED),
        ("STOPPED", STARTED, "STARTED", None, True, Reason.RESUMED),
        ("STOPPED", STARTED, "STARTED", "STARTED", True, Reason.FINISH_INTERRUPTED),
        ("STOPPED", None, None, "STARTED", False, Reason.FINISH_INTERRUPTED),
        ("STARTED", STOPPED, "STARTED", None, False, Reason.WANTS_STOPPED),
    ],
)
def test_the_reason(
    live: str,
    wish: DesiredStatus | None,
    last: str | None,
    return_to: str | None,
    resume: bool,
    reason: Reason,
) -> None:
    [change] = compared(live, wish, last=last, return_to=return_to, resume=resume).changes
    assert change.reason is reason


@pytest.mark.parametrize("wish", [None, STOPPED])
def test_an_approval_is_the_reason_of_itself(wish: DesiredStatus | None) -> None:
    [change] = compared("APPROVAL_NEEDED", wish, approve=True).changes
    assert change.reason is Reason.WANTS_APPROVAL


@pytest.mark.parametrize(
    ("live", "wish", "severity"),
    [
        ("STOPPED", STARTED, Severity.NOTE),
        ("APPROVAL_NEEDED", STARTED, Severity.NOTE),
        ("SUSPENDED", STARTED, Severity.ERROR),
    ],
)
def test_what_waits_for_a_person_is_no_error(live: str, wish: DesiredStatus, severity: Severity) -> None:
    [finding] = compared(live, wish, last="STARTED").findings
    assert (finding.severity, finding.resource) == (severity, rid("line"))
    assert live in finding.message
    assert finding.hint


RESOURCE = rid("line")

# live, wish, last wish that was met, bracket → what the state learns without a call
RECORDS = [
    ("STARTED", STARTED, None, None, [StatusSet(RESOURCE, "STARTED")]),
    ("STARTED", STARTED, "STARTED", None, []),
    ("STARTED", STARTED, "STOPPED", None, [StatusSet(RESOURCE, "STARTED")]),
    ("STARTED", STOPPED, "STARTED", None, []),
    ("STARTED", None, "STARTED", None, [StatusSet(RESOURCE, None)]),
    ("STARTED", None, None, None, []),
    ("STARTED", STARTED, "STARTED", "STARTED", [BracketClosed(RESOURCE)]),
    ("STARTED", STOPPED, "STARTED", "STARTED", [BracketClosed(RESOURCE)]),
    ("STARTED", None, None, "STARTED", [BracketClosed(RESOURCE)]),
    ("STOPPED", STARTED, "STARTED", None, []),
    ("STOPPED", STARTED, "STARTED", "STARTED", []),
    ("STOPPED", STOPPED, "STARTED", None, [StatusSet(RESOURCE, "STOPPED")]),
    ("STOPPED", STOPPED, "STOPPED", None, []),
    ("STOPPED", STOPPED, "STARTED", "STARTED", [StatusSet(RESOURCE, "STOPPED"), BracketClosed(RESOURCE)]),
    ("STOPPED", None, None, "STARTED", []),
    ("CREATED", STOPPED, None, None, [StatusSet(RESOURCE, "STOPPED")]),
    ("APPROVAL_NEEDED", STOPPED, None, None, [StatusSet(RESOURCE, "STOPPED")]),
    ("CREATED", STARTED, None, None, []),
    ("SUSPENDED", STARTED, None, None, []),
    ("SUSPENDED", STOPPED, None, None, []),
    ("SUSPENDED", None, "STARTED", None, [StatusSet(RESOURCE, None)]),
]


@pytest.mark.parametrize(("live", "wish", "last", "return_to", "records"), RECORDS)
def test_records(
    live: str, wish: DesiredStatus | None, last: str | None, return_to: str | None, records: list[object]
) -> None:
    assert list(compared(live, wish, last=last, return_to=return_to).records) == records


def test_a_hold_ends_when_git_changes_its_mind_twice() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line", "STOPPED")))
    project.own("line", "1", status="STARTED")
    started, stopped = (desired(campaign("line", status=wish)) for wish in (STARTED, STOPPED))
    assert project.plan(started) == []
    project.apply(project.make_plan(stopped))
    assert project.plan(started) == ["start-campaign:line"]


@pytest.mark.parametrize(
    ("live", "run", "code"),
    [("STOPPED", Run.KEEP, "held"), ("CREATED", Run.START, None), ("STARTED", Run.KEEP, None)],
)
def test_who_stopped_what_is_adopted_is_not_known(live: str, run: Run, code: str | None) -> None:
    """After a lost state an emergency stop must not be undone by an adoption, and not by the run after it."""
    project = Project(MemoryServer(MemoryCampaign("1", "line", live)))
    wanted = desired(campaign("line", status=STARTED))
    made = project.diff(wanted, adopt=True)
    (found,) = made.campaigns
    assert found.transition.run is run
    assert [each.code for each in made.findings if each.code == "held"] == ([code] if code else [])
    if code:
        place = Place("line.yaml", 9, 3)
        placed = replace(wanted.campaigns[0], places={"desiredStatus": place})
        held = project.diff(desired(placed), adopt=True).findings[-1]
        assert (held.code, held.place, held.resource) == (code, place, rid("line"))
        assert StatusSet(rid("line"), STARTED) in found.records
        again = project.diff(wanted, adopt=True, resume=True).campaigns[0].transition
        assert (again.run, again.reason) == (Run.START, Reason.RESUMED)
        project.own("line", "1", Origin.ADOPTED, status=STARTED)
        assert project.diff(wanted).campaigns[0].transition.run is Run.KEEP


# --- phases that not every server has ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "wish", "last", "return_to", "expected"),
    [
        (Phase.BUSY, STARTED, None, None, Run.START),
        (Phase.BUSY, STARTED, "STOPPED", None, Run.START),
        (Phase.BUSY, STARTED, "STARTED", None, "still-busy"),
        (Phase.BUSY, STARTED, "STARTED", "STARTED", Run.START),
        (Phase.BUSY, STOPPED, "STARTED", None, Run.STOP),
        (Phase.BUSY, STOPPED, None, None, Run.KEEP),
        (Phase.BUSY, None, "STARTED", None, Run.KEEP),
        (Phase.BUSY, None, None, "STARTED", Run.START),
        (Phase.FINISHED, STARTED, None, None, Run.KEEP),
        (Phase.FINISHED, STARTED, "STARTED", "STARTED", Run.KEEP),
        (Phase.FINISHED, STOPPED, "STARTED", None, Run.KEEP),
        (Phase.FINISHED, None, None, None, Run.KEEP),
        (Phase.ENDED, STARTED, None, None, "ended"),
        (Phase.ENDED, STARTED, "STARTED", None, "ended"),
        (Phase.ENDED, None, None, "STARTED", "ended"),
        (Phase.ENDED, STOPPED, "STARTED", None, Run.KEEP),
        (Phase.ENDED, None, "STARTED", None, Run.KEEP),
    ],
)
def test_what_a_server_is_at_work_on_is_done_with_or_has_ended(
    phase: Phase, wish: DesiredStatus | None, last: str | None, return_to: str | None, expected: Run | str
) -> None:
    live = LiveCampaign("1", "line", "WORD", phase)
    owned = Owned(RESOURCE, "1", Origin.CREATED, status=last, return_to=return_to)
    found = transition_of(campaign("line", status=wish), live, owned, Options(), adopting=False)
    codes = [finding.code for finding in found.findings]
    assert ((found.run, codes) == (expected, [])) or (codes == [expected] and found.run is Run.KEEP)
    assert not found.held
    met = {Phase.FINISHED: (STARTED, STOPPED), Phase.ENDED: (STOPPED,)}.get(phase, ())
    assert (StatusSet(RESOURCE, str(wish)) in found.records) is (wish in met and last != wish)
    closed = return_to is not None and (phase in (Phase.FINISHED, Phase.ENDED) or wish is STOPPED)
    assert (BracketClosed(RESOURCE) in found.records) is closed


def test_an_approval_is_asked_for_of_what_may_be_about_to_wait() -> None:
    owned = Owned(RESOURCE, "1", Origin.CREATED)
    for wish, approve in ((STARTED, True), (STARTED, False), (STOPPED, True), (None, True)):
        live = LiveCampaign("1", "line", "WORD", Phase.BUSY)
        found = transition_of(
            campaign("line", status=wish, approve=approve), live, owned, Options(), adopting=False
        )
        assert found.approve is (approve and wish is STARTED)
