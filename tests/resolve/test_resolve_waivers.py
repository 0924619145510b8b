"""Waivers in Git: whose time is over, whose time can't be read, and who is meant."""

import pytest

from reconciler.findings import Findings
from reconciler.model import Kind, Place, ResourceId
from reconciler.resolve.waivers import about_waivers, in_force, read_waivers
from reconciler.settings import DeclaredWaiver, GitWaiver

AT = Place("reconciler.yaml", 9, 7)
LINE = ResourceId(Kind.CAMPAIGN, "line-3")


def declared(until: str, timezone: str | None = None, campaign: str | None = "line-3") -> DeclaredWaiver:
    return DeclaredWaiver("maxStarts", "agreed", until, timezone, campaign, AT)


@pytest.mark.parametrize(
    ("until", "zone"),
    [
        ("2026-12-01T06:00:00+01:00", None),
        ("2026-12-01T05:00Z", None),
        ("2026-12-01 06:00", "Europe/Berlin"),
        ("2026-12-01T06:00:00+01:00", "Asia/Tokyo"),
    ],
)
def test_until_is_an_instant(until: str, zone: str | None) -> None:
    findings = Findings()
    assert read_waivers([declared(until, zone)], findings) == (
        GitWaiver("maxStarts", "agreed", 1_796_101_200_000, LINE, AT),
    )
    assert findings.found == []


@pytest.mark.parametrize(
    ("until", "zone", "code"),
    [
        ("2026-12-01T06:00", None, "time-without-zone"),
        ("2026-12-01", "Europe/Berlin", "time-format"),
        ("tomorrow", None, "time-format"),
        ("2026-12-01T06:00", "Europe/Berlln", "unknown-timezone"),
        ("2026-03-29T02:30", "Europe/Berlin", "time-skipped"),
    ],
)
def test_what_is_no_instant_waives_nothing(until: str, zone: str | None, code: str) -> None:
    findings = Findings()
    assert read_waivers([declared(until, zone)], findings) == ()
    (said,) = findings.found
    assert (said.code, said.place, said.is_error) == (code, AT, True)
    assert "schedule" not in str(said.hint)


def test_a_reason_is_more_than_spaces() -> None:
    findings = Findings()
    assert read_waivers([DeclaredWaiver("maxStarts", "", "2026-12-01T05:00Z")], findings) == ()
    assert [each.code for each in findings.found] == ["too-short"]


def test_it_is_over_by_itself() -> None:
    (one,) = read_waivers([declared("2026-12-01T05:00Z")])
    for now, holds in ((one.until - 1, True), (one.until, False)):
        assert bool(in_force([one], now)) is holds
        assert [each.code for each in about_waivers([one], {LINE}, now)] == ([] if holds else ["waiver-over"])


@pytest.mark.parametrize(
    ("named", "known", "codes"),
    [
        ("line-3", {LINE}, []),
        ("line-3", None, []),
        (None, set(), []),
        ("line-4", {LINE}, ["waiver-for-nobody"]),
    ],
)
def test_it_names_a_declared_campaign(
    named: str | None, known: set[ResourceId] | None, codes: list[str]
) -> None:
    waivers = read_waivers([declared("2026-12-01T05:00Z", campaign=named)])
    found = list(about_waivers(waivers, known, 0))
    assert [each.code for each in found] == codes
    assert all("line-3" in str(each.hint) and not each.is_error for each in found)
