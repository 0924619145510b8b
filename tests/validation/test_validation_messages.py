"""What is refused in single documents: every code, where, and in which words."""
# ruff: noqa: E501 - a table keeps its rows

from pathlib import Path

import pytest

from reconciler.findings import CODES
from reconciler.loading import load_text
from reconciler.model import Finding, ResourceId
from reconciler.validation import validate, validate_project


def found(spec: str, kind: str = "Campaign") -> list[Finding]:
    """Findings of one document; its spec begins in line 5."""
    head = f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n"
    return whole(head + spec)


def whole(text: str) -> list[Finding]:
    loaded = load_text(text, "a.yaml", Path("/project/a.yaml"))
    assert loaded.findings == ()
    (document,) = loaded.documents
    findings = (validate_project(document) if "kind: Project" in text else validate([document])).findings
    for finding in findings:
        assert finding.code in CODES
        assert finding.hint
        assert finding.place is not None
        assert finding.place.file == "a.yaml"
    return list(findings)


def brief(findings: list[Finding]) -> list[tuple[str, int, int]]:
    return [(f.code, f.place.line, f.place.column) for f in findings if f.place]


ENVELOPE = [
    ("{}", [("missing-field", 1, 1)] * 4),
    ("kind: Campagn\nmetadata: {name: x}\nspec: {}\napiVersion: reconciler/v1", [("unknown-kind", 1, 7)]),
    ("kind: 5\nmetadata: {name: x}\nspec: {}\napiVersion: reconciler/v1", [("unknown-kind", 1, 7)]),
    ("kind:\nmetadata: {name: x}\nspec: {}\napiVersion: reconciler/v1", [("null-value", 1, 6)]),
    ("apiVersion: reconciler/v2\nkind: Schedule\nmetadata: {name: x}\nspec: {}", [("unknown-api-version", 1, 13)]),
    ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}", [("unknown-api-version", 1, 13), ("unknown-kind", 2, 7)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {}\nspec: {}", [("missing-field", 3, 11)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: 'a b'}\nspec: {}", [("bad-format", 3, 18)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: \"a\\n\"}\nspec: {}", [("bad-format", 3, 18)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: 12}\nspec: {}", [("wrong-type", 3, 18)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: 012}\nspec: {}", [("ambiguous-scalar", 3, 18)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: x, labels: {a: 1.10, on: b, '': c}}\nspec: {}",
        [("wrong-type", 3, 33), ("ambiguous-scalar", 3, 39), ("too-short", 3, 46)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: x\nspec: []", [("wrong-type", 3, 11), ("wrong-type", 4, 7)]),
    ("apiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: x}\nspec: {}\nstatus: {}", [("unknown-field", 5, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ENVELOPE)
def test_envelope(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert brief(whole(text)) == expected


SPECS = [
    ("PackageSet", "  {}\n", [("missing-field", 5, 3)]),
    ("PackageSet", "  packges: []\n", [("unknown-field", 5, 3)]),
    ("PackageSet", "  packages:\n", [("null-value", 5, 12)]),
    ("PackageSet", "  packages: [x]\n", [("wrong-type", 5, 14)]),
    ("PackageSet", "  packages: [~]\n", [("null-value", 5, 14)]),
    ("PackageSet", "  packages: [{}]\n", [("exactly-one-of", 5, 14)]),
    ("PackageSet", "  packages: [{id: a, name: b}]\n", [("exactly-one-of", 5, 14)]),
    ("PackageSet", "  packages: [{id: a, file: b}]\n", [("exactly-one-of", 5, 14)]),
    ("PackageSet", "  packages: [{id: a, file: b, nmae: c}]\n", [("exactly-one-of", 5, 14), ("unknown-field", 5, 31)]),
    ("PackageSet", "  packages: [{flie: b}]\n", [("unknown-field", 5, 15)]),
    ("PackageSet", "  packages: [{sha256: b}]\n", [("exactly-one-of", 5, 14)]),
    ("PackageSet", "  packages: [{name: b, upload: auto}]\n", [("unknown-field", 5, 24)]),
    ("PackageSet", "  packages: [{file: b, uplaod: auto}]\n", [("unknown-field", 5, 24)]),
    ("PackageSet", "  packages: [{file: b, upload: stream}]\n", [("unknown-value", 5, 32)]),
    ("PackageSet", "  packages: [{file: ''}]\n", [("too-short", 5, 21)]),
    ("PackageSet", "  packages: [{file: b, sha256: " + "A" * 64 + "}]\n", [("bad-format", 5, 32)]),
    ("PackageSet", "  packages: [{file: b, sha256: " + "1" * 64 + "}]\n", [("ambiguous-scalar", 5, 32)]),
    ("PackageSet", "  packages: [{id: 12}]\n", [("wrong-type", 5, 19)]),
    ("PackageSet", "  packages: [{id: ' '}]\n", [("bad-format", 5, 19)]),
    ("GatewayList", "  {}\n", [("missing-field", 5, 3)]),
    ("GatewayList", "  gateway: [a]\n", [("unknown-field", 5, 3)]),
    ("GatewayList", "  gateways: a\n", [("wrong-type", 5, 13)]),
    ("GatewayList", "  gateways:\n  - a\n  - b\n  - a\n  - c\n  - b\n", [("duplicate-gateway", 8, 5), ("duplicate-gateway", 10, 5)]),
    ("GatewayList", "  gateways: ['', .., ' a', \"a\\n\", \"a\\tb\"]\n",
        [("bad-gateway-id", 5, 14), ("reserved-gateway-id", 5, 18), ("bad-gateway-id", 5, 22), ("bad-gateway-id", 5, 28),
         ("bad-gateway-id", 5, 35)]),
    ("GatewayList", "  gateways: [' a', ' a']\n", [("bad-gateway-id", 5, 14), ("bad-gateway-id", 5, 20)]),
    ("GatewayList", f"  gateways: [{'a' * 256}]\n", [("bad-gateway-id", 5, 14)]),
    ("GatewayList", "  gateways: [12, 1.10, true, ~, [a], 12:30:45, 2024-01-01, off]\n",
        [("wrong-type", 5, 14), ("wrong-type", 5, 18), ("wrong-type", 5, 24), ("null-value", 5, 30), ("wrong-type", 5, 33),
         ("ambiguous-scalar", 5, 38), ("ambiguous-scalar", 5, 48), ("ambiguous-scalar", 5, 60)]),
    ("GatewayList", "  gateways: [a]\n  things: {b: [x], a: [q, q], ..: [z], ' c': [], 010: []}\n",
        [("duplicate-item", 6, 27), ("reserved-gateway-id", 6, 31), ("bad-gateway-id", 6, 40), ("ambiguous-scalar", 6, 50)]),
    ("GatewayList", "  things: {b: [x]}\n", [("missing-field", 5, 3)]),
    ("Schedule", "  timezone: ''\n", [("too-short", 5, 13)]),
    ("Schedule", "  download: {begin: 5}\n", [("missing-field", 5, 13), ("wrong-type", 5, 21)]),
    ("Schedule", "  download: {begin: a, end: }\n", [("null-value", 5, 29)]),
    ("Schedule", "  dowload: {begin: a, end: b}\n", [("unknown-field", 5, 3)]),
    ("CallbackSet", "  wakeup: {}\n", [("unknown-field", 5, 3)]),
    ("CallbackSet", "  wakeUp: {}\n", [("missing-field", 5, 11)]),
    ("CallbackSet", "  wakeUp: {notificationDestinationId: a, trackedStates: []}\n", [("unknown-field", 5, 42)]),
    ("CallbackSet", "  stateChange: {notificationDestinationId: a, trackedStates: [x, x, '']}\n",
        [("duplicate-item", 5, 66), ("too-short", 5, 69)]),
    ("Campaign", "  gatewayList: [a]\n", [("unknown-field", 5, 3)]),
    ("Campaign", "  completelyDifferent: 1\n", [("unknown-field", 5, 3)]),
    ("Campaign", "  name: ' x'\n", [("bad-format", 5, 9)]),
    ("Campaign", f"  name: {'x' * 256}\n", [("too-long", 5, 9)]),
    ("Campaign", "  name:\n", [("null-value", 5, 8)]),
    ("Campaign", "  description: 1.10\n", [("wrong-type", 5, 16)]),
    ("Campaign", "  description: yes\n", [("ambiguous-scalar", 5, 16)]),
    ("Campaign", "  approve: yes\n", [("wrong-type", 5, 12)]),
    ("Campaign", "  approve: off\n", [("wrong-type", 5, 12)]),
    ("Campaign", "  approve: 010\n", [("wrong-type", 5, 12)]),
    ("Campaign", "  approve: 'true'\n", [("wrong-type", 5, 12)]),
    ("Campaign", "  approve: 1\n", [("wrong-type", 5, 12)]),
    ("Campaign", "  approve:\n", [("null-value", 5, 11)]),
    ("Campaign", "  desiredStatus: started\n", [("unknown-value", 5, 18)]),
    ("Campaign", "  desiredStatus: on\n", [("unknown-value", 5, 18)]),
    ("Campaign", "  desiredStatus: true\n", [("unknown-value", 5, 18)]),
    ("Campaign", "  desiredStatus: [a]\n", [("unknown-value", 5, 18)]),
    ("Campaign", "  desiredStatus:\n", [("null-value", 5, 17)]),
    ("Campaign", "  onRemove: drop\n", [("unknown-value", 5, 13)]),
    ("Campaign", "  distributionList: {reevaluationIntervalSeconds: 0}\n", [("missing-field", 5, 21), ("out-of-range", 5, 51)]),
    ("Campaign", "  distributionList: {distributionListId: a, reevaluationIntervalSeconds: 1.0}\n", [("wrong-type", 5, 74)]),
    ("Campaign", "  distributionList: {distributionListId: a, reevaluationIntervalSeconds: '60'}\n", [("wrong-type", 5, 74)]),
    ("Campaign", "  distributionList: {distributionListId: a, reevaluationIntervalSeconds: true}\n", [("wrong-type", 5, 74)]),
    ("Campaign", "  closedGateways: [a, \"..\", a]\n", [("reserved-gateway-id", 5, 23), ("duplicate-gateway", 5, 29)]),
    ("Campaign", "  packageOverrides: [{packageSet: ''}]\n", [("exactly-one-of", 5, 22)]),
    ("Campaign", "  packageOverrides: [{gateways: []}]\n", [("missing-field", 5, 22)]),
    ("Campaign", "  schedules: [{shedule: a}]\n", [("unknown-field", 5, 16)]),
    ("Campaign", "  settings: {a: 1, b: yes, c: ~, d: [], e: {}, f: {fromEnv: 'a b'}, g: {fromEnv: A, fromFile: b}, off: x}\n",
        [("wrong-type", 5, 17), ("ambiguous-scalar", 5, 23), ("null-value", 5, 31), ("wrong-type", 5, 37), ("exactly-one-of", 5, 44),
         ("bad-format", 5, 61), ("exactly-one-of", 5, 72), ("ambiguous-scalar", 5, 99)]),
    ("Campaign", "  settings: {api-key: abc, Password: {fromEnv: A}, note: x, accessToken: '', userPasswd: 'p'}\n",
        [("plain-secret", 5, 23), ("plain-secret", 5, 90)]),
    ("Project", "  server: {url: ftp://x}\n", [("bad-format", 5, 17)]),
    ("Project", "  server: {url: https://me:pw@x}\n", [("url-with-credentials", 5, 17)]),
    ("Project", "  server: {url: https://x, auth: {usernameEnv: A}}\n", [("missing-field", 5, 34)]),
    ("Project", "  server: {auth: {tokenEnv: A, tokenFile: b}}\n", [("exactly-one-of", 5, 18)]),
    ("Project", "  server: {auth: {tokne: A}}\n", [("unknown-field", 5, 19)]),
    ("Project", "  server: {timeoutSeconds: 0, batchSize: 0, maxRequestsPerSecond: '5', pageSize: 10.5}\n",
        [("out-of-range", 5, 28), ("out-of-range", 5, 42), ("wrong-type", 5, 67), ("wrong-type", 5, 82)]),
    ("Project", "  guards: {maxGatewaysRemovedPercent: 100.5, maxDeletes: -1, allowEmpty: no}\n",
        [("out-of-range", 5, 39), ("out-of-range", 5, 58), ("wrong-type", 5, 74)]),
    ("Project", "  environments:\n    a b: {}\n    p: {server: {url: 'http://u@h/x'}, state: {url: 'postgresql://u:p@h/x'}, environments: {}}\n",
        [("bad-format", 6, 5), ("url-with-credentials", 7, 23), ("plain-secret", 7, 53), ("unknown-field", 7, 78)]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "expected"), SPECS)
def test_specs(kind: str, spec: str, expected: list[tuple[str, int, int]]) -> None:
    assert (
        brief([finding for finding in found(spec, kind) if finding.code != "dangling-reference"]) == expected
    )


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("PackageSet", "  packages: []\n"),
        ("PackageSet", "  packages: [{id: a}, {name: b b}, {file: c, name: d, description: '', upload: auto}]\n"),
        ("GatewayList", "  gateways: []\n"),
        ("GatewayList", "  gateways: [a, 'b c', 'ü', '12']\n  things: {a: []}\n"),
        ("GatewayList", "  file: a.csv\n  things: {anything: [x]}\n"),
        ("Schedule", "  {}\n"),
        ("Schedule", "  timezone: Europe/Berlin\n  download: {begin: 2026-01-10T22:00:00Z, end: 2026-01-11 04:00:00}\n"),
        ("Schedule", "  execution: {begin: '2026-01-10T22:00', end: 2026-01-11}\n"),
        ("CallbackSet", "  {completed: {notificationDestinationId: a}, stateChange: {notificationDestinationId: b}}\n"),
        ("Campaign", "  {}\n"),
        ("Campaign", "  {name: A b, description: '', settings: {}, gatewayLists: [], packageOverrides: [], closedGateways: []}\n"),
        ("Campaign", "  {approve: false, runOnThings: true, joinWhileStarted: direct, onRemove: abandon, desiredStatus: STOPPED}\n"),
        ("Project", "  {}\n"),
        ("Project", "  {server: {url: 'embedded:', timeoutSeconds: 0.5}, state: {url: 's3://b/k'}, guards: {allowEmpty: true}}\n"),
        ("Project", "  {resources: [a], environments: {prod: {server: {url: 'https://h:8443/x'}, guards: {maxDeletes: 0}}}}\n"),
    ],
)  # fmt: skip
def test_accepted(kind: str, spec: str) -> None:
    assert found(spec, kind) == []


@pytest.mark.parametrize(
    ("kind", "spec", "message", "hint"),
    [
        ("Campaign", "  gatewayList: []", "the key `spec.gatewayList` is not a field that is known here", "did you mean `gatewayLists`?"),
        ("Campaign", "  zzz: []", "not a field", "known are `name`, `description`"),
        ("Campaign", "  description: 1.10", "is the number 1.10, but text belongs here", 'write "1.10"'),
        ("Campaign", "  description: True", "is the boolean true, but text belongs here", 'write "True"'),
        ("Campaign", "  description: FALSE", "is the boolean false, but text belongs here", 'write "FALSE"'),
        ("Campaign", "  description: false", "is the boolean false, but text belongs here", 'write "false"'),
        ("Campaign", "  description: +1", "is the number +1, but text belongs here", 'write "+1"'),
        ("Campaign", "  description: -0", "is the number -0, but text belongs here", 'write "-0"'),
        ("Campaign", "  description: 1e3", "is the number 1e3, but text belongs here", 'write "1e3"'),
        ("GatewayList", "  gateways: [a, +1]", "`spec.gateways[1]` is the number +1", 'write "+1"'),
        ("Campaign", "  description: 2024-01-01", "is the plain value `2024-01-01`, which reads as a date", 'quote it: "2024-01-01"'),
        ("Campaign", "  description: {}", "is a mapping, but text belongs here", "write one text here"),
        ("Campaign", "  description:", "has no value", 'leave the field out if it isn\'t managed; write `""` if it is managed and empty'),
        ("Campaign", "  name:", "has no value", "leave the field out if it isn't managed"),
        ("Campaign", "  settings:", "has no value", "write `{}` if it is managed and empty"),
        ("Campaign", "  gatewayLists: [~]", "is an item without a value", "take it out"),
        ("Campaign", "  gatewayLists: a", 'is the text "a", but a list belongs here', "begin every item with `- `"),
        ("Campaign", "  approve: yes", "`spec.approve` is `yes`, which is true in YAML 1.1 only", "write `true`"),
        ("Campaign", "  approve: 'False'", 'is the text "False", but `true` or `false` belongs', "write `false`, without quotes"),
        ("Campaign", "  desiredStatus: started", 'is the text "started"', "did you mean `STARTED`?"),
        ("Campaign", "  desiredStatus: 5", "is the number 5, which is not known", "known are `STARTED`, `STOPPED`"),
        ("Campaign", "  distributionList: {distributionListId: a, reevaluationIntervalSeconds: '60'}", "a whole number", "write 60, without"),
        ("Campaign", "  settings: {a: 5}", "but text (or `fromEnv` or `fromFile`) belongs here", 'write "5"'),
        ("Campaign", "  settings: {a: {fromEnv: B, fromFile: c}}", "has `fromEnv` and `fromFile`, but exactly one", "keep one"),
        ("PackageSet", "  packages: [{}]", "`spec.packages[0]` needs exactly one of `id`, `name`, `file`", "write one of them"),
        ("PackageSet", "  packages: [{name: a, sha256: b}]", "belongs only beside `file`", "leave it out"),
            ("PackageSet", "  packages: [{file: a, sha256: b}]", 'is the text "b"', "64 hex digits, lower case, such as `9f86"),
        ("PackageSet", "  {}", "`spec` lacks the field `packages`", "add `packages`: each is exactly one of"),
        ("GatewayList", "  {}", "`spec` lacks the field `gateways` or `file`", "add `gateways`"),
        ("GatewayList", "  gateways: [a, b, a]", "`spec.gateways[2]` is the gateway `a`, which stands in this list already, as item 1", "keep one"),
        ("GatewayList", "  gateways: ['']", "is empty, which is no gateway id", "without spaces around it"),
        ("GatewayList", f"  gateways: [{'a' * 300}]", "is a gateway id of 300 characters, but 255 is the most", "shorten it"),
        ("GatewayList", "  gateways: [..]", "is `..`, which can't stand in an address", "take it out"),
        ("Campaign", '  "\\e[31m": 1', "the key `spec.\\x1b[31m` is not a field", "known are"),
        ("Schedule", "  download: {begin: 5, end: x}", "is the number 5", "write a time such as `2027-01-10T22:00:00+01:00`"),
        ("Project", "  server: {batchSize: 0}", "is the number 0, but the least is 1", "change the number"),
        ("Project", "  server: {timeoutSeconds: 0}", "it has to be more than 0", "change the number"),
        ("Project", "  guards: {maxGatewaysRemovedPercent: 101}", "the most is 100", "change the number"),
        ("Project", "  environments: {a b: {}}", "the key `spec.environments.a b` does not have the form", "letters, digits"),
        ("Project", "  server: {auth: {tokenEnv: A, tokenFile: b}}", "`tokenCommand`, `usernameEnv` and `passwordEnv` belongs here", "keep one"),
    ],
)  # fmt: skip
def test_words(kind: str, spec: str, message: str, hint: str) -> None:
    matching = [finding for finding in found(spec, kind) if message in finding.message]
    assert matching, [finding.message for finding in found(spec, kind)]
    assert hint in (matching[0].hint or "")


def test_every_code_of_single_documents_is_in_a_table() -> None:
    """The rules across documents have their own tests; everything else must be shown to happen here."""
    across = {"dangling-reference", "references-not-checked", "duplicate-resource", "duplicate-campaign-name"}
    across |= {"more-findings", "invisible-character"}
    shown = {code for *_, expected in (*ENVELOPE, *SPECS) for code, _, _ in expected}
    start = list(CODES).index("unknown-api-version")
    end = list(CODES).index("url-with-credentials")
    assert shown == set(list(CODES)[start : end + 1]) - across


def test_findings_name_their_resource() -> None:
    assert {finding.resource for finding in found("  approve: 1\n  nmae: x\n")} == {
        ResourceId.parse("Campaign/x")
    }


@pytest.mark.parametrize(
    "spec",
    [
        "  settings: {password: 31337}",
        "  settings: {password: 31337.5}",
        "  settings: {password: 0x31337}",
        "  settings: {password: '31337'}",
        "  settings: {my: {fromEnv: '31337'}}",
        "  settings: {my: {fromEnv: 31337}}",
    ],
)
def test_what_may_be_a_secret_is_not_shown(spec: str) -> None:
    findings = found(spec)
    assert findings
    for finding in findings:
        assert "31337" not in finding.message + (finding.hint or "")


@pytest.mark.parametrize("value", ["true", "[31337]", "{a: 31337}"])
def test_other_types_of_secrets(value: str) -> None:
    (finding,) = found(f"  settings: {{password: {value}}}")
    assert "31337" not in finding.message + (finding.hint or "")


def test_a_list_of_nothing_but_mistakes_does_not_flood() -> None:
    findings = found("  gateways: [" + "12, " * 1000 + "]", "GatewayList")
    assert len(findings) == 201
    (rest,) = [finding for finding in findings if finding.code == "more-findings"]
    assert not rest.is_error
    assert "more than these 200" in rest.message
