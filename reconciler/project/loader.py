"""Finds and reads the project file, and lays the environment and flags over it.

| what        | 1st           | 2nd                    | 3rd           | else                           |
|-------------|---------------|------------------------|---------------|--------------------------------|
| file        | ``--project`` | RECONCILER_PROJECT     | here or above | none; the root is where we are |
| environment | ``-e``        | RECONCILER_ENVIRONMENT |               | none                           |
| resources   | paths         |                        | ``resources`` | the root                       |
| server      | ``--url``     | RECONCILER_URL         | ``server.url``| ``embedded:`` without a file   |
| state       | ``--state``   | RECONCILER_STATE       | ``state.url`` | ``file:.reconciler/…``         |

Paths in the file are relative to its folder, those of flags and variables to the working folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.findings import nearest, printable
from reconciler.loading import Document, load_text
from reconciler.model import Finding
from reconciler.project.access import find_auth
from reconciler.project.declared import Declared, Given, Report, is_there
from reconciler.project.urls import server_url, state_url
from reconciler.settings import (
    DEFAULT_STATE_URL,
    EMBEDDED_URL,
    EditWhileStarted,
    Engine,
    Project,
    ServerSettings,
)

PROJECT_FILE = "reconciler.yaml"
ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """The settings of a run, None when one of `findings` is an error.

    ``root`` and ``resources`` are known all the same where they could be read: so that whoever mends the
    settings hears of the resources, too.
    """

    project: Project | None
    findings: tuple[Finding, ...] = ()
    root: Path = Path()
    resources: tuple[Path, ...] = ()


def load_project(
    *,
    cwd: Path,
    environ: Mapping[str, str],
    file: AnyPath | None = None,
    environment: str | None = None,
    url: str | None = None,
    state: str | None = None,
    paths: Sequence[AnyPath] = (),
    need_server: bool = True,
) -> LoadedProject:
    """The settings of one run in `cwd`, from flags (`file` … `state`), `environ` and the project file.

    `paths` replace the resources of the file. Not `need_server` (``validate``): no secret is read, and none
    has to be set. Raises nothing: all that is wrong is in the findings.
    """
    report = Report()
    cwd = cwd.absolute()
    given = _given(file, "--project", environ, "RECONCILER_PROJECT", report)
    path = cwd / given.value if given else _above(cwd)
    document = _read(path, given, report) if path else None
    named = _given(environment, "--environment", environ, "RECONCILER_ENVIRONMENT", report)
    declared = Declared(document, _environment(named, document, report))
    root = document.path.parent if document else cwd
    if report.failed():  # what else holds depends on the file and the environment
        return LoadedProject(None, report.sorted(), root, tuple(cwd / path for path in paths))
    run = _Run(declared, root, cwd, environ, report, need_server)
    project = Project(
        root=root,
        name=None if document is None else str(_spec(document, "metadata")["name"]),
        file=None if document is None else document.path,
        environment=declared.environment,
        resources=tuple(cwd / path for path in paths) or run.resources(),
        server=run.server(_given(url, "--url", environ, "RECONCILER_URL", report)),
        state_url=run.state(_given(state, "--state", environ, "RECONCILER_STATE", report)),
        guards=declared.merged("guards"),
    )
    there = tuple(filter(is_there, project.resources))
    return LoadedProject(None if report.failed() else project, report.sorted(), root, there)


@dataclass(frozen=True, slots=True)
class _Run:
    """What all settings of a run are made from."""

    declared: Declared
    root: Path
    cwd: Path
    environ: Mapping[str, str]
    report: Report
    need_server: bool

    def resources(self) -> tuple[Path, ...]:
        given = self.declared.get("resources")
        if given is None:
            return (self.root,)
        home = os.path.realpath(self.root)
        for index, name in enumerate(given.value):
            path, place = self.root / name, self._item(given, index)
            if not Path(os.path.realpath(path)).is_relative_to(home):
                hint = "keep resources in the folder of the project file, also behind links"
                self.report.error(
                    "outside-project", f"`{printable(name)}` leads out of the project", place, hint
                )
            elif not is_there(path):
                self.report.error("file-not-found", f"there is no file or folder `{printable(name)}`", place)
        return tuple(self.root / name for name in given.value)

    def server(self, named: Given | None) -> ServerSettings:
        declared, report = self.declared, self.report
        named = named or declared.get("server", "url")
        if named is None and self._must_name_server():
            if declared.document is None:
                message = (
                    "CI is set, and no server is named: there is no project file, --url or RECONCILER_URL"
                )
            else:
                message = "the project names no server"
            report.error("missing-url", message, declared.place("server", key=True), self._where_to_name_it())
        values = declared.merged("server")
        ca_file = declared.get("server", "caFile")
        if ca_file and self.need_server and not is_there(self.root / ca_file.value, as_file=True):
            report.error("missing-file", f"there is no CA file `{ca_file.value}`", ca_file.place)
        default = ServerSettings()
        return ServerSettings(
            url=server_url(named, report) if named else EMBEDDED_URL,
            provider=values.get("provider", default.provider),
            api_version=_text(values.get("apiVersion")),
            organization=_text(values.get("organization")),
            auth=find_auth(declared, self.environ, self.root, report, needed=self.need_server),
            ca_file=self.root / ca_file.value if ca_file else None,
            timeout=float(values.get("timeoutSeconds", default.timeout)),
            max_requests_per_second=values.get("maxRequestsPerSecond"),
            batch_size=values.get("batchSize", default.batch_size),
            page_size=values.get("pageSize", default.page_size),
            edit_while_started=EditWhileStarted(values.get("editWhileStarted", default.edit_while_started)),
            engine=Engine(values.get("engine", default.engine)),
        )

    def state(self, named: Given | None) -> str:
        environment = self.declared.environment
        default = f"file:.reconciler/{environment}/state.json" if environment else DEFAULT_STATE_URL
        given = named or self.declared.get("state", "url") or Given(default, "the state")
        url = state_url(
            given,
            self.report,
            beside=self.cwd if named and self.cwd != self.root else None,
            public=given.origin == "--state",
        )
        if self.need_server and _is_ci(self.environ) and url.startswith("file:"):
            self.report.warning(
                "state-in-ci",
                f"CI is set, and {given.origin} is a file: a runner forgets it",
                given.place,
                "name a state that outlives the runner, or keep the file between runs",
            )
        return url

    def _must_name_server(self) -> bool:
        """Without a project file only a robot has to; a project has to, but `validate` may not know where."""
        document = self.declared.document
        if document is None:
            return self.need_server and _is_ci(self.environ)
        return self.need_server or not self._with_url(document)

    def _where_to_name_it(self) -> str:
        document = self.declared.document
        if document is not None and self.declared.environment is None and (names := self._with_url(document)):
            return f"choose an environment with --environment: {', '.join(names)}"
        return f'add server.url to {PROJECT_FILE}, or give --url; "{EMBEDDED_URL}" is the server in here'

    @staticmethod
    def _with_url(document: Document) -> list[str]:
        """The environments that name a server."""
        environments = _spec(document).get("environments", {})
        return sorted(name for name, each in environments.items() if "url" in each.get("server", {}))

    def _item(self, given: Given, index: int) -> Any:
        assert self.declared.document is not None, "only a project file gives resources"
        return self.declared.document.place(("spec", *given.origin.split("."), index))


def _given(
    flag: AnyPath | None, flag_name: str, environ: Mapping[str, str], variable: str, report: Report
) -> Given | None:
    """What a flag or else a variable says. An empty variable counts as unset, an empty flag as a mistake."""
    if flag is None:
        return Given(environ[variable], variable) if environ.get(variable) else None
    text = os.fspath(flag)
    if text:
        return Given(text, flag_name)
    report.error("empty-flag", f"{flag_name} is empty", None, "leave it out, or give it a value")
    return None


def _above(folder: Path) -> Path | None:
    """The project file of `folder` or the nearest folder above that has one."""
    files = (each / PROJECT_FILE for each in (folder, *folder.parents))
    return next((path for path in files if is_there(path, as_file=True)), None)


def _read(path: Path, given: Given | None, report: Report) -> Document | None:
    """The one document of a project file, valid; None when something is wrong with it."""
    from reconciler.validation import validate_project

    origin = f" (from {given.origin})" if given else ""
    try:
        data = path.read_bytes()
    except OSError as error:
        code = "file-not-found" if isinstance(error, FileNotFoundError) else "unreadable-file"
        report.error(
            code,
            f"project file `{printable(str(path), 200)}`{origin} can't be read: {error.strerror or error}",
        )
        return None
    loaded = load_text(data, path.name, path)
    report.found += loaded.findings
    if len(loaded.documents) != 1:
        if not report.failed():
            place = loaded.documents[1].place(()) if loaded.documents else None
            message = f"project file {path.name} has {len(loaded.documents)} documents, and must have one"
            report.error("bad-project-file", message, place, "keep resources in files of their own")
        return None
    report.found += validate_project(loaded.documents[0])
    return loaded.documents[0]


def _environment(named: Given | None, document: Document | None, report: Report) -> str | None:
    """The name of the environment. Without a project file any will do: it names a state."""
    if named is None:
        return None
    if not ENVIRONMENT_NAME.fullmatch(named.value):
        hint = "use letters, digits, -, _ and ., beginning with a letter or digit"
        report.error("unknown-environment", f"{named.origin} is no name of an environment", None, hint)
        return None
    environments: Mapping[str, object] = {} if document is None else _spec(document).get("environments", {})
    if document is not None and named.value not in environments:
        near = nearest(named.value, environments)
        known = f"known: {', '.join(sorted(environments))}" if environments else "the project has none"
        report.error(
            "unknown-environment",
            f"{named.origin}: there is no environment `{named.value}`",
            document.place(("spec", "environments"), key=True),
            f"did you mean `{near}`?" if near else known,
        )
        return None
    return str(named.value)


def _spec(document: Document, part: str = "spec") -> Any:
    return document.value[part]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "").lower() not in ("", "0", "false")
