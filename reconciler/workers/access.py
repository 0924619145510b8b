"""How a worker reaches the server: it is told where secrets stand, and never gets one.

| the run signs in by | a worker does by                                           |
|---------------------|------------------------------------------------------------|
| variables           | its own variables of these names                           |
| a file              | its own file at that path                                  |
| a command           | `RECONCILER_TOKEN` and the like: no command is sent to it  |

What `RECONCILER_TOKEN` and the like say there comes first, as in every run.

Tests: `tests/workers/test_workers_access.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.findings import Findings
from reconciler.model import FromEnv
from reconciler.project.declared import Given
from reconciler.project.sign_in import TOKEN, TOKEN_COMMAND, TOKEN_FILE, find_auth
from reconciler.settings import Auth, Basic, EditWhileStarted, Engine, ServerSettings, Token, TokenFile


@dataclass(frozen=True, slots=True)
class ServerRef:
    """A server, as workers are told of it: settings as plain values, and of a sign-in where it stands."""

    url: str
    provider: str
    api_version: str | None = None
    organization: str | None = None
    ca_file: str | None = None
    timeout: float = 30.0
    batch_size: int | None = None
    page_size: int = 500
    max_answer_megabytes: int = 64
    edit_while_started: str = EditWhileStarted.STOP.value
    settle: float = 30.0
    engine: str = Engine.HTTPX.value
    signs_in: bool = False
    auth: Mapping[str, str] = field(default_factory=dict)
    """As ``server.auth`` in a project file: names of variables, or a path."""


def ref_of(settings: ServerSettings) -> ServerRef:
    """What a worker is told of the server that `settings` name."""
    return ServerRef(
        settings.url,
        settings.provider,
        settings.api_version,
        settings.organization,
        str(settings.ca_file) if settings.ca_file else None,
        settings.timeout,
        settings.batch_size,
        settings.page_size,
        settings.max_answer_megabytes,
        settings.edit_while_started.value,
        settings.settle,
        settings.engine.value,
        signs_in=settings.auth is not None,
        auth=_where(settings.auth),
    )


def _where(auth: Auth | None) -> Mapping[str, str]:
    """Where the secrets of a sign-in stand; of a command nothing, because a secret may stand in that."""
    match auth:
        case Token(token) if isinstance(token.origin, FromEnv):
            return {"tokenEnv": token.origin.name}
        case Basic(_, password, username_from) if username_from and isinstance(password.origin, FromEnv):
            return {"usernameEnv": username_from, "passwordEnv": password.origin.name}
        case TokenFile(path):
            return {"tokenFile": str(path)}
    return {}


def settings_here(ref: ServerRef, environ: Mapping[str, str], folder: Path) -> ServerSettings:
    """The settings of the server in a process with that environment; ReconcilerError says what it lacks."""
    findings = Findings()
    given = Given(dict(ref.auth), "server.auth") if ref.auth else None
    auth = find_auth(given, environ, folder, folder, findings, needed=True).auth
    if findings.failed:
        first = findings.sorted()[0]
        raise ReconcilerError(first.message, hint=first.hint)
    if ref.signs_in and auth is None:
        raise ReconcilerError(
            f"none of {TOKEN}, {TOKEN_FILE} and {TOKEN_COMMAND} is set", hint="Set one where the worker runs."
        )
    for what, path in (("token", auth.path if isinstance(auth, TokenFile) else None), ("CA", ref.ca_file)):
        if path is not None and not Path(path).is_file():
            raise ReconcilerError(
                f"there is no {what} file {path}",
                hint="Put the file there on every machine that runs a worker.",
            )
    return ServerSettings(
        url=ref.url,
        provider=ref.provider,
        api_version=ref.api_version,
        organization=ref.organization,
        auth=auth,
        ca_file=Path(ref.ca_file) if ref.ca_file else None,
        timeout=ref.timeout,
        batch_size=ref.batch_size,
        page_size=ref.page_size,
        max_answer_megabytes=ref.max_answer_megabytes,
        edit_while_started=EditWhileStarted(ref.edit_while_started),
        settle=ref.settle,
        engine=Engine(ref.engine),
    )
