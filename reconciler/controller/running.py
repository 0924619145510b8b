"""The controller put together: looks, loop, clone, and HTTP beside them.

Tests: `tests/controller/test_controller_run.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.applying import ApplyListener
from reconciler.app.caller import Caller
from reconciler.app.workspace import Workspace
from reconciler.controller.clone import Clone
from reconciler.controller.looks import LookEnd, Looks
from reconciler.controller.loop import Loop
from reconciler.controller.serving import address_of, served
from reconciler.controller.shown import Board, Shown
from reconciler.errors import ReconcilerError
from reconciler.model import Outcome
from reconciler.model.doubts import Doubt
from reconciler.options import Options
from reconciler.plan.model import Plan

if TYPE_CHECKING:
    from starlette.applications import Starlette

LISTEN: Final = "127.0.0.1:9464"
REF: Final = "origin/main"


@dataclass(frozen=True, slots=True)
class RunAsked:
    """What a controller is to do; times in seconds."""

    options: Options = field(default_factory=Options)
    interval: float = 60.0
    listen: str = LISTEN
    hosts: tuple[str, ...] = ()
    """Under which names it may be called, beside addresses and those of this machine."""
    pull: float | None = None
    ref: str = REF


class Silent:
    """An `ApplyListener`, and one of outcomes, that says nothing: what a look found is said at its end."""

    def about(self, digest: str, where: str) -> None: ...
    def preview(self, plan: Plan, *, asking: bool) -> None: ...
    def looking(self, doubt: Doubt) -> None: ...
    def nothing(self, plan: Plan, code: object) -> None: ...
    def declined(self, plan: Plan) -> None: ...
    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: object) -> None: ...
    def __call__(self, outcome: Outcome) -> None: ...
    def close(self) -> None: ...
    def running(self, plan: Plan) -> Silent:
        """See `ApplyListener`."""
        del plan
        return self


@dataclass(slots=True)
class Controller:
    """One process. ``clock`` gives epoch seconds; ``told`` hears of each look."""

    workspace: Workspace
    asked: RunAsked
    caller: Caller
    told: Callable[[LookEnd], None] = lambda _: None
    listener: ApplyListener = field(default_factory=Silent)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ended: Callable[[], bool] = lambda: False
    board: Board = field(init=False)
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        interval = round(self.asked.interval * 1000)
        self.board = Board(Shown(self.workspace.folder.name, self._now(), interval))
        looks = Looks(self.workspace, self.asked.options, self.caller, self.listener, self.clock)
        pulling = None
        if self.asked.pull is not None:
            pulling = Clone.at(self._folder(), self.asked.ref, self.workspace.environ)
        self.loop = Loop(
            looks,
            self.board,
            self._now,
            self.sleep,
            interval,
            pulling,
            round((self.asked.pull or 0.0) * 1000),
            self.ended,
            self.told,
        )

    async def once(self) -> LookEnd:
        """One look; nothing is served."""
        return await self.loop.once()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Look until it is told to end; `ready` is told the URL."""
        with ExitStack() as stack:
            app, host, port = self._application()
            ready(stack.enter_context(served(app, host, port)))
            await self.loop.run()

    def _application(self) -> tuple[Starlette, str, int]:
        """The app, and where it listens. ReconcilerError where the extra is missing."""
        host, port = address_of(self.asked.listen)
        try:
            from reconciler.controller.metrics import MetricsText
            from reconciler.controller.pages import controller_pages
            from reconciler.controller.web import LOCAL_NAMES, application
        except ImportError as error:
            raise ReconcilerError(
                f"the controller needs the package {error.name}",
                hint="pip install 'reconciler[controller]', or run it with --once.",
            ) from error
        board, names = self.board, {*LOCAL_NAMES, host, *self.asked.hosts}
        pages = controller_pages(board)
        app = application(board, self._now, metrics=MetricsText(board), pages=pages, names=names)
        return app, host, port

    def _folder(self) -> Path:
        """Where the project is."""
        named = self.workspace.project or self.workspace.environ.get("RECONCILER_PROJECT")
        return (self.workspace.folder / named).parent if named else self.workspace.folder

    def _now(self) -> int:
        return int(self.clock() * 1000)
