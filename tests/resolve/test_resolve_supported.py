"""What a server lacks, or takes no more of, is found where it is declared."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import Place
from tests.memory_provider import FACTS


@pytest.fixture
def other(folder: Any) -> Any:
    """A folder for a server of another kind."""
    folder = replace(folder, facts=FACTS)
    folder.put("fw.bin", "fw")
    folder.put("large.bin", "x" * 51)
    folder.put("middle.bin", "x" * 6)
    return folder


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("distributionList: {distributionListId: d}", 21),
        ("schedules: []", 14),
        ("closedGateways: [a]", 19),
        ("runOnThings: true", 16),
    ],
)
def test_a_field_that_the_server_lacks(other: Any, field: str, column: int) -> None:
    other.resource("Campaign", "c", f"description: x\n{field}")
    [finding] = [f for f in other.resolve().findings if f.is_error]
    assert (finding.code, finding.place) == ("unsupported-field", Place("campaign-c.yaml", 6, column))
    assert field.partition(":")[0] in finding.message
    assert "'memory'" in finding.message


def test_what_asks_for_nothing_is_fine(other: Any) -> None:
    other.resource("Campaign", "c", "runOnThings: false\nsettings: {A: b}\ncallbackSet: h")
    other.resource("CallbackSet", "h", "completed: {notificationDestinationId: d}")
    assert other.resolve().findings == ()


@pytest.mark.parametrize(
    ("kind", "spec", "code", "place", "said"),
    [
        ("Campaign", "name: a-name-of-thirteen", "too-long", (5, 9), "the name has 18 characters, but 12"),
        (
            "Campaign",
            f"description: {'x' * 21}",
            "too-long",
            (5, 16),
            "the description has 21 characters, but 20",
        ),
        ("GatewayList", "gateways: [ok, all]", "reserved-gateway-id", (5, 18), "it means every device"),
        (
            "GatewayList",
            "gateways: [ok, nine-long]",
            "bad-gateway-id",
            (5, 18),
            "9 characters, but 8 is the most",
        ),
        (
            "PackageSet",
            f"packages: [{{name: {'n' * 17}}}]",
            "bad-package-name",
            (5, 21),
            "1 to 16 characters",
        ),
        (
            "PackageSet",
            "packages: [{file: fw.bin, description: eleven-long}]",
            "too-long",
            (5, 42),
            "the description has 11 characters, but 10 is the most",
        ),
        (
            "PackageSet",
            "packages: [{file: middle.bin, upload: multipart}]",
            "package-too-large",
            (5, 41),
            "has 6 bytes, but multipart takes 5 at most",
        ),
        (
            "PackageSet",
            "packages: [{file: large.bin}]",
            "package-too-large",
            (5, 21),
            "the server takes 50 at most",
        ),
    ],
)
def test_the_limits_of_the_server(
    other: Any, kind: str, spec: str, code: str, place: tuple[int, int], said: str
) -> None:
    other.resource(kind, "c", spec)
    finding = other.finding()
    assert (finding.code, finding.place) == (code, Place(f"{kind.lower()}-c.yaml", *place))
    assert said in finding.message


def test_ids_that_other_servers_keep_for_themselves_are_fine(other: Any) -> None:
    other.resource("GatewayList", "l", "gateways: [things, eightlet]")
    assert other.resolve().findings == ()


def test_a_name_that_is_the_resources_is_too_long_there(other: Any) -> None:
    other.resource("Campaign", "a-name-of-thirteen", "description: x")
    finding = other.finding()
    assert (finding.code, finding.place) == ("too-long", Place("campaign-a-name-of-thirteen.yaml", 3, 18))


def test_the_words_for_states_are_the_servers(other: Any) -> None:
    other.resource(
        "CallbackSet", "h", "stateChange: {notificationDestinationId: d, trackedStates: [fine, FAILED, fin]}"
    )
    unknown = [f for f in other.resolve().findings if f.code == "unknown-state"]
    assert [f.place.column for f in unknown if f.place] == [69, 77]
    assert unknown[1].hint == "did you mean `fine`?"
