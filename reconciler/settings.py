"""How to reach a server and where the state is: a project file, the environment and flags, merged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from reconciler.model import FromEnv, FromFile, Place, ResourceId, Secret, Server
from reconciler.trust.hosts import TrustedHost, plain_host
from reconciler.trust.needs import TrustNeed

SCHEDULER_ADDRESS: Final = re.compile(
    r"//(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s]+)(?::(?P<port>[0-9]{1,5}))?"
)
EMBEDDED_URL = "embedded:"
DEFAULT_STATE_URL = "file:.reconciler/state.json"


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, from the environment or a flagless default."""

    token: Secret


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file whose stripped content is the token; read again for a new sign-in."""

    path: Path


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A shell command whose stripped stdout is the token; run again for a new sign-in."""

    command: str
    folder: Path
    """Where it runs: the folder of the project file."""
    by: str = "the tokenCommand of the project file"
    """What to call it: never as it is written, because a secret may stand in it."""


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password, exchanged for an access token."""

    username: str
    password: Secret
    username_from: str = field(default="", compare=False)
    """The variable that holds the name; empty: none does."""


Auth = Token | TokenFile | TokenCommand | Basic


class NoticeEvent(StrEnum):
    """What people are told of."""

    ABORTED = "aborted"
    PAUSED = "paused"
    WAITING_FOR_APPROVAL = "waiting-for-approval"
    WAVE_OPENED = "wave-opened"
    COMPLETE = "complete"
    GUARD_TRIPPED = "guard-tripped"
    LOOK_FAILING = "look-failing"


@dataclass(frozen=True, slots=True)
class NotifyTarget:
    """Where people are told of things. ``origin`` says where the URL stands, which is a secret as a whole."""

    origin: FromEnv | FromFile
    events: frozenset[NoticeEvent] = frozenset(NoticeEvent)
    place: Place | None = None


class EditWhileStarted(StrEnum):
    """Whether the server takes an edit of a started campaign."""

    STOP = "stop"
    ALLOW = "allow"


class Engine(StrEnum):
    """What sends the requests."""

    HTTPX = "httpx"
    AIOHTTP = "aiohttp"


LOCAL_WORKERS: Final = 64
"""So many processes of one machine, at most."""
SCHEDULER_PORT: Final = 8786


@dataclass(frozen=True, slots=True)
class LocalWorkers:
    """Processes of this machine, for one run."""

    count: int

    def __str__(self) -> str:
        return f"local:{self.count}"


@dataclass(frozen=True, slots=True)
class DaskWorkers:
    """The workers of a Dask scheduler. ``host`` without brackets."""

    host: str
    port: int = SCHEDULER_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dask://{host}:{self.port}"


WorkersAt = LocalWorkers | DaskWorkers


def workers_at(text: str) -> WorkersAt:
    """``local:N`` or ``dask://HOST[:PORT]``; ValueError says what is wrong with it."""
    kind, _, rest = text.partition(":")
    if kind == "local":
        if not (rest.isascii() and rest.isdigit() and 1 <= int(rest) <= LOCAL_WORKERS):
            raise ValueError(f"local: wants a number of processes, 1 to {LOCAL_WORKERS}")
        return LocalWorkers(int(rest))
    if kind == "dask" and rest.startswith("//"):
        address = SCHEDULER_ADDRESS.fullmatch(rest)
        host = address and plain_host(address["host"].strip("[]"))
        port = int(address["port"] or SCHEDULER_PORT) if address else 0
        if not host or not 0 < port < 65_536:
            raise ValueError("dask: wants //HOST or //HOST:PORT, and nothing else")
        return DaskWorkers(host, port)
    raise ValueError("it is neither local:N nor dask://HOST:PORT")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How to talk to a server. Times in seconds."""

    url: str = EMBEDDED_URL
    provider: str = "pulse"
    api_version: str | None = None
    """None: ask the server."""
    organization: str | None = None
    auth: Auth | None = None
    ca_file: Path | None = None
    timeout: float = 30.0
    max_requests_per_second: float | None = None
    batch_size: int | None = None
    """How many gateways one add or remove carries; None: as many as suit the kind of server."""
    page_size: int = 500
    max_answer_megabytes: int = 64
    """MiB of one answer, unpacked; a whole list may have eight times as much."""
    edit_while_started: EditWhileStarted = EditWhileStarted.STOP
    settle: float = 30.0
    """How long what may have been made is looked for before it is made again."""
    engine: Engine = Engine.HTTPX
    workers: WorkersAt | None = None
    """Who reads and sends, too, where there is very much of what may be repeated; None: only this process."""
    finished_run_again: bool | None = None
    """Whether gateways that are done run again when packages change: what the server in this process says."""

    @property
    def identity(self) -> Server:
        """Which server it is; a URL is the same with and without a slash at its end."""
        return Server(self.provider, self.url if self.embedded else self.url.rstrip("/"), self.organization)

    @property
    def embedded(self) -> bool:
        return self.url == EMBEDDED_URL


@dataclass(frozen=True, slots=True)
class DeclaredWaiver:
    """A waiver as it stands in the project file; its times are not read yet."""

    guard: str
    reason: str
    until: str
    timezone: str | None = None
    campaign: str | None = None
    """The name of its resource; None: of all."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class GitWaiver:
    """A guard that may be passed until some time: for one campaign, or (None) wherever it trips."""

    guard: str
    reason: str
    until: int
    """Epoch milliseconds; it is over from then on."""
    campaign: ResourceId | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class NamedCalendar:
    """A Calendar that the project file names, and where."""

    name: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """One run's settings. ``root`` is the folder that paths are relative to and may not leave."""

    root: Path
    name: str | None = None
    file: Path | None = None
    environment: str | None = None
    resources: tuple[Path, ...] = ()
    overlays: tuple[Path, ...] = ()
    """What the environment lays over the resources, in this order."""
    excluded: tuple[Path, ...] = ()
    """The overlays of every environment: no resources, wherever they are."""
    server: ServerSettings = field(default_factory=ServerSettings)
    state_url: str = DEFAULT_STATE_URL
    guards: Mapping[str, int | bool] = field(default_factory=dict)
    waivers: tuple[DeclaredWaiver, ...] = ()
    """Of guards, as a reviewed project file has them."""
    calendars: tuple[NamedCalendar, ...] = ()
    """All of them must be open before anything reaches devices."""
    notify: tuple[NotifyTarget, ...] = ()
    """Who is told of what, by services outside."""
    needs: tuple[TrustNeed, ...] = ()
    """What has to be trusted before anything is connected; empty once it is."""
    trusted_hosts: tuple[TrustedHost, ...] = ()
    """Hosts that a person named: in the list of them, and in the URLs of flags and variables."""
