"""Plan files of a project: a plan is saved, and before it is applied it is seen whether it still fits.

Tests: `tests/cli/test_cli_plan_file.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import reconciler
from reconciler.app.pipeline import Planned
from reconciler.app.workspace import Workspace
from reconciler.errors import StalePlan, StateError
from reconciler.model import Finding, FromFile, Live, Operation, Secret, Server, UploadPackage
from reconciler.options import Options
from reconciler.plan.brakes import overtaken
from reconciler.plan.file import (
    Head,
    MadeIn,
    MadeOn,
    PlanFile,
    SavedPlan,
    open_plan,
    plan_digest,
    refused,
    salted,
    write_plan,
)
from reconciler.plan.fingerprints import Fingerprint, fingerprints, touched_of
from reconciler.plan.model import Plan
from reconciler.plan.stale import CODE, expired, stale
from reconciler.plan.touched import touched_by
from reconciler.providers.base import Facts, Reads
from reconciler.reading import read
from reconciler.settings import Project
from reconciler.state.base import SaltChosen, State, StateStore
from reconciler.trust.folders import strays

if TYPE_CHECKING:
    from reconciler.loading.referenced_files import Problem


def rests_on(planned: Planned) -> tuple[Fingerprint, ...]:
    """How all was that a plan touches when the plan was made."""
    plan, live, state = planned.plan, planned.live, planned.state
    return fingerprints(plan, touched_by(plan, live, state), live, state)


async def changed(
    plan: Plan, before: Sequence[Fingerprint], reads: Reads, state: State, facts: Facts
) -> tuple[tuple[Finding, ...], Live]:
    """What is not as it was `before`, windows that have ended, and releases that no longer hold; and what was
    read again to see that."""
    touched = touched_of(before)
    live = await read(touched.scope, reads)
    now = int(time.time() * 1000)
    found = (
        *stale(before, fingerprints(plan, touched, live, state)),
        *expired(plan, now),
        *overtaken(plan, live, facts, now),
    )
    return found, live


def save(path: Path, project: Project, store: StateStore, planned: Planned, options: Options) -> str:
    """Write a plan file; the digest of the plan.

    Digests of secrets are keyed with the salt of the state, which never leaves it: who has the file can't try
    values. A state that isn't there yet is begun for that.
    """
    plan, state = planned.plan, planned.state
    if salted(plan) and not state.begun:
        state = _begun(store, plan.server, state.salt)
    head = Head(
        reconciler.__version__,
        plan.server,
        MadeIn(str(project.root), project.name, project.environment),
        MadeOn(state.serial, state.lineage if state.begun else None),
        options,
    )
    write_plan(path, head, plan, rests_on(planned), root=project.root, salt=state.salt)
    return plan_digest(plan)


def _begun(store: StateStore, server: Server, salt: str) -> State:
    """The state in `store`, begun with that salt and nothing else."""
    try:
        with store.locked(server, "plan") as session:
            if session.state.begun:
                raise StalePlan(
                    "the state was begun since this was planned; nothing was saved",
                    hint="Run the command again: it plans on things as they are now.",
                )
            session.record(SaltChosen(salt))
    except StateError as error:
        error.hint = (
            "A plan with secrets needs a state for the key that tells whether they change: let this job write"
            f" to it once, or run `apply` first. {error.hint or ''}".rstrip()
        )
        raise
    return store.load()


def find_home(path: Path, workspace: Workspace) -> tuple[PlanFile, Project]:
    """A plan file and the project to apply it in, in the environment that it was made in.

    UnusablePlan when the file is not as it was written, or of another project, environment or server.
    """
    file = open_plan(path)
    head, made = file.head, file.head.project
    if not workspace.environment_given:
        workspace = workspace.inside(made.environment)
    project = workspace.settle()
    rows = (
        ("project", made.name, project.name),
        ("environment", made.environment, project.environment),
        ("server", head.server, project.server.identity),
    )
    foreign = [
        Finding(
            "foreign-plan",
            f"the plan is of the {what} {theirs or '(none)'}, and this run of {ours or '(none)'}",
            hint=f"it was made in {made.root}: give the same --project, --environment and --url",
        )
        for what, theirs, ours in rows
        if theirs != ours
    ]
    if foreign:
        raise refused(path, foreign)
    return file, project


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A plan file that is to be applied in `project`."""

    path: Path
    project: Project
    saved: SavedPlan
    problems: Mapping[str, Problem] = field(default_factory=dict)
    """Source of a secret → why it can't be read."""

    async def check(self, reads: Reads, state: State, facts: Facts) -> Live:
        """What it touches, read again.

        UnusablePlan, which says all that there is to say, unless it can be applied to `state` as it is.
        """
        saved, made = self.saved, self.saved.head.state
        if saved.digest in state.plans:
            what, hint = "was applied already", None
            if not state.plans[saved.digest]:
                what, hint = "was applied before, and not to its end", "a new plan does what is left to do"
            raise refused(self.path, [Finding("applied-plan", f"{self.path} {what}", hint=hint)])
        if made.lineage != (state.lineage if state.begun else None):
            raise refused(self.path, [Finding("foreign-plan", _other_state(made, state))])
        late, live = await changed(saved.plan, saved.fingerprints, reads, state, facts)
        if findings := [*self._secrets(state.salt), *self._packages(), *late]:
            raise refused(self.path, findings)
        return live

    def _secrets(self, salt: str) -> Iterator[Finding]:
        for sealed in self.saved.secrets:
            source = sealed.secret.source
            if problem := self.problems.get(source):
                yield Finding(problem.code, problem.message, hint=problem.hint)
            elif sealed.secret.digest(salt) != sealed.digest:
                yield Finding(CODE, f"the secret from {source} has another value than when the plan was made")

    def _packages(self) -> Iterator[Finding]:
        from reconciler.loading.referenced_files import Files, Problem

        files = Files(self.project.root)
        for group in self.saved.plan.groups:
            if isinstance(group.action, UploadPackage):
                file = group.action.file
                name = os.path.relpath(file.path, os.path.realpath(self.project.root))
                digest = _astray(name, file.path, self.project) or files.digest(name, file.path)
                if isinstance(digest, Problem):
                    yield Finding(digest.code, digest.message, hint=digest.hint, resource=file.resource)
                elif digest.sha256 != file.sha256:
                    message = f"{name} has another content than when the plan was made"
                    yield Finding(CODE, message, resource=file.resource)


def reviewed(
    file: PlanFile, project: Project, operations: Mapping[str, Operation], workspace: Workspace
) -> Reviewed:
    """What `file` holds, its secrets read again; UnusablePlan when it makes no sense.

    InvalidInput when a secret isn't trusted to go to this server: the file may have been made anywhere.
    """
    from reconciler.app.trusting import need_of_secret
    from reconciler.resolve.campaign_settings import read_secret

    problems: dict[str, Problem] = {}

    def opened(secret: Secret) -> Secret:
        name = secret.source.removeprefix("file ")
        if isinstance(secret.origin, FromFile) and (stray := _astray(name, secret.origin.path, project)):
            problems[secret.source] = stray
            return secret
        if need := need_of_secret(project, secret, f"{file.path}"):
            workspace.trusted(project, [need])
        found = read_secret(secret, name, workspace.environ)
        if isinstance(found, Secret):
            return found
        problems[secret.source] = found
        return secret

    return Reviewed(file.path, project, file.read(project.root, operations, opened), problems)


def _astray(name: str, path: Path, project: Project) -> Problem | None:
    """Why a file that a plan names is none of the project."""
    from reconciler.loading.referenced_files import astray

    why = strays(Path(os.path.realpath(path)), project.root)
    return astray(name, why) if why else None


def _other_state(made: MadeOn, state: State) -> str:
    if made.lineage is None:
        return "the plan was made before there was a state, and there is one now"
    if not state.begun:
        return f"the plan was made on the state {made.lineage}, and there is no state"
    return f"the plan was made on the state {made.lineage}, and this one is {state.lineage}"
