"""Finds and reads the project file, and lays the environment and flags over it.

| what        | 1st           | 2nd                    | 3rd           | else                           |
|-------------|---------------|------------------------|---------------|--------------------------------|
| file        | ``--project`` | RECONCILER_PROJECT     | here or above | none; the root is where we are |
| environment | ``-e``        | RECONCILER_ENVIRONMENT |               | none                           |
| resources   | paths         |                        | ``resources`` | the root                       |
| overlays    |               |                        | ``overlays``  | none                           |
| server      | ``--url``     | RECONCILER_URL         | ``server.url``| ``embedded:`` without a file   |
| state       | ``--state``   | RECONCILER_STATE       | ``state.url`` | ``file:.reconciler/…``         |

The file is ``reconciler.yaml`` or ``reconciler.yml``, in any case; both in one folder are refused.
Paths in the file are relative to its folder, those of flags and variables to the working folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.findings import Findings
from reconciler.loading import Document
from reconciler.loading.walk import PROJECT_FILE
from reconciler.model import Finding, FromEnv, FromFile
from reconciler.project.declared import Declared, Given, is_there
from reconciler.project.project_file import above, environment_of, read_project, spec_of
from reconciler.project.sign_in import TOKEN_FILE, SignIn, find_auth
from reconciler.project.trust_needs import NeedsOfProject
from reconciler.project.urls import named_hosts, server_url, state_url
from reconciler.providers.opening import kind_of
from reconciler.settings import (
    DEFAULT_STATE_URL,
    EMBEDDED_URL,
    DaskWorkers,
    DeclaredWaiver,
    EditWhileStarted,
    Engine,
    NamedCalendar,
    NoticeEvent,
    NotifyTarget,
    Project,
    ServerSettings,
    TokenFile,
    WorkersAt,
    workers_at,
)
from reconciler.text import printable, quoted
from reconciler.trust.folders import strays
from reconciler.trust.needs import TrustNeed

CA_FILE = "RECONCILER_CA_FILE"
WAIVERS = "waivers"
_APART = frozenset({"resources", "overlays", "calendars"})
"""What of an environment changes what is found in the resources."""

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """The settings of a run, None when one of `findings` is an error.

    ``settings``: also where only the paths of resources are wrong, for what needs none.
    ``root`` and ``resources`` are known all the same where they could be read: so that whoever fixes the
    settings hears of the resources, too.
    """

    project: Project | None
    findings: tuple[Finding, ...] = ()
    settings: Project | None = None
    root: Path = Path()
    resources: tuple[Path, ...] = ()
    overlays: tuple[Path, ...] = ()
    excluded: tuple[Path, ...] = ()
    file: Path | None = None
    """The project file, if there is one."""
    environments: tuple[str, ...] = ()
    """Their names, sorted."""
    apart: tuple[str, ...] = ()
    """Those in which other resources or calendars count, or overlays."""


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
    need_access: bool = True,
) -> LoadedProject:
    """The settings of one run in `cwd`, from flags (`file` … `state`), `environ` and the project file.

    `paths` replace the resources of the file. Not `need_server` (``validate``): no secret is read, and none
    has to be set. Not `need_access` (``state``): the same, but the server has to be named, because it is said
    whose state it is. Raises nothing: all that is wrong is in the findings.
    """
    findings = Findings()
    cwd = cwd.absolute()
    given = _given(file, "--project", environ, "RECONCILER_PROJECT", findings)
    path = cwd / given.value if given else above(cwd, findings)
    document = read_project(path, given, findings) if path and not findings.failed else None
    lost, before = findings.failed and document is None, len(findings.found)
    named = _given(environment, "--environment", environ, "RECONCILER_ENVIRONMENT", findings)
    declared = Declared(document, environment_of(named, document, findings))
    root = document.path.parent if document else cwd
    if lost:  # what else holds depends on the file
        paths_given = tuple(cwd / path for path in paths)
        return LoadedProject(None, findings.sorted(), root=root, resources=paths_given, file=path)
    if len(findings.found) > before or (named and not declared.environment):
        need_server = False  # of an environment that isn't known, nothing can be missing
    about_paths = Findings()
    run = _Run(declared, root, cwd, environ, findings, need_server, need_server and need_access, about_paths)
    named_url = _given(url, "--url", environ, "RECONCILER_URL", findings)
    named_state = _given(state, "--state", environ, "RECONCILER_STATE", findings)
    signing_in = find_auth(
        declared.get("server", "auth"), environ, root, cwd, findings, needed=run.need_access
    )
    server = run.server(named_url, signing_in)
    state_given, known_state = run.state(named_state)
    environments: Mapping[str, Any] = {} if document is None else spec_of(document).get("environments", {})
    project = Project(
        root=root,
        name=None if document is None else _text(spec_of(document, "metadata").get("name")),
        file=None if document is None else document.path,
        environment=declared.environment,
        resources=tuple(cwd / path for path in paths) or run.resources(),
        overlays=run.paths("overlays"),
        excluded=tuple(root / name for each in environments.values() for name in each.get("overlays", ())),
        server=server,
        state_url=known_state,
        guards={name: limit for name, limit in declared.merged("guards").items() if name != WAIVERS},
        waivers=tuple(run.waivers()),
        calendars=tuple(run.calendars()),
        notify=tuple(run.notify()),
        needs=tuple(run.needs(named_url, server, signing_in, state_given, known_state)),
        trusted_hosts=named_hosts(environ, (named_url, named_state), findings if need_server else Findings()),
    )
    settings = None if findings.failed else project
    findings.add(about_paths.found)
    return LoadedProject(
        None if findings.failed else project,
        findings.sorted(),
        settings,
        root,
        resources=run.inside(project.resources, given=bool(paths)),
        overlays=run.inside(project.overlays),
        excluded=project.excluded,
        file=path,
        environments=tuple(sorted(environments)),
        apart=tuple(sorted(name for name, each in environments.items() if not _APART.isdisjoint(each))),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What all settings of a run are made from."""

    declared: Declared
    root: Path
    cwd: Path
    environ: Mapping[str, str]
    findings: Findings
    need_server: bool
    need_access: bool
    about_paths: Findings
    """What is wrong with the paths of resources and overlays only."""

    def resources(self) -> tuple[Path, ...]:
        if self.declared.get("resources") is None and not self.declared.unsure("resources"):
            return (self.root,)
        return self.paths("resources")

    def paths(self, name: str) -> tuple[Path, ...]:
        """The paths that the field `name` lists, each in the project and there."""
        given = self.declared.get(name)
        if given is None:
            return ()
        for index, path_name in enumerate(given.value):
            path, place = self.root / path_name, self._item(given, index)
            if why := strays(Path(os.path.realpath(path)), self.root):
                hint = f"keep {name} in the folder of the project file, also behind links"
                self.about_paths.error(why.code, f"{quoted(path_name)} {why.words}", place, hint)
            elif not is_there(path):
                message = f"there is no file or folder {quoted(path_name)}"
                self.about_paths.error("file-not-found", message, place)
        return tuple(self.root / path_name for path_name in given.value)

    def waivers(self) -> Iterator[DeclaredWaiver]:
        """Those of the environment, where it has any; else those of the project."""
        given = self.declared.get("guards", WAIVERS)
        if given is None:
            return
        for index, each in enumerate(given.value):
            if {"guard", "reason", "until"} <= each.keys():  # else that is said already
                yield DeclaredWaiver(
                    str(each["guard"]),
                    str(each["reason"]).strip(),
                    str(each["until"]),
                    _text(each.get("timezone")),
                    _text(each.get("campaign")),
                    self._item(given, index),
                )

    def calendars(self) -> Iterator[NamedCalendar]:
        """Those of the environment, where it says which; else those of the project."""
        if given := self.declared.get("calendars"):
            for index, name in enumerate(given.value):
                yield NamedCalendar(str(name), self._item(given, index))

    def notify(self) -> Iterator[NotifyTarget]:
        """Those of the environment, where it has any; else those of the project."""
        given = self.declared.get("notify")
        if given is None:
            return
        for index, each in enumerate(given.value):
            events = frozenset(map(NoticeEvent, each.get("on", NoticeEvent)))
            place = self._item(given, index)
            match each.get("url"):
                case {"fromEnv": name}:
                    yield NotifyTarget(FromEnv(str(name)), events, place)
                case {"fromFile": name}:
                    path = self.root / str(name)
                    if why := strays(Path(os.path.realpath(path)), self.root):
                        hint = "keep it in the folder of the project file, also behind links"
                        self.findings.error(why.code, f"{quoted(str(name))} {why.words}", place, hint)
                    yield NotifyTarget(FromFile(path), events, place)

    def inside(self, paths: Sequence[Path], *, given: bool = False) -> tuple[Path, ...]:
        """Those of `paths` that are there, and in the project unless a person has `given` them."""
        return tuple(
            path
            for path in paths
            if (given or not strays(Path(os.path.realpath(path)), self.root)) and is_there(path)
        )

    def needs(
        self, url: Given | None, server: ServerSettings, signing_in: SignIn, state: Given, state_url: str
    ) -> Iterator[TrustNeed]:
        """What has to be trusted before the server or the state is connected."""
        if not self.need_server:
            return
        declared = self.declared
        made = NeedsOfProject(declared.document, self.root)
        yield from made.state(state_url, state, self.cwd)
        if server.ca_file and (given := self._ca_file()) and given.place is not None:
            yield from made.file(server.ca_file, given.origin, given.place, CA_FILE)
        given_url = url or declared.get("server", "url")
        yield from made.server(server.url, given_url, signing_in.auth, signing_in.declared)
        if isinstance(server.workers, DaskWorkers):
            yield from made.workers(server.workers, declared.get("server", "workers"))

    def _ca_file(self) -> Given | None:
        if named := self.environ.get(CA_FILE):
            return Given(named, CA_FILE)
        return self.declared.get("server", "caFile")

    def server(self, named: Given | None, signing_in: SignIn) -> ServerSettings:
        declared, findings = self.declared, self.findings
        named = named or declared.get("server", "url")
        if named is None and self._must_name_server() and not declared.unsure("server", "url"):
            if declared.document is None:
                message = (
                    "CI is set, and no server is named: there is no project file, --url or RECONCILER_URL"
                )
            else:
                message = "the project names no server"
            findings.error(
                "missing-url", message, declared.place("server", key=True), self._where_to_name_it()
            )
        values = declared.merged("server")
        ca_file = self._ca_file()
        if ca_file:
            self._look_for("CA", ca_file.value, ca_file, ours=True)
        auth, given = signing_in.auth, signing_in.declared
        if isinstance(auth, TokenFile):
            by = Given(given.value["tokenFile"], given.origin, given.place) if given else None
            by = by or Given(self.environ[TOKEN_FILE], TOKEN_FILE)
            self._look_for("token", by.value, by, ours=False)
        default = ServerSettings()
        provider = str(values.get("provider", default.provider))
        for name, why in kind_of(provider).check(values):
            given = declared.get("server", name)
            findings.error("bad-setting", why, given.place if given else None)
        return ServerSettings(
            url=server_url(named, findings) if named else EMBEDDED_URL,
            provider=provider,
            api_version=_text(values.get("apiVersion")),
            organization=_text(values.get("organization")),
            auth=auth,
            ca_file=self._beside(ca_file) / ca_file.value if ca_file else None,
            timeout=float(values.get("timeoutSeconds", default.timeout)),
            max_requests_per_second=values.get("maxRequestsPerSecond"),
            batch_size=values.get("batchSize"),
            page_size=values.get("pageSize", default.page_size),
            max_answer_megabytes=values.get("maxAnswerMegabytes", default.max_answer_megabytes),
            edit_while_started=EditWhileStarted(values.get("editWhileStarted", default.edit_while_started)),
            settle=float(values.get("settleSeconds", default.settle)),
            engine=Engine(values.get("engine", default.engine)),
            workers=self._workers(),
        )

    def _workers(self) -> WorkersAt | None:
        given = self.declared.get("server", "workers")
        if given is None:
            return None
        try:
            return workers_at(str(given.value))
        except ValueError as error:
            self.findings.error("bad-setting", f"workers: {error}", given.place)
            return None

    def _look_for(self, what: str, name: str, given: Given, *, ours: bool) -> None:
        """A file has to be there to call the server, and in any case when it is `ours`: in the project."""
        path = self._beside(given) / name
        if is_there(path, as_file=True) or (self.need_server and not self.need_access):
            return
        message = f"there is no {what} file {quoted(name)}" + ("" if given.place else f" ({given.origin})")
        if self.need_access or (ours and Path(os.path.abspath(path)).is_relative_to(self.root)):  # noqa: PTH100
            self.findings.error("missing-file", message, given.place)
        else:
            hint = "it has to be there where the server is called, as in a CI job"
            self.findings.warning("missing-file", f"{message} on this machine", given.place, hint)

    def _beside(self, given: Given) -> Path:
        """What a path is relative to: a variable's to where we are."""
        return self.cwd if given.place is None else self.root

    def state(self, named: Given | None) -> tuple[Given, str]:
        """Who named the state, and its URL."""
        environment = self.declared.environment
        default = f"file:.reconciler/{environment}/state.json" if environment else DEFAULT_STATE_URL
        given = named or self.declared.get("state", "url") or Given(default, "the state")
        url = state_url(
            given,
            self.findings,
            beside=self.cwd if named and self.cwd != self.root else None,
            public=given.origin == "--state",
        )
        known = named or not self.declared.unsure("state", "url")
        if self.need_access and known and _is_ci(self.environ) and url.startswith("file:"):
            self.findings.warning(
                "state-in-ci",
                f"CI is set, and {given.origin} is a file: a runner forgets it",
                given.place,
                "name a state that outlives the runner, or keep the file between runs",
            )
        return given, url

    def _must_name_server(self) -> bool:
        """`validate` needs none: a variable may name it. Without a project file only a robot has to."""
        return self.need_server and (self.declared.document is not None or _is_ci(self.environ))

    def _where_to_name_it(self) -> str:
        document = self.declared.document
        if document is not None and self.declared.environment is None and (names := self._with_url(document)):
            return f"choose an environment with --environment: {', '.join(names)}"
        name = PROJECT_FILE if document is None else document.path.name
        return f'add server.url to {printable(name)}, or give --url; "{EMBEDDED_URL}" is the server in here'

    @staticmethod
    def _with_url(document: Document) -> list[str]:
        """The environments that name a server, or may do so."""
        environments = spec_of(document).get("environments", {})
        return sorted(
            name
            for name, each in environments.items()
            if "url" in each.get("server", {}) or Declared(document, name).unsure("server", "url")
        )

    def _item(self, given: Given, index: int) -> Any:
        assert self.declared.document is not None, "only a project file gives resources"
        return self.declared.document.place(("spec", *given.origin.split("."), index))


def _given(
    flag: AnyPath | None, flag_name: str, environ: Mapping[str, str], variable: str, findings: Findings
) -> Given | None:
    """What a flag or else a variable says. An empty variable counts as unset, an empty flag as a mistake."""
    if flag is None:
        return Given(environ[variable], variable) if environ.get(variable) else None
    text = os.fspath(flag)
    if text:
        return Given(text, flag_name)
    findings.error("empty-flag", f"{flag_name} is empty", None, "leave it out, or give it a value")
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "").lower() not in ("", "0", "false")
