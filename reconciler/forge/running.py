"""Runs the command of a job: its arguments and variables, what it said, and the policy that looks at a plan.

Tests: `tests/forge/test_forge_jobs.py`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Final

from reconciler.forge.notes import ForgeError

SECRETS: Final = "RECONCILER_SECRETS"
POLICY: Final = "POLICY"
_LINE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_LAST: Final = 20
"""Lines of its log that are kept."""
_HIDDEN: Final = re.compile(r"(RECONCILER|GITHUB|ACTIONS|CI)_\w*(TOKEN|PASSWORD|SECRETS)\w*")
"""Variables that no policy needs."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """How a command ended: its exit code (negative: a signal), its stdout, and the last lines of its log."""

    code: int
    out: str
    log: str = ""


def unpacked(environ: Mapping[str, str]) -> Mapping[str, str]:
    """With the variables that one secret holds: a reusable workflow has to name all that it is given."""
    rest = {name: value for name, value in environ.items() if name != SECRETS}
    for number, line in enumerate(environ.get(SECRETS, "").splitlines(), 1):
        if found := _LINE.fullmatch(line.strip()):
            rest[found[1]] = found[2]
        elif line.strip():
            # The line may contain a secret.
            raise ForgeError(
                f"line {number} of {SECRETS} isn't NAME=VALUE",
                hint="Write one variable a line, without quotes.",
            )
    return rest


def run_command(command: str, form: str, flags: Sequence[str], environ: Mapping[str, str]) -> JobRun:
    """Run `reconciler COMMAND`; what it says on stderr goes to the log of the job, too."""
    environ = unpacked(environ)
    arguments = _words("ARGUMENTS", environ)
    # -P: the working folder is a checkout, and nothing is imported from there.
    line = [sys.executable, "-P", "-m", "reconciler", command, "--output", form, *flags, *arguments]
    last: deque[bytes] = deque(maxlen=_LAST)
    try:
        process = subprocess.Popen(  # noqa: S603
            line, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        raise ForgeError(
            f"reconciler {command} can't be run: {error}", hint="Is reconciler installed in this job?"
        ) from error
    with process:
        assert process.stdout is not None, "they are pipes"
        assert process.stderr is not None, "they are pipes"
        reading = Thread(target=_passed_on, args=(process.stderr, last))
        reading.start()
        out = process.stdout.read()
        reading.join()
    return JobRun(process.returncode, out.decode(errors="replace"), b"".join(last).decode(errors="replace"))


def _passed_on(stream: IO[bytes], last: deque[bytes]) -> None:
    for line in stream:
        last.append(line)
        log(line.decode(errors="replace"))


def log(text: str) -> None:
    """Into the log of the job, as far as it can be said there."""
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError, ValueError):  # else the command would wait for somebody to read
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()


def run_policy(plan: Path, environ: Mapping[str, str]) -> JobRun | None:
    """What the policy says of the plan, whose JSON it reads on stdin; None where there is no policy.

    It says no by any exit code but 0. It gets no token, and nothing that stands in a plan is a part of its
    command line.
    """
    words = _words(POLICY, environ)
    if not words:
        return None
    kept = {name: value for name, value in environ.items() if not _HIDDEN.fullmatch(name)}
    try:
        with plan.open("rb") as told:
            ran = subprocess.run(  # noqa: S603
                words, env=kept, stdin=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
    except (OSError, ValueError) as error:
        return JobRun(127, f"{words[0]} can't be run: {error}")
    return JobRun(ran.returncode, ran.stdout.decode(errors="replace"))


def _words(name: str, environ: Mapping[str, str]) -> Sequence[str]:
    """The words of a variable, as a shell reads them."""
    try:
        return shlex.split(environ.get(name, ""))
    except ValueError as error:
        hint = "Each quote in it needs another one that closes it."
        raise ForgeError(f"{name} can't be read: {error}", hint=hint) from error
