"""A folder with a set, and the campaigns that it becomes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.app.workspace import for_sets
from reconciler.findings import CODES
from reconciler.loading import Document, Loaded, load
from reconciler.model import Finding, Kind
from reconciler.overlays import read_layers
from reconciler.sets import laid
from reconciler.validation import validate

NAMED = "metadata: {name: '${site}'}"


def set_of(generators: str, *, metadata: str = NAMED, spec: str = "{}") -> str:
    """The text of a set. Its generators begin in line 5, its template in the line after them."""
    return (
        "apiVersion: reconciler/v1\nkind: CampaignSet\nmetadata: {name: sites}\n"
        f"spec:\n  generators: {generators}\n  template:\n    {metadata}\n    spec: {spec}\n"
    )


@dataclass(frozen=True)
class SetFolder:
    root: Path

    def read(self, text: str, files: Mapping[str, str | bytes] | None = None, *layers: str) -> Loaded:
        """`text` as `set.yaml`, beside `files`, with the overlays `0.yaml`, `1.yaml` … laid over it."""
        (self.root / "set.yaml").write_text(text, "utf-8")
        for name, content in (files or {}).items():
            data = content.encode() if isinstance(content, str) else content
            (self.root / name).write_bytes(data)
        for at, layer in enumerate(layers):
            (self.root / f"{at}.yaml").write_text(layer, "utf-8")
        over = read_layers([self.root / f"{at}.yaml" for at in range(len(layers))], base=self.root)
        return laid(load([self.root / "set.yaml"], base=self.root), over, *for_sets(self.root))

    def found(self, text: str, files: Mapping[str, str | bytes] | None = None) -> list[str]:
        """All findings but dangling references, each as ``place: code: message``."""
        return [f"{each.place}: {each.code}: {each.message}" for each in findings(self.read(text, files))]

    def codes(self, text: str, files: Mapping[str, str | bytes] | None = None) -> list[str]:
        """The codes of what the set itself is told."""
        return [each.code for each in self.read(text, files).findings]


def campaigns(read: Loaded) -> list[Document]:
    """What the sets became."""
    return [each for each in read.documents if each.value["kind"] == Kind.CAMPAIGN]


def values(read: Loaded) -> list[dict[str, Any]]:
    """The same, as plain mappings."""
    return [dict(each.value) for each in campaigns(read)]


def findings(read: Loaded) -> Iterator[Finding]:
    """Of expanding and of validation, sorted."""
    every = [*read.findings, *validate(read.documents, unread=read.unread).findings]
    for each in sorted(every, key=Finding.sort_key):
        assert each.code in CODES, each
        if each.code != "dangling-reference":
            yield each
