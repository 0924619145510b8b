"""`status`: declared and owned campaigns as the server has them, once or until all is over."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import failing, paint_for, say, write, write_lines
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit, UsageError
from reconciler.report.lines import fitted

if TYPE_CHECKING:
    from reconciler.report.statuses import StatusReport
    from reconciler.report.terminal import Screen
    from reconciler.report.watching import WatchedPace
    from reconciler.settings import Project

LIMIT = 20
INTERVAL = 5.0


@click.command("status")
@shared.paths
@click.option("--gateways", is_flag=True, help="List gateways with their progress, failed ones first.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=LIMIT,
    show_default=True,
    help="How many gateways --gateways lists for each campaign; each costs a request.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Keep looking until every gateway is done, failed or closed, or no campaign runs.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0, min_open=True),
    default=INTERVAL,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="Output format; html is one self-contained page.",
)
@shared.pace
@shared.workers
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    /,
    *,
    paths: tuple[str, ...],
    gateways: bool,
    limit: int,
    watch: bool,
    interval: float,
    output: str,
    pace: Path | None,
    workers: str | None,
) -> Exit:
    """Show how the declared campaigns are doing on the server.

    PATHs are YAML files and folders; without one, those of the project file. On a terminal, --watch redraws
    the table; elsewhere it writes one line or JSON document for each change. Ctrl-C ends it.
    """
    from reconciler.app.overview import look
    from reconciler.app.pipeline import plan_exit, prepare

    at = shared.workers_named(workers)
    if output == "html":
        if watch:
            raise UsageError("--watch can't redraw a page", hint="Leave --watch or --output html out.")
        from reconciler.report.web.rendering import prepared

        prepared()
    with failing(output):
        job = prepare(workspace(flags, paths), pace=pace)
        job = replace(job, project=shared.manned(job.project, at))
        viewer = _viewer(flags, output, job.project, watch=watch)
        try:
            looking = look(job, viewer, limit=limit if gateways else 0, interval=interval if watch else None)
            run(flags, looking, engine=job.project.server.engine)
        except KeyboardInterrupt:
            if not (watch and viewer.last):
                raise
        finally:
            viewer.close()
    assert viewer.last is not None
    return plan_exit(viewer.last.plan)


@dataclass
class Viewer:
    """A `StatusListener`: shows looks as text, each anew."""

    flags: Flags
    last: StatusReport | None = None

    def show(self, status: StatusReport) -> None:
        """Show a look."""
        self.last = status
        write_lines(self._lines(status))

    def trouble(self, line: str) -> None:
        """Say why there is no new look."""
        say(line)

    def close(self) -> None:
        """Nothing more comes."""

    def _lines(self, status: StatusReport, **how: Any) -> list[str]:
        from reconciler.report.status_report import status_lines

        return list(status_lines(status, paint_for(sys.stdout, self.flags), blocks=_blocks(), **how))


@dataclass
class Documents(Viewer):
    """JSON documents: one, or (``watch``) one a line for each change."""

    watch: bool = False
    _written: str = ""

    def show(self, status: StatusReport) -> None:
        from reconciler.report.status_report import status_document

        self.last = status
        document = status_document(status, indent=None if self.watch else 2)
        if document != self._written:
            self._written = document
            write([document])


@dataclass
class PageViewer(Viewer):
    """A page of HTML in one file."""

    project: Project | None = None

    def show(self, status: StatusReport) -> None:
        from reconciler.report.web.fleet import FleetShown, status_report

        self.last = status
        assert self.project is not None, "it is about one"
        fleet = FleetShown(status, int(time.time() * 1000), self.project.environment, self.project.name)
        write([status_report(fleet)])


@dataclass
class Changes(Viewer):
    """A line for each row that changed."""

    _written: dict[str, str] = field(default_factory=dict)

    def show(self, status: StatusReport) -> None:
        from reconciler.report.status_report import change_line

        if self.last is None:
            write_lines([f"Server: {status.plan.server}"])
        self.last = status
        lines = {str(row.resource): change_line(row) for row in status.rows}
        write_lines(line for key, line in lines.items() if self._written.get(key) != line)
        self._written = lines

    def close(self) -> None:
        write_lines(_ending(self.last))


@dataclass
class Redrawn(Viewer):
    """The table, drawn again in its place."""

    _screen: Screen | None = None

    _pace: WatchedPace | None = None

    def show(self, status: StatusReport) -> None:
        from reconciler.report.watching import WatchedPace

        self.last = status
        self._pace = self._pace or WatchedPace()
        pace = self._pace.words(status)
        self.screen.show(list(fitted(self._lines(status, pace=pace, short=True), _size()[0])))

    def trouble(self, line: str) -> None:
        self.screen.forget()
        say(line)

    def close(self) -> None:
        if self.last:
            lines = [*self._lines(self.last, short=True), *_ending(self.last)]
            self.screen.end(list(fitted(lines, _size()[0])))

    @property
    def screen(self) -> Screen:
        if self._screen is None:
            from reconciler.report.terminal import Screen

            self._screen = Screen(sys.stdout, _size)
        return self._screen


def _ending(status: StatusReport | None) -> list[str]:
    """Why there is nothing more to watch, where that isn't plain."""
    from reconciler.report.watching import still_words

    return [still_words(status)] if status and status.still and not status.final else []


def _viewer(flags: Flags, output: str, project: Project, *, watch: bool) -> Viewer:
    if output == "html":
        return PageViewer(flags, project=project)
    if output == "json":
        return Documents(flags, watch=watch)
    if not watch:
        return Viewer(flags)
    return Redrawn(flags) if sys.stdout.isatty() else Changes(flags)


def _size() -> tuple[int, int]:
    size = shutil.get_terminal_size()
    return size.columns, size.lines


def _blocks() -> bool:
    """Whether stdout can show the signs of a bar."""
    from reconciler.report.table import BLOCKS

    try:
        "".join(BLOCKS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
