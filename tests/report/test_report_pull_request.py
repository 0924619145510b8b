"""A pull request is understood from its first screen."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import Exit
from reconciler.model import Change, GatewayChange, Kind, Place, Reason, ResourceId, Verb
from reconciler.plan.model import CampaignImpact, Devices, GuardTrip, Impact, Packages, Plan, PlannedWindow
from reconciler.report.markdown import LIMIT, findings_markdown, plan_markdown
from reconciler.report.plan_text import plan_lines
from reconciler.report.pull_request import PlanContext
from tests.fakes import rid
from tests.report.pull_requests import COMMIT, ids, pull_request
from tests.report.report_samples import LINE_3, SERVER, gateways, group
from tests.report.test_report_markdown import _without_code

EVIL = "`a` | <b onload=x>@maintainers ```</details> #1 [x](y)"


def test_a_reviewer_understands_it(tmp_path: Path, golden) -> None:
    plan, said = pull_request(tmp_path)
    golden("pull-request.md", said)
    assert plan.impact.devices.members == 300
    assert [trip.guard for trip in plan.tripped] == ["maxInFlightInterrupted"]
    head, _, rest = said.partition("### Can't be undone")
    assert len(head) < 3_000, "above the fold"
    for words in ("Refused by a guard", "`production`", "https://pulse.example.com", "`fw-2.2.bin`", "22:00"):
        assert words in head
    for site, line in (("berlin", 6), ("munich", 6), ("hamburg", 6)):
        assert (
            f"[`{site}`](https://github.com/acme/fleet/blob/{COMMIT}/campaigns/{site}.yaml#L{line})" in head
        )
    assert "campaign `paris` is deleted, with 40 gateways" in rest
    assert rest.count("package `fw-1.9.bin` is deleted") == 1
    for each in ids("hamburg")[-5:]:
        assert each in rest
    assert said.rstrip().splitlines()[-1].startswith("<sub>Requests:"), "permissions come last"
    assert "no longer declared" not in rest.partition("PackageSet/")[2]


def plan_of(row: CampaignImpact, **more: object) -> Plan:
    start = group("start", Verb.START, "start-campaign", row.resource)
    return replace(Plan(SERVER, (start,), impact=Impact((row,), devices=row.devices)), **more)  # type: ignore[arg-type]


def row_of(plan: Plan) -> str:
    return plan_markdown(plan).partition("| --- |")[2].splitlines()[1]


ROW = CampaignImpact(LINE_3, "line-3", starts=True, devices=Devices(5, 0, 0, 5, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("packages", "cell"),
    [
        (Packages(("a",), ("b",)), "`a` → **`b`**"),
        (Packages(("a",), ("a",)), "`a`"),
        (Packages((), ("b",)), "none → **`b`**"),
        (Packages(("a",), ()), "`a` → **none**"),
        (Packages(tuple("abcde"), tuple("abcde")), "`a`, `b`, `c` and 2 more"),
    ],
)
def test_firmware(packages: Packages, cell: str) -> None:
    assert f"| 5 | {cell} |" in row_of(plan_of(replace(ROW, packages=packages)))


@pytest.mark.parametrize(
    ("more", "cell"),
    [
        ({}, "at once"),
        ({"starts": False, "created": True}, "once it is started"),
        ({"deleted": True}, "at once"),
        (
            {"windows": (PlannedWindow("download", 1_799_614_800_000, 1_799_640_000_000, "Europe/Berlin"),)},
            "download: 2027-01-10 22:00 to 2027-01-11 05:00 Europe/Berlin (21:00 to 04:00 UTC)",
        ),
    ],
)
def test_when(more: dict[str, object], cell: str) -> None:
    assert row_of(plan_of(replace(ROW, **more))).endswith(f"| {cell} |")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("would", "words"),
    [
        (None, "✅ May be applied"),
        (Exit.DONE, "✅ May be applied"),
        (Exit.ERROR, "❌ Can't be applied as it is"),
        (Exit.NOT_OURS, "⚠️ May be applied, except for a campaign that isn't ours"),
    ],
)
def test_the_verdict(would: Exit | None, words: str) -> None:
    assert plan_markdown(plan_of(ROW), about=PlanContext(would=would)).startswith(f"## {words}")


def test_why_there_is_none_says_where() -> None:
    said = findings_markdown([], about=PlanContext("production"))
    assert said.startswith("## ❌ Can't be planned")
    assert "Environment `production`" in said


def test_names_are_only_text() -> None:
    resource = ResourceId(Kind.CAMPAIGN, EVIL)
    lost = GatewayChange(2, 0, (), (EVIL, "@other"))
    plan = plan_of(
        replace(
            ROW,
            resource=resource,
            name=EVIL,
            packages=Packages((EVIL,), (EVIL, "x")),
            devices=Devices(5, 1, 1, 1, 1, 1, 1, 1),
            shared={resource: 1},
        ),
        changes=(Change(resource, "gateways", None, None, Reason.LEAVES, lost),),
        guards=(GuardTrip("maxStarts", EVIL, resource, 2, 1, place=Place(EVIL, 1, 1)),),
    )
    about = PlanContext(EVIL, EVIL, lambda place: None)
    said = plan_markdown(plan, about=about)
    outside = _without_code(said)
    for part in ("@", "onload=x>", "</details> #1", "[x](y)"):
        assert part not in outside
    row = next(line for line in said.splitlines() if line.startswith("| ``"))
    assert row.replace("\\|", "").count("|") == 6


def test_every_gateway_that_leaves_is_named_as_long_as_there_is_room() -> None:
    few, many = gateways(900, "leaves"), gateways(60_000, "more")
    changes = tuple(
        Change(rid(name), "gateways", None, None, Reason.LEAVES, GatewayChange(9, 0, (), lost))
        for name, lost in (("a", few), ("b", many))
    )
    said = plan_markdown(plan_of(ROW, changes=changes))
    assert len(said) <= LIMIT
    assert all(each in said for each in few)
    told = sum(each in said for each in many)
    assert f"and {60_000 - told:,} more gateways; `--output json` has them all" in said
    text = "\n".join(plan_lines(plan_of(ROW, changes=changes[:1]), every_gateway=True))
    assert all(each in text for each in few)
    assert few[-1] not in "\n".join(plan_lines(plan_of(ROW, changes=changes[:1])))
