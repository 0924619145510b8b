"""One more error in a project that is right or wrong elsewhere: nothing else is hidden, and nothing made up.

A project is written so that every node has lines of its own, and one node of it is broken in one way. A
finding may only be gone when it was about that node, or followed from it (`FOLLOWS`); one may only be new
beside it.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.loading import load_text
from reconciler.model import Finding
from reconciler.resolve import resolve
from reconciler.validation import validate
from tests.fakes import PULSE

Node = tuple[str | int, ...]

FREE = ("settings", "things", "labels")
"""Mappings of which any key is right."""
REQUIRED = {
    "apiVersion", "kind", "metadata", "spec", "packages", "packageSet", "schedule", "begin", "end",
    "notificationDestinationId", "distributionListId",
}  # fmt: skip


# --- projects ------------------------------------------------------------------------------------

FAULTS = [
    # what is right, what is wrong: in the order of their use below
    ("p", "gone"), ("quiet", "password"), ("key", "gone.key"), ("g1", "x1"),
    ("2030-01-02T00:00", "2029-01-02T00:00"), ("Europe/Berlin", "Europe/Belrin"), ("fw.bin", "gone.bin"),
    ("g2", "x2"), ("d", "c"), ("FAILED", "FAILD"), ("2030-02-01T00:00Z", "2028-02-01T00:00Z"),
    ("more", "line"), ("one", "two"), ("once.txt", "twice.txt"), ("g1", "g9"),
]  # fmt: skip


def project(wrong: list[bool]) -> dict[str, Any]:
    """File → its document."""
    said = iter(pair[is_wrong] for pair, is_wrong in zip(FAULTS, wrong, strict=True))

    def document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, "labels": {"site": "berlin"}}
        return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": metadata, "spec": spec}

    campaign = {
        "name": "c",
        "packageSet": next(said),
        "settings": {
            "retries": "3",
            next(said): "s",
            "file": {"fromFile": next(said)},
            "env": {"fromEnv": "A"},
        },
        "gatewayLists": ["line"],
        "packageOverrides": [
            {"gateways": [next(said)], "packageSet": "p"},
            {"gatewayLists": ["line"], "packageSet": "q"},
        ],
        "schedules": [{"schedule": "days"}, {"schedule": "nights", "gatewayLists": ["line", "more"]}],
        "closedGateways": ["g2", "x3"],
        "callbackSet": "calls",
        "runOnThings": True,
        "approve": True,
    }
    days = {
        "download": {"begin": "2030-01-01T00:00", "end": next(said)},
        "timezone": next(said),
        "execution": {"begin": "2030-01-01T00:00Z", "end": "2030-01-03T00:00Z"},
    }
    file, g2, name, state, begin = (next(said) for _ in range(5))
    second, word, ids, thing = (next(said) for _ in range(4))
    return {
        "a-campaign.yaml": document("Campaign", "c", campaign),
        "b-campaign.yaml": document(
            "Campaign",
            "d",
            {
                "name": name,
                "gatewayLists": ["line", "none"],
                "distributionList": {"distributionListId": "x"},
                "packageOverrides": [{"gateways": ["anybody"], "packageSet": "q"}],
            },
        ),
        "line.yaml": document(
            "GatewayList", "line", {"gateways": ["g1", g2, "g3", g2], "things": {thing: ["t1", "t1"]}}
        ),
        "more.yaml": document("GatewayList", second, {"file": ids}),
        "p.yaml": document(
            "PackageSet",
            "p",
            {"packages": [{"file": file, "name": "one"}, {"id": "x"}, {"file": "empty.bin"}, {"id": "x"}]},
        ),
        "q.yaml": document(
            "PackageSet", "q", {"packages": [{"file": "fw.bin", "name": word}, {"name": "y", "sha256": "0"}]}
        ),
        "days.yaml": document("Schedule", "days", days),
        "nights.yaml": document(
            "Schedule",
            "nights",
            {
                "download": {"begin": "2030-01-01T00:00Z", "end": "2030-01-02T00:00Z"},
                "activation": {"begin": begin, "end": "2030-03-01T00:00"},
            },
        ),
        "calls.yaml": document(
            "CallbackSet",
            "calls",
            {"stateChange": {"notificationDestinationId": "x", "trackedStates": [state, state]}},
        ),
    }


# --- files ---------------------------------------------------------------------------------------


@dataclass
class Written:
    """A document as text in which every node has lines of its own, and one behind them that says nothing."""

    value: Any
    lines: list[str] = field(default_factory=list)
    nodes: dict[Node, tuple[int, int]] = field(default_factory=dict)
    """First and last line of each node, from 1; the line behind is a comment."""

    def __post_init__(self) -> None:
        self._write(self.value, (), "")

    def _write(self, value: Any, path: Node, pad: str) -> None:
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            first, begin = len(self.lines) + 1, "-" if isinstance(value, list) else f"{name}:"
            if isinstance(item, dict | list):
                self.lines.append(pad + begin)
                self._write(item, (*path, name), f"{pad}  ")
            else:
                self.lines.append(f"{pad}{begin} {json.dumps(item)}")
            self.nodes[*path, name] = (first, len(self.lines))
            self.lines.append(f"{pad}#")

    def at(self, path: Node) -> Any:
        value = self.value
        for part in path:
            value = value[part]
        return value

    def start(self, path: Node, but: Node | None = None) -> int:
        """Where a mapping begins: with its first field, or the first of the others."""
        fields = [node for node in self.nodes if node[:-1] == path and node != but]
        return min((self.nodes[node][0] for node in fields), default=1)

    def broken(self, path: Node, how: str) -> list[str]:
        """The lines with one node broken."""
        lines = self.lines.copy()
        first, last = self.nodes[path]
        pad = lines[last][:-1]
        begin = "-" if isinstance(path[-1], int) else f"{path[-1]}:"
        match how:
            case "missing":
                lines[first - 1 : last] = [f"{pad}#"] * (last - first + 1)
            case "typo" | "nonsense":
                name = str(path[-1])[:-1] if how == "typo" else "zzzzzzzz"
                lines[first - 1] = lines[first - 1].replace(f"{path[-1]}:", f"{name}:", 1)
            case "twice":
                lines[last] = f"{pad}{begin} 5"
            case _:
                lines[first - 1 : last] = [f"{pad}{begin} {how}"] + [f"{pad}#"] * (last - first)
        return lines


WAYS = ["5", "", "*x", "!x 5", "typo", "nonsense", "missing", "twice"]


def breakable(written: Written, path: Node, how: str) -> bool:
    """Whether that is an error of this node and of no other."""
    if how == "missing":
        needed = path[-1] in REQUIRED and path != ("spec", "packageSet")
        return needed and len(written.at(path[:-1])) > 1
    if how in ("typo", "nonsense"):
        return isinstance(path[-1], str) and path[:-1][-1:] not in [(name,) for name in FREE]
    return how != "twice" or isinstance(path[-1], str)


# --- what follows from what ----------------------------------------------------------------------

SETS, LISTS, SCHEDULES, CAMPAIGNS = (
    {"p.yaml", "q.yaml"}, {"line.yaml", "more.yaml"}, {"days.yaml", "nights.yaml"},
    {"a-campaign.yaml", "b-campaign.yaml"},
)  # fmt: skip
NAMING = {("kind",), ("metadata",), ("metadata", "name")}
ALL_OF_IT = {("kind",), ("spec",)}
MEMBERS = ("gateways", "file")
PHASES = ("download", "execution", "activation")


@dataclass(frozen=True)
class Broken:
    """The node that is broken."""

    file: str
    path: Node
    how: str

    def of(self, files: set[str], *names: str) -> bool:
        """Whether it is or is in one of these fields of the spec, or may be meant to be one."""
        named = self.path[:1] == ("spec",) and self.path[1:2] in [(name,) for name in names]
        return self.file in files and (named or (self.how == "nonsense" and len(self.path) == 2))

    def follows(self, finding: Finding) -> bool:
        """Whether `finding`, about something else, is only known as long as this isn't broken."""
        assert finding.place is not None
        code, here = finding.code, finding.place.file == self.file
        if self.path in ALL_OF_IT and (here or finding.place.file.endswith(".txt") or code in FOLLOWS):
            return True
        if self.path in NAMING and code in NAMED:
            return True
        return code in FOLLOWS and FOLLOWS[code](self, here)


NAMED = {
    "dangling-reference", "duplicate-resource", "duplicate-campaign-name", "gateway-outside", "no-things",
    "override-overlap", "schedule-overlap",
}  # fmt: skip
FOLLOWS: Mapping[str, Callable[[Broken, bool], bool]] = {
    "dangling-reference": lambda broken, here: False,
    "duplicate-resource": lambda broken, here: False,
    "duplicate-campaign-name": lambda broken, here: broken.of(CAMPAIGNS, "name"),
    "gateway-outside": lambda broken, here: (
        broken.of(LISTS, *MEMBERS) or (here and broken.of(CAMPAIGNS, "gatewayLists", "distributionList"))
    ),
    "override-overlap": lambda broken, here: (
        broken.of(SETS, "packages")
        or broken.of(LISTS, *MEMBERS)
        or (here and broken.of(CAMPAIGNS, "packageOverrides"))
    ),
    "schedule-overlap": lambda broken, here: (
        (broken.of(SCHEDULES, *PHASES) and len(broken.path) == 2)
        or broken.of(LISTS, *MEMBERS)
        or (here and broken.of(CAMPAIGNS, "schedules"))
    ),
    "no-things": lambda broken, here: (
        broken.of(LISTS, *MEMBERS, "things") or (here and broken.of(CAMPAIGNS, "gatewayLists"))
    ),
    "thing-outside-list": lambda broken, here: here and broken.of(LISTS, *MEMBERS),
    "end-before-begin": lambda broken, here: (
        here and (broken.path[-1] == "begin" or broken.of(SCHEDULES, "timezone"))
    ),
    "phases-out-of-order": lambda broken, here: here and broken.of(SCHEDULES, "timezone", *PHASES),
    "time-without-zone": lambda broken, here: here and broken.of(SCHEDULES, "timezone"),
    "package-conflict": lambda broken, here: broken.of(SETS, "packages"),
    "duplicate-package": lambda broken, here: here and broken.of(SETS, "packages"),
    "duplicate-item": lambda broken, here: here and isinstance(broken.path[-1], int),
    # also in a data file
    "duplicate-gateway": lambda broken, here: broken.of(LISTS, *MEMBERS),
    "reserved-gateway-id": lambda broken, here: broken.of(LISTS, "file"),
    # `sha256` beside `name`
    "unknown-field": lambda broken, here: here and broken.path[-1] == "name" and broken.of(SETS, "packages"),
}  # fmt: skip


# --- the property --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("injected")
    for name, content in {
        "fw.bin": "x", "empty.bin": "", "key": "k", "once.txt": "g5\n", "twice.txt": "g5\nx9\ng5\n",
    }.items():  # fmt: skip
        (folder / name).write_text(content)
    yield folder
    shutil.rmtree(folder)


def place_of(finding: Finding) -> tuple[str, int]:
    """File and line of a finding."""
    assert finding.place is not None
    return finding.place.file, finding.place.line


def said(root: Path, texts: Mapping[str, str]) -> dict[tuple[str, str, int], Finding]:
    """Every finding, by its code, file and line."""
    documents = []
    findings: list[Finding] = []
    for name, text in texts.items():
        loaded = load_text(text, name, root / name)
        assert loaded.complete
        documents += loaded.documents
        findings += loaded.findings
    validated = validate(documents)
    findings += validated.findings
    findings += resolve(validated.documents, PULSE, root=root, environ=None).findings
    return {(found.code, *place_of(found)): found for found in findings}


def judge(root: Path, files: Mapping[str, Written], file: str, path: Node, how: str) -> None:
    """Breaks one node and compares what is found with what was found before."""
    written = files[file]
    texts = {name: "\n".join(each.lines) for name, each in files.items()}
    before = said(root, texts)
    after = said(root, {**texts, file: "\n".join(written.broken(path, how))})
    first, last = written.nodes[path]
    own = {(file, line) for line in range(first, last + 2)}
    beside = {(file, written.start(path[:-1])), (file, written.start(path[:-1], but=path))}

    gone = [found for key, found in before.items() if key not in after]
    broken = Broken(file, path, how)
    hidden = [found for found in gone if place_of(found) not in own and not broken.follows(found)]
    assert not hidden, f"{file} {path} {how!r} hides {hidden}"

    added = [found for key, found in after.items() if key not in before and key[1:] not in own]
    lacking = [found for found in added if found.code in ("missing-field", "exactly-one-of")]
    lacking = [found for found in lacking if place_of(found) in beside]
    # What was said of a value may give way to something else about it.
    other = {place_of(found) for found in gone}
    # Of two resources of one name one is left, so that it is known which one is meant.
    named = NAMED if any(found.code == "duplicate-resource" for found in gone) else set()
    named = named | {"references-not-checked"}
    made_up = [
        found
        for found in added
        if found not in lacking and found.code not in named and place_of(found) not in other
    ]
    assert not made_up, f"{file} {path} {how!r} makes up {made_up}"
    assert lacking or any(key[1:] in own for key in after), f"{file} {path} {how!r} is not found"


@given(data=st.data())
@settings(max_examples=150)
def test_one_more_error_hides_nothing_else_and_adds_nothing_else(data: st.DataObject, root: Path) -> None:
    wrong = data.draw(st.lists(st.booleans(), min_size=len(FAULTS), max_size=len(FAULTS)))
    files = {name: Written(document) for name, document in project(wrong).items()}
    file = data.draw(st.sampled_from(sorted(files)))
    path = data.draw(st.sampled_from(sorted(files[file].nodes, key=str)))
    how = data.draw(st.sampled_from(WAYS))
    assume(breakable(files[file], path, how))
    judge(root, files, file, path, how)
