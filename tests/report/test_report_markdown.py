"""Markdown for pull requests: bounded, exact in its totals, and inert."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import SERVER, gateways, group

from reconciler.errors import Exit
from reconciler.model import (
    Change,
    Finding,
    GatewayChange,
    Kind,
    Outcome,
    OutcomeStatus,
    Reason,
    ResourceId,
    Server,
    Verb,
)
from reconciler.plan.model import CampaignImpact, GuardTrip, Impact, Plan
from reconciler.report.markdown import (
    LIMIT,
    applied_markdown,
    code_span,
    findings_markdown,
    plan_markdown,
)
from reconciler.state.base import CampaignOwned, Origin, Owned


def test_a_plan(full_plan, golden):
    golden("plan.md", plan_markdown(full_plan))


def test_an_apply(full_plan, full_outcomes, golden):
    golden("applied.md", applied_markdown(full_plan, full_outcomes, Exit.PARTLY))


def test_an_apply_where_all_went_well_has_no_list_of_trouble(full_plan):
    outcomes = [Outcome(step, OutcomeStatus.DONE) for step in full_plan.steps()]
    said = applied_markdown(full_plan, outcomes, Exit.DONE)
    assert "| done | 15 |" in said
    assert "next:" not in said


def test_no_changes():
    assert plan_markdown(Plan(SERVER)) == (
        "## ✅ Nothing to apply\n\n"
        "Server `https://pulse.example.com (organization acme)`\n\n"
        "**No changes.**\n\n"
    )
    assert "| outcome |" not in applied_markdown(Plan(SERVER), (), Exit.DONE)


def test_destructive_things_come_first(full_plan):
    said = plan_markdown(full_plan)
    summaries = [line for line in said.splitlines() if line.startswith("<summary>")]
    assert "2 gateways leave" in summaries[0]
    assert [("⚠️" in line) for line in summaries[1:]] == [True, True, False, False]
    assert said.index("; 15 calls.") < said.index("<details>")
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["`old`<br>`Old`", "`line-3`<br>`Line 3`", "`line-4`<br>`Line 4`", "**3 campaigns**"]


def huge(campaigns: int, changes: int, name: str = "campaign") -> Plan:
    groups, differences, impacts, findings, records = [], [], [], [], []
    for number in range(campaigns):
        resource = ResourceId(Kind.CAMPAIGN, f"{name}-{number:05}")
        ids = gateways(50, f"gw{number}")
        groups.append(group(f"{resource}:add", Verb.ADD, "add-gateways", resource, members=ids, per_call=10))
        differences.append(Change(resource, "gateways", None, None, Reason.JOINS, GatewayChange(0, 50, ids)))
        differences += [
            Change(resource, f"settings.{field}", "a" * 500, "b" * 500, Reason.DIFFERS)
            for field in range(changes)
        ]
        impacts.append(CampaignImpact(resource, f"{name} {number}", gained=50, shared={resource: 3}))
        findings.append(Finding("not-ours", "m" * 3_000, hint="h", resource=resource))
        records.append(CampaignOwned(Owned(resource, "i" * 1_000, Origin.ADOPTED)))
    return Plan(
        SERVER,
        tuple(groups),
        tuple(differences),
        tuple(findings),
        Impact(tuple(impacts), requests=5 * campaigns),
        tuple(records),
    )


def test_five_thousand_changes_fit_and_the_totals_are_exact():
    plan = huge(1_000, 4)
    said = plan_markdown(plan)
    assert len(plan.changes) == 5_000
    assert len(said) <= LIMIT - 400, "room for the mark and the signature of a comment"
    assert "; 5,000 calls." in said
    assert "| and 960 more |" in said
    assert "| **1,000 campaigns** |" in said
    shown = said.count("<details>")
    rest = 1_000 - shown
    assert 10 < shown < 1_000
    assert f"and {rest:,} more resources with {5 * rest:,} changes and {5 * rest:,} steps" in said
    assert said.count("</details>") == shown
    assert said.count("```") % 2 == 0


def test_many_refusing_guards_are_counted():
    trips = tuple(GuardTrip("maxGatewaysRemovedPercent", "m" * 500, found=2, limit=1) for _ in range(9_000))
    said = plan_markdown(replace(huge(1_000, 4), guards=trips))
    assert len(said) <= LIMIT - 400
    assert "> **Apply refuses this: 9,000 guards.**" in said
    assert "\n> - and 8,960 more\n" in said
    assert "; 5,000 calls." in said


names = st.text(max_size=300)


@given(
    st.lists(st.tuples(names, names, st.sampled_from(list(Verb)), st.booleans()), max_size=30),
    st.sampled_from([1, 30]),
    st.integers(0, 200),
)
def test_whatever_a_plan_holds_it_fits_and_is_closed(parts, repeat, gained):
    groups, changes, impacts, findings, trips = [], [], [], [], []
    for number, (name, value, verb, deleted) in enumerate(parts * repeat):
        resource = ResourceId(Kind.CAMPAIGN, f"{name}{number}")
        members = (value,) if verb in (Verb.ADD, Verb.CLOSE) else ()
        groups.append(group(f"{number}", verb, "add-gateways", resource, members=members, per_call=1))
        changes.append(Change(resource, name or "f", value, {"x": value}, Reason.DIFFERS))
        impacts.append(CampaignImpact(resource, name, gained=gained, lost=number, deleted=deleted))
        findings.append(Finding("held", value * 5, hint=name, resource=resource))
        trips.append(GuardTrip("maxStarts", value, found=2, limit=1))
    plan = Plan(
        SERVER, tuple(groups), tuple(changes), tuple(findings), Impact(tuple(impacts)), guards=tuple(trips),
        unreadable={change.resource: ("settings",) for change in changes},
    )  # fmt: skip
    said = plan_markdown(plan)
    assert len(said) <= LIMIT
    assert said.count("<details>\n") == said.count("\n</details>\n")
    if plan.groups:
        assert f"{plan.size:,} call{'s' * (plan.size != 1)}." in said
        many = len(plan.impact.campaigns)
        assert f"| **{many:,} campaign{'s' * (many != 1)}** |" in said


def test_the_apply_of_a_huge_plan_fits_too():
    plan = huge(300, 200, "n" * 250)
    outcomes = [Outcome(step, OutcomeStatus.FAILED, "x" * 5_000) for step in plan.steps()]
    assert len(applied_markdown(plan, outcomes, Exit.PARTLY)) <= LIMIT


def test_a_single_block_is_bounded():
    resource = ResourceId(Kind.CAMPAIGN, "one")
    groups = [
        group(f"g{n}", Verb.OVERRIDE, operation, resource, members=("a",), per_call=1)
        for n in range(400)
        for operation in ["assign-gateway-packages" if n % 2 else "close-gateway"]
    ]
    changes = [Change(resource, f"f{n}", "x" * 300, "y" * 300, Reason.DIFFERS) for n in range(500)]
    said = plan_markdown(Plan(SERVER, tuple(groups), tuple(changes)))
    assert len(said) < 20_000
    assert "- and 340 more\n" in said
    assert " more lines" in said


EVIL = "`a` | <b onload=x>@maintainers ```</details> #1"


def test_names_are_only_text():
    resource = ResourceId(Kind.CAMPAIGN, EVIL)
    plan = Plan(
        Server("pulse", f"https://x/{EVIL}"),
        (group("k", Verb.ADD, "add-gateways", resource, members=(EVIL,), per_call=1),),
        (Change(resource, "description", EVIL, f"{EVIL}\n````\n", Reason.DIFFERS),),
        (Finding("x", EVIL, hint=EVIL, resource=resource),),
        Impact((CampaignImpact(resource, EVIL, gained=1),)),
    )
    outside = _without_code(plan_markdown(plan))
    for part in ("@", "onload=x>", "</details> #1"):
        assert part not in outside
    row = next(line for line in plan_markdown(plan).splitlines() if line.startswith("| ``"))
    assert row.replace("\\|", "").count("|") == 6


def _without_code(markdown: str) -> str:
    """What a renderer would not take as code: fences, spans and escaped HTML left out."""
    kept, fence = [], ""
    for line in markdown.splitlines():
        ticks = len(line) - len(line.lstrip("`"))
        if fence:
            if line == fence:
                fence = ""
        elif ticks >= 3 and "`" not in line[ticks:]:
            fence = "`" * ticks
        elif not line.startswith("<summary>"):
            kept.append(line)
    import re

    assert not fence
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", "\n".join(kept))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("", "`  `"),
        ("a\nb", r"`a\nb`"),
        ("a|b", "`a|b`"),
    ],
)
def test_code_spans(text, span):
    assert code_span(text) == span


def test_in_a_table_a_pipe_is_escaped():
    assert code_span("a|b", table=True) == "`a\\|b`"


@given(st.text(max_size=400))
def test_a_code_span_is_one_line_and_closed(text):
    span = code_span(text)
    ticks = len(span) - len(span.lstrip("`"))
    inner = span[ticks:-ticks]
    assert span.endswith("`" * ticks)
    assert "\n" not in span
    assert "`" * ticks not in inner


def test_why_there_is_no_plan(full_plan):
    said = findings_markdown(full_plan.findings)
    assert said.startswith("## ❌ Can't be planned: 1 error, 1 warning, 1 note\n\n```text\nerror[not-ours]")
    many = replace(full_plan, findings=full_plan.findings * 5_000).findings
    assert len(findings_markdown(many)) < LIMIT
    assert " more findings\n" in findings_markdown(many)


def test_guards_stand_before_everything_that_they_are_about(full_plan):
    trips = (
        GuardTrip("maxDeletes", "11 campaigns would be deleted | <b>", found=11, limit=10),
        GuardTrip("maxStarts", "12 campaigns would be started", found=12, limit=10, waived="a new hall"),
    )
    said = plan_markdown(replace(full_plan, guards=trips))
    start = said.index("> [!CAUTION]")
    assert said.startswith("## ⛔ Refused by a guard: `maxDeletes`\n")
    assert start < said.index("| campaign |")
    lead = "**Apply refuses this: 1 guard.** Nothing is sent.\n"
    assert f"{lead}> - `maxDeletes`: `11 campaigns would be deleted | <b>`<br>See whether the files" in said
    assert (
        "**1 guard waived.**\n> - `maxStarts`: `12 campaigns would be started` — waived: `a new hall`\n"
        in said
    )
    assert "guards.waivers" in said


def test_what_cannot_be_undone_is_listed_with_its_gateways():
    plan = Plan(SERVER, (group("close", Verb.CLOSE, "close-gateway", members=gateways(2), per_call=1),))
    assert "### Can't be undone: 1\n\n- campaign `line-3`: 2 gateways closed\n" in plan_markdown(plan)


def test_only_the_largest_of_many_other_campaigns_are_named():
    name = [ResourceId(Kind.CAMPAIGN, f"c{n}") for n in range(5)]
    shared = {name[1]: 3, name[2]: 9, name[3]: 3, name[4]: 1}
    impact = Impact((CampaignImpact(name[0], "c0", gained=9, shared=shared),))
    start = group("start", Verb.START, "start-campaign", name[0])
    said = plan_markdown(Plan(SERVER, (start,), impact=impact))
    assert "9 also in `c2`, 3 also in `c1` and 2 more |" in said
