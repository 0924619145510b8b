"""A folder of resources that is loaded, validated and resolved for real."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.findings import CODES
from reconciler.loading import load
from reconciler.model import DesiredCampaign, Finding
from reconciler.providers.base import Facts
from reconciler.resolve import Resolved, resolve
from reconciler.validation import validate
from tests.fakes import PULSE


@dataclass(frozen=True)
class Folder:
    """`write` files, then `resolve` all of them."""

    root: Path
    facts: Facts = PULSE
    """Of the server that it is for."""

    def write(self, **files: str | bytes) -> None:
        """`a__b_yaml="…"` writes a/b.yaml."""
        for name, content in files.items():
            self.put(name.replace("__", "/").replace("_", "."), content)

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def resource(self, kind: str, name: str, spec: str, file: str | None = None) -> None:
        """Puts a resource into a file of its own, its spec (in flow style or indented) from line 5 on."""
        head = f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
        body = "\n".join(f"  {line}" for line in spec.strip("\n").splitlines())
        self.put(file or f"{kind.lower()}-{name}.yaml", f"{head}{body}\n")

    def ids_of(self, spec: str) -> frozenset[str]:
        """The gateways of a list of that spec, in the only campaign."""
        self.resource("GatewayList", "l", spec)
        self.resource("Campaign", "c", "gatewayLists: [l]")
        return self.campaign().gateways

    def resolve(self, environ: Mapping[str, str] | None = None, root: Path | None = None) -> Resolved:
        loaded = load([self.root], base=self.root)
        validated = validate(loaded.documents)
        assert not [finding for finding in (*loaded.findings, *validated.findings) if finding.is_error]
        resolved = resolve(validated.documents, self.facts, root=root or self.root, environ=environ)
        assert {finding.code for finding in resolved.findings} <= CODES.keys()
        assert all(finding.place and finding.resource for finding in resolved.findings)
        return resolved

    def every_finding(self) -> tuple[Finding, ...]:
        """What all stages up to resolve find, as in ``validate``, sorted."""
        loaded = load([self.root], base=self.root)
        validated = validate(loaded.documents, unread=loaded.unread)
        resolved = resolve(validated.documents, self.facts, root=self.root, environ=None)
        found = (*loaded.findings, *validated.findings, *resolved.findings)
        assert {finding.code for finding in found} <= CODES.keys()
        assert all(finding.place for finding in found)
        return tuple(sorted(found, key=Finding.sort_key))

    def finding(self, environ: Mapping[str, str] | None = None) -> Finding:
        """The only finding."""
        findings = self.resolve(environ).findings
        assert len(findings) == 1, findings
        return findings[0]

    def campaign(self, environ: Mapping[str, str] | None = None) -> DesiredCampaign:
        """The only campaign, without any finding."""
        resolved = self.resolve(environ)
        assert resolved.findings == ()
        (campaign,) = resolved.desired.campaigns
        return campaign


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "project"
    root.mkdir()
    return Folder(root)


DAYS = "download: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}"
NIGHTS = f"{DAYS}\nexecution: {{begin: 2030-02-01T00:00Z, end: 2030-02-02T00:00Z}}"


@pytest.fixture
def parts(folder: Folder) -> Folder:
    """Lists a, b and ab of gateways, sets p, q and the same as p."""
    for name, ids in (("a", "[a1, a2, a3]"), ("b", "[b1, b2]"), ("ab", "[a3, b1]"), ("none", "[]")):
        folder.resource("GatewayList", name, f"gateways: {ids}")
    for name, id_ in (("p", "p"), ("q", "q"), ("same", "p")):
        folder.resource("PackageSet", name, f"packages: [{{id: {id_}}}]")
    folder.resource("Schedule", "days", DAYS)
    folder.resource("Schedule", "nights", NIGHTS)
    return folder
