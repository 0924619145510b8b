"""GatewayLists: ids from YAML and from a data file together, and things."""

from hypothesis import strategies as st

from reconciler.model import Place, ResourceId

LIST = ResourceId.parse("GatewayList/l")


def test_ids_in_yaml_and_in_a_file_are_one_list(folder) -> None:
    folder.write(ids_txt="b\n")
    assert folder.ids_of("gateways: [a]\nfile: ids.txt") == {"a", "b"}


def test_places_are_shown_beside_the_file_that_refers_to_them(folder) -> None:
    folder.put("data/x.txt", "a\na\n")
    folder.resource("GatewayList", "l", "file: ../data/./x.txt", file="lists/l.yaml")
    assert folder.finding().place == Place("data/x.txt", 2, 1)


def test_an_id_in_yaml_and_in_the_file_is_there_twice(folder) -> None:
    folder.write(x_txt="b\n# comment\na\n")
    folder.resource("GatewayList", "l", "gateways: [c, a]\nfile: x.txt")
    finding = folder.finding()
    assert finding.place == Place("x.txt", 3, 1)
    assert "first at gatewaylist-l.yaml:5:17" in finding.message


def test_one_device_spelled_twice(folder) -> None:
    folder.write(x_txt="b\n# comment\nGW-1\n")
    folder.resource("GatewayList", "l", "gateways: [c, gw-1]\nfile: x.txt")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("gateway-spelling", Place("x.txt", 3, 1))
    assert "`gw-1` and `GW-1` differ only in upper and lower case" in finding.message


def test_one_device_spelled_twice_by_two_lists(folder) -> None:
    folder.resource("GatewayList", "l", "gateways: [gw-1, a]")
    folder.resource("GatewayList", "m", "gateways: [\uff27\uff37-1, a]")
    folder.resource("Campaign", "c", "gatewayLists: [l, m]")
    finding = folder.finding()
    assert (finding.code, str(finding.resource)) == ("gateway-spelling", "Campaign/c")
    folder.resource("Campaign", "c", "gatewayLists: [l]")
    folder.resource("Campaign", "d", "gatewayLists: [m]")
    assert not folder.resolve().findings


def test_one_file_may_serve_two_lists(folder) -> None:
    folder.write(x_txt="a\n")
    folder.resource("GatewayList", "l", "file: x.txt")
    folder.resource("GatewayList", "m", "file: x.txt")
    folder.resource("Campaign", "c", "gatewayLists: [l, m]")
    assert folder.campaign().gateways == {"a"}


def test_things_belong_to_gateways_of_the_list(folder) -> None:
    folder.write(x_txt="a\nb\n")
    folder.resource("GatewayList", "l", "file: x.txt\nthings: {b: [t2, t1], nobody: [t3], a: []}")
    folder.resource("Campaign", "c", "gatewayLists: [l]\nrunOnThings: true")
    resolved = folder.resolve()
    (finding,) = resolved.findings
    assert (finding.code, finding.place) == ("thing-outside-list", Place("gatewaylist-l.yaml", 6, 25))
    assert resolved.desired.campaigns[0].things == {"a": (), "b": ("t2", "t1")}
    assert list(resolved.desired.campaigns[0].things) == ["a", "b"]


def test_things_are_not_called_foreign_while_the_list_has_errors(folder) -> None:
    folder.resource("GatewayList", "l", "file: gone.txt\nthings: {b: [t]}")
    assert folder.finding().code == "missing-file"


CELL = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)
