"""What is written, and in which form: results on stdout, everything else on stderr.

Tests: `tests/cli/test_cli_entry.py`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

from reconciler.cli.flags import Flags
from reconciler.errors import Exit, ReconcilerError
from reconciler.model import Finding, Outcome
from reconciler.plan.model import Plan
from reconciler.report.lines import fitted
from reconciler.report.terminal import Paint, painter
from reconciler.report.wording import short
from reconciler.text import clean

if TYPE_CHECKING:
    from reconciler.model.doubts import Doubt
    from reconciler.report.progress import Progress
    from reconciler.report.pull_request import PlanContext
    from reconciler.report.web.plan_report import AppliedShown
    from reconciler.settings import Project


class Output(StrEnum):
    """The forms of a plan and of an apply."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


document = click.option(
    "--output",
    type=click.Choice([it.value for it in Output]),
    default=Output.TEXT.value,
    show_default=True,
    help="Output format.",
)
"""``--output`` of a plan and of an apply."""


def write(chunks: Iterable[str], stream: TextIO | None = None) -> None:
    """Write to stdout, or `stream`; what can't be said there is dropped (`report.streams`)."""
    out = stream or sys.stdout
    for chunk in chunks:
        out.write(chunk)
    out.flush()


def write_lines(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Like `write`, a line each, which on a terminal goes on below where it is too long."""
    width = width_of(stream or sys.stdout)
    write((f"{line}\n" for line in fitted(lines, width)), stream)


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal that `stream` is; None where it is none, or doesn't tell."""
    if not stream.isatty():
        return None
    try:
        width = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None
    return width if width >= _NARROW else None


_NARROW: Final = 20
"""In fewer columns nothing fits: lines are left to the terminal."""


def say(line: str) -> None:
    """A line on stderr."""
    write_lines([line], sys.stderr)


def paint_for(stream: TextIO, flags: Flags) -> Paint:
    """Colour on a terminal, unless ``--no-color``, ``NO_COLOR`` or a dumb terminal says otherwise."""
    environ = os.environ
    unwanted = flags.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    return painter(not unwanted and (stream.isatty() or bool(environ.get("FORCE_COLOR"))))


_LOOKED = 20
"""How many waits are named."""


class Reporter:
    """Writes the one result of a run in the form that was asked for."""

    def __init__(
        self,
        output: Output,
        flags: Flags,
        *,
        beside: Mapping[Output, str] | None = None,
        failed: str = "❌ Can't be planned",
        every_gateway: bool = False,
    ) -> None:
        """`beside`: files that get a plan as JSON or HTML, too, whatever is written to stdout.

        `failed`: what to say of a run that gives nothing. `every_gateway`: a text names every one.
        ReconcilerError where HTML is asked for, and can't be made.
        """
        self._failed = failed
        self._every_gateway = every_gateway
        self._output = output
        self._text = output is Output.TEXT
        self._flags = flags
        self._written = False
        self._filed = ""
        self._told: Sequence[Finding] = ()
        self._looked = 0
        self._digest: str | None = None
        self._beside = beside or {}
        if Output.HTML in (output, *self._beside):
            from reconciler.report.web.rendering import prepared

            prepared()
        self._project: Project | None = None
        self._environ: Mapping[str, str] = {}

    def within(self, project: Project, environ: Mapping[str, str]) -> None:
        """Which project it is about."""
        self._project, self._environ = project, environ

    def _context(self, plan: Plan | None = None) -> PlanContext:
        """What a plan doesn't know of where it is to be applied."""
        from reconciler.app.pipeline import apply_exit
        from reconciler.app.repository import line_links
        from reconciler.report.pull_request import PlanContext

        would = None if plan is None else apply_exit(plan, ())
        project = self._project
        if project is None:
            chosen = self._flags.environment or os.environ.get("RECONCILER_ENVIRONMENT") or None
            return PlanContext(chosen, would=would)
        links = line_links(project.root, self._environ)
        return PlanContext(project.environment, project.name, links, would)

    def about(self, digest: str, where: str) -> None:
        """The plan has a digest; `where` says to which file it goes, or from which it comes."""
        self._digest = digest
        self._filed = where

    def preview(self, plan: Plan, *, asking: bool) -> None:
        """The plan as text before it is applied; on stderr when stdout is for a document."""
        if self._text or asking:
            self._text_plan(plan, sys.stdout if self._text else sys.stderr)

    def looking(self, doubt: Doubt) -> None:
        """What is looked for before there is a plan, on stderr."""
        from reconciler.report.wording import looking

        self._looked += 1
        if self._looked <= _LOOKED:
            say(looking(doubt))

    def running(self, plan: Plan) -> Progress:
        """How far an apply is, on stderr."""
        from reconciler.report.progress import Progress

        terminal = sys.stderr.isatty()
        return Progress(plan.size, sys.stderr, terminal=terminal, width=width_of(sys.stderr) or 80)

    def plan(self, plan: Plan) -> None:
        """A plan that isn't executed."""
        if Output.JSON in self._beside:
            self._document(Output.JSON, self._planned(plan))
        if Output.HTML in self._beside:
            self._document(Output.HTML, [self._page(plan)])
        match self._output:
            case Output.TEXT:
                from reconciler.app.pipeline import apply_exit

                self._text_plan(plan, sys.stdout, would=apply_exit(plan, ()))
            case Output.HTML:
                self._write([self._page(plan)])
            case Output.JSON:
                self._write(self._planned(plan))
            case Output.MARKDOWN:
                from reconciler.report.markdown import plan_markdown

                self._write([plan_markdown(plan, digest=self._digest, about=self._context(plan))])

    def _planned(self, plan: Plan) -> Iterator[str]:
        """The document of a plan."""
        from reconciler.app.pipeline import apply_exit
        from reconciler.report.plan_document import plan_chunks

        return plan_chunks(plan, self._digest, would=apply_exit(plan, ()))

    def _page(self, plan: Plan, applied: AppliedShown | None = None) -> str:
        """A plan, and what became of it, as a page."""
        from reconciler.report.web.plan_report import plan_report

        context, now = self._context(plan), int(time.time() * 1000)
        return plan_report(plan, digest=self._digest, about=context, at=now, applied=applied)

    def _document(self, form: Output, chunks: Iterable[str]) -> None:
        """Into the file of this form beside stdout."""
        with Path(self._beside[form]).open("w", encoding="utf-8") as file:
            file.writelines(chunks)

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        """What became of a plan."""
        match self._output:
            case Output.TEXT:
                from reconciler.report.apply_summary import applied_lines

                paint = paint_for(sys.stdout, self._flags)
                lines = applied_lines(plan, outcomes, code, paint, told=self._told)
                self._write(f"{line}\n" for line in fitted(lines, width_of(sys.stdout)))
            case Output.JSON:
                from reconciler.report.plan_document import applied_chunks

                self._write(applied_chunks(plan, outcomes, code, self._digest))
            case Output.MARKDOWN:
                from reconciler.report.markdown import applied_markdown

                about = self._context(plan)
                self._write([applied_markdown(plan, outcomes, code, digest=self._digest, about=about)])
            case Output.HTML:
                from reconciler.report.web.plan_report import AppliedShown

                self._write([self._page(plan, AppliedShown(tuple(outcomes), code))])

    def nothing(self, plan: Plan, code: Exit) -> None:
        """Text has said so already, except for what an exit code means; a document is due."""
        if not self._text or code is not Exit.DONE:
            self.applied(plan, (), code)

    def declined(self, plan: Plan) -> None:
        """A plan that somebody said no to."""
        if self._text:
            write_lines(["Nothing was applied: the answer was not 'yes'."])
        else:
            self.applied(plan, (), Exit.DONE)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """An error leaves a document on stdout too, when one was asked for; its text is for stderr."""
        try:
            yield
        except ReconcilerError as error:
            if not self._written:
                self._findings(as_findings(error))
            if Output.JSON in self._beside:
                from reconciler.report.plan_document import findings_chunks

                self._document(Output.JSON, findings_chunks(as_findings(error)))
            if Output.HTML in self._beside:
                self._document(Output.HTML, [self._findings_page(as_findings(error))])
            raise

    def _findings_page(self, findings: Sequence[Finding]) -> str:
        from reconciler.report.web.plan_report import findings_report

        return findings_report(findings, title=self._failed, about=self._context())

    def _findings(self, findings: Sequence[Finding]) -> None:
        match self._output:
            case Output.HTML:
                self._write([self._findings_page(findings)])
            case Output.JSON:
                from reconciler.report.plan_document import findings_chunks

                self._write(findings_chunks(findings))
            case Output.MARKDOWN:
                from reconciler.report.markdown import findings_markdown

                self._write([findings_markdown(findings, title=self._failed, about=self._context())])

    def _text_plan(self, plan: Plan, stream: TextIO, *, would: Exit | None = None) -> None:
        from reconciler.report.blocks import findings_of
        from reconciler.report.plan_text import plan_lines

        self._told = findings_of(plan)
        paint = paint_for(stream, self._flags)
        lines = plan_lines(plan, paint, every_gateway=self._every_gateway, would=would)
        write_lines(lines, stream)
        if self._digest:
            write_lines([f"{clean(self._filed)}, digest {short(self._digest)}."], stream)

    def _write(self, chunks: Iterable[str]) -> None:
        self._written = True
        write(chunks)


@contextmanager
def failing(form: str) -> Iterator[None]:
    """An error leaves a document on stdout where `form` is ``json`` or ``html``; its text is for stderr."""
    try:
        yield
    except ReconcilerError as error:
        match form:
            case Output.JSON:
                from reconciler.report.plan_document import findings_chunks

                write(findings_chunks(as_findings(error)))
            case Output.HTML:
                from reconciler.report.web.plan_report import findings_report

                write([findings_report(as_findings(error), title="❌ No answer")])
        raise


def as_findings(error: ReconcilerError) -> Sequence[Finding]:
    """What an error says, as findings."""
    return error.findings or [Finding("run-failed", error.message, hint=error.hint)]
