"""A folder with a resource, and with overlays that are laid over it."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.findings import CODES
from reconciler.loading import Loaded, load
from reconciler.model import Finding
from reconciler.overlays import overlaid, read_layers
from reconciler.validation import validate

BASE = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec:
  gateways: [gw-1, gw-2]
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3, labels: {site: berlin}}
spec:
  description: Line 3
  gatewayLists: [hall]
  settings:
    a.b: one
    key: {fromEnv: KEY}
  desiredStatus: STARTED
"""


HEAD = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\n"


def over(kind: str, name: str, spec: str) -> str:
    """An overlay; its spec begins in line 5."""
    return HEAD.format(kind, name) + f"spec:\n{spec}"


@dataclass(frozen=True)
class Folder:
    root: Path

    def read(self, *layers: str, base: str = BASE, part: bool = False) -> Loaded:
        """`base` with the files `0.yaml`, `1.yaml` … laid over it, an entry each."""
        (self.root / "base.yaml").write_text(base)
        for index, text in enumerate(layers):
            (self.root / f"{index}.yaml").write_text(text)
        entries = [Path(f"{index}.yaml") for index in range(len(layers))]
        read = load([Path("base.yaml")], base=self.root)
        return overlaid(read, read_layers(entries, base=self.root), part=part)

    def findings(self, *layers: str, base: str = BASE) -> list[Finding]:
        """All that is found up to validation."""
        read = self.read(*layers, base=base)
        valid = validate(read.documents, unread=read.unread)
        found = [*read.findings, *valid.findings]
        assert {each.code for each in found} <= CODES.keys()
        return found

    def finding(self, *layers: str, base: str = BASE) -> tuple[str, str, str | None]:
        """Place, code and hint of the only one."""
        (found,) = self.findings(*layers, base=base)
        return str(found.place), found.code, found.hint
