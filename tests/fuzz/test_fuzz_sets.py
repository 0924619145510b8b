"""Hostile sets: whatever a template or a table holds, findings come out, and no more than was put in."""
# ruff: noqa: E501 - a table keeps its rows

import json
from pathlib import Path
from random import Random

from reconciler.app.pipeline import check
from reconciler.app.workspace import Workspace
from reconciler.findings import CODES
from tests.sets.set_folders import SetFolder, campaigns

PIECES = (
    "${site}", "${n}", "${", "}", "$${", "$", "${}", "${${n}}", "${n", "${ n }", "${n:-x}", "${__class__}", "${0}",
    "a", " ", "*", "&x", "!!str", "{{n}}", "%s", "{n}", "\u202e", "\u200b", "\ufeff", "\x07", "é", "../", "/etc/passwd",
    "true", "null", "1.10", "010", "=1+1", "#REF!", "1E+20", "x" * 300, '"', "'", ",", ";", "\n", "\r", "\t", "\x00",
)  # fmt: skip
NODES = ("text", "list", "map", "number", "bool", "null")


def text(random: Random, most: int = 6) -> str:
    return "".join(random.choice(PIECES) for _ in range(random.randint(0, most)))


def node(random: Random, depth: int) -> object:
    match random.choice(NODES if depth else NODES[:1] + NODES[3:]):
        case "list":
            return [node(random, depth - 1) for _ in range(random.randint(0, 3))]
        case "map":
            return {text(random, 2): node(random, depth - 1) for _ in range(random.randint(0, 3))}
        case "number":
            return random.choice([0, -1, 1.5, 10**30])
        case "bool":
            return random.random() < 0.5
        case "null":
            return None
    return text(random)


FIELDS = (
    "packageSet",
    "gatewayLists",
    "settings",
    "approve",
    "rollout",
    "schedules",
    "description",
    "name",
    "x",
)


def generator(random: Random, depth: int = 2) -> object:
    match random.choice(("list", "csv", "matrix", "junk") if depth else ("list", "csv")):
        case "list":
            rows = [
                {name: node(random, 1) for name in random.sample(("site", "n", "b", text(random, 1)), 2)}
                for _ in range(random.randint(0, 3))
            ]
            return {"list": random.choice([rows, node(random, 1)])}
        case "csv":
            return {"csv": random.choice(["s.csv", "s.csv", "s.csv", text(random, 2)])}
        case "matrix":
            return {"matrix": [generator(random, depth - 1) for _ in range(random.choice((2, 2, 2, 1, 3)))]}
    return node(random, 1)


def hostile(random: Random) -> dict[str, object]:
    """JSON is YAML, too, and quotes all that could break the file as such."""
    metadata = {"name": random.choice(["${site}-x", "${site}${n}", text(random)]), "labels": node(random, 1)}
    template = {"metadata": metadata, "spec": {name: node(random, 2) for name in random.sample(FIELDS, 3)}}
    spec: dict[str, object] = {
        "generators": random.choice(
            [[generator(random)], [generator(random), generator(random)], node(random, 1)]
        ),
        "template": template if random.random() < 0.9 else node(random, 1),
    }
    if random.random() < 0.4:  # only one value is odd: much of this is right
        rows = [{"site": site, "n": text(random, 2)} for site in ("a", "b")]
        sound = {
            "metadata": {"name": "${site}"},
            "spec": {"description": random.choice(["${n}", "${n} ${site}"])},
        }
        spec = {"generators": [{"list": rows}], "template": sound}
    elif random.random() < 0.3:
        spec["gatewayList"] = {"metadata": {"name": text(random)}, "spec": {"file": text(random, 2)}}
    return {"apiVersion": "reconciler/v1", "kind": "CampaignSet", "metadata": {"name": "s"}, "spec": spec}


def table(random: Random) -> str:
    header = random.choice(["site,n", "site,n", "site,n,b", "site;n", "site,site", text(random, 2)])
    return header + "\n" + "\n".join(",".join(text(random, 2) for _ in range(2)) for _ in range(3))


def test_nothing_that_a_set_holds_is_a_bug_of_ours(tmp_path: Path) -> None:
    made, refused = 0, 0
    for seed in range(300):
        random = Random(seed)
        root = tmp_path / str(seed)
        root.mkdir()
        (root / "s.csv").write_bytes(table(random).encode("utf-8", "surrogatepass"))
        (root / "set.yaml").write_text(json.dumps(hostile(random)), "utf-8")
        checked = check(Workspace(root, {}), offline=True)
        for found in checked.findings:
            assert found.code in CODES
            assert found.message.isprintable(), (seed, found)
        refused += any(found.is_error for found in checked.findings)
        made += len(checked.desired.campaigns)
    assert refused > 200
    assert made > 20


def test_values_are_never_looked_at_for_placeholders(tmp_path: Path) -> None:
    """Each value names the next one: filled in again and again, this would be 2^30 times as long."""
    row = {"site": "a", **{f"v{n}": "x" for n in range(30)}}
    row |= {f"v{n}": f"${{v{n + 1}}}${{v{n + 1}}}" for n in range(29)}
    template = {"metadata": {"name": "${site}"}, "spec": {"description": "${v0}"}}
    document = {"apiVersion": "reconciler/v1", "kind": "CampaignSet", "metadata": {"name": "s"}}
    spec = {"generators": [{"list": [row]}], "template": template}
    read = SetFolder(tmp_path).read(json.dumps({**document, "spec": spec}))
    assert "bad-value" in {found.code for found in read.findings}
    assert not campaigns(read)


def test_what_grows_is_bounded(tmp_path: Path) -> None:
    """A text of 100 placeholders with values of 10,000 characters, for 1,000 rows."""
    rows = "".join(f"s{n},{'x' * 10_000}\n" for n in range(1_000))
    template = {"metadata": {"name": "${site}"}, "spec": {"description": "${n}" * 100}}
    document = {"apiVersion": "reconciler/v1", "kind": "CampaignSet", "metadata": {"name": "s"}}
    spec = {"generators": [{"csv": "s.csv"}], "template": template}
    read = SetFolder(tmp_path).read(json.dumps({**document, "spec": spec}), {"s.csv": f"site,n\n{rows}"})
    assert [found.code for found in read.findings] == ["set-too-large"]
    assert len(campaigns(read)) < 110
