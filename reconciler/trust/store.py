"""What a person allowed once: a file in the user's configuration folder, for this user alone.

    {"formatVersion": 1, "trusted": [{"secret": "env:PULSE_TOKEN", "host": "https://pulse.example.com"}, …]}

A file in the project, of another user, or that others may write is not believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final

from reconciler.errors import ReconcilerError
from reconciler.trust.folders import checkout_of
from reconciler.trust.needs import CommandGrant, FileGrant, Grant, SecretGrant

FORMAT_VERSION: Final = 1
NAME: Final = "trust.json"
_GRANTS: Final = (SecretGrant, CommandGrant, FileGrant)


@dataclass(frozen=True, slots=True)
class GrantStore:
    """The grants in the file `path`."""

    path: Path

    def load(self) -> frozenset[Grant]:
        """All grants; ReconcilerError when the file can't be believed or read."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error
        try:
            self._believe(self.path.parent.stat(), folder=True)
            self._believe(os.fstat(descriptor), folder=False)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read()
        finally:
            os.close(descriptor)
        try:
            return frozenset(map(_decoded, _listed(json.loads(data))))
        except (ValueError, RecursionError) as error:
            raise self._refused("it isn't as reconciler wrote it") from error

    def add(self, grants: Iterable[Grant]) -> frozenset[Grant]:
        """Those of `grants` that are new."""
        there = self.load()
        new = frozenset(grants) - there
        if new:
            self._write(there | new)
        return new

    def remove(self, grants: Collection[Grant]) -> None:
        """Forget these."""
        self._write(self.load() - frozenset(grants))

    def _write(self, grants: Iterable[Grant]) -> None:
        text = json.dumps(
            {"formatVersion": FORMAT_VERSION, "trusted": sorted(map(asdict, grants), key=_sorted)}, indent=2
        )
        try:
            self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._believe(self.path.parent.stat(), folder=True)
            descriptor, name = mkstemp(prefix=f".{NAME}.", dir=self.path.parent)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(f"{text}\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise ReconcilerError(
                f"{self.path} can't be written: {error.strerror or error}",
                hint="let this user write it, or name the host in RECONCILER_TRUSTED_HOSTS instead",
            ) from error

    def _believe(self, status: os.stat_result, *, folder: bool) -> None:
        if not folder and not stat.S_ISREG(status.st_mode):
            raise self._refused("it isn't a file")
        what = "its folder" if folder else "it"
        if status.st_uid not in (os.geteuid(), 0):
            raise self._refused(f"{what} belongs to another user")
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise self._refused(f"others may write {what}")

    def _refused(self, why: str) -> ReconcilerError:
        return ReconcilerError(
            f"what was trusted on this machine can't be read from {self.path}: {why}",
            hint=f"make it yours alone (chmod 700 {self.path.parent}, chmod 600 {self.path}), or delete it"
            " and allow again what you need",
        )


def grant_store(environ: Mapping[str, str], *roots: Path) -> GrantStore | None:
    """The store of the user whose `environ` it is; None without a home, or where a branch could fill it.

    `roots`: folders of projects; nothing that stands in their checkouts is believed.
    """
    config, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    # The XDG specification says to ignore relative paths.
    homes = (Path(config), Path(home) / ".config")
    folder = next((each for each, given in zip(homes, (config, home), strict=True) if _rooted(given)), None)
    if folder is None:
        return None
    path = Path(os.path.realpath(folder)) / "reconciler" / NAME
    if any(path.is_relative_to(checkout_of(root)) for root in roots):
        return None
    return GrantStore(path)


def grant_id(grant: Grant) -> str:
    """A short word for a grant, to remove it by."""
    text = json.dumps([type(grant).__name__, *asdict(grant).values()])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _rooted(path: str) -> bool:
    return Path(path).is_absolute()


def _sorted(item: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(item.items())


def _listed(document: Any) -> list[Any]:
    if not isinstance(document, dict) or document.get("formatVersion") != FORMAT_VERSION:
        raise ValueError("another format")
    trusted = document.get("trusted")
    if not isinstance(trusted, list):
        raise ValueError("no list")
    return trusted


def _decoded(item: Any) -> Grant:
    if isinstance(item, dict) and all(isinstance(value, str) for value in item.values()):
        for kind in _GRANTS:
            if item.keys() == set(kind.__dataclass_fields__):
                made: Grant = kind(**item)
                return made
    raise ValueError("no grant")
