"""Every finding of one run at once: what is wrong in one place hides nothing elsewhere, and adds nothing."""
# ruff: noqa: E501 - a table keeps its rows

import pytest

CAMPAIGN = """
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: c}
spec:
  %s
  gatewayLists: [line]
  packageOverrides:
    - {gateways: [g1, elsewhere], packageSet: p}
    - {gateways: [g1], packageSet: q}
  schedules:
    - {schedule: days}
    - {schedule: days, gatewayLists: [line, other]}
  closedGateways: [nobody]
  settings: {key: {fromFile: gone.key}}
"""
REST = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {gateways: [g1, g2]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: other}
spec: {gateways: [g3]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: p}
spec: {packages: [{id: p}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: q}
spec: {packages: [{id: q}]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: days}
spec: {download: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}}
"""
OF_THE_CAMPAIGN = [
    "c.yaml:9:23 gateway-outside",
    "c.yaml:10:7 override-overlap",
    "c.yaml:13:7 schedule-overlap",
    "c.yaml:13:45 gateway-outside",
    "c.yaml:14:20 gateway-outside",
    "c.yaml:15:30 missing-file",
]


def given(kind: str, spec: str, name: str = "x") -> str:
    return f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"


CASES = {
    # what: files, every finding
    "an id twice beside a file that is missing": (
        {"x.yaml": given("GatewayList", "  gateways: [a, a]\n  file: gone.txt")},
        ["x.yaml:5:17 duplicate-gateway", "x.yaml:6:9 missing-file"],
    ),
    "a wrong id beside a file that is missing, and things that may be of either": (
        {"x.yaml": given("GatewayList", "  gateways: [a, 5]\n  file: gone.txt\n  things: {b: [t]}")},
        ["x.yaml:5:17 wrong-type", "x.yaml:6:9 missing-file"],
    ),
    "an id twice beside things of nobody": (
        {"x.yaml": given("GatewayList", "  gateways: [a, a]\n  things: {a: [t, 5], b: [t]}")},
        ["x.yaml:5:17 duplicate-gateway", "x.yaml:6:19 wrong-type", "x.yaml:6:23 thing-outside-list"],
    ),
    "an id twice in a file beside things of nobody": (
        {"x.yaml": given("GatewayList", "  file: x.txt\n  things: {a: [t], b: [t]}"), "x.txt": "a\nc\na\n"},
        ["x.txt:3:1 duplicate-gateway", "x.yaml:6:20 thing-outside-list"],
    ),
    "a wrong id in a file, and things that may be its": (
        {"x.yaml": given("GatewayList", "  file: x.txt\n  things: {b: [t]}"), "x.txt": "a\nthings\n"},
        ["x.txt:2:1 reserved-gateway-id"],
    ),
    "a list of which nothing is known": (
        {"x.yaml": given("GatewayList", "  gateways: a, b\n  things: {b: [t], c: 5}")},
        ["x.yaml:5:13 wrong-type", "x.yaml:6:23 wrong-type"],
    ),
    "a misspelt phase beside a window that ends before it begins": (
        {
            "x.yaml": given(
                "Schedule",
                "  donwload: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}\n"
                "  execution: {begin: 2030-01-03T00:00Z, end: 2030-01-02T00:00Z}",
            )
        },
        ["x.yaml:5:3 unknown-field", "x.yaml:6:46 end-before-begin"],
    ),
    "half a window, and half another": (
        {"x.yaml": given("Schedule", "  download: {begin: 5, end: 2030-01-01}\n  execution: {begin: then}")},
        [
            "x.yaml:5:21 wrong-type",
            "x.yaml:5:29 time-format",
            "x.yaml:6:14 missing-field",
            "x.yaml:6:22 time-format",
        ],
    ),
    "a schedule of which nothing is known": (
        {"x.yaml": given("Schedule", "  donwload: {}\n  zzz: 1")},
        ["x.yaml:5:3 unknown-field", "x.yaml:6:3 unknown-field"],
    ),
    "a zone that is unknown beside windows that are wrong in any": (
        {
            "x.yaml": given(
                "Schedule",
                "  timezone: Europe/Belrin\n"
                "  download: {begin: 2030-01-02T00:00, end: 2030-01-01T00:00}\n"
                "  execution: {begin: 2030-01-01T00:00Z, end: 2030-01-01T00:00}\n"
                "  activation: {begin: 2030-01-01T00:00, end: whenever}",
            )
        },
        [
            "x.yaml:5:13 unknown-timezone",
            "x.yaml:6:44 end-before-begin",
            "x.yaml:8:23 phases-out-of-order",
            "x.yaml:8:46 time-format",
        ],
    ),
    "a wrong zone is no missing one": (
        {"x.yaml": given("Schedule", "  timezone: 5\n  download: {begin: 2030-01-01T00:00, end: never}")},
        ["x.yaml:5:13 wrong-type", "x.yaml:6:44 time-format"],
    ),
    "one bad package beside others": (
        {
            "x.yaml": given(
                "PackageSet",
                "  packages:\n"
                "    - {file: gone.bin, sha256: 5}\n"
                "    - {flie: fw.bin}\n"
                "    - {id: a, file: gone-too.bin}\n"
                "    - nothing\n"
                "    - {file: empty.bin, name: 1.0}\n"
                "    - {id: a}\n"
                "    - {id: a}\n"
                "    - {name: b, upload: auto}\n"
                "    - {name: b}",
            ),
            "empty.bin": "",
        },
        [
            "x.yaml:6:14 missing-file",
            "x.yaml:6:32 wrong-type",
            "x.yaml:7:8 unknown-field",
            "x.yaml:8:7 exactly-one-of",
            "x.yaml:9:7 wrong-type",
            "x.yaml:10:14 empty-package",
            "x.yaml:10:31 wrong-type",
            "x.yaml:12:7 duplicate-package",
            "x.yaml:13:17 unknown-field",
        ],
    ),
    "one content said in two ways, and in a way that isn't known": (
        {
            "x.yaml": given(
                "PackageSet",
                "  packages:\n    - {file: fw.bin, name: 5}",
                "a",
            )
            + "---\n"
            + given("PackageSet", "  packages:\n    - {file: fw.bin, name: x}", "b")
            + "---\n"
            + given("PackageSet", "  packages:\n    - {file: fw.bin, name: z}", "c"),
            "fw.bin": "x",
        },
        ["x.yaml:6:28 wrong-type", "x.yaml:20:7 package-conflict"],
    ),
    "a key twice beside errors of its document": (
        {
            "x.yaml": given("GatewayList", "  gateways: [a, a]\n  file: gone.txt\n  thing: {}")
            + "metadata: {name: y}\n"
        },
        [
            "x.yaml:5:17 duplicate-gateway",
            "x.yaml:6:9 missing-file",
            "x.yaml:7:3 unknown-field",
            "x.yaml:8:1 duplicate-key",
        ],
    ),
    "a document that is two things": (
        {"x.yaml": given("GatewayList", "  gateways: 5\n  file: gone.txt") + "kind: Campaign\n"},
        ["x.yaml:7:1 duplicate-key"],
    ),
    "aliases and tags beside errors": (
        {
            "x.yaml": given("GatewayList", "  gateways: [a, *b, c, c]\n  things: {d: [t]}"),
            "z.yaml": given("PackageSet", "  packages: [!x {file: a}, {file: gone.bin}, {<<: *x, name: 5}]"),
        },
        [
            "x.yaml:5:17 yaml-alias",
            "x.yaml:5:24 duplicate-gateway",
            "z.yaml:5:14 yaml-tag",
            "z.yaml:5:35 missing-file",
            "z.yaml:5:47 yaml-alias",
            "z.yaml:5:61 wrong-type",
        ],
    ),
    "an unknown kind and an unknown version elsewhere": (
        {
            "c.yaml": CAMPAIGN % "approve: true",
            "rest.yaml": REST,
            "k.yaml": given("Gatewaylst", "  gateways: 5"),
            "v.yaml": given("GatewayList", "  file: gone.txt").replace("/v1", "/v2"),
        },
        [
            *OF_THE_CAMPAIGN,
            "k.yaml:2:7 unknown-kind",
            "v.yaml:1:13 unknown-api-version",
            "v.yaml:5:9 missing-file",
        ],
    ),
    "a list of an unknown kind, and gateways that may be on it": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("List\nmetadata: {name: line}", "Lst\nmetadata: {name: line}")},
        [*OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5], "rest.yaml:3:7 unknown-kind"],
    ),
    "a list of which an item is wrong, and gateways that may be meant": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("[g1, g2]", "[g1, 5]")},
        [*OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5], "rest.yaml:5:23 wrong-type"],
    ),
    "a list of which a file is missing, too": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("[g1, g2]", "[g1], file: gone.txt")},
        [*OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5], "rest.yaml:5:30 missing-file"],
    ),
    "two lists of one name, and gateways that may be on either": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("name: other", "name: line")},
        [OF_THE_CAMPAIGN[1], "c.yaml:13:45 dangling-reference", OF_THE_CAMPAIGN[5], "rest.yaml:9:18 duplicate-resource"],
    ),
    "a distribution list that is misspelt, so that anybody may be a member": (
        {"c.yaml": CAMPAIGN % "distributonList: {distributionListId: d}", "rest.yaml": REST},
        ["c.yaml:6:3 unknown-field", *OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5]],
    ),
    "a distribution list of which something is wrong": (
        {"c.yaml": CAMPAIGN % "distributionList: {distributionListId: 5}", "rest.yaml": REST},
        ["c.yaml:6:42 wrong-type", *OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5]],
    ),
    "a package that is wrong, so that two sets may be the same": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("{id: q}", "{id: 5}")},
        [*(said for said in OF_THE_CAMPAIGN if "override" not in said), "rest.yaml:20:24 wrong-type"],
    ),
    "a package that is wrong beside one that tells two sets apart": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("{id: q}", "{id: 5}, {id: r}")},
        [*OF_THE_CAMPAIGN, "rest.yaml:20:24 wrong-type"],
    ),
    "a window that is wrong is given all the same": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("2030-01-02T00:00Z", "5")},
        [*OF_THE_CAMPAIGN, "rest.yaml:25:50 wrong-type"],
    ),
    "a phase that is nothing may be none": (
        {"c.yaml": CAMPAIGN % "approve: true", "rest.yaml": REST.replace("{begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}", "")},
        [*(said for said in OF_THE_CAMPAIGN if "schedule" not in said), "rest.yaml:25:18 null-value"],
    ),
    "a schedule for lists that are misspelt is not for everybody": (
        {"c.yaml": (CAMPAIGN % "approve: true").replace("{schedule: days, gatewayLists:", "{schedule: days, gatewayList:"), "rest.yaml": REST},
        [*OF_THE_CAMPAIGN[:2], "c.yaml:13:24 unknown-field", *OF_THE_CAMPAIGN[4:]],
    ),
    "things that are wrong are things": (
        {
            "x.yaml": given("GatewayList", "  gateways: [a]\n  things: {a: 5}")
            + "---\n"
            + given("Campaign", "  gatewayLists: [x]\n  runOnThings: true", "c")
        },
        ["x.yaml:6:15 wrong-type"],
    ),
    "a callback without destination, and states of which one is unknown": (
        {"x.yaml": given("CallbackSet", "  stateChange: {trackedStates: [FAILD, 5, FAILED]}\n  wakeup: {}")},
        [
            "x.yaml:5:16 missing-field",
            "x.yaml:5:33 unknown-state",
            "x.yaml:5:40 wrong-type",
            "x.yaml:6:3 unknown-field",
        ],
    ),
    "settings of which some are wrong": (
        {
            "x.yaml": given(
                "Campaign",
                "  settings:\n"
                "    a: 5\n"
                "    b: {fromFile: gone}\n"
                "    c: {fromFile: empty, fromEnv: C}\n"
                "    d: {fromFiel: gone}\n"
                "    e: {fromFile: empty}\n"
                "    password: plain",
            ),
            "empty": "",
        },
        [
            "x.yaml:6:8 wrong-type",
            "x.yaml:7:19 missing-file",
            "x.yaml:8:8 exactly-one-of",
            "x.yaml:9:9 unknown-field",
            "x.yaml:10:19 missing-secret",
            "x.yaml:11:15 plain-secret",
        ],
    ),
    "a resource without a name": (
        {
            "c.yaml": CAMPAIGN % "approve: true",
            "rest.yaml": REST.replace("metadata: {name: line}", "metadata: {nmae: line}").replace("[g1, g2]", "[g1, g1], file: gone.txt"),
        },
        [*OF_THE_CAMPAIGN[1:3], OF_THE_CAMPAIGN[5], "rest.yaml:4:11 references-not-checked", "rest.yaml:4:12 unknown-field",
         "rest.yaml:5:23 duplicate-gateway", "rest.yaml:5:34 missing-file"],
    ),
    "a campaign without a name": (
        {"c.yaml": (CAMPAIGN % "approve: yes").replace("{name: c}", "{name: 5}"), "rest.yaml": REST},
        ["c.yaml:4:18 wrong-type", "c.yaml:6:12 wrong-type", *OF_THE_CAMPAIGN],
    ),
    "a resource without metadata": (
        {"x.yaml": "apiVersion: reconciler/v1\nkind: GatewayList\nspec: {file: gone.txt}\n"},
        ["x.yaml:1:1 missing-field", "x.yaml:3:14 missing-file"],
    ),
    "a data file of a resource without a name": (
        {"x.yaml": given("GatewayList", "  file: x.txt", "5"), "x.txt": "a\na\n"},
        ["x.txt:2:1 duplicate-gateway", "x.yaml:3:18 wrong-type"],
    ),
    "a file that can't be parsed": (
        {"c.yaml": CAMPAIGN % "packageSet: gone", "rest.yaml": REST, "z.yaml": "a: [\n"},
        [*OF_THE_CAMPAIGN, "z.yaml:1:5 references-not-checked", "z.yaml:1:5 yaml-syntax"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_every_finding_at_once(folder, what: str) -> None:
    contents, expected = CASES[what]
    for name, content in contents.items():
        folder.put(name, content)
    assert [f"{finding.place} {finding.code}" for finding in folder.every_finding()] == expected


@pytest.mark.parametrize(
    ("wrong", "place", "code"),
    [
        ("naem: x", "6:3", "unknown-field"),
        ("name: 5", "6:9", "wrong-type"),
        ("description: ", "6:15", "null-value"),
        ("desiredStatus: started", "6:18", "unknown-value"),
        ("packageSet: gone", "6:15", "dangling-reference"),
        ("callbackSet: *x", "6:16", "yaml-alias"),
        ("settings: {a: b}", "15:3", "duplicate-key"),
    ],
)
def test_what_is_wrong_with_one_field_of_a_campaign_hides_no_other(
    folder, wrong: str, place: str, code: str
) -> None:
    folder.put("c.yaml", CAMPAIGN % wrong)
    folder.put("rest.yaml", REST)
    found = [f"{finding.place} {finding.code}" for finding in folder.every_finding()]
    rest = OF_THE_CAMPAIGN if code != "duplicate-key" else OF_THE_CAMPAIGN[:-1]
    assert sorted(found) == sorted([*rest, f"c.yaml:{place} {code}"])


def test_who_refers_to_a_data_file_is_said_without_a_name_too(folder) -> None:
    folder.put("x.yaml", given("GatewayList", "  file: x.txt", "5"))
    folder.put("x.txt", "a\na\n")
    found = folder.every_finding()[0]
    assert found.message.startswith("GatewayList at x.yaml:1:1: gateway `a` appears twice")
    assert found.resource is None
