"""How to sign in: variables of the environment first, then what the project file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.findings import Findings
from reconciler.model import FromEnv, Place, Secret
from reconciler.project.declared import Given
from reconciler.settings import Auth, Basic, Token, TokenCommand, TokenFile

TOKEN, USERNAME, PASSWORD = "RECONCILER_TOKEN", "RECONCILER_USERNAME", "RECONCILER_PASSWORD"
TOKEN_FILE, TOKEN_COMMAND = "RECONCILER_TOKEN_FILE", "RECONCILER_TOKEN_COMMAND"


@dataclass(frozen=True, slots=True)
class SignIn:
    """How to sign in, and what of the project file says so; None of `declared`: a variable does."""

    auth: Auth | None
    declared: Given | None = None


def find_auth(
    given: Given | None,
    environ: Mapping[str, str],
    root: Path,
    cwd: Path,
    findings: Findings,
    *,
    needed: bool,
) -> SignIn:
    """How to sign in, if anything says so. Not `needed`: what is not set is no error, and not read.

    `given`: the field ``server.auth``.

    Paths in the file are relative to `root`, those in variables to `cwd`, where their command is run, too.
    """
    names = [name for name in (USERNAME, PASSWORD) if environ.get(name)]
    if environ.get(TOKEN):
        return SignIn(Token(_Variables(environ, findings, needed).secret(TOKEN)))
    if len(names) == 2:
        return SignIn(_Variables(environ, findings, needed).basic(USERNAME, PASSWORD))
    if names and needed:
        missing = PASSWORD if names == [USERNAME] else USERNAME
        findings.error(
            "missing-secret", f"{names[0]} is set, but {missing} is not", None, "set both or neither"
        )
    if file := environ.get(TOKEN_FILE):
        return SignIn(TokenFile(cwd / file))
    if command := environ.get(TOKEN_COMMAND):
        return SignIn(TokenCommand(command, cwd, f"the command in {TOKEN_COMMAND}"))
    if given is None:
        return SignIn(None)
    return SignIn(_declared(given, environ, root, findings, needed), given)


def _declared(
    given: Given, environ: Mapping[str, str], root: Path, findings: Findings, needed: bool
) -> Auth | None:
    variables = _Variables(environ, findings, needed, given.place)
    match given.value:
        case {"tokenEnv": name}:
            return Token(variables.secret(str(name)))
        case {"tokenFile": name}:
            return TokenFile(root / str(name))
        case {"tokenCommand": command}:
            return TokenCommand(str(command), root)
        case {"usernameEnv": username, "passwordEnv": password}:
            return variables.basic(str(username), str(password))
    return None  # something is wrong with it, and that is said


@dataclass(frozen=True, slots=True)
class _Variables:
    """Reads variables of the environment, `place` being what names them in the project file."""

    environ: Mapping[str, str]
    findings: Findings
    needed: bool
    place: Place | None = None

    def basic(self, username: str, password: str) -> Basic:
        return Basic(self._read(username) or "", self.secret(password), username)

    def secret(self, name: str) -> Secret:
        return Secret(f"environment variable {name}", self._read(name), FromEnv(name))

    def _read(self, name: str) -> str | None:
        """The value without white space around it, None when it isn't needed."""
        if not self.needed:
            return None
        value = self.environ.get(name, "").strip()
        if not value:
            message = f"environment variable {name} {'is empty' if name in self.environ else 'is not set'}"
            self.findings.error("missing-secret", message, self.place, f"set {name} where this command runs")
        elif not value.isprintable():
            message = f"environment variable {name} has characters that can't be sent"
            hint = "set it again: a line break or an invisible character slipped in"
            self.findings.error("bad-secret", message, self.place, hint)
        return value
