"""`rehearse`: whole rollouts on a server that is thrown away."""

from __future__ import annotations

import sys
import time

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import failing, paint_for, say, write, write_lines
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit, UsageError


@click.command("rehearse")
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]...", shell_complete=completing("rollouts"))
@click.option(
    "--failure-rate",
    "rates",
    metavar="R[,R…]",
    default="0,0.02,0.05,0.1,0.2,0.5",
    show_default=True,
    help="Share of devices that fail, 0 to 1; one rehearsal for each rate.",
)
@click.option(
    "--offline",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="R",
    show_default=True,
    help="Share of gateways that never poll, 0 to 1.",
)
@click.option(
    "--gateways",
    type=click.IntRange(1),
    default=2_000,
    metavar="N",
    show_default=True,
    help="At most so many gateways take part; a larger campaign is sampled, wave by wave.",
)
@click.option(
    "--from", "begin", metavar="TIME", help="When the rehearsal begins, as 2027-03-01T08:00Z.  [default: now]"
)
@click.option(
    "--seed",
    type=click.IntRange(0, 1 << 53),
    default=0,
    metavar="N",
    show_default=True,
    help="With another seed, other devices fail.",
)
@click.option(
    "--expect",
    type=click.Choice(["complete", "aborted"]),
    help="Exit with 0 only when every rehearsal ends like this.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    *,
    campaigns: tuple[str, ...],
    rates: str,
    offline: float,
    gateways: int,
    begin: str | None,
    seed: int,
    expect: str | None,
    output: str,
) -> Exit:
    """Simulate whole rollouts before they begin.

    Runs on a throw-away server in this process, at several failure rates. Shows when each wave opens, and
    how many devices are reached and fail before the rollout stops. Without CAMPAIGN, every campaign with a
    rollout. Exits with 1 when a rollout doesn't complete although no device fails, or when --expect
    doesn't hold.
    """
    from reconciler.app.rehearsing import Asked, rehearse, starting
    from reconciler.report import rehearsal_report as shown

    with failing(output):
        asked = Asked(
            campaigns,
            _rates(rates),
            offline,
            gateways,
            int(time.time() * 1000) if begin is None else starting(begin),
            seed,
            None if expect is None else shown.RehearsalEnd(expect),
        )
        told = (lambda line: say(f"Rehearsing {line}")) if sys.stderr.isatty() else lambda _: None
        report = run(flags, rehearse(workspace(flags), asked, told))
        match output:
            case "json":
                write([shown.rehearsal_document(report)])
            case "markdown":
                write_lines(shown.rehearsal_markdown(report))
            case _:
                write_lines(shown.rehearsal_lines(report, paint_for(sys.stdout, flags)))
        return Exit.DONE if report.holds else Exit.ERROR


def _rates(text: str) -> tuple[float, ...]:
    found: dict[float, None] = {}
    for part in text.split(","):
        try:
            rate = float(part)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            message = f"--failure-rate: {part.strip()!r} isn't a number from 0 to 1"
            raise UsageError(message, hint="Write --failure-rate 0,0.05,0.2.")
        found[rate] = None
    return tuple(found)
