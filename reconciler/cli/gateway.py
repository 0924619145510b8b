"""`gateway`: single gateways of a campaign."""

from __future__ import annotations

import click

from reconciler.cli.answer import answer, auto_approve, campaign, family, gateway, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

command = family("gateway", "Inspect, notify and close single gateways of a campaign.")


@command.command()
@campaign
@gateway
@lock_timeout
@output
@global_flags
@click.pass_obj
def notify(flags: Flags, campaign: str, gateway: str, lock_timeout: float, output: str) -> Exit:
    """Tell a gateway to poll for its tasks now.

    Sent once, and never repeated: after an unclear answer nobody can know whether it arrived.
    """
    from reconciler.app import byhand

    return answer(
        flags,
        output,
        lambda session: byhand.notify_gateway(session, campaign, gateway),
        lock_timeout=lock_timeout,
    )


@command.command()
@campaign
@gateway
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def close(
    flags: Flags, *, campaign: str, gateway: str, auto_approve: bool, lock_timeout: float, output: str
) -> Exit:
    """Close a campaign for a gateway. It can't be opened again."""
    from reconciler.app import byhand

    return answer(
        flags,
        output,
        lambda session: byhand.close_gateway(session, campaign, gateway),
        approved=auto_approve,
        lock_timeout=lock_timeout,
    )


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def state(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show the state of a gateway in a campaign."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.gateway_state(session, campaign, gateway))


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def progress(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show the progress of download and execution."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.gateway_progress(session, campaign, gateway))


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def packages(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """List the packages that a gateway gets: its own, or else the campaign's."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.gateway_packages(session, campaign, gateway))


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def status(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show state, progress and cause of failure of a gateway."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.gateway_status(session, campaign, gateway))


@command.command("active-campaigns")
@gateway
@output
@global_flags
@click.pass_obj
def active_campaigns(flags: Flags, gateway: str, output: str) -> Exit:
    """List the campaigns that are running for a gateway."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.active_campaigns(session, gateway))
