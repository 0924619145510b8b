"""Which file set a value, and what it replaced."""

from pathlib import Path

import pytest

from reconciler.loading import load
from reconciler.model import Kind, ResourceId
from reconciler.overlays import about, read_layers
from reconciler.overlays.history import fields, located, said
from tests.overlays.overlay_folders import Folder, over


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spec.description", [("base.yaml:11:16", "Line 3"), ("0.yaml:5:16", "one"), ("1.yaml:5:16", None)]),
        ("spec.settings.a.b", [("base.yaml:14:10", "one")]),
        ("spec.settings.key", [("base.yaml:15:10", {"fromEnv": "KEY"}), ("0.yaml:6:19", "plain"),
                               ("1.yaml:6:19", {"fromFile": "f"})]),
        ("spec.settings.key.fromEnv", [("base.yaml:15:20", "KEY"), ("0.yaml:6:19", None),
                                       ("1.yaml:6:19", None)]),
        ("spec.gatewayLists.0", [("base.yaml:12:18", "hall"), ("0.yaml:7:18", "a")]),
        ("spec.gatewayLists.1", [("base.yaml:12:17", None), ("0.yaml:7:21", "b")]),
        ("spec.approve", []),
        ("metadata.labels.site", [("base.yaml:9:41", "berlin")]),
    ],
)  # fmt: skip
def test_who_said_what(here, text: str, expected: list[tuple[str, object]]) -> None:
    assert history(here, text, *LAYERS) == expected


def test_every_field_that_somebody_says_something_of(here) -> None:
    here.read(*LAYERS)
    loaded = [load([Path(name)], base=here.root) for name in ("base.yaml", "0.yaml", "1.yaml")]
    documents = about(ResourceId(Kind.CAMPAIGN, "line-3"), loaded[0], loaded[1:])
    assert len(documents) == 3
    assert [".".join(path) for path in fields(documents)] == [
        "metadata.labels.site",
        "spec.description",
        "spec.gatewayLists",
        "spec.settings.a.b",
        "spec.settings.key",
        "spec.desiredStatus",
    ]
    assert [path[-1] for path in fields(documents, ("spec", "settings"))] == ["a.b", "key"]
