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

TITLE = "The server differs from Git"
SECRETS = "RECONCILER_SECRETS"

JOBS = ("plan", "apply", "drift")
USAGE = f"""usage: python -m reconciler.forge {{{",".join(JOBS)}}}

ARGUMENTS           stands behind the command, as on a command line
KEY                 tells the comments and issues of several projects apart
COMMENT             false only writes the job's summary
{SECRETS}  more variables for the command, a line each: NAME=VALUE
"""
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one job; answers the exit code of the command, or 1 when the code host couldn't be told."""
    if len(arguments) != 1 or arguments[0] not in JOBS:
        sys.stderr.write(USAGE)
        return Exit.USAGE
    (job,) = arguments
    more = shlex.split(environ.get("ARGUMENTS", ""))
    key = "/".join(filter(None, (job, environ.get("KEY"), environ.get("RECONCILER_ENVIRONMENT"))))
    try:
        environ = _unpacked(environ)
        match job:
            case "plan":
                code = _plan(key, more, environ)
            case "apply":
                code = _apply(more, environ)
            case _:
                code = _drift(key, more, environ)
    except ForgeError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"  hint: {error.hint}\n" if error.hint else ""))
        code = Exit.ERROR
    if output := environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"exit-code={int(code)}\n")
    return code


def _plan(key: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """The plan as the one comment of this pull request; findings, when there is no plan."""
    code, text = _run("plan", "markdown", arguments, environ)
    _summarise(text, environ)
    if text and environ.get("COMMENT", "true") != "false":
        asyncio.run(_comment(key, f"{text}\n{_signature(environ)}", environ))
    return code


def _apply(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    code, text = _run("apply", "markdown", ["--auto-approve", *arguments], environ)
    _summarise(text, environ)
    return code


def _drift(key: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """One open issue while the server differs, none while it doesn't."""
    code, text = _run("plan", "json", arguments, environ)
    try:
        drift = drift_of(json.loads(text))
    except ValueError:
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


def _run(command: str, form: str, arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and what stood on stdout; the rest goes to the log of the job."""
    line = [sys.executable, "-m", "reconciler", command, "--output", form, *arguments]
    ran = subprocess.run(  # noqa: S603
        line, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    return ran.returncode, ran.stdout.decode()


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
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(text)
    else:
        sys.stdout.write(text)


def _signature(environ: Mapping[str, str]) -> str:
    """Which commit it is about, and where the log is."""
    commit = github.commit(environ) or environ.get("CI_COMMIT_SHA", "")
    server, repository, run = (
        environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    log = f"{server}/{repository}/actions/runs/{run}" if run else environ.get("CI_JOB_URL", "")
    parts = (f"Commit {commit[:12]}" if commit else "", f"[log]({log})" if log else "")
    return f"<sub>{' · '.join(filter(None, parts))}</sub>\n" if any(parts) else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
