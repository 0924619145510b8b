"""A clone that is kept at the newest commit of a branch, by `git` itself.

No code of the repository runs: no hooks, no file system monitor, no submodules, no transports that are
commands. What a person changed in it is never overwritten: then nothing is pulled, which is said.

Tests: `tests/controller/test_controller_clone.py`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import ReconcilerError, UsageError
from reconciler.text import clean, cut

_SECONDS: Final = 120.0
_SAFE: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=ssh -oBatchMode=yes",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "advice.detachedHead=false",
)
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")
_LONGEST: Final = 300


class PullFailed(Exception):
    """Why nothing was pulled, in a line."""


@dataclass(slots=True)
class Clone:
    """The clone that ``folder`` is in, kept at ``branch`` of ``remote``."""

    folder: Path
    remote: str
    branch: str
    environ: Mapping[str, str]
    trouble: str = ""
    """Why the last pull failed."""
    commit: str | None = None
    """What is checked out, once it was pulled."""

    @classmethod
    def at(cls, folder: Path, ref: str, environ: Mapping[str, str]) -> Clone:
        """`ref` as ``origin/main``; UsageError when it is none, ReconcilerError where there is no clone."""
        remote, _, branch = ref.partition("/")
        if not (_NAME.fullmatch(remote) and _NAME.fullmatch(branch)) or ".." in ref or "//" in ref:
            raise UsageError(f"--ref {ref!r} isn't a branch of a remote", hint="Write it as origin/main.")
        if not any(os.path.lexists(each / ".git") for each in (folder, *folder.parents)):
            raise ReconcilerError(
                f"{folder} is in no clone, so there is nothing to pull into",
                hint="Make one with `git clone URL FOLDER`, and run this in it, or leave --pull out.",
            )
        return cls(folder, remote, branch, environ)

    async def pull(self) -> bool:
        """Fetch the branch and check it out; whether that is another commit. `trouble` says why not."""
        try:
            new = await self._pulled()
        except PullFailed as error:
            self.trouble = f"nothing was pulled: {error}"
            return False
        self.trouble = ""
        return new

    async def _pulled(self) -> bool:
        tracked = f"refs/remotes/{self.remote}/{self.branch}"
        changed = await self._git("status", "--porcelain", "--untracked-files=no")
        if changed.strip():
            raise PullFailed(f"somebody changed files in {self.folder}: git status lists them")
        refs = f"+refs/heads/{self.branch}:{tracked}"
        await self._git("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", self.remote, refs)
        wanted = (await self._git("rev-parse", "--verify", "--quiet", f"{tracked}^{{commit}}")).strip()
        there = (await self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")).strip()
        if wanted != there:
            await self._git("checkout", "--quiet", "--detach", "--no-recurse-submodules", wanted)
        self.commit = wanted
        return wanted != there

    async def _git(self, *words: str) -> str:
        """What it prints; PullFailed with what it complains of."""
        settings = [word for each in _SAFE for word in ("-c", each)]
        environ = {**self.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        if self.environ.get("GIT_SSH_COMMAND"):
            settings = [word for word in settings if not word.startswith("core.sshCommand")]
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *settings,
                *words,
                cwd=self.folder,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PullFailed(f"git can't be run: {error.strerror or error}") from None
        try:
            async with asyncio.timeout(_SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            raise PullFailed(f"git {words[0]} took longer than {_SECONDS:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            said = _without_passwords(err.decode(errors="replace")).strip().splitlines()
            why = said[-1] if said else f"it ended with {process.returncode}"
            raise PullFailed(f"git {words[0]}: {cut(clean(why), _LONGEST)}")
        return out.decode(errors="replace")


def _without_passwords(text: str) -> str:
    """``https://user:password@host`` without what stands before the host."""
    return re.sub(r"(?<=://)[^/\s@']*@", "", text)
