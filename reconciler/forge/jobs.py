"""One job of CI: run the command, then tell the code host what came of it.

Its settings come in the environment: so no text of a workflow ever becomes a part of a shell script.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from reconciler.errors import Exit
from reconciler.forge import github, gitlab
from reconciler.forge.drift import drift_markdown, drift_of
from reconciler.forge.notes import Forge, ForgeError, keep_comment, keep_issue
from reconciler.report.streams import open_descriptors, told
from reconciler.report.workflow_commands import Unheard, in_ci
from reconciler.text import clean, cut

TITLE = "The server differs from Git"
SECRETS = "RECONCILER_SECRETS"
_LONGEST = 1_000
"""Characters of an error of the code host that are shown."""

JOBS = ("plan", "apply", "drift")
USAGE = f"""usage: reconciler-forge {{{",".join(JOBS)}}}

ARGUMENTS           stands behind the command, as on a command line
KEY                 tells the comments and issues of several projects apart
COMMENT             false only writes the job's summary
{SECRETS}  more variables for the command, a line each: NAME=VALUE
"""
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def run() -> int:
    """The command `reconciler-forge`: the job that stands on the command line; answers its exit code."""
    open_descriptors()
    with told():
        if in_ci(os.environ):
            sys.stdout, sys.stderr = Unheard(sys.stdout), Unheard(sys.stderr)
        return main(sys.argv[1:], os.environ)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one job; answers the exit code of the command, or 1 when the code host couldn't be told."""
    if len(arguments) != 1 or arguments[0] not in JOBS:
        sys.stderr.write(USAGE)
        return Exit.USAGE
    (job,) = arguments
    key = "/".join(filter(None, (job, environ.get("KEY"), environ.get("RECONCILER_ENVIRONMENT"))))
    try:
        match job:
            case "plan":
                code = _plan(key, environ)
            case "apply":
                code = _apply(environ)
            case _:
                code = _drift(key, environ)
    except ForgeError as error:
        _complain(error)
        code = Exit.ERROR
    _append(environ.get("GITHUB_OUTPUT"), f"exit-code={int(code)}\n")
    return code


def _complain(error: ForgeError) -> None:
    hint = f"  hint: {clean(error.hint)}\n" if error.hint else ""
    sys.stderr.write(f"error: {clean(cut(error.message, _LONGEST))}\n{hint}")


def _append(path: str | None, text: str) -> bool:
    """Add to a file of the runner; whether that could be done. The job goes on without it."""
    try:
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
    except (OSError, ValueError) as error:
        _complain(ForgeError(f"{path} can't be written: {error}"))
        return False
    return bool(path)


def _plan(key: str, environ: Mapping[str, str]) -> int:
    """The plan as the one comment of this pull request; findings, or that there is none, in its place."""
    try:
        code, text = _run("plan", "markdown", (), environ)
    except ForgeError as error:
        _complain(error)
        code, text = Exit.ERROR, ""
    if not text.strip() or code < 0:
        text = _no_plan(environ)
        code = code or Exit.ERROR
    _summarise(text, environ)
    if environ.get("COMMENT", "true") != "false":
        asyncio.run(_comment(key, f"{text}\n{_signature(environ)}", environ))
    return code


def _no_plan(environ: Mapping[str, str]) -> str:
    """In the place of a plan: the one of an older commit must not stand there as if it were this one's."""
    commit, log = _commit(environ), _log(environ)
    of = f" for commit {commit[:12]}" if commit else ""
    where = f"[The log of the job]({log})" if log else "The log of the job"
    return f"## No plan\n\nThere is no plan{of}: the command said nothing. {where} says why.\n"


def _apply(environ: Mapping[str, str]) -> int:
    code, text = _run("apply", "markdown", ["--auto-approve"], environ)
    _summarise(text, environ)
    return code


def _drift(key: str, environ: Mapping[str, str]) -> int:
    """One open issue while the server differs, none while it doesn't."""
    code, text = _run("plan", "json", (), environ)
    try:
        drift = drift_of(json.loads(text))
    except ValueError:
        _complain(ForgeError("the plan could not be made", hint="What stands above says why."))
        return code or Exit.ERROR
    told = f"{drift_markdown(drift)}\n{_signature(environ)}" if drift.any else None
    _summarise(told or "No drift.\n", environ)
    asyncio.run(_issue(key, told, environ))
    return code


def _unpacked(environ: Mapping[str, str]) -> Mapping[str, str]:
    """With the variables that one secret holds: a reusable workflow has to name all that it is given."""
    rest = {name: value for name, value in environ.items() if name != SECRETS}
    for number, line in enumerate(environ.get(SECRETS, "").splitlines(), 1):
        if found := _LINE.fullmatch(line.strip()):
            rest[found[1]] = found[2]
        elif line.strip():
            # The line itself may be a secret.
            raise ForgeError(f"line {number} of {SECRETS} isn't NAME=VALUE")
    return rest


def _run(command: str, form: str, flags: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and what stood on stdout; the rest goes to the log of the job."""
    environ = _unpacked(environ)
    try:
        arguments = shlex.split(environ.get("ARGUMENTS", ""))
    except ValueError as error:
        hint = "Each quote in it needs another one that closes it."
        raise ForgeError(f"ARGUMENTS can't be read: {error}", hint=hint) from error
    # -P: the working folder is a checkout, and nothing is imported from there.
    line = [sys.executable, "-P", "-m", "reconciler", command, "--output", form, *flags, *arguments]
    try:
        ran = subprocess.run(  # noqa: S603
            line, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
        )
    except (OSError, ValueError) as error:
        raise ForgeError(f"reconciler {command} can't be run: {error}") from error
    return ran.returncode, ran.stdout.decode(errors="replace")


async def _comment(key: str, body: str, environ: Mapping[str, str]) -> None:
    async with AsyncExitStack() as stack:
        await keep_comment(await _forge(environ, stack), key, body)


async def _issue(key: str, body: str | None, environ: Mapping[str, str]) -> None:
    async with AsyncExitStack() as stack:
        await keep_issue(await _forge(environ, stack), key, TITLE, body)


async def _forge(environ: Mapping[str, str], stack: AsyncExitStack) -> Forge:
    """The code host that this job runs on."""
    if environ.get("GITHUB_ACTIONS"):
        return await stack.enter_async_context(github.from_environment(environ))
    if environ.get("GITLAB_CI"):
        return await stack.enter_async_context(gitlab.from_environment(environ))
    raise ForgeError(
        "this is no job of GitHub Actions or GitLab CI", hint="COMMENT=false leaves the comment out."
    )


def _summarise(text: str, environ: Mapping[str, str]) -> None:
    """Into the summary that GitHub shows for a job; elsewhere into its log."""
    if not _append(environ.get("GITHUB_STEP_SUMMARY"), text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _commit(environ: Mapping[str, str]) -> str:
    return github.commit(environ) or environ.get("CI_COMMIT_SHA", "")


def _log(environ: Mapping[str, str]) -> str:
    """The address of the log of this job."""
    server, repository, run = (
        environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    return f"{server}/{repository}/actions/runs/{run}" if run else environ.get("CI_JOB_URL", "")


def _signature(environ: Mapping[str, str]) -> str:
    """Which commit it is about, and where the log is."""
    commit, log = _commit(environ), _log(environ)
    parts = (f"Commit {commit[:12]}" if commit else "", f"[log]({log})" if log else "")
    return f"<sub>{' · '.join(filter(None, parts))}</sub>\n" if any(parts) else ""
