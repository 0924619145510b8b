"""Settings of a campaign: plain values, and secrets from the environment and from files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.loading import Document
from reconciler.loading.referenced_files import Files, Problem, beside, reading, unreadable
from reconciler.loading.stand_ins import CONFLICT, HEAD, conflict_marker, stand_in
from reconciler.model import FromEnv, FromFile, Secret, SettingValue
from reconciler.resolve.source import ResourceSource
from reconciler.text import quoted

SECRET_LIMIT = 65_536
"""Bytes in a file of ``fromFile``: more is surely not a setting."""


def resolve_settings(
    source: ResourceSource, files: Files, environ: Mapping[str, str] | None
) -> Mapping[str, SettingValue]:
    """The settings by key, in order. `environ` None: secrets are not read, and have no value."""
    settings: dict[str, SettingValue] = {}
    for key, value in source.spec["settings"].items():
        if not isinstance(value, Mapping):
            settings[str(key)] = str(value)
            if len(str(value)) > SECRET_LIMIT:
                said = f"the setting {quoted(str(key))} has {len(str(value)):,} characters"
                hint = f"{SECRET_LIMIT:,} is the most: more is surely not a setting"
                source.error("too-long", said, source.place("settings", key), hint)
            continue
        how = next((how for how in ("fromEnv", "fromFile") if how in value), None)
        if how is None:
            continue  # something is wrong with it, and that is said
        name = str(value[how])
        secret = unread_secret(source.giver("settings", key), how, name, files)
        if environ is not None and isinstance(secret, Secret):
            secret = read_secret(secret, name, environ)
        if isinstance(secret, Problem):
            source.problem(secret, source.place("settings", key, how))
        else:
            settings[str(key)] = secret
    return settings


def unread_secret(giver: Document, how: str, name: str, files: Files) -> Secret | Problem:
    """Where a secret comes from that `giver` names ``fromEnv`` or ``fromFile``; its value is not read."""
    if how == "fromEnv":
        return Secret(f"environment variable {name}", origin=FromEnv(name))
    path = files.find(giver, name)
    if isinstance(path, Problem):
        return path
    return _bad_file(name, path) or Secret(f"file {beside(giver, name)}", origin=FromFile(path))


def _bad_file(name: str, path: Path) -> Problem | None:
    """What can be said of a secret without keeping it."""
    try:
        size = path.stat().st_size
        if not size:
            return _empty(name)
        if size > SECRET_LIMIT:
            return _too_long(name)
    except OSError as error:
        return unreadable(name, error)
    with suppress(OSError):  # whoever needs the value says so
        instead = stand_in(_head(path)[:HEAD], name=name, size=size)
        return Problem(instead.code, f"{quoted(name)} is {instead.what}", instead.hint) if instead else None
    return None


def read_secret(secret: Secret, name: str, environ: Mapping[str, str]) -> Secret | Problem:
    """`secret` with its value, from where it comes from; `name` is what its file is called."""
    match secret.origin:
        case FromEnv(variable):
            value = environ.get(variable) or _unset(secret, variable, environ)
            if isinstance(value, str) and len(value) > SECRET_LIMIT:
                value = _too_long(secret.source)
        case FromFile(path):
            value = _content(name, path)
        case None:
            raise ValueError(f"nothing tells how to read the secret from {secret.source} again")
    return value if isinstance(value, Problem) else Secret(secret.source, value, secret.origin)


def _unset(secret: Secret, variable: str, environ: Mapping[str, str]) -> Problem:
    # CI services hand a secret that nobody has set as an empty variable.
    state = "is empty" if variable in environ else "is not set"
    return Problem("missing-secret", f"{secret.source} {state}", f"set {variable} where this command runs")


def _content(name: str, path: Path) -> str | Problem:
    data = reading(name, lambda: _head(path))
    if isinstance(data, Problem):
        return data
    if len(data) > SECRET_LIMIT:
        return _too_long(name)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Problem(
            "not-utf8", f"{quoted(name)} is not UTF-8 text", "a setting is text; encode binary keys"
        )
    if (at := conflict_marker(text)) is not None:
        line = text.count("\n", 0, at) + 1
        return Problem(CONFLICT.code, f"line {line} of {quoted(name)} holds {CONFLICT.what}", CONFLICT.hint)
    value = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    return value or _empty(name)


def _empty(name: str) -> Problem:
    return Problem("missing-secret", f"{quoted(name)} is empty", "write the secret into it")


def _too_long(name: str) -> Problem:
    hint = "name the file that holds just the secret"
    return Problem(
        "bad-secret", f"{quoted(name)} has more than {SECRET_LIMIT:,} bytes: it can't be a setting", hint
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SECRET_LIMIT + 1)
