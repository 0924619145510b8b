"""Rules between documents, on files that were really loaded."""
# ruff: noqa: E501 - a table keeps its rows

from pathlib import Path

import pytest

from reconciler.loading import Document, load_text
from reconciler.model import Severity
from reconciler.validation import Validated, validate
from reconciler.validation.words import nearest, smells_secret


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
    assert validated.documents == ()
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
    assert len(validated.documents) == 7


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
    assert validated.documents == (made[0],)


def test_a_file_that_was_not_loaded_may_hold_the_rest() -> None:
    made = documents(resource("Campaign", "x", REFERS))
    assert validate(made, complete=False) == Validated(tuple(made), ())


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
    assert validated.documents == (made[0], made[2])


def test_two_campaigns_of_one_name_on_the_server() -> None:
    made = documents(
        resource("Campaign", "a"),
        resource("Campaign", "b", "{name: a}"),
        resource("Campaign", "c", "{name: C}"),
        resource("Campaign", "d", "{name: C}"),
        resource("Campaign", "e", "{name: [e]}"),
    )
    validated = validate(made)
    assert brief(validated) == [
        "b.yaml:5:14 duplicate-campaign-name",
        "d.yaml:5:14 duplicate-campaign-name",
        "e.yaml:5:14 wrong-type",
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
