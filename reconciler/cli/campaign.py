"""`campaign`: what is imperative about campaigns."""

from __future__ import annotations

import click

from reconciler.cli.answer import answer, auto_approve, campaign, family, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

command = family("campaign", "List, show, approve, start and stop campaigns by hand.")


@command.command("list")
@click.option("--name", metavar="NAME", help="Only campaigns of exactly this name.")
@click.option("--status", metavar="STATUS", help="Only campaigns in this status, such as STARTED.")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, name: str | None, status: str | None, output: str) -> Exit:
    """List the campaigns on the server, declared or not."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.list_campaigns(session, name, status))


@command.command()
@output
@global_flags
@click.pass_obj
def counts(flags: Flags, output: str) -> Exit:
    """Count the campaigns by status."""
    from reconciler.app import byhand

    return answer(flags, output, byhand.count_campaigns)


@command.command()
@campaign
@output
@global_flags
@click.pass_obj
def show(flags: Flags, campaign: str, output: str) -> Exit:
    """Show a campaign.

    CAMPAIGN is a resource (Campaign/line-3 or line-3), a name on the server, or an id.
    """
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.show_campaign(session, campaign))


@command.command()
@campaign
@lock_timeout
@output
@global_flags
@click.pass_obj
def approve(flags: Flags, campaign: str, lock_timeout: float, output: str) -> Exit:
    """Approve a campaign that waits for it."""
    from reconciler.app import byhand

    return answer(
        flags, output, lambda session: byhand.approve_campaign(session, campaign), lock_timeout=lock_timeout
    )


@command.command()
@campaign
@lock_timeout
@output
@global_flags
@click.pass_obj
def start(flags: Flags, campaign: str, lock_timeout: float, output: str) -> Exit:
    """Start a campaign.

    The start of a held campaign ends its hold. One that waits for an approval is not started.
    """
    from reconciler.app import byhand

    return answer(
        flags, output, lambda session: byhand.start_campaign(session, campaign), lock_timeout=lock_timeout
    )


@command.command()
@campaign
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def stop(flags: Flags, campaign: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Stop a campaign.

    One that apply started is held from then on: apply leaves it stopped until --resume, a change of
    desiredStatus in Git, or `campaign start`.
    """
    from reconciler.app import byhand

    return answer(
        flags,
        output,
        lambda session: byhand.stop_campaign(session, campaign),
        approved=auto_approve,
        lock_timeout=lock_timeout,
    )
