"""Who we are: an access token, where it comes from, and a new one when the server stops taking it.

A 401 means *not executed*: a request then waits for one new sign-in, which all requests share, and goes
out again. A fixed token can't be had anew. Nothing here is ever logged or shown.

Tests: `tests/providers/test_pulse_wire.py`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress

from reconciler.errors import ReconcilerError, Unauthorized
from reconciler.filereading import read_whole
from reconciler.hiding import Hiding
from reconciler.settings import Auth, Basic, Token, TokenCommand, TokenFile

Fetch = Callable[[], Awaitable[str]]
COMMAND_SECONDS = 60.0


class Access:
    """The token of a run. ``fetch`` None: nobody told us who we are, and requests go out without one."""

    def __init__(self, fetch: Fetch | None, secrets: Hiding, *, hint: str) -> None:
        self._fetch = fetch
        self._turn = asyncio.Lock()
        self._token: str | None = None
        self._given_up = False
        self._refusal: Unauthorized | None = None
        self.hint = hint
        """What to do when the server doesn't accept it."""
        self._secrets = secrets

    @property
    def known(self) -> str | None:
        """The token, once it was needed."""
        return self._token

    async def token(self) -> str | None:
        """The token to send, fetched when it is needed first."""
        if self._fetch is None:
            return None
        return self._token or await self._first(self._fetch)

    async def _first(self, fetch: Fetch) -> str:
        async with self._turn:
            return self._token or await self._sign_in(fetch)

    async def renew(self, rejected: str | None) -> str | None:
        """A token other than the `rejected` one; None when there is no other to be had."""
        if self._fetch is None:
            return None
        async with self._turn:
            if self._token != rejected:
                return self._token
            if self._given_up:
                return None
            token = await self._sign_in(self._fetch)
            return token if token != rejected else None

    def give_up(self, rejected: str) -> None:
        """A token fresh from a sign-in was rejected: signing in again can't help."""
        self._given_up = self._given_up or rejected == self._token

    async def _sign_in(self, fetch: Fetch) -> str:
        # A refused password isn't tried again: repeated tries lock accounts.
        if self._refusal is not None:
            raise self._refusal
        try:
            fetched = await fetch()
        except Unauthorized as error:
            self._refusal = error
            raise
        self._token = header_value(fetched, "the access token")
        self._secrets.add(self._token)
        return self._token


def access(auth: Auth | None, exchange: Callable[[Basic], Awaitable[str]], secrets: Hiding) -> Access:
    """Where tokens come from; `exchange` gives one for a user name and a password.

    `secrets` gets to know what must not show in a message.
    """
    match auth:
        case None:
            hint = "Name the credentials: set RECONCILER_TOKEN, or server.auth in the project file."
            return Access(None, secrets, hint=hint)
        case Token(token):

            async def fixed() -> str:
                return token.reveal()

            return Access(fixed, secrets, hint=f"Renew the token in {token.source}.")
        case TokenFile(path):

            async def from_file() -> str:
                return await asyncio.to_thread(_read, auth)

            return Access(from_file, secrets, hint=f"Renew the token in {path}.")
        case TokenCommand():

            async def from_command() -> str:
                return await _run(auth)

            hint = f"Does {auth.by} print a valid token?"
            return Access(from_command, secrets, hint=hint)
        case Basic(_, password):

            async def exchanged() -> str:
                return await exchange(auth)

            secrets.update((password.reveal(), basic_header(auth).removeprefix("Basic ")))
            return Access(exchanged, secrets, hint="May this user use the API at all?")


def basic_header(auth: Basic) -> str:
    """The ``Authorization`` of a sign-in."""
    if ":" in auth.username:
        raise ReconcilerError("a user name must not hold a colon", hint="HTTP Basic can't carry it.")
    pair = f"{auth.username}:{auth.password.reveal()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def header_value(value: str, what: str) -> str:
    """`value` if it may stand in a header; the error doesn't show it, because it may be a secret."""
    if not value or not all("!" <= c <= "~" for c in value):
        raise ReconcilerError(
            f"{what} is empty or holds a blank, a line break or a character that HTTP can't carry",
            hint="Set it again: perhaps it was cut, or a line break slipped in.",
        )
    return value


_LONGEST_TOKEN = 65_536
"""Bytes in the file of a token: more is something else."""


def _read(auth: TokenFile) -> str:
    try:
        return read_whole(auth.path, _LONGEST_TOKEN).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise ReconcilerError(
            f"the token can't be read from {auth.path}: {why}",
            hint="Is the path right, and may this user read the file?",
        ) from error


async def _run(auth: TokenCommand) -> str:
    """What the command prints. Its stderr goes to ours, so that a person sees its complaints or prompts."""
    hint = "Run it by hand: it must print the token and nothing else."
    try:
        process = await asyncio.create_subprocess_shell(
            auth.command,
            cwd=auth.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise ReconcilerError(f"{auth.by} can't be run: {error.strerror}", hint=hint) from error
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            printed, _ = await process.communicate()
    except BaseException as error:
        # Also when the run is told to end: the process would keep stderr open, and the CI job would wait.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            late = f"{auth.by} took longer than {COMMAND_SECONDS:.0f} s"
            raise ReconcilerError(late, hint=hint) from None
        raise
    if process.returncode != 0:
        raise ReconcilerError(f"{auth.by} ended with {process.returncode}", hint=hint)
    return printed.decode("utf-8", "replace").strip()
