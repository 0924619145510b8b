"""What the id of a gateway may be."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Place, Severity
from reconciler.resolve.ids import GOOD, MOST


def test_addresses_are_no_ids_in_yaml_either(folder) -> None:
    folder.resource("GatewayList", "l", "gateways: [a, things]")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("reserved-gateway-id", Place("gatewaylist-l.yaml", 5, 17))


def test_a_list_full_of_repetition_is_not_a_flood(folder) -> None:
    folder.write(x_txt="a\n" * (MOST + 4))
    folder.resource("GatewayList", "l", "file: x.txt")
    *each, last = folder.resolve().findings
    assert len(each) == MOST
    assert {finding.code for finding in each} == {"duplicate-gateway"}
    assert (last.code, last.severity, last.place) == (
        "more-findings",
        Severity.NOTE,
        Place("x.txt", MOST + 2, 1),
    )
    assert "3 more ids" in last.message


def test_just_the_most_that_is_listed_needs_no_note(folder) -> None:
    folder.write(x_txt="a\n" * (MOST + 1))
    folder.resource("GatewayList", "l", "file: x.txt")
    assert len(folder.resolve().findings) == MOST


@given(st.text(max_size=4))
def test_a_good_id_is_printable_and_has_no_space_around_it(id_: str) -> None:
    if GOOD.fullmatch(id_):
        assert id_ == id_.strip() != ""
        assert not any(ord(char) < 32 for char in id_)
