"""What plan, apply, status and others share on the command line, and values that have a form of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.flags import completing
from reconciler.errors import UsageError
from reconciler.model import Kind, ResourceId
from reconciler.options import Options, Selector, Targets

if TYPE_CHECKING:
    from reconciler.settings import Project, WorkersAt

    Resources = click.ParamType[ResourceId]
    Selectors = click.ParamType[Selector]
else:  # it takes no parameter at run time in older versions of click
    Resources = Selectors = click.ParamType

_C = TypeVar("_C", bound=Callable[..., Any])

pace = click.option(
    "--pace",
    metavar="FILE",
    type=click.Path(path_type=Path),
    shell_complete=completing("files"),
    help="Say when waves are expected, by what `rehearse --output json` wrote.",
)
paths = click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=completing("resource_files"))


class Target(Resources):
    """``Campaign/NAME``."""

    name = "Campaign/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ResourceId:
        try:
            resource = ResourceId.parse(value)
        except ValueError:
            name = str(value).partition("/")[2] or value
            self.fail(f"{value!r} isn't a resource; did you mean {Kind.CAMPAIGN}/{name}?", param, ctx)
        if resource.kind is not Kind.CAMPAIGN:
            self.fail(f"{value}: only campaigns are targeted; what they need comes with them", param, ctx)
        return resource


class LabelSelector(Selectors):
    """``KEY=VALUE``, ``KEY!=VALUE`` or ``KEY``."""

    name = "LABEL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Selector:
        try:
            return Selector.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_SWITCHES = (
    click.option("--prune", is_flag=True, help="Also delete what this project made and no longer declares."),
    click.option(
        "--adopt", is_flag=True, help="Take over live campaigns that have the name of a declared one."
    ),
    click.option("--resume", is_flag=True, help="Restart campaigns that somebody else stopped."),
    click.option(
        "--reassert",
        is_flag=True,
        help="Send settings again that can't be read back, and whatever is in doubt.",
    ),
    click.option(
        "--refresh",
        type=click.Choice(["full", "recorded"]),
        default="full",
        show_default=True,
        help="Read package overrides from the server, or trust what the state recorded.",
    ),
    click.option(
        "--target",
        "resources",
        multiple=True,
        type=Target(),
        shell_complete=completing("campaigns"),
        help="Only this campaign, as Campaign/NAME. Repeatable.",
    ),
    click.option(
        "--selector",
        "selectors",
        multiple=True,
        type=LabelSelector(),
        shell_complete=completing("labels"),
        help="Only campaigns with this label: KEY=VALUE, KEY!=VALUE or KEY. Repeatable; all must match.",
    ),
)


def plan_switches(command: _C) -> _C:
    """The switches that change what a plan may contain."""
    for switch in reversed(_SWITCHES):
        command = switch(command)
    return command


def chosen(switches: Mapping[str, Any]) -> Options:
    """The values of `plan_switches`, as a command got them."""
    given = dict(switches)
    targets = Targets(given.pop("resources"), given.pop("selectors"))
    return Options(refresh_recorded=given.pop("refresh") == "recorded", targets=targets, **given)


workers = click.option(
    "--workers",
    metavar="local:N | dask://HOST",
    help="Processes that read and send in bulk beside this one.  [default: as the project file says]",
)


def workers_named(text: str | None) -> WorkersAt | None:
    """What ``--workers`` says; UsageError for what names none."""
    from reconciler.settings import workers_at

    try:
        return None if text is None else workers_at(text)
    except ValueError as error:
        hint = "Such as local:4, or dask://HOST:8786."
        raise UsageError(f"--workers {text}: {error}", hint=hint) from error


def manned(project: Project, at: WorkersAt | None) -> Project:
    """`project` with the workers that were asked for."""
    if at is None:
        return project
    if project.server.embedded:
        raise UsageError(
            "--workers: the embedded server is in this process, where no worker gets at it",
            hint="`reconciler serve` serves it to others; --url then names it.",
        )
    return replace(project, server=replace(project.server, workers=at))


def waivers(command: _C) -> _C:
    """``--waive GUARD --reason TEXT``: the first reason is that of the first waiver, and so on."""
    reason = click.option("--reason", multiple=True, metavar="TEXT", help="Why; one for each --waive.")
    waive = click.option(
        "--waive",
        multiple=True,
        metavar="GUARD",
        shell_complete=completing("guards"),
        help="Let this run pass this guard.",
    )
    return waive(reason(command))


def waived(guards: Sequence[str], reasons: Sequence[str]) -> Mapping[str, str]:
    """Guard → reason; UsageError says everything that is wrong with them."""
    trouble = [_no_such_guard(name) for name in dict.fromkeys(guards) if name not in waivable()]
    trouble += [f"{name} is waived twice" for name in dict.fromkeys(guards) if guards.count(name) > 1]
    if len(guards) != len(reasons):
        counts = f"{len(guards)} × --waive and {len(reasons)} × --reason"
        trouble.append(f"every --waive needs a --reason of its own, and there are {counts}")
    elif not all(reason.strip() for reason in reasons):
        trouble.append("a --reason is empty")
    if trouble:
        raise UsageError("; ".join(trouble), hint='Write --waive GUARD --reason "…" for each guard.')
    return {guard: reason.strip() for guard, reason in zip(guards, reasons, strict=True)}


def waivable() -> Sequence[str]:
    """What ``--waive`` takes: the guards, and the calendars of the project."""
    from reconciler.plan.calendars import WAIVER
    from reconciler.plan.guards import Guard

    return (*Guard, WAIVER)


def _no_such_guard(name: str) -> str:
    from reconciler.text import nearest

    near = nearest(name, waivable())
    known = f"did you mean {near}?" if near else f"there are: {', '.join(waivable())}"
    return f"there is no guard {name!r} ({known})"
