"""Campaigns: what is left out, what is empty, references, secrets, and the rules between their parts."""

import pytest

from reconciler.loading import load_text
from reconciler.model import (
    DesiredStatus,
    DistributionList,
    Joining,
    OnRemove,
    Override,
    PackageById,
    Place,
    ResourceId,
    SchedulePhase,
    Secret,
    Severity,
    several,
)
from reconciler.resolve import resolve
from reconciler.resolve.ids import MOST
from reconciler.resolve.settings import SECRET_LIMIT

UNMANAGED = [
    "description",
    "packages",
    "settings",
    "gateways",
    "distribution",
    "overrides",
    "schedules",
    "callbacks",
    "closed",
    "things",
    "status",
]
DAYS = "download: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}"
NIGHTS = f"{DAYS}\nexecution: {{begin: 2030-02-01T00:00Z, end: 2030-02-02T00:00Z}}"


@pytest.fixture
def parts(folder):
    """Lists a, b and ab of gateways, sets p, q and the same as p."""
    for name, ids in (("a", "[a1, a2, a3]"), ("b", "[b1, b2]"), ("ab", "[a3, b1]"), ("none", "[]")):
        folder.resource("GatewayList", name, f"gateways: {ids}")
    for name, id_ in (("p", "p"), ("q", "q"), ("same", "p")):
        folder.resource("PackageSet", name, f"packages: [{{id: {id_}}}]")
    folder.resource("Schedule", "days", DAYS)
    folder.resource("Schedule", "nights", NIGHTS)
    return folder


def test_what_is_left_out_is_not_managed(folder) -> None:
    folder.resource("Campaign", "c", "{}")
    campaign = folder.campaign()
    assert campaign.name == "c"
    assert [getattr(campaign, field) for field in UNMANAGED] == [None] * len(UNMANAGED)
    assert (campaign.approve, campaign.joining, campaign.on_remove) == (False, Joining.PAUSE, OnRemove.DELETE)
    assert (campaign.labels, campaign.places) == ({}, {})
    assert campaign.place_of("description") == campaign.place == Place("campaign-c.yaml", 1, 1)


def test_what_is_empty_is_managed_and_empty(folder) -> None:
    folder.resource(
        "Campaign",
        "c",
        """
description: ""
settings: {}
gatewayLists: []
packageOverrides: []
schedules: []
closedGateways: []
runOnThings: false
""",
    )
    campaign = folder.campaign()
    assert campaign.description == ""
    assert campaign.settings == {}
    assert (campaign.gateways, campaign.closed) == (frozenset(), frozenset())
    assert (campaign.overrides, campaign.schedules) == ((), ())
    assert campaign.things is None


def test_every_field(parts) -> None:
    parts.put(
        "c.yaml",
        """
apiVersion: reconciler/v1
kind: Campaign
metadata:
  name: c
  labels: {site: berlin}
spec:
  name: Campaign C
  description: d
  packageSet: p
  settings: {retries: "3"}
  gatewayLists: [a, b]
  packageOverrides:
    - {gatewayLists: [b], packageSet: q}
    - {gateways: [a1], packageSet: q}
  distributionList: {distributionListId: dl, reevaluationIntervalSeconds: 60}
  schedules:
    - {schedule: nights, gatewayLists: [a]}
  closedGateways: [a2]
  approve: true
  desiredStatus: STOPPED
  joinWhileStarted: direct
  onRemove: abandon
""",
    )
    campaign = parts.campaign()
    assert campaign.resource == ResourceId.parse("Campaign/c")
    assert (campaign.name, campaign.description) == ("Campaign C", "d")
    assert campaign.packages == (PackageById("p"),)
    assert campaign.settings == {"retries": "3"}
    assert campaign.gateways == {"a1", "a2", "a3", "b1", "b2"}
    assert campaign.overrides == (
        Override(frozenset({"b1", "b2"}), (PackageById("q"),)),
        Override(frozenset({"a1"}), (PackageById("q"),)),
    )
    assert campaign.distribution == DistributionList("dl", 60)
    assert campaign.schedules is not None
    assert campaign.schedules[0].gateways == {"a1", "a2", "a3"}
    assert list(campaign.schedules[0].windows) == [SchedulePhase.DOWNLOAD, SchedulePhase.EXECUTION]
    assert campaign.closed == {"a2"}
    assert (campaign.approve, campaign.status) == (True, DesiredStatus.STOPPED)
    assert (campaign.joining, campaign.on_remove) == (Joining.DIRECT, OnRemove.ABANDON)
    assert campaign.labels == {"site": "berlin"}
    assert campaign.place_of("description") == Place("c.yaml", 9, 16)
    assert campaign.place_of("callbackSet") == campaign.place == Place("c.yaml", 2, 1)


def test_values_are_plain_text(parts) -> None:
    """Not text that remembers how it was written: that has no place in JSON."""
    parts.resource("Campaign", "c", 'name: "on"\nsettings: {"yes": "no"}')
    campaign = parts.campaign()
    texts = [campaign.name, *campaign.settings, *campaign.settings.values()]
    assert {type(text) for text in texts} == {str}


def test_a_single_list_is_shared_not_copied(parts) -> None:
    for name, lists in (("c", "[a]"), ("d", "[a, none]"), ("e", "[none]"), ("f", "[a, b]")):
        parts.resource("Campaign", name, f"gatewayLists: {lists}")
    c, d, e, f = parts.resolve().desired.campaigns
    assert c.gateways is d.gateways
    assert e.gateways == frozenset()
    assert f.gateways == {"a1", "a2", "a3", "b1", "b2"}


def test_an_interval_left_out_is_not_managed(folder) -> None:
    folder.resource("Campaign", "c", "distributionList: {distributionListId: dl}")
    assert folder.campaign().distribution == DistributionList("dl", None)


def test_campaigns_and_packages_come_in_the_order_of_names(folder) -> None:
    for name in ("b", "c", "a"):
        folder.resource("Campaign", name, "{}", file=f"{ord(name) % 3}.yaml")
        folder.resource(
            "PackageSet", name, f"packages: [{{id: {name}}}, {{id: shared}}]", file=f"p{name}.yaml"
        )
    desired = folder.resolve().desired
    assert [campaign.name for campaign in desired.campaigns] == ["a", "b", "c"]
    assert [package.id for package in desired.packages] == ["a", "shared", "b", "c"]
    assert desired.complete


def test_what_validation_took_out_is_skipped_and_concluded_from_by_nobody(folder) -> None:
    text = """
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: c}
spec:
  packageSet: gone
  gatewayLists: [gone]
  packageOverrides: [{gateways: [x], packageSet: gone}]
  schedules: [{schedule: gone}]
  callbackSet: gone
  closedGateways: [x]
"""
    (document,) = load_text(text, "c.yaml", folder.root / "c.yaml").documents
    resolved = resolve([document], root=folder.root, environ={})
    assert resolved.findings == ()
    (campaign,) = resolved.desired.campaigns
    assert (campaign.packages, campaign.callbacks) == (None, None)
    assert (campaign.gateways, campaign.overrides, campaign.schedules) == (frozenset(), (), ())


def test_things_of_all_lists_together(folder) -> None:
    folder.resource("GatewayList", "a", "gateways: [g2, g1]\nthings: {g2: [t2, t1]}")
    folder.resource("GatewayList", "b", "gateways: [g2, g3]\nthings: {g3: [t9], g2: [t1, t0]}")
    folder.resource("Campaign", "c", "gatewayLists: [a, b]\nrunOnThings: true")
    things = folder.campaign().things
    assert things == {"g2": ("t2", "t1", "t0"), "g3": ("t9",)}
    assert list(things) == ["g2", "g3"]


@pytest.mark.parametrize("lists", ["", "gatewayLists: [a]\n"])
def test_no_things_to_run_on_is_a_warning(parts, lists: str) -> None:
    parts.resource("Campaign", "c", f"{lists}runOnThings: true")
    finding = parts.finding()
    assert (finding.code, finding.severity) == ("no-things", Severity.WARNING)


# --- settings ------------------------------------------------------------------------------------

SETTINGS = "settings: {plain: value, env: {fromEnv: LINE3}, file: {fromFile: keys/line3}}"


def test_secrets_are_read_and_never_show(folder) -> None:
    folder.put("keys/line3", "from the file\n\n")
    folder.resource("Campaign", "c", SETTINGS)
    settings = folder.campaign({"LINE3": " from the environment "}).settings
    assert list(settings) == ["plain", "env", "file"]
    assert settings["plain"] == "value"
    assert settings["env"].reveal() == " from the environment "
    assert settings["file"].reveal() == "from the file\n"
    assert repr(settings) == (
        "{'plain': 'value', 'env': Secret(environment variable LINE3), 'file': Secret(file keys/line3)}"
    )


@pytest.mark.parametrize(
    ("content", "value"),
    [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\r", "a\r"), (" a ", " a "), ("ä", "ä")],
)
def test_one_newline_at_the_end_of_a_file_does_not_count(folder, content: str, value: str) -> None:
    folder.put("key", content)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.campaign({}).settings["k"].reveal() == value


def test_without_an_environment_secrets_are_not_read(folder) -> None:
    folder.put("keys/line3", b"\xff")
    folder.resource("Campaign", "c", SETTINGS)
    settings = folder.campaign(None).settings
    assert settings["env"] == Secret("environment variable LINE3")
    assert settings["file"] == Secret("file keys/line3")
    assert not settings["env"].known
    assert not settings["file"].known


@pytest.mark.parametrize("environ", [None, {}])
@pytest.mark.parametrize(("file", "code"), [("gone", "missing-file"), ("../x", "outside-project")])
def test_a_secret_file_is_looked_for_also_when_it_is_not_read(
    folder, environ: dict[str, str] | None, file: str, code: str
) -> None:
    folder.resource("Campaign", "c", f"settings: {{k: {{fromFile: {file}}}}}")
    finding = folder.finding(environ)
    assert (finding.code, finding.place) == (code, Place("campaign-c.yaml", 5, 28))


@pytest.mark.parametrize(
    ("environ", "said"),
    [({}, "environment variable X is not set"), ({"X": ""}, "environment variable X is empty")],
)
def test_a_missing_variable(folder, environ: dict[str, str], said: str) -> None:
    folder.resource("Campaign", "c", "settings: {k: {fromEnv: X}}")
    finding = folder.finding(environ)
    assert (finding.code, finding.message) == ("missing-secret", said)
    assert finding.hint == "set X where this command runs"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "missing-secret"),
        (b"\n", "missing-secret"),
        (b"\xff", "not-utf8"),
        (b"x" * (SECRET_LIMIT + 1), "bad-secret"),
    ],
)
def test_a_secret_file_that_can_be_no_secret(folder, content: bytes, code: str) -> None:
    folder.put("key", content)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.finding({}).code == code
    offline = [finding.code for finding in folder.resolve(None).findings]
    assert offline == ([code] if len(content) in (0, SECRET_LIMIT + 1) else []), "the size tells, unread"


def test_a_secret_file_that_cannot_be_opened(folder, monkeypatch) -> None:
    path = folder.put("key", "x")
    really = type(path).open

    def refused(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return really(self, *args, **kwargs)

    monkeypatch.setattr(type(path), "open", refused)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.finding({}).message == "`key` can't be read: Permission denied"


# --- rules between the parts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [ab], packageSet: q}", "gateway `a3`"),
        (
            "{gatewayLists: [a], packageSet: p}",
            "{gatewayLists: [a], packageSet: q}",
            "gateway `a1` and 2 more",
        ),
        ("{gateways: [a1, b1], packageSet: p}", "{gateways: [b1], packageSet: q}", "gateway `b1`"),
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [a], packageSet: same}", None),
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [b], packageSet: q}", None),
        ("{gatewayLists: [a], packageSet: p}", "{gateways: [], packageSet: q}", None),
    ],
)
def test_two_overrides_for_one_gateway(parts, first: str, second: str, said: str | None) -> None:
    parts.resource("Campaign", "c", f"packageOverrides:\n- {first}\n- {second}")
    if said is None:
        assert parts.campaign().overrides
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("override-overlap", Place("campaign-c.yaml", 7, 5))
    assert finding.message == f"{said} would get other packages by the override at campaign-c.yaml:6:5"


def test_each_pair_of_overrides_is_one_finding(parts) -> None:
    parts.resource(
        "Campaign",
        "c",
        """
packageOverrides:
- {gatewayLists: [a], packageSet: p}
- {gatewayLists: [b], packageSet: p}
- {gatewayLists: [ab], packageSet: q}
""",
    )
    findings = parts.resolve().findings
    assert sorted(finding.message.rpartition(" ")[2] for finding in findings) == [
        "campaign-c.yaml:6:5",
        "campaign-c.yaml:7:5",
    ]
    assert {finding.place for finding in findings} == {Place("campaign-c.yaml", 8, 5)}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{schedule: days, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [ab]}",
         "gateway `a3` would get download"),
        ("{schedule: nights, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [a]}",
         "gateway `a1` and 2 more would get download and execution"),
        ("{schedule: days}", "{schedule: nights}", "every gateway would get download"),
        ("{schedule: days}", "{schedule: nights, gatewayLists: [b]}", "gateway `b1` and 1 more would get"),
        ("{schedule: days, gatewayLists: [b]}", "{schedule: nights}", "gateway `b1` and 1 more would get"),
        ("{schedule: days}", "{schedule: nights, gatewayLists: [none]}", None),
        ("{schedule: days, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [b]}", None),
    ],
)  # fmt: skip
def test_two_schedules_for_one_phase_of_a_gateway(parts, first: str, second: str, said: str | None) -> None:
    parts.resource("Campaign", "c", f"schedules:\n- {first}\n- {second}")
    if said is None:
        assert len(parts.campaign().schedules) == 2
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("schedule-overlap", Place("campaign-c.yaml", 7, 5))
    assert finding.message.startswith(said)
    assert finding.message.endswith(" also by the schedule at campaign-c.yaml:6:5")


def test_schedules_of_different_phases_do_not_meet(parts) -> None:
    parts.resource("Schedule", "late", "activation: {begin: 2030-03-01T00:00Z, end: 2030-03-02T00:00Z}")
    parts.resource("Campaign", "c", "schedules: [{schedule: days}, {schedule: late}]")
    assert len(parts.campaign().schedules) == 2


@pytest.mark.parametrize(
    ("rest", "place", "said"),
    [
        (
            "packageOverrides: [{gatewayLists: [a, ab], packageSet: q}]",
            (6, 41),
            "gateway `b1` of this override is in no",
        ),
        (
            "packageOverrides: [{gateways: [a1, b2], packageSet: q}]",
            (6, 38),
            "gateway `b2` of this override is in no",
        ),
        (
            "schedules: [{schedule: days, gatewayLists: [b]}]",
            (6, 47),
            "gateway `b1` and 1 more of this schedule are",
        ),
        ("closedGateways: [a1, b2, a2]", (6, 24), "gateway `b2` of closedGateways is in no"),
        ("closedGateways: [a1]", None, None),
        ("schedules: [{schedule: days}]", None, None),
        ("distributionList: {distributionListId: d}\nclosedGateways: [b1]", None, None),
    ],
)
def test_gateways_outside_the_lists(
    parts, rest: str, place: tuple[int, int] | None, said: str | None
) -> None:
    parts.resource("Campaign", "c", f"gatewayLists: [a]\n{rest}")
    if place is None:
        assert parts.campaign().gateways == {"a1", "a2", "a3"}
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("gateway-outside", Place("campaign-c.yaml", *place))
    assert finding.message.startswith(said)
    assert finding.message.endswith("no list of the campaign at campaign-c.yaml:5:17")


def test_every_id_outside_is_found_where_it_stands(parts) -> None:
    parts.resource("Campaign", "c", "gatewayLists: [a]\nclosedGateways: [a1, b2, b1]")
    assert [finding.place for finding in parts.resolve().findings] == [
        Place("campaign-c.yaml", 6, column) for column in (24, 28)
    ]


def test_very_many_ids_outside_are_not_a_flood(parts) -> None:
    ids = ", ".join(f"x{number}" for number in range(MOST + 3))
    parts.resource("Campaign", "c", f"gatewayLists: [a]\nclosedGateways: [{ids}]")
    *each, last = parts.resolve().findings
    assert len(each) == MOST
    assert {finding.code for finding in each} == {"gateway-outside"}
    assert (last.code, last.severity) == ("more-findings", Severity.NOTE)
    assert last.message.startswith("3 more gateways of closedGateways are in no list")


def test_without_lists_nobody_is_outside(parts) -> None:
    parts.resource("Campaign", "c", "closedGateways: [x]")
    assert parts.campaign().closed == {"x"}


def test_nobody_is_outside_a_list_with_errors(parts) -> None:
    parts.resource("GatewayList", "broken", "file: gone.txt")
    parts.resource("Campaign", "c", "gatewayLists: [a, broken]\nclosedGateways: [x]")
    assert parts.finding().code == "missing-file"


def test_what_is_in_several_sets() -> None:
    sets = [frozenset(f"{row}-{column}" for column in range(10)) for row in range(2_000)]
    assert several(sets) == frozenset()
    assert several([sets[0], sets[1], sets[0] | {"x"}, frozenset({"x"}), frozenset({"x"})]) == sets[0] | {"x"}


def pairs(parts) -> dict[int, list[int]]:
    """Line of an entry → the lines of the earlier ones that it goes against; the first entry is 0."""
    found: dict[int, list[int]] = {}
    for finding in parts.resolve().findings:
        earlier = int(finding.message.rsplit(":", 2)[1])
        found.setdefault(finding.place.line - 6, []).append(earlier - 6)
    return {later: sorted(found[later]) for later in sorted(found)}


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        # Each goes against the first one that has the gateway, not against all of them.
        (["a1 p", "a1 q", "a1 q", "a1 q"], {1: [0], 2: [0], 3: [0]}),
        (["a1 p", "a1 p", "a1 q", "a1 p"], {2: [0]}),
        (["a1 p", "b1 p", "a1,b1 q"], {2: [0, 1]}),
        (["a1,a2 p", "b1 p", "a1,a2,b1 q", "b1 same"], {2: [0, 1]}),
        (["a1 p", "a2 q", "a3 p"], {}),
    ],
)
def test_an_override_goes_against_the_first_that_gives_other_packages(
    parts, overrides: list[str], wanted: dict[int, list[int]]
) -> None:
    lines = (each.split() for each in overrides)
    rows = (f"- {{gateways: [{gateways}], packageSet: {packages}}}" for gateways, packages in lines)
    parts.resource("Campaign", "c", "\n".join(["packageOverrides:", *rows]))
    assert pairs(parts) == wanted


@pytest.mark.parametrize(
    ("schedules", "wanted"),
    [
        (["a", "a", "a"], {1: [0], 2: [0]}),
        (["a", "b", "ab"], {2: [0, 1]}),
        (["a", "b", "", ""], {2: [0, 1], 3: [2]}),
        (["", "a", "b", "ab"], {1: [0], 2: [0], 3: [0, 1, 2]}),
        (["a", "b", "none"], {}),
    ],
)
def test_a_schedule_goes_against_the_first_of_each_gateway(
    parts, schedules: list[str], wanted: dict[int, list[int]]
) -> None:
    rows = (f"- {{schedule: days{f', gatewayLists: [{name}]' if name else ''}}}" for name in schedules)
    parts.resource("Campaign", "c", "\n".join(["schedules:", *rows]))
    assert pairs(parts) == wanted


def test_overlaps_of_a_million_gateways_are_counted(folder) -> None:
    ids = "".join(f"gw-{number:06d}\n" for number in range(500_000))
    folder.write(x_txt=ids, y_txt=ids[7 * 10 :] + "other\n")
    folder.resource("GatewayList", "first", "file: x.txt")
    folder.resource("GatewayList", "second", "file: y.txt")
    folder.resource("Schedule", "days", DAYS)
    folder.resource(
        "Campaign",
        "c",
        """
gatewayLists: [first]
schedules:
- {schedule: days, gatewayLists: [first]}
- {schedule: days, gatewayLists: [second]}
""",
    )
    outside, overlap = sorted(folder.resolve().findings, key=lambda finding: finding.code)
    assert outside.message.startswith("gateway `other` of this schedule is in no list")
    assert overlap.message.startswith("gateway `gw-000007` and 499,992 more would get download")
