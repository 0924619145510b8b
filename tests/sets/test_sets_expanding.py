"""Sets become plain campaigns: what is filled in, where it stands, what is refused."""
# ruff: noqa: E501 - a table keeps its rows

import tracemalloc
from pathlib import Path

import pytest

from reconciler.findings import first_of
from reconciler.model import RowPlace
from reconciler.report.markdown import findings_markdown
from tests.sets.set_folders import NAMED, SetFolder, campaigns, findings, set_of, values

OVERLAY = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"


@pytest.fixture
def here(tmp_path: Path) -> SetFolder:
    return SetFolder(tmp_path)


def test_a_list_becomes_a_campaign_for_each_row(here: SetFolder) -> None:
    read = here.read(
        set_of(
            "[list: [{site: a, zone: Europe/Berlin}, {site: b, zone: Asia/Tokyo}]]",
            metadata="metadata: {name: '${site}-2.1', labels: {zone: '${zone}'}}",
            spec="{gatewayLists: ['${site}', spare], description: 'In ${ zone }, ${site}'}",
        )
    )
    assert not list(findings(read))
    assert values(read) == [
        {
            "apiVersion": "reconciler/v1",
            "kind": "Campaign",
            "metadata": {"name": f"{site}-2.1", "labels": {"zone": zone}},
            "spec": {"gatewayLists": [site, "spare"], "description": f"In {zone}, {site}"},
        }
        for site, zone in (("a", "Europe/Berlin"), ("b", "Asia/Tokyo"))
    ]


def test_generators_add_up_and_a_matrix_is_each_with_each(here: SetFolder) -> None:
    read = here.read(
        set_of(
            "[csv: s.csv, matrix: [{csv: s.csv}, {list: [{p: pump}, {p: valve}]}]]",
            metadata="metadata: {name: '${site}'}",
        ),
        {"s.csv": "site\na\nb\n"},
    )
    # Of the first generator all rows are taken; the second one names a value more, which nothing uses.
    assert [each["metadata"]["name"] for each in values(read)] == ["a", "b", "a", "a", "b", "b"]
    read = here.read(
        set_of(
            "[matrix: [{csv: s.csv}, {list: [{p: pump}, {p: valve}]}]]",
            metadata="metadata: {name: '${site}-${p}'}",
        ),
        {"s.csv": "site\na\nb\n"},
    )
    assert [each["metadata"]["name"] for each in values(read)] == ["a-pump", "a-valve", "b-pump", "b-valve"]
    assert not read.findings


@pytest.mark.parametrize(
    ("row", "spec", "became"),
    [
        ("n: 7", "{distributionList: {distributionListId: x, reevaluationIntervalSeconds: '${n}'}}", 7),
        ("n: true", "{approve: '${n}'}", True),
        ("n: [a, b]", "{gatewayLists: '${n}'}", ["a", "b"]),
        ("n: 1.10", "{description: 'v${n}'}", "v1.10"),
        ("n: +1", "{description: 'v${n}'}", "v+1"),
        ("n: True", "{description: '${n}.'}", "True."),
        ("n: ''", "{description: '${n}'}", ""),
        ("n: x", "{description: '$${n} $$ ${n} $ {n}'}", "${n} $$ x $ {n}"),
        ("n: x", "{description: '$$${n}'}", "$${n}"),
    ],
)
def test_a_placeholder_alone_keeps_the_type_of_a_list(
    here: SetFolder, row: str, spec: str, became: object
) -> None:
    read = here.read(set_of(f"[list: [{{site: a, {row}}}]]", spec=spec))
    (made,) = values(read)
    value = next(iter(made["spec"].values()))
    assert (value["reevaluationIntervalSeconds"] if isinstance(value, dict) else value) == became


@pytest.mark.parametrize(
    ("cell", "field", "became"),
    [
        ("true", "approve: '${n}'", True),
        ("False", "approve: '${n}'", False),
        ("yes", "approve: '${n}'", "yes"),  # which validation refuses, at the cell
        ("1", "approve: '${n}'", "1"),
        ("true", "description: '${n}'", "true"),
        ("1.10", "description: '${n}'", "1.10"),
        ("010", "name: '${n}'", "010"),
        ("3600", "distributionList: {distributionListId: '${n}', reevaluationIntervalSeconds: '${n}'}", 3600),
        ("2", "rollout: {policy: x, approved: '${n}'}", "2"),
        (" x ", "description: '${n}'", "x"),
        ('"a, ""b"""', "description: '${n}'", 'a, "b"'),
    ],
)
def test_a_cell_becomes_what_its_field_takes(here: SetFolder, cell: str, field: str, became: object) -> None:
    read = here.read(set_of("[csv: s.csv]", spec=f"{{{field}}}"), {"s.csv": f"site,n\na,{cell}\n"})
    (made,) = values(read)
    value = next(iter(made["spec"].values()))
    assert (list(value.values())[-1] if isinstance(value, dict) else value) == became
    assert type(list(value.values())[-1] if isinstance(value, dict) else value) is type(became)
    if "distributionList" in made["spec"]:
        assert made["spec"]["distributionList"]["distributionListId"] == "3600"


def test_a_finding_points_at_the_template_and_at_the_cell(here: SetFolder) -> None:
    text = set_of(
        "[csv: s.csv]",
        metadata="metadata: {name: '${site}'}",
        spec="{approve: '${run}', joinWhileStarted: soon, rollout: {policy: '${site} ${run}'}}",
    )
    found = here.found(text, {"s.csv": '\ufeffsite,note,run\na,"x\ny",true\n b ,,no\n'})
    assert found == [
        "s.csv:1:6: unused-value: no placeholder of the template uses `note`",
        "set.yaml:8:21 (s.csv:4:6): wrong-type: `spec.approve` is the text \"no\", but `true` or `false` belongs here",
        *(
            f"set.yaml:8:49 ({row}): unknown-value: `spec.joinWhileStarted` is the text \"soon\", which is not"
            " known here"
            for row in ("s.csv:2:1", "s.csv:4:2")
        ),
        *(
            f"set.yaml:8:73 ({row}): bad-format: `spec.rollout.policy` is the text \"{said}\", which does not have the form that belongs here"
            for row, said in (("s.csv:2:1, s.csv:3:4", "a true"), ("s.csv:4:2, s.csv:4:6", "b no"))
        ),
    ]  # fmt: skip


def test_a_row_of_a_matrix_has_two_places(here: SetFolder) -> None:
    text = set_of("[matrix: [{csv: s.csv}, {list: [{p: 1}]}]]", metadata="metadata: {name: '${site}${p}'}")
    (made,) = campaigns(here.read(text, {"s.csv": "site\na\n"}))
    assert made.place(("metadata", "name")).rows == (RowPlace("s.csv", 2, 1), RowPlace("set.yaml", 5, 51))
    assert made.place(("spec",)).rows == (RowPlace("s.csv", 2, 1), RowPlace("set.yaml", 5, 47))
    assert str(made.place(("metadata", "name"))) == "set.yaml:7:22 (s.csv:2:1, set.yaml:5:51)"


def test_what_is_the_same_in_many_rows_is_listed_once(here: SetFolder) -> None:
    rows = "".join(f"s{n}\n" for n in range(40))
    read = here.read(set_of("[csv: s.csv]", spec="{approved: true}"), {"s.csv": f"site\n{rows}"})
    found = list(findings(read))
    assert len(found) == 40
    (listed,) = first_of(found)
    assert listed.message.endswith("; so it is in 39 more rows")
    assert str(listed.place) == "set.yaml:8:12 (s.csv:2:1)"
    page = findings_markdown(found)
    assert page.count("unknown-field") == 1
    assert "so it is in 39 more rows" in page


@pytest.mark.parametrize(
    ("text", "files", "codes"),
    [
        (set_of("[list: [{site: a}]]", spec="{description: '${sites}'}"), {}, ["unknown-placeholder"]),
        (set_of("[list: [{site: a, b: x}, {site: c}]]", spec="{description: '${b}'}"), {}, ["missing-value"]),
        (set_of("[csv: s.csv]", spec="{description: '${b}'}"), {"s.csv": "site,b\na,\nb\n"}, ["missing-value"] * 2),
        (set_of("[list: [{site: a, b: x}]]"), {}, ["unused-value"]),
        (set_of("[list: [{site: a}]]", spec="{description: '${}'}"), {}, ["bad-placeholder"]),
        (set_of("[list: [{site: a}]]", spec="{description: 'a ${site'}"), {}, ["bad-placeholder"]),
        (set_of("[list: [{site: a}]]", spec="{description: '${${site}}'}"), {}, ["bad-placeholder"]),
        (set_of("[list: [{site: a}]]", spec="{settings: {'${site}': x}}"), {}, ["bad-placeholder"]),
        (set_of("[list: [{site: a, b: [x]}]]", spec="{description: 'a ${b}'}"), {}, ["bad-value"]),
        (set_of("[list: [{site: a, b: '${site}'}]]", spec="{description: 'a ${b}'}"), {}, ["bad-value"]),
        (set_of("[list: [{site: a}, {site: b}]]", metadata="metadata: {name: x}"), {}, ["fixed-name", "unused-value"]),
        (set_of("[list: []]"), {}, ["empty-generator"]),
        (set_of("[csv: s.csv]"), {"s.csv": "site\n\n"}, ["empty-generator"]),
        (set_of("[]"), {}, []),
        (set_of("[matrix: [{list: [{site: a}]}, {list: [{site: b}]}]]"), {}, ["duplicate-value"]),
    ],
)  # fmt: skip
def test_what_can_not_be_filled_in_is_said(
    here: SetFolder, text: str, files: dict[str, str], codes: list[str]
) -> None:
    assert sorted(here.codes(text, files)) == codes


def test_a_missing_name_is_suggested_once(here: SetFolder) -> None:
    read = here.read(
        set_of("[csv: s.csv]", spec="{description: '${zona}'}"), {"s.csv": "site,zone\na,x\nb,y\n"}
    )
    unknown = next(each for each in read.findings if each.code == "unknown-placeholder")
    assert (str(unknown.place), unknown.hint) == ("set.yaml:8:25", "did you mean `${zone}`?")
    assert not campaigns(read)


def test_rows_that_lack_a_value_are_counted(here: SetFolder) -> None:
    rows = "".join(f"s{n},\n" for n in range(150))
    read = here.read(set_of("[csv: s.csv]", spec="{description: '${b}'}"), {"s.csv": f"site,b\n{rows}"})
    assert len(read.findings) == 101
    assert read.findings[-1].message == "50 more values of the rows are missing, wrong or odd"


@pytest.mark.parametrize(
    "text",
    [
        set_of("3"),
        set_of("[3, {list: 3}, {csv: 3}, {matrix: [1]}, {list: [3]}, {list: [{site: a}], csv: s.csv}]"),
        set_of("[list: [{site: a}]]").replace("spec: {}", "spec: 3"),
        set_of("[list: [{site: a}]]").replace(NAMED, "metadata: 3"),
        set_of("[list: [{site: a}]]").replace("reconciler/v1", "reconciler/v9"),
        "apiVersion: reconciler/v1\nkind: CampaignSet\nmetadata: {name: x}\n",
        "kind: CampaignSet\nspec: 3\n",
        set_of("[list: [{site: null}]]"),
    ],
)
def test_a_set_of_another_form_is_refused_by_validation(here: SetFolder, text: str) -> None:
    read = here.read(text)
    assert not any("\n" in each.message for each in read.findings)
    assert any(each.is_error for each in findings(read))


def test_two_rows_of_one_name_are_two_resources_of_one_name(here: SetFolder) -> None:
    (one,) = here.found(set_of("[csv: s.csv]"), {"s.csv": "site\na\nb\na\n"})
    assert one == (
        "set.yaml:7:22 (s.csv:4:1): duplicate-resource: there is another Campaign of the name `a`, at"
        " set.yaml:7:22 (s.csv:2:1)"
    )


def test_overlays_change_sets_and_their_campaigns(here: SetFolder) -> None:
    text = set_of("[list: [{site: a}, {site: b}]]", spec="{description: 'At ${site}', approve: false}")
    rows = OVERLAY.format("CampaignSet", "sites", "{generators: [list: [{site: b}, {site: c}]], template: {spec: {approve: true, settings: {at: '${site}'}}}}")  # fmt: skip
    one = OVERLAY.format("Campaign", "c", "{description: Only here, approve: null}")
    read = here.read(text, {}, rows, one)
    assert not list(findings(read))
    assert [(each["metadata"]["name"], each["spec"]) for each in values(read)] == [
        ("b", {"description": "At b", "approve": True, "settings": {"at": "b"}}),
        ("c", {"description": "Only here", "settings": {"at": "c"}}),
    ]
    made = campaigns(read)[1]
    assert str(made.place(("spec", "description"))) == "1.yaml:4:21"
    assert str(made.place(("spec", "settings", "at"))) == "0.yaml:4:100 (0.yaml:4:46)"
    assert str(made.place(("metadata", "name"))) == "set.yaml:7:22 (0.yaml:4:46)"


def test_each_row_may_have_a_list_of_its_own(here: SetFolder) -> None:
    text = set_of("[csv: s.csv]", spec="{gatewayLists: ['${site}']}")
    text += "  gatewayList:\n    metadata: {name: '${site}'}\n    spec: {timezone: '${zone}', gateways: '${ids}'}\n"
    files = {"s.csv": "site,zone,ids\na,Europe/Berlin,a-1\nb,Asia/Tokyo,b-1\n"}
    read = here.read(text.replace("'${ids}'", "['${ids}']"), files)
    assert [
        (each.value["kind"], each.value["metadata"], each.value["spec"]) for each in read.documents[1:]
    ] == [
        ("Campaign", {"name": "a"}, {"gatewayLists": ["a"]}),
        ("GatewayList", {"name": "a"}, {"timezone": "Europe/Berlin", "gateways": ["a-1"]}),
        ("Campaign", {"name": "b"}, {"gatewayLists": ["b"]}),
        ("GatewayList", {"name": "b"}, {"timezone": "Asia/Tokyo", "gateways": ["b-1"]}),
    ]
    assert not list(findings(read))
    (found,) = here.found(text, {"s.csv": "site,zone,ids\na,Europe/Berlin,a-1\n"})
    assert found.startswith("set.yaml:11:43 (s.csv:2:17): wrong-type: `spec.gateways` is the text")


def test_an_overlay_of_what_no_row_makes_is_refused(here: SetFolder) -> None:
    read = here.read(set_of("[list: [{site: a}]]"), {}, OVERLAY.format("Campaign", "b", "{approve: true}"))
    assert [each.code for each in read.findings] == ["overlay-without-resource"]


def test_a_new_set_of_an_environment(here: SetFolder) -> None:
    new = set_of("[list: [{site: b}]]").replace("name: sites", "name: more") + "overlay: new\n"
    read = here.read(set_of("[list: [{site: a}]]"), {}, new)
    assert not list(findings(read))
    assert [each["metadata"]["name"] for each in values(read)] == ["a", "b"]


def test_too_many_rows_are_refused_before_any_is_made(here: SetFolder) -> None:
    rows = "".join(f"{n}\n" for n in range(400))
    text = set_of("[matrix: [{csv: a.csv}, {csv: b.csv}]]", metadata="metadata: {name: '${a}-${b}'}")
    read = here.read(text, {"a.csv": f"a\n{rows}", "b.csv": f"b\n{rows}"})
    assert [each.code for each in read.findings] == ["set-too-large"]
    assert "160,000 rows" in read.findings[0].message
    assert not campaigns(read)


def test_memory_and_work_grow_with_the_rows_only(here: SetFolder) -> None:
    def bytes_of(count: int) -> int:
        rows = "".join(f"s{n},Europe/Berlin,true\n" for n in range(count))
        text = set_of("[csv: s.csv]", spec="{approve: '${run}', description: 'In ${zone}'}")
        tracemalloc.start()
        read = here.read(text, {"s.csv": f"site,zone,run\n{rows}"})
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(campaigns(read)) == count
        return size

    few, many = bytes_of(500), bytes_of(2_000)
    assert many < 4.4 * few
    assert (many - few) / 1_500 < 6_000
