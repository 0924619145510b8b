"""The library: what commands do, for programs. Exported by `reconciler.app`; docs/library.md explains it.

Every function is synchronous, and runs an event loop of its own: call it from a thread where one runs already
(``await asyncio.to_thread(plan, project)``). It raises what `reconciler.errors` lists, and OSError; it never
exits, prints or asks. There are no asynchronous twins: what has to be asked while an apply runs comes in as a
callable.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.app.applying import Applying, ApplyResult
from reconciler.app.caller import Question, Unattended
from reconciler.app.overview import look
from reconciler.app.pipeline import Checked, check_everywhere, plan_once, prepare
from reconciler.app.posting import postman_of
from reconciler.app.workspace import PARALLELISM, Workspace, event_loop
from reconciler.errors import Exit, ReconcilerError
from reconciler.model import Outcome
from reconciler.model.doubts import Doubt
from reconciler.options import Options
from reconciler.plan.model import Plan

if TYPE_CHECKING:
    from reconciler.project.loader import AnyPath
    from reconciler.report.statuses import StatusReport
    from reconciler.settings import Engine

_T = TypeVar("_T")

_PLAIN = Options()


def open_project(
    folder: AnyPath = ".",
    *,
    file: AnyPath | None = None,
    environment: str | None = None,
    url: str | None = None,
    state: str | None = None,
    paths: Sequence[AnyPath] = (),
    environ: Mapping[str, str] | None = None,
) -> Workspace:
    """The project that a command would find in `folder`, with the same flags.

    Nothing is read yet: each of the other functions reads the files as they are then. `environ` stands for
    the environment variables of the process. ReconcilerError when there is no such folder.
    """
    home = Path(folder).absolute()
    if not home.is_dir():
        raise ReconcilerError(f"there is no folder {home}", hint="Is the path right?")
    known = dict(os.environ if environ is None else environ)
    return Workspace(home, known, file, environment, url, state, tuple(paths))


def validate(project: Workspace) -> Checked:
    """Everything that is wrong with the files, as `reconciler validate` finds it: no server, no secrets."""
    return check_everywhere(project)


def plan(project: Workspace, options: Options = _PLAIN) -> Plan:
    """What `apply` would do. Nothing is locked or written.

    InvalidInput, with every finding, when the files are wrong.
    """
    job = prepare(project)
    return _run(plan_once(job, options), job.project.server.engine).plan


def apply(
    project: Workspace,
    options: Options = _PLAIN,
    *,
    approve: Callable[[Plan], bool],
    waivers: Mapping[str, str] | None = None,
    parallelism: int = PARALLELISM,
    lock_timeout: float = 0.0,
    on_outcome: Callable[[Outcome], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> ApplyResult:
    """Plan, ask `approve`, and make the server as the files say.

    `approve` is called with a plan that has steps and that no guard stands against; while it decides, nothing
    is locked. What the plan touches is read again after it: StalePlan when that changed. `waivers`: guard →
    why it may be passed. `on_outcome` is told what became of each step, as it ends. Once `stop` is set, which
    is looked at after each step, nothing new is begun.

    A step that fails is an outcome; see `ApplyResult.exit`. What `on_outcome` raises stops the run in good
    order, and is raised then.
    """
    job = prepare(project, waivers=waivers)
    caller = _Program(approve, on_outcome, stop or threading.Event())
    postman = postman_of(job.project, project)
    applying = Applying(job.project, job.store, caller, caller, parallelism, lock_timeout, postman)
    result = _run(applying.asked(job, options), job.project.server.engine)
    if caller.trouble is not None:
        raise caller.trouble
    return result


def status(project: Workspace, *, limit: int = 0) -> StatusReport:
    """Declared and owned campaigns as the server has them; `limit` gateways of each are listed."""
    job = prepare(project)
    return _run(look(job, _Nobody(), limit=limit), job.project.server.engine)


class _Program(Unattended):
    """A program that applies: the `Caller` of the run, and its `ApplyListener` and `OutcomeListener`."""

    def __init__(
        self,
        approve: Callable[[Plan], bool],
        on_outcome: Callable[[Outcome], object],
        stop: threading.Event,
    ) -> None:
        self.trouble: Exception | None = None
        self._approve = approve
        self._on_outcome = on_outcome
        self._stop = stop
        self._stopping = asyncio.Event()
        self._plan: Plan | None = None

    # --- Caller

    def ask(self, question: Question) -> bool:
        del question
        assert self._plan is not None, "what is asked about was shown"
        return self._approve(self._plan)

    @contextmanager
    def stopping(self) -> Iterator[asyncio.Event]:
        self._look()
        yield self._stopping

    def _look(self) -> None:
        if self._stop.is_set() or self.trouble is not None:
            self._stopping.set()

    # --- ApplyListener

    def about(self, digest: str, where: str) -> None:
        pass

    def preview(self, plan: Plan, *, asking: bool) -> None:
        del asking
        self._plan = plan

    def looking(self, doubt: Doubt) -> None:
        pass

    def running(self, plan: Plan) -> _Program:
        del plan
        return self

    def nothing(self, plan: Plan, code: Exit) -> None:
        pass

    def declined(self, plan: Plan) -> None:
        pass

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        pass

    # --- OutcomeListener

    def __call__(self, outcome: Outcome) -> None:
        if self.trouble is None:
            try:
                self._on_outcome(outcome)
            except Exception as error:  # noqa: BLE001 - it is raised once what is in flight has ended
                self.trouble = error
        self._look()

    def close(self) -> None:
        pass


class _Nobody:
    """A `StatusListener`: the last look is returned."""

    def show(self, status: StatusReport) -> None:
        pass

    def trouble(self, line: str) -> None:
        pass


def _run(main: Coroutine[Any, Any, _T], engine: Engine) -> _T:
    """What `main` gives, in an event loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError("an event loop runs in this thread: call it as `await asyncio.to_thread(…)`")
    with event_loop(engine) as runner:
        return runner.run(main)
