"""What has to be trusted before a run connects, and whether it is. Pure.

| what a project file asks for           | what allows it                                                    |
|----------------------------------------|-------------------------------------------------------------------|
| a secret goes to a host                | a person named the host; a grant of (secret, host); it is loopback|
| the same, of a variable of CI or ours  | a grant of (secret, host)                                         |
| a command is run                       | a grant of (command, project file)                                |
| a file outside of the project is read  | a grant of (file, project file)                                   |
| calls are handed to a scheduler        | as a secret: what that sends back is run                          |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model import Finding, Place, ResourceId
from reconciler.text import clean
from reconciler.trust.hosts import Destination, TrustedHost, covered

RESERVED: Final = re.compile(
    r"CI|(?:RECONCILER|GITHUB|GH|ACTIONS|RUNNER|CI|GITLAB|BITBUCKET|BUILDKITE|CIRCLE|TRAVIS|DRONE|WOODPECKER"
    r"|JENKINS|TEAMCITY|FORGEJO|GITEA|AWS|AZURE|ARM|GOOGLE|GCP|GCLOUD|CLOUDSDK|SSH|GPG|GIT|DOCKER|KUBE|VAULT"
    r"|NPM|NODE_AUTH|PIP|TWINE|UV_PUBLISH|POETRY|CARGO)_.*"
    r"|PG(?:PASSWORD|PASSFILE|SSL.*|SERVICE.*|USER|OAUTH.*)|KUBECONFIG|SYSTEM_ACCESSTOKEN|OP_SERVICE_ACCOUNT_TOKEN",
    re.IGNORECASE,
)
"""Variables that are ours, or what CI, clouds and tools around it use: no project file hands them on."""

POSTGRESQL: Final = "postgresql"
S3: Final = "s3"
"""Secrets that libraries find by themselves: the credentials of a store."""
WORKERS: Final = "workers"
"""No secret, but as good as one: the calls of a run, and what a scheduler may have this process do."""


def from_env(name: str) -> str:
    """The secret in an environment variable, as grants call it."""
    return f"env:{name}"


def from_file(path: object) -> str:
    """The secret in a file, by its real path."""
    return f"file:{path}"


def from_command(command: str) -> str:
    """The secret that a command prints."""
    return f"command:{command}"


def described(secret: str) -> str:
    """A secret in a sentence. Of a command not what it says: a secret may stand in it."""
    kind, _, rest = secret.partition(":")
    match kind:
        case "env":
            return f"environment variable {clean(rest)}"
        case "file":
            return f"what stands in {clean(rest)}"
        case "command":
            return "what tokenCommand prints"
        case "postgresql":
            return "the credentials of PostgreSQL"
        case "workers":
            return "the calls of a run"
    return "the credentials of AWS"


@dataclass(frozen=True, slots=True, order=True)
class SecretGrant:
    """This secret may go to this host (an `Destination` as text)."""

    secret: str
    host: str


@dataclass(frozen=True, slots=True, order=True)
class CommandGrant:
    """This project file, by its real path, may have just this command run."""

    command: str
    project: str


@dataclass(frozen=True, slots=True, order=True)
class FileGrant:
    """This project file, by its real path, may have this file read, by its real path."""

    path: str
    project: str


Grant = SecretGrant | CommandGrant | FileGrant


@dataclass(frozen=True, slots=True)
class TrustNeed:
    """One thing that a run needs to be trusted.

    ``by`` is the field or variable that asks for it. ``destination``: of a secret, where it goes.
    ``reserved``: of a secret, that no list of hosts will do. ``instead``: the variable in which a person may
    name the same.
    """

    grant: Grant
    by: str
    place: Place | None = None
    destination: Destination | None = None
    reserved: bool = False
    of_state: bool = False
    """Whether it is about the state, not about the server."""
    instead: str | None = None
    resource: ResourceId | None = None


def unmet(
    needs: Iterable[TrustNeed], hosts: Collection[TrustedHost], grants: Collection[Grant] = ()
) -> tuple[TrustNeed, ...]:
    """The `needs` that nobody allowed, each once."""
    missing: dict[Grant, TrustNeed] = {}
    for need in needs:
        if need.grant in grants or (
            need.destination is not None
            and not need.reserved
            and (need.destination.loopback or covered(need.destination, hosts))
        ):
            continue
        missing.setdefault(need.grant, need)
    return tuple(missing.values())


def refusal(need: TrustNeed) -> Finding:
    """What is said of a need that nobody allowed."""
    match need.grant:
        case SecretGrant(secret, host) if need.reserved:
            name = clean(secret.partition(":")[2])
            return Finding(
                "reserved-variable",
                f"{need.by} names {name}, a variable that belongs to reconciler, to CI or to another tool",
                need.place,
                "keep the secret in a variable of its own, such as PULSE_TOKEN; where it is meant all the"
                f" same, `reconciler trust add {name} {host}` allows it",
                need.resource,
            )
        case SecretGrant(secret, host):
            return Finding(
                "untrusted-host",
                f"{described(secret)} would go to {host}, which only the project file names",
                need.place,
                _how_to_trust(need),
                need.resource,
            )
        case CommandGrant():
            return Finding(
                "untrusted-command",
                f"{need.by} would be run, and only the project file says so",
                need.place,
                f"set {need.instead} to the command where this one runs, or allow it once with"
                " `reconciler trust add` on a terminal",
            )
        case FileGrant(path):
            other = f"name it in {need.instead}, or " if need.instead else ""
            return Finding(
                "untrusted-file",
                f"{need.by} is {clean(path)}, which isn't a file of the project",
                need.place,
                f"keep it in the project folder, {other}allow it once with `reconciler trust add` on a"
                " terminal",
            )


def _how_to_trust(need: TrustNeed) -> str:
    destination = need.destination
    assert destination is not None, "a secret goes somewhere"
    host = f"[{destination.host}]" if ":" in destination.host else clean(destination.host)
    entry = f"http://{host}" if destination.scheme == "http" else host
    flag, variable = ("--state", "RECONCILER_STATE") if need.of_state else ("--url", "RECONCILER_URL")
    if destination.scheme == "dask":
        return (
            f"if that scheduler is yours, set RECONCILER_TRUSTED_HOSTS={entry}, or name it in --workers; or"
            " allow it once with `reconciler trust add` on a terminal"
        )
    return (
        f"if that host may have it, set RECONCILER_TRUSTED_HOSTS={entry}, or name the URL in {variable} or"
        f" {flag}; or allow it once with `reconciler trust add` on a terminal"
    )


def asked_for(needs: Sequence[TrustNeed]) -> list[str]:
    """A line for each of `needs`, for the person who decides: commands in full."""
    return [f"{_where(need)}{wish(need.grant)}" for need in needs]


def wish(grant: Grant) -> str:
    """A grant in words."""
    match grant:
        case SecretGrant(secret, host):
            command = secret.removeprefix("command:")
            what = described(secret) if command == secret else f"what `{clean(command)}` prints"
            return f"send {what} to {clean(host)}"
        case CommandGrant(command, project):
            return f"run `{clean(command)}` for {clean(project)}"
        case FileGrant(path, project):
            return f"read {clean(path)} for {clean(project)}"


def _where(need: TrustNeed) -> str:
    return f"{need.place}: " if need.place else f"{need.by}: "
