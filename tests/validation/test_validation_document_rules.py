"""Rules between documents, on files that were really loaded."""
# ruff: noqa: E501 - a table keeps its rows

from pathlib import Path

import pytest

from reconciler.loading import Document, load_text
from reconciler.loading.nodes import unsure
from reconciler.model import Finding, Place, Severity
from reconciler.text import nearest, smells_secret
from reconciler.validation import Validated, validate


def documents(*texts: str) -> list[Document]:
    """One file a text: a.yaml, b.yaml …"""
    made: list[Document] = []
    for name, text in zip("abcdefgh", texts, strict=False):
        loaded = load_text(text, f"{name}.yaml", Path(f"/project/{name}.yaml"))
        assert loaded.findings == ()
        made += loaded.documents
    return made


def resource(kind: str, name: str, spec: str = "{}") -> str:
    return f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {spec}\n"


def brief(validated: Validated) -> list[str]:
    return [f"{finding.place} {finding.code}" for finding in validated.findings]


REFERS = """
  packageSet: firmware
  gatewayLists: [line, spare]
  callbackSet: calls
  packageOverrides:
    - {gatewayLists: [spare], packageSet: beta}
    - {gateways: [g], packageSet: beta}
  schedules:
    - {schedule: night, gatewayLists: [line]}
    - schedule: day
"""
DECLARED = "---\n".join(
    [
        resource("PackageSet", "firmware", "{packages: []}"),
        resource("PackageSet", "beta", "{packages: []}"),
        resource("GatewayList", "line", "{gateways: []}"),
        resource("GatewayList", "spare", "{gateways: []}"),
        resource("CallbackSet", "calls"),
        resource("Schedule", "night"),
        resource("Schedule", "day"),
    ]
)


def test_references_that_hold() -> None:
    made = documents(resource("Campaign", "x", REFERS), DECLARED)
    assert validate(made) == Validated(tuple(made), ())


def test_every_reference_is_followed() -> None:
    validated = validate(documents(resource("Campaign", "x", REFERS)))
    assert len(validated.documents) == 1, "what stands beside the references goes on"
    assert brief(validated) == [
        f"a.yaml:{place} dangling-reference"
        for place in (
            "6:15", "7:18", "7:24", "8:16", "10:23", "10:43", "11:35", "13:18", "13:40", "14:17",
        )
    ]  # fmt: skip
    assert "there is no PackageSet of the name `firmware`" in validated.findings[0].message
    assert validated.findings[0].hint == "no PackageSet is declared in the files of this run"
    assert {str(finding.resource) for finding in validated.findings} == {"Campaign/x"}


def test_references_are_by_kind_and_suggest_the_nearest() -> None:
    validated = validate(
        documents(resource("Campaign", "x", "{packageSet: firmwear, callbackSet: zzz}"), DECLARED)
    )
    hints = [finding.hint for finding in validated.findings]
    assert hints == ["did you mean `firmware`?", "declare it, or name one of the 1 that there are"]
    assert len(validated.documents) == 8


def test_suggestions_have_an_end() -> None:
    names = ", ".join(f"lime{index}" for index in range(150))
    validated = validate(documents(resource("Campaign", "x", f"{{gatewayLists: [{names}]}}"), DECLARED))
    hints = [finding.hint for finding in validated.findings]
    assert len(hints) == 150
    assert hints.count("did you mean `line`?") == 100


def test_a_broken_document_still_declares_its_name() -> None:
    made = documents(
        resource("Campaign", "x", "{packageSet: broken}"), resource("PackageSet", "broken", "{packges: []}")
    )
    validated = validate(made)
    assert brief(validated) == ["b.yaml:5:8 unknown-field"]
    assert [document.value["spec"] for document in validated.documents] == [{"packageSet": "broken"}, {}]
    assert unsure(validated.documents[1].value["spec"], "packages")


UNREAD = Finding("yaml-syntax", "this is not YAML", Place("z.yaml", 3, 1))


def test_a_file_that_was_not_loaded_may_hold_the_rest() -> None:
    made = documents(resource("Campaign", "x", REFERS))
    validated = validate(made, unread=[UNREAD])
    assert validated.documents == tuple(made)
    (note,) = validated.findings
    assert (note.code, note.severity, note.place) == ("references-not-checked", Severity.NOTE, UNREAD.place)
    assert note.message == (
        "10 references (first: a.yaml:6:15) lead to nothing that could be read, and may mean what stands here"
    )
    assert note.hint


def test_where_every_reference_holds_nothing_has_to_be_checked() -> None:
    made = documents(resource("Campaign", "x", REFERS), DECLARED)
    assert validate(made, unread=[UNREAD]) == Validated(tuple(made), ())


NAMELESS = {
    # what declares a PackageSet of unknown name or kind: the place of the note, None where the reference is held
    "wrong name": ("kind: PackageSet\nmetadata: {name: 12}", (3, 11)),
    "bad name": ("kind: PackageSet\nmetadata: {name: a b}", (3, 11)),
    "no name": ("kind: PackageSet\nmetadata: {}", (3, 11)),
    "misspelt name": ("kind: PackageSet\nmetadata: {nmae: here}", (3, 11)),
    "no metadata": ("kind: PackageSet", (1, 1)),
    "wrong kind": ("kind: PackagSet\nmetadata: {name: here}", None),
    "no kind": ("metadata: {name: here}", None),
    "neither": ("metadata: {nmae: here}", (2, 11)),
}


@pytest.mark.parametrize("what", NAMELESS)
def test_a_resource_that_may_be_the_one_that_is_meant(what: str) -> None:
    head, place = NAMELESS[what]
    made = documents(
        resource("Campaign", "x", "{packageSet: here, callbackSet: gone}"),
        f"apiVersion: reconciler/v1\n{head}\nspec: {{packages: []}}\n",
        resource("PackageSet", "there", "{packages: []}"),
    )
    found = {finding.code: finding for finding in validate(made).findings}
    assert ("dangling-reference" in found) is (what != "neither"), "there is no CallbackSet in any case"
    if place is None:
        assert "references-not-checked" not in found
    else:
        assert found["references-not-checked"].place == Place("b.yaml", *place)
        assert ("a.yaml:5:" in found["references-not-checked"].message) is True


def test_a_reference_with_a_wrong_form_is_only_that() -> None:
    spec = "{packageSet: a b, gatewayLists: [1, x!]}"
    codes = [finding.code for finding in validate(documents(resource("Campaign", "x", spec))).findings]
    assert codes == ["bad-format", "wrong-type", "bad-format"]


def test_references_of_a_wrong_type_are_not_followed() -> None:
    spec = "{packageSet: 1, gatewayLists: line, callbackSet: 2024-01-01, schedules: [5, {schedule: [x]}], packageOverrides: {}}"
    codes = {finding.code for finding in validate(documents(resource("Campaign", "x", spec))).findings}
    assert codes == {"wrong-type", "ambiguous-scalar"}


def test_two_of_one_name() -> None:
    made = documents(
        resource("Schedule", "x"), resource("Schedule", "x") + "---\n" + resource("CallbackSet", "x")
    )
    validated = validate(made)
    assert brief(validated) == ["b.yaml:4:9 duplicate-resource"]
    assert "at a.yaml:4:9" in validated.findings[0].message
    assert validated.documents == tuple(made), "which of them is meant is not for validation to say"


def test_two_campaigns_of_one_name_on_the_server() -> None:
    made = documents(
        resource("Campaign", "a"),
        resource("Campaign", "b", "{name: a}"),
        resource("Campaign", "c", "{name: C}"),
        resource("Campaign", "d", "{name: C}"),
        resource("Campaign", "e", "{name: [e]}"),
        resource("Campaign", "f", "{name: e}"),
        resource("Campaign", "g", "{nmae: a}"),
        resource("Campaign", "h", "{name: g}"),
    )
    validated = validate(made)
    assert brief(validated) == [
        "b.yaml:5:14 duplicate-campaign-name",
        "d.yaml:5:14 duplicate-campaign-name",
        "e.yaml:5:14 wrong-type",
        "g.yaml:5:8 unknown-field",
    ]
    assert "at a.yaml:4:9" in validated.findings[0].message
    assert "at c.yaml:5:14" in validated.findings[1].message


def test_the_later_one_is_named_where_its_name_stands() -> None:
    validated = validate(documents(resource("Campaign", "b", "{name: a}"), resource("Campaign", "a")))
    assert brief(validated) == ["b.yaml:4:9 duplicate-campaign-name"]


def test_one_campaign_twice_is_said_once() -> None:
    assert brief(validate(documents(*[resource("Campaign", "a")] * 2))) == ["b.yaml:4:9 duplicate-resource"]


def test_a_plain_secret_is_a_warning_and_not_shown() -> None:
    made = documents(resource("Campaign", "x", "{settings: {apiKey: hunter2}}"))
    validated = validate(made)
    (finding,) = validated.findings
    assert (finding.code, finding.severity) == ("plain-secret", Severity.WARNING)
    assert "hunter2" not in finding.message + (finding.hint or "")
    assert validated.documents == tuple(made)


@pytest.mark.parametrize(
    ("name", "smells"),
    [
        ("password", True), ("DB_PASSWD", True), ("passphrase", True), ("pwd", True), ("apiKey", True), ("api-key", True),
        ("API_KEY", True), ("private_key", True), ("accessToken", True), ("clientSecret", True), ("credentials", True),
        ("retries", False), ("key", False), ("bypass", False), ("keyboard", False), ("monkey", False), ("compass", False),
    ],
)  # fmt: skip
def test_what_smells_of_a_secret(name: str, smells: bool) -> None:
    assert smells_secret(name) is smells


def test_nearest() -> None:
    assert nearest("GATEWAYLIST", ["GatewayList", "Campaign"]) == "GatewayList"
    assert nearest("zzz", ["GatewayList", "Campaign"]) is None
    assert nearest("x" * 1_000_000, ["GatewayList"]) is None


def test_findings_are_sorted_by_place() -> None:
    validated = validate(
        documents("{}", resource("Campaign", "x", "{settings: {token: x}, name: '', description: 5}"))
    )
    places = [finding.place for finding in validated.findings if finding.place]
    assert places == sorted(places)
    assert len(places) == len(validated.findings) == 7


def test_nothing_is_fine() -> None:
    assert validate([]) == Validated((), ())


@pytest.mark.parametrize(
    ("spec", "place", "said"),
    [
        ('{name: "a\u200bb"}', "x.yaml:4:14", "`spec.name` has the invisible character U+200B"),
        ('{name: "a\\u202Eb"}', "x.yaml:4:14", "U+202E in it, at its character 2"),
        ('{description: "\u2066a"}', "x.yaml:4:21", "`spec.description`"),
        ('{settings: {"a\u00adb": x}}', "x.yaml:4:19", "the key `a"),
        ('{settings: {a: "\ufe0fx"}}', "x.yaml:4:22", "`spec.settings.a`"),
    ],
)
def test_what_nobody_sees_is_said(spec: str, place: str, said: str) -> None:
    text = f"apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: c}}\nspec: {spec}\n"
    loaded = load_text(text, "x.yaml", Path("x.yaml"))
    (finding,) = validate(loaded.documents).findings
    assert (finding.code, finding.severity, str(finding.place)) == (
        "invisible-character", Severity.WARNING, place,
    )  # fmt: skip
    assert said in finding.message
    assert finding.hint


@pytest.mark.parametrize(
    "text", ["\u062d\u0644\u0642\u0647\u200c\u0647\u0627", "\U0001f469\u200d\U0001f527", "\u2764\ufe0f"]
)
def test_joiners_belong_to_some_texts(text: str) -> None:
    document = f'apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: c}}\nspec: {{name: "{text}"}}\n'
    loaded = load_text(document, "x.yaml", Path("x.yaml"))
    assert validate(loaded.documents).findings == ()
