"""What a project file asks for that a person has to allow: of its server, of its state, of a file beside it.

What stands in a flag or a variable was named by a person, and needs nothing more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.loading import Document
from reconciler.model import Place
from reconciler.project.declared import Given
from reconciler.project.sign_in import PASSWORD, TOKEN, TOKEN_COMMAND, TOKEN_FILE, USERNAME
from reconciler.settings import EMBEDDED_URL, Auth, Basic, DaskWorkers, Token, TokenCommand, TokenFile
from reconciler.state.addresses import StoreAddress, parse_address
from reconciler.trust.folders import strays
from reconciler.trust.hosts import EMBEDDED, Destination
from reconciler.trust.needs import (
    POSTGRESQL,
    RESERVED,
    S3,
    WORKERS,
    CommandGrant,
    FileGrant,
    SecretGrant,
    TrustNeed,
    from_command,
    from_env,
    from_file,
)

_LIBPQ_FILES: Final = (
    "passfile",
    "servicefile",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
)
"""Options of PostgreSQL's library that name a file."""


@dataclass(frozen=True, slots=True)
class NeedsOfProject:
    """Makes the needs of one project file; None of `document`: there is none, and who runs this decides."""

    document: Document | None
    root: Path

    def server(
        self, url: str, given: Given | None, auth: Auth | None, declared: Given | None
    ) -> Iterator[TrustNeed]:
        """Of the server at `url`, `given` by whom; `declared`: the sign-in, where the file says it."""
        destination = server_destination(url)
        if destination is None:
            return
        place = given.place if given else None
        for secret, field in _secrets(auth, declared):
            grant = SecretGrant(secret, str(destination))
            if declared is not None and field and RESERVED.fullmatch(secret.partition(":")[2]):
                path = f"{declared.origin}.{field}"
                yield TrustNeed(grant, path, self._place(path), destination, reserved=True)
            elif place is not None:
                yield TrustNeed(grant, "server.url", place, destination)
        if declared is None:
            return
        match auth:
            case TokenCommand(command):
                path = f"{declared.origin}.tokenCommand"
                yield TrustNeed(
                    CommandGrant(command, self._project), path, self._place(path), instead=TOKEN_COMMAND
                )
            case TokenFile(name):
                path = f"{declared.origin}.tokenFile"
                yield from self.file(name, path, self._place(path), TOKEN_FILE)

    def workers(self, at: DaskWorkers, given: Given | None) -> Iterator[TrustNeed]:
        """Of a scheduler: what comes back from it is run."""
        if given is not None and given.place is not None:
            destination = Destination.at("dask", at.host, at.port)
            grant = SecretGrant(WORKERS, str(destination))
            yield TrustNeed(grant, "server.workers", given.place, destination)

    def file(
        self, path: Path, by: str, place: Place | None, instead: str | None = None, *, of_state: bool = False
    ) -> Iterator[TrustNeed]:
        """Of a file that the project file names at `place`."""
        real = Path(os.path.realpath(path))
        if strays(real, self.root):
            grant = FileGrant(str(real), self._project)
            yield TrustNeed(grant, by, place, of_state=of_state, instead=instead)

    def state(self, url: str, given: Given, cwd: Path) -> Iterator[TrustNeed]:
        """Of the store at `url`. One that can't be read is refused by the store."""
        if given.place is None:
            return
        try:
            address = parse_address(url, secret={}, hint="")
        except ReconcilerError:
            return
        match url.partition(":")[0]:
            case "postgresql":
                for destination in _databases(address):
                    grant = SecretGrant(POSTGRESQL, str(destination))
                    yield TrustNeed(grant, given.origin, given.place, destination, of_state=True)
                for name in _LIBPQ_FILES:
                    if (path := address.options.get(name)) and (name, path) != ("sslrootcert", "system"):
                        yield from self.file(
                            cwd / path, f"{given.origin} ({name})", given.place, of_state=True
                        )
            case "s3" if endpoint := address.options.get("endpoint"):
                destination = _destination(endpoint)
                grant = SecretGrant(S3, str(destination))
                yield TrustNeed(grant, given.origin, given.place, destination, of_state=True)

    @property
    def _project(self) -> str:
        return os.path.realpath(self.root if self.document is None else self.document.path)

    def _place(self, path: str) -> Place | None:
        return None if self.document is None else self.document.place(("spec", *path.split(".")))


def server_destination(url: str) -> Destination | None:
    """Where a server's URL leads; None for what isn't a URL, which is said elsewhere."""
    if url == EMBEDDED_URL:
        return EMBEDDED
    try:
        return Destination.of(url)
    except ValueError:
        return None


def _secrets(auth: Auth | None, declared: Given | None) -> Iterator[tuple[str, str | None]]:
    """The secrets of a sign-in, and the fields of the project file that name the variables that hold them."""
    said: Mapping[str, object] = {} if declared is None else declared.value
    match auth:
        case Token():
            yield from_env(str(said.get("tokenEnv", TOKEN))), "tokenEnv"
        case Basic():
            yield from_env(str(said.get("usernameEnv", USERNAME))), "usernameEnv"
            yield from_env(str(said.get("passwordEnv", PASSWORD))), "passwordEnv"
        case TokenFile(path):
            yield from_file(os.path.realpath(path)), None
        case TokenCommand(command):
            yield from_command(command), None
        case None:
            pass


def _databases(address: StoreAddress) -> Iterator[Destination]:
    """The machines that PostgreSQL's library would connect to; none: this one, or that of PGHOST.

    A path is a socket of this machine.
    """
    options = address.options
    port = str(address.port or "")
    ports = options.get("port", port).split(",")
    for name, said in (("host", address.host), ("hostaddr", "")):
        hosts = options.get(name, said).split(",")
        for index, host in enumerate(hosts):
            at = ports[index] if len(ports) == len(hosts) else ports[0]
            if host and not host.startswith(("/", "@")):
                yield Destination.at("postgresql", host, int(at) if at.isdecimal() else None)
    for name in (address.path, options.get("dbname", "")):
        if "=" in name or "://" in name:  # no name of a database, but a way to say where another one is
            yield Destination(POSTGRESQL, name)
    if issuer := options.get("oauth_issuer"):
        yield _destination(issuer)


def _destination(url: str) -> Destination:
    try:
        return Destination.of(url)
    except ValueError:
        return Destination("", url)
