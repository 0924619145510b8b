"""For how long what this run made may not be shown, and the words of an error."""

from typing import Any

import pytest

from reconciler.apply.patience import Newborns, words
from reconciler.errors import ReconcilerError, Refused, Unclear
from reconciler.model import CampaignFields, PendingUpload, Step
from reconciler.pacing import Settling
from reconciler.providers.pulse.entry import STATUSES
from tests.actions import FILE
from tests.apply.apply_script import CAMPAIGN, campaign, step

PENDING = PendingUpload(FILE.sha256)
WINDOW: dict[str, Any] = {"gateways": ("a",), "per_call": 1, "target": None}


def newborns(*made: tuple[float, Step], now: float = 100.0) -> Newborns:
    clock = [0.0]
    found = Newborns(Settling(30.0, clock=lambda: clock[0]))
    for when, each in made:
        clock[0] = when
        found.add(each)
    clock[0] = now
    return found


def carrying(*packages: PendingUpload | str) -> CampaignFields:
    return CampaignFields("line", "", packages)


CREATED, UPLOADED = step("create-campaign"), step("upload-package")
JOINS = step("assign-gateway-packages", packages=(PENDING,), **WINDOW)


@pytest.mark.parametrize(
    ("about", "made", "young"),
    [
        # of the campaign
        (step("schedule-download", **WINDOW), [(100.0, CREATED)], 30.0),
        (step("schedule-download", **WINDOW), [(71.0, CREATED)], 1.0),
        (step("schedule-download", **WINDOW), [(70.0, CREATED)], None),
        (step("schedule-download", **WINDOW), [(69.0, CREATED)], None),
        (step("schedule-download", **WINDOW), [], None),
        (step("schedule-download", **WINDOW), [(90.0, UPLOADED)], None),
        (step("schedule-download", resource=campaign("other"), **WINDOW), [(90.0, CREATED)], None),
        (step("schedule-download", **{**WINDOW, "target": "9"}), [(90.0, CREATED)], None),
        (step("create-campaign"), [(90.0, CREATED)], None),
        (step("upload-package"), [(90.0, UPLOADED)], None),
        # of what it brings
        (step("create-campaign", fields=carrying(PENDING)), [(90.0, UPLOADED)], 20.0),
        (step("edit-campaign", target="9", fields=carrying("p-1", PENDING)), [(90.0, UPLOADED)], 20.0),
        (step("edit-campaign", target="9", fields=carrying("p-1")), [(90.0, UPLOADED)], None),
        # whichever is the younger
        (JOINS, [(80.0, UPLOADED), (90.0, CREATED)], 20.0),
        (JOINS, [(80.0, CREATED), (90.0, UPLOADED)], 20.0),
        (JOINS, [(10.0, CREATED), (90.0, UPLOADED)], 20.0),
        (JOINS, [(80.0, UPLOADED)], 10.0),
    ],
)
def test_what_a_step_is_about_may_not_be_shown_for_a_while(
    about: Step, made: list[tuple[float, Step]], young: float | None
) -> None:
    assert newborns(*made).young(about) == young


@pytest.mark.parametrize(("seconds", "young"), [(30.0, 30.0), (12.5, 12.5), (0.0, None), (-1.0, None)])
def test_somebody_else_says_for_how_long_yet(seconds: float, young: float | None) -> None:
    found = newborns()
    found.seen(CAMPAIGN, seconds)
    assert found.young(step("schedule-download", **WINDOW)) == young


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (Refused("404", request="GET /x", meaning=STATUSES.refusals[404]), 20.0),
        (Refused("none", request="GET /x"), None),
        (Unclear("cut", request="GET /x"), None),
        (ReconcilerError("odd"), None),
    ],
)
def test_only_that_there_is_no_such_thing_may_mean_so(error: ReconcilerError, left: float | None) -> None:
    found = newborns((90.0, CREATED))
    assert found.left(step("schedule-download", **WINDOW), error) == left
    assert newborns().left(step("schedule-download", **WINDOW), error) is None


@pytest.mark.parametrize(
    ("message", "hint", "said"),
    [
        ("it failed", "", "it failed"),
        ("it failed.", "", "it failed."),
        ("it failed", "try again", "it failed. Try again"),
        ("it failed.", "try again", "it failed. Try again"),
    ],
)
def test_an_error_in_words(message: str, hint: str, said: str) -> None:
    assert words(ReconcilerError(message, hint=hint)) == said
