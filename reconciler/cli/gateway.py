"""`gateway`: single gateways of a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import answer, auto_approve, campaign, family, gateway, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.cli.desk import Desk
    from reconciler.report.sheets import Sheet

command = family("gateway", "Look at, notify and close single gateways of a campaign.")


@command.command()
@campaign
@gateway
@lock_timeout
@output
@global_flags
@click.pass_obj
def notify(flags: Flags, campaign: str, gateway: str, lock_timeout: float, output: str) -> Exit:
    """Tell a gateway to ask for its tasks now.

    Sent once: after an unclear answer nobody knows whether it arrived, and it is not sent again.
    """

    async def main(desk: Desk) -> Sheet:
        from reconciler.audit.recorder import Call
        from reconciler.model import OutcomeStatus
        from reconciler.report.sheets import done

        live = await desk.campaign(campaign)
        look = (
            f"`reconciler gateway status {live.id} {gateway}` shows what the gateway does."
            " A second notification does no harm to one that is at rest."
        )
        call = Call(
            "notify-gateway",
            OutcomeStatus.DONE,
            live.id,
            desk.owners.get(live.id),
            (gateway,),
            carried={"name": live.name},
        )
        await desk.once(call, lambda: desk.console.notify(live.id, gateway), look=look)
        about = {"campaign": live.id, "gateway": gateway}
        return done("notify-gateway", about, None, f"gateway {gateway} is told to ask for its tasks")

    return answer(flags, output, main, lock_timeout=lock_timeout)


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

    async def main(desk: Desk) -> Sheet:
        from reconciler.cli.desk import on_campaign
        from reconciler.model import OutcomeStatus, Verb
        from reconciler.report.sheets import declined, done

        live = await desk.campaign(campaign)
        about = {"campaign": live.id, "gateway": gateway}
        if not desk.sure(f"Close campaign {live.name!r} for gateway {gateway}, for good,"):
            return declined("close-gateway", about)
        outcome = await desk.act(on_campaign(Verb.CLOSE, live, gateways=(gateway,)))
        already = " already" if outcome.status is OutcomeStatus.NOT_NEEDED else ""
        sentence = f"campaign {live.name!r} ({live.id}) is closed{already} for gateway {gateway}"
        return done("close-gateway", about, outcome, sentence)

    return answer(flags, output, main, approved=auto_approve, lock_timeout=lock_timeout)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def state(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show the state of a gateway in a campaign."""

    async def main(desk: Desk) -> Sheet:
        from reconciler.report.sheets import gateway_state

        live = await desk.campaign(campaign)
        return gateway_state(live.id, gateway, await desk.console.gateway_state(live.id, gateway))

    return answer(flags, output, main)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def progress(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show how far download and execution are."""

    async def main(desk: Desk) -> Sheet:
        import asyncio

        from reconciler.report.sheets import gateway_progress

        live = await desk.campaign(campaign)
        downloads, execution = await asyncio.gather(
            desk.console.download_progress(live.id, gateway),
            desk.console.execution_progress(live.id, gateway),
        )
        return gateway_progress(live.id, gateway, downloads, execution)

    return answer(flags, output, main)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def packages(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """List the packages that a gateway gets: its own, or else the campaign's."""

    async def main(desk: Desk) -> Sheet:
        from reconciler.report.sheets import gateway_packages

        live = await desk.campaign(campaign)
        return gateway_packages(live.id, gateway, await desk.console.gateway_packages(live.id, gateway))

    return answer(flags, output, main)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def status(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show state, progress and cause of failure of a gateway."""

    async def main(desk: Desk) -> Sheet:
        from reconciler.report.sheets import gateway_status

        live = await desk.campaign(campaign)
        return gateway_status(live.id, await desk.console.gateway_status(live.id, gateway))

    return answer(flags, output, main)


@command.command("active-campaigns")
@gateway
@output
@global_flags
@click.pass_obj
def active_campaigns(flags: Flags, gateway: str, output: str) -> Exit:
    """List the campaigns that are running for a gateway."""

    async def main(desk: Desk) -> Sheet:
        from reconciler.report.sheets import active_campaigns

        return active_campaigns(gateway, await desk.console.active_campaigns(gateway), desk.owners)

    return answer(flags, output, main)
