"""Settings of a campaign: plain values, and secrets from the environment and from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.model import Secret, SettingValue
from reconciler.resolve.files import Files, beside, reading
from reconciler.resolve.source import Findings, Source
from reconciler.resolve.words import Problem, shown

SECRET_LIMIT = 65_536
"""Bytes in a file of ``fromFile``: more is surely not a setting."""


def resolve_settings(
    source: Source, files: Files, environ: Mapping[str, str] | None, findings: Findings
) -> Mapping[str, SettingValue]:
    """The settings by key, in order. `environ` None: secrets are not read, and have no value."""
    settings: dict[str, SettingValue] = {}
    for key, value in source.spec["settings"].items():
        if not isinstance(value, Mapping):
            settings[str(key)] = str(value)
            continue
        how = "fromEnv" if "fromEnv" in value else "fromFile"
        name = str(value[how])
        secret = (
            _from_env(name, environ)
            if how == "fromEnv"
            else _from_file(source, name, files, environ is not None)
        )
        if isinstance(secret, Problem):
            findings.problem(source, source.place("settings", key, how), secret)
        else:
            settings[str(key)] = secret
    return settings


def _from_env(name: str, environ: Mapping[str, str] | None) -> Secret | Problem:
    origin = f"environment variable {name}"
    if environ is None:
        return Secret(origin)
    if not environ.get(name):
        # CI services hand a secret that nobody has set as an empty variable.
        state = "is empty" if name in environ else "is not set"
        return Problem("missing-secret", f"{origin} {state}", f"set {name} where this command runs")
    return Secret(origin, environ[name])


def _from_file(source: Source, name: str, files: Files, wanted: bool) -> Secret | Problem:
    path = files.find(source.document, name)
    if isinstance(path, Problem):
        return path
    origin = f"file {beside(source.document, name)}"
    if not wanted:
        return Secret(origin)
    found: Path = path
    data = reading(name, lambda: _head(found))
    if isinstance(data, Problem):
        return data
    if len(data) > SECRET_LIMIT:
        return Problem(
            "bad-secret", f"{shown(name)} has more than {SECRET_LIMIT:,} bytes: it can't be a setting"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Problem(
            "not-utf8", f"{shown(name)} is not UTF-8 text", "a setting is text; encode binary keys"
        )
    value = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not value:
        return Problem("missing-secret", f"{shown(name)} is empty", "write the secret into it")
    return Secret(origin, value)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SECRET_LIMIT + 1)
