"""Overlays in files: what is laid over what, what is refused, and where findings stand."""

from pathlib import Path

import pytest

from reconciler.loading import load
from reconciler.model import Kind, ResourceId
from reconciler.overlays import about, overlaid, read_layers
from reconciler.overlays.history import located, said
from tests.overlays.overlay_folders import BASE, Folder, over


def test_a_change_and_nothing_else(here) -> None:
    read = here.read(over("Campaign", "line-3", "  description: Staging\n  desiredStatus: ~\n"))
    assert read.findings == ()
    hall, campaign = read.documents
    plain = here.read()
    assert hall == plain.documents[0]
    assert campaign.value["spec"] == {
        "description": "Staging",
        "gatewayLists": ["hall"],
        "settings": {"a.b": "one", "key": {"fromEnv": "KEY"}},
    }
    assert campaign.value["metadata"] == plain.documents[1].value["metadata"]


def test_later_entries_win(here) -> None:
    first, second = (over("Campaign", "line-3", f"  description: {text}\n") for text in ("one", "two"))
    read = here.read(first, second)
    assert read.findings == ()
    assert read.documents[1].value["spec"]["description"] == "two"  # type: ignore[index]
    assert read.documents[1].place(["spec", "description"]).file == "1.yaml"


def test_a_whole_new_resource(here) -> None:
    new = "overlay: new\n" + over("GatewayList", "lab", "  gateways: [gw-9]\n")
    use = over("Campaign", "line-3", "  gatewayLists: [hall, lab]\n")
    read = here.read(new + "---\n" + use)
    assert here.findings(new + "---\n" + use) == []
    assert [document.value["kind"] for document in read.documents] == [
        "GatewayList",
        "Campaign",
        "GatewayList",
    ]
    assert "overlay" not in read.documents[2].value
    assert read.documents[2].place(["spec", "gateways", 0]).line == 6


def test_a_new_resource_can_be_changed_by_a_later_entry(here) -> None:
    new = "overlay: new\n" + over("GatewayList", "lab", "  gateways: [gw-9]\n")
    read = here.read(new, over("GatewayList", "lab", "  gateways: [gw-8]\n"))
    assert read.documents[2].value["spec"] == {"gateways": ["gw-8"]}


@pytest.mark.parametrize(
    ("layers", "place", "code", "hint"),
    [
        ([over("Campaign", "line-4", "  {}\n")], "0.yaml:3:18", "overlay-without-resource",
         "did you mean `line-3`, or write `overlay: new` if it is a whole new resource?"),
        ([over("Schedule", "night", "  {}\n")], "0.yaml:3:18", "overlay-without-resource",
         "declare it among the Schedules, or write `overlay: new` if it is a whole new resource"),
        (["overlay: new\n" + over("Campaign", "line-3", "  {}\n")], "0.yaml:1:10", "duplicate-resource",
         "leave out `overlay: new` to change it, or choose another name"),
        (["overlay: true\n" + over("Campaign", "line-3", "  {}\n")], "0.yaml:1:10", "unknown-value",
         "write `overlay: new` in a whole new resource only"),
        (["---\n".join([over("Campaign", "line-3", "  description: a\n")] * 2)], "0.yaml:9:18",
         "duplicate-overlay",
         "put both changes into one document, or into two entries of `overlays`: the later one wins"),
        ([over("Campain", "line-3", "  {}\n")], "0.yaml:2:7", "unknown-kind", "did you mean `Campaign`?"),
        ([over("[]", "line-3", "  {}\n")], "0.yaml:2:7", "unknown-kind",
         f"known are {', '.join(Kind)}"),
        (["kind: Campaign\nmetadata: {name: line-3}\n"], "0.yaml:1:1", "missing-field",
         "add `apiVersion: reconciler/v1`"),
        (["apiVersion: reconciler/v1\nmetadata: {name: line-3}\n"], "0.yaml:1:1", "missing-field",
         f"name the kind of resource that it changes: {', '.join(Kind)}"),
        (["apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {}\n"], "0.yaml:3:11", "missing-field",
         "name the resource that it changes"),
        (["a: ["], "0.yaml:1:5", "yaml-syntax", None),
        # What is left out isn't missing.
        ([over("Campaign", "line-3", "  {}\n") + "kind: Schedule\n"], "0.yaml:6:1", "duplicate-key", None),
        ([over("Campaign", "*x", "  {}\n")], "0.yaml:3:18", "yaml-alias", None),
        ([over("Campaign", "line-3", "  {}\n").replace("metadata: {", "metadata: !x {")], "0.yaml:3:11",
         "yaml-tag", None),
        ([over("Campaign", "line-3", "  {description: x, description: z}\n")], "0.yaml:5:20", "duplicate-key",
         None),
        # After the merge, where the overlay says it.
        ([over("Campaign", "line-3", "  descripton: x\n")], "0.yaml:5:3", "unknown-field",
         "did you mean `description`?"),
        ([over("Campaign", "line-3", "  descripton:\n")], "0.yaml:5:3", "unknown-field",
         "did you mean `description`?"),
        ([over("Campaign", "line-3", "  approve: ~\n")], "0.yaml:5:12", "null-value",
         "leave the field out if it isn't managed"),
        ([over("Campaign", "line-3", "  approve: 1\n")], "0.yaml:5:12", "wrong-type",
         "write `true` or `false`"),
        ([over("Campaign", "line-3", "  gatewayLists: [hal]\n")], "0.yaml:5:18", "dangling-reference",
         "did you mean `hall`?"),
        ([over("GatewayList", "hall", "  gateways: ~\n")], "0.yaml:5:3", "missing-field", None),
        ([over("GatewayList", "hall", "  gateways: [gw-1, gw-1]\n")], "0.yaml:5:20", "duplicate-gateway",
         "keep one of them"),
        ([over("Campaign", "line-3", "  settings: {key: {fromFile: 5}}\n")], "0.yaml:5:30", "wrong-type",
         'write "5"'),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(here, layers: list[str], place: str, code: str, hint: str | None) -> None:
    found = here.finding(*layers)
    assert found[:2] == (place, code)
    assert hint is None or found[2] == hint


def test_a_finding_about_the_base_stays_there(here) -> None:
    broken = BASE.replace("description: Line 3", "descripton: Line 3")
    place, code, _ = here.finding(over("Campaign", "line-3", "  approve: true\n"), base=broken)
    assert (place, code) == ("base.yaml:11:3", "unknown-field")


def test_the_same_file_in_two_entries(here) -> None:
    (here.root / "base.yaml").write_text(BASE)
    (here.root / "over").mkdir()
    (here.root / "over" / "a.yaml").write_text(over("Campaign", "line-3", "  description: x\n"))
    read = load([Path("base.yaml")], base=here.root)
    (found,) = overlaid(read, read_layers([Path("over"), Path("over/a.yaml")], base=here.root)).findings
    assert (str(found.place), found.code) == ("over/a.yaml:1:1", "duplicate-overlay")


def test_what_could_not_be_read_may_be_what_is_changed(here) -> None:
    broken = BASE.replace("kind: Campaign", "kind: [Campaign")
    codes = [
        each.code for each in here.findings(over("Campaign", "line-3", "  description: x\n"), base=broken)
    ]
    assert codes == ["yaml-syntax"]


def test_of_a_part_only_what_was_read_is_changed(here) -> None:
    new = "overlay: new\n" + over("Campaign", "other", "  {}\n")
    elsewhere = over("Campaign", "line-9", "  description: x\n")
    read = here.read(
        "---\n".join([new, elsewhere, over("Campaign", "line-3", "  description: x\n")]), part=True
    )
    assert read.findings == ()
    assert [document.value["metadata"]["name"] for document in read.documents] == ["hall", "line-3"]  # type: ignore[index]
    assert read.documents[1].value["spec"]["description"] == "x"  # type: ignore[index]


# --- set aside -----------------------------------------------------------------------------------


def test_overlays_are_no_resources_wherever_they_are(here) -> None:
    (here.root / "overlays" / "staging").mkdir(parents=True)
    (here.root / "overlays" / "staging" / "a.yaml").write_text(over("Campaign", "line-3", "  {}\n"))
    (here.root / "link").symlink_to("overlays")
    (here.root / "base.yaml").write_text(BASE)
    aside = [Path("overlays/staging"), Path("gone")]
    assert len(load([Path()], base=here.root, excluded=aside).documents) == 2
    for path in ("overlays/staging", "overlays/staging/a.yaml", "link/staging/a.yaml"):
        loaded = load([Path(path)], base=here.root, excluded=aside)
        assert loaded.documents == ()
        (found,) = loaded.findings
        assert (found.code, found.is_error) == ("overlay-alone", False)


# --- where a value comes from ----------------------------------------------------------------------


def history(here: Folder, text: str, *layers: str) -> list[tuple[str, object]]:
    here.read(*layers)
    read = load([Path("base.yaml")], base=here.root)
    every = read_layers([Path(f"{index}.yaml") for index in range(len(layers))], base=here.root)
    documents = about(ResourceId(Kind.CAMPAIGN, "line-3"), read, every)
    return [(str(each.place), each.value) for each in said(documents, located(documents, text))]


LAYERS = [
    over("Campaign", "line-3", "  description: one\n  settings: {key: plain}\n  gatewayLists: [a, b]\n"),
    over("Campaign", "line-3", "  description: ~\n  settings: {key: {fromFile: f}}\n"),
]
