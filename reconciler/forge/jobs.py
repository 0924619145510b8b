"""One job of CI: run the command, then tell the code host what came of it.

Its settings come in the environment: so no text of a workflow ever becomes a part of a shell script.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.app.repository import pushed_commit
from reconciler.errors import Exit
from reconciler.forge import github, gitlab
from reconciler.forge.drift import Drift, drift_markdown, drift_of
from reconciler.forge.notes import Forge, ForgeError, keep_comment, keep_issue, keep_issues
from reconciler.forge.rollouts import FLAGS, LABEL, asking, of_job, summary
from reconciler.forge.running import POLICY, SECRETS, JobRun, log, run_command, run_policy
from reconciler.report.markdown import policy_markdown
from reconciler.report.markup import fenced_text
from reconciler.report.streams import open_descriptors, told
from reconciler.report.workflow_commands import Unheard, in_ci
from reconciler.text import clean, cut

TITLE = "The server differs from Git"
WARN = "warn"
_LONGEST = 1_000
"""Characters of an error of the code host that are shown."""

JOBS = ("plan", "apply", "drift", "rollout")
USAGE = f"""usage: reconciler-forge {{{",".join(JOBS)}}}

ARGUMENTS           stands behind the command, as on a command line
KEY                 tells the comments and issues of several projects apart
COMMENT             false only writes the job's summary
GATE                warn: a plan that apply would refuse does not fail the job
{POLICY}              a command that gets the plan as JSON on stdin; the job fails unless it ends with 0
PLAN_JSON           where to leave the plan as JSON, for steps that follow
PLAN_HTML           where to leave the plan as a page, to be kept as an artifact
{SECRETS}  more variables for the command, a line each: NAME=VALUE
"""


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
    refused = False
    try:
        match job:
            case "plan":
                code, refused = _plan(key, environ)
            case "apply":
                code = _apply(environ)
            case "rollout":
                code = _rollout(key, environ)
            case _:
                code = _drift(key, environ)
    except ForgeError as error:
        _complain(error)
        code = Exit.ERROR
    _append(environ.get("GITHUB_OUTPUT"), f"exit-code={int(code)}\n")
    if refused and environ.get("GATE", "").strip().lower() == WARN:
        sys.stderr.write(f"warning: this ends with {int(code)}, and GATE={WARN} lets it pass\n")
        return Exit.DONE
    return int(code)


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


def _plan(key: str, environ: Mapping[str, str]) -> tuple[int, bool]:
    """The plan as the one comment of this pull request; findings, or that there is none, in its place.

    Ends as the apply would if nothing failed, so that a check fails where a guard refuses; and whether it is
    a refusal.
    """
    with TemporaryDirectory() as folder:
        file = Path(environ.get("PLAN_JSON") or Path(folder) / "plan.json")
        file.unlink(missing_ok=True)  # an older one must not stand in for this one's
        try:
            flags = ["--json", str(file), *_page(environ)]
            ran = run_command("plan", "markdown", flags, environ)
            said = _judged(ran, file, environ)
        except (ForgeError, OSError) as error:
            failure = error if isinstance(error, ForgeError) else ForgeError(str(error))
            _complain(failure)
            said = _Judged(Exit.ERROR, _no_plan(environ, f"error: {failure.message}"))
    _summarise(said.text, environ)
    if _comments(environ):
        asyncio.run(_comment(key, f"{said.text}\n{_signature(environ)}", environ))
    return said.code, said.refused


def _page(environ: Mapping[str, str]) -> Sequence[str]:
    """The flags that leave the plan as a page; none where nobody asked for it, or it can't be made."""
    page = environ.get("PLAN_HTML")
    if not page:
        return ()
    if find_spec("jinja2") is None:
        log("warning: PLAN_HTML needs pip install 'reconciler[controller]': there is no page\n")
        return ()
    Path(page).unlink(missing_ok=True)
    return ("--html", page)


@dataclass(frozen=True, slots=True)
class _Judged:
    """How a plan is to end. ``refused``: by a guard, an owner or a policy, and not by a failure."""

    code: int
    text: str
    refused: bool = False


def _judged(ran: JobRun, file: Path, environ: Mapping[str, str]) -> _Judged:
    """What becomes of a plan that was made, or wasn't."""
    if ran.code not in (Exit.DONE, Exit.HAS_STEPS) or not ran.out.strip():
        if ran.code == Exit.ERROR and ran.out.strip():
            return _Judged(Exit.ERROR, ran.out)
        code = ran.code if ran.code > 0 else Exit.ERROR
        return _Judged(code, _no_plan(environ, ran.log))
    try:
        would = int(json.loads(file.read_text("utf-8"))["summary"]["applyExitCode"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForgeError(f"what the plan would end with isn't known: {error!r}") from error
    policy = run_policy(file, environ)
    text = ran.out
    if policy is not None:
        log(f"policy: exit {policy.code}\n{policy.out}")
        text = f"{policy_markdown(policy.code, policy.out)}\n{text}"
    if would != Exit.DONE:
        return _Judged(would, text, refused=would != Exit.ERROR)
    if policy is not None and policy.code:
        return _Judged(Exit.ERROR, text, refused=True)
    return _Judged(ran.code, text)


def _comments(environ: Mapping[str, str]) -> bool:
    """Whether the code host is told."""
    return environ.get("COMMENT", "").strip().lower() not in ("false", "0", "no")


def _no_plan(environ: Mapping[str, str], why: str) -> str:
    """In the place of a plan: the one of an older commit must not stand there as if it were this one's."""
    commit, address = _commit(environ), _log(environ)
    of = f" for commit {commit[:12]}" if commit else ""
    where = f"[The log of the job]({address})" if address else "The log of the job"
    said = f"\n{fenced_text(why)}" if why.strip() else ""
    return f"## No plan\n\n**There is no plan{of}.** {where} says why.\n{said}"


def _apply(environ: Mapping[str, str]) -> int:
    ran = run_command("apply", "markdown", ["--auto-approve"], environ)
    _summarise(ran.out, environ)
    return ran.code


def _drift(key: str, environ: Mapping[str, str]) -> int:
    """One open issue while the server differs, none while it doesn't."""
    ran = run_command("plan", "json", (), environ)
    try:
        drift = drift_of(json.loads(ran.out))
    except ValueError:
        _complain(ForgeError("the plan could not be made", hint="What stands above says why."))
        return ran.code or Exit.ERROR
    told = f"{drift_markdown(drift)}\n{_signature(environ)}" if drift.any else None
    waiting = drift_markdown(Drift(waiting=drift.waiting))
    _summarise(told or "\n".join(filter(None, ("No drift.\n", waiting))), environ)
    if _comments(environ):
        asyncio.run(_issue(key, told, environ))
    return ran.code


def _rollout(key: str, environ: Mapping[str, str]) -> int:
    """A look at the rollouts, and one open issue for each that waits for a person."""
    ran = run_command("apply", "json", FLAGS, environ)
    try:
        document = json.loads(ran.out)
        known = "steps" in document
        found = asking(document)
        told = summary(document)
    except (ValueError, KeyError, TypeError):
        known, found, told = False, (), ""
    if not known:
        # Leave open issues open: without an answer their state is unknown.
        _complain(ForgeError("nobody could look at the rollouts", hint="What stands above says why."))
        return ran.code or Exit.ERROR
    _summarise(told, environ)
    if _comments(environ):
        wanted = {each.key(key): (each.title, each.body) for each in found}
        asyncio.run(_issues(key, wanted, environ, whole=not document.get("partial")))
    return ran.code


async def _issues(
    key: str, wanted: Mapping[str, tuple[str, str]], environ: Mapping[str, str], *, whole: bool
) -> None:
    async with AsyncExitStack() as stack:
        await keep_issues(await _forge(environ, stack), of_job(key), wanted, LABEL, close=whole)


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
        "this is no job of GitHub Actions or GitLab CI",
        hint="COMMENT=false writes no comment and no issue.",
    )


def _summarise(text: str, environ: Mapping[str, str]) -> None:
    """Into the summary that GitHub shows for a job; elsewhere into its log."""
    if not _append(environ.get("GITHUB_STEP_SUMMARY"), text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _commit(environ: Mapping[str, str]) -> str:
    return pushed_commit(environ) or environ.get("CI_COMMIT_SHA", "")


def _log(environ: Mapping[str, str]) -> str:
    """The address of the log of this job."""
    server, repository, run = (
        environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    return f"{server}/{repository}/actions/runs/{run}" if run else environ.get("CI_JOB_URL", "")


def _signature(environ: Mapping[str, str]) -> str:
    """Which commit it is about, and where the log is."""
    commit, address = _commit(environ), _log(environ)
    parts = (f"Commit {commit[:12]}" if commit else "", f"[log]({address})" if address else "")
    return f"<sub>{' · '.join(filter(None, parts))}</sub>\n" if any(parts) else ""
