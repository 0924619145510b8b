"""The figures of one apply as a file, for the textfile collector of node_exporter.

Counters go on from the file of the run before. It is written whole or not at all, beside what stands there:
a link is replaced, never followed.

Tests: `tests/controller/test_controller_metricsfile.py`.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler.app.applying import Applying, ApplyResult
from reconciler.app.looking import Memory, look
from reconciler.app.pipeline import Job
from reconciler.app.posting import ApprisePostman
from reconciler.controller.counts import Counts
from reconciler.controller.looks import LookEnd, end_of, failed_end, happened_in
from reconciler.controller.loop import shown_after
from reconciler.controller.past import LookResult
from reconciler.controller.shown import Shown
from reconciler.errors import ReconcilerError, StateLocked, UsageError
from reconciler.filereading import read_whole
from reconciler.options import Options

_LOG: Final = logging.getLogger("reconciler.metrics")
_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class MetricsFile:
    """Where the figures go."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> MetricsFile:
        """UsageError where no file can be; ReconcilerError where the extra is missing."""
        try:
            import prometheus_client  # noqa: F401
        except ImportError as error:
            hint = "pip install 'reconciler[controller]', or leave --metrics-file out."
            raise ReconcilerError(f"--metrics-file needs the package {error.name}", hint=hint) from error
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(
                f"--metrics-file: {path} can be no file", hint="Name a file in a folder that is there."
            )
        return cls(path)

    async def applied(
        self, applying: Applying, job: Job, options: Options, postman: ApprisePostman | None, *, asking: bool
    ) -> ApplyResult:
        """The result of an apply, whose figures are written whatever comes of it."""
        memory, began, at = Memory(), time.monotonic(), int(applying.clock() * 1000)
        try:
            found = await look(applying, job, options, memory, asking=asking)
        except Exception as error:
            result = LookResult.STANDBY if isinstance(error, StateLocked) else LookResult.FAILED
            happened = happened_in(None, memory, postman)
            seconds = time.monotonic() - began
            project = job.project
            self._write(failed_end(error, result, at, seconds, happened=happened, project=project), at)
            raise
        happened = happened_in(found.applied, memory, postman)
        now = int(applying.clock() * 1000)
        seconds = time.monotonic() - began
        self._write(end_of(found, job, at, seconds, happened=happened, now=now), at)
        return found.applied

    def _write(self, end: LookEnd, at: int) -> None:
        """What was applied stays so, whatever becomes of its figures."""
        from reconciler.controller.metrics import metrics

        shown = replace(shown_after(Shown("", at, 0, counts=self._before()), end), ticked=at)
        try:
            write_whole(self.path, metrics(shown)[0])
        except OSError as error:
            _LOG.warning("the figures can't be written: %s: %s", self.path, error.strerror or error)

    def _before(self) -> Counts:
        from reconciler.controller.metrics import counted

        try:
            if self.path.is_symlink() or self.path.stat().st_size > _LARGEST:
                return Counts()
            return counted(read_whole(self.path).decode())
        except (OSError, ValueError):
            return Counts()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that all may read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
