"""A working folder, perhaps with a project file in it, that is loaded for real."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.findings import CODES
from reconciler.model import Finding
from reconciler.project import LoadedProject, load_project
from reconciler.settings import Project

URL = "https://pulse.example.com"


HEAD = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: line-3}\nspec:\n"


@dataclass(frozen=True)
class Folder:
    """A working folder, perhaps with a project file in it."""

    root: Path

    def write(self, spec: str, name: str = "reconciler.yaml") -> Path:
        """Puts a project file, its spec from line 5 on, indented by two."""
        path = self.root / name
        path.write_text(HEAD + "".join(f"  {line}\n" for line in spec.strip("\n").splitlines()))
        return path

    def load(self, environ: Mapping[str, str] | None = None, **flags: Any) -> LoadedProject:
        loaded = load_project(cwd=flags.pop("cwd", self.root), environ=environ or {}, **flags)
        assert {finding.code for finding in loaded.findings} <= CODES.keys()
        assert (loaded.project is None) == any(finding.is_error for finding in loaded.findings)
        return loaded

    def project(self, environ: Mapping[str, str] | None = None, **flags: Any) -> Project:
        """The project, without any finding."""
        loaded = self.load(environ, **flags)
        assert loaded.findings == ()
        assert loaded.project is not None
        return loaded.project

    def finding(self, environ: Mapping[str, str] | None = None, **flags: Any) -> Finding:
        """The only finding."""
        findings = self.load(environ, **flags).findings
        assert len(findings) == 1, findings
        return findings[0]


FULL = f"""
resources: [campaigns, lists]
server:
  provider: pulse
  url: {URL}/
  apiVersion: "0.17"
  organization: line-3
  auth: {{tokenEnv: TOKEN}}
  caFile: ca.pem
  timeoutSeconds: 5
  maxRequestsPerSecond: 7.5
  batchSize: 40
  pageSize: 50
  editWhileStarted: allow
state: {{url: 'file:state/base.json'}}
guards: {{maxDeletes: 1, allowEmpty: true}}
environments:
  staging:
    resources: [campaigns]
    server:
      url: https://staging.example.com
      auth: {{usernameEnv: NAME, passwordEnv: WORD}}
      batchSize: 10
    state: {{url: 'file:state/staging.json'}}
    guards: {{maxDeletes: 100, maxStarts: 5}}
  production: {{}}
"""
