"""`gateway`: single gateways of a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import answer, auto_approve, campaign, family, gateway, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.cli.serversession import ServerSession
    from reconciler.report.answers import Answer

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

    async def main(session: ServerSession) -> Answer:
        from reconciler.audit.recorder import AuditedCall
        from reconciler.model import OutcomeStatus
        from reconciler.report.answers import done

        live = await session.campaign(campaign)
        look = (
            f"`reconciler gateway status {live.id} {gateway}` shows what the gateway does."
            " A second notification does no harm to one that is at rest."
        )
        call = AuditedCall(
            "notify-gateway",
            OutcomeStatus.DONE,
            live.id,
            session.owners.get(live.id),
            (gateway,),
            carried={"name": live.name},
        )
        await session.once(call, lambda: session.console.notify(live.id, gateway), look=look)
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

    async def main(session: ServerSession) -> Answer:
        from reconciler.cli.serversession import asked_of
        from reconciler.model import CloseGateways, OutcomeStatus
        from reconciler.report.answers import declined, done

        live = await session.campaign(campaign)
        about = {"campaign": live.id, "gateway": gateway}
        if not session.sure(f"Close campaign {live.name!r} for gateway {gateway}, for good,"):
            return declined("close-gateway", about)
        outcome = await session.act(CloseGateways(*asked_of(live), (gateway,)))
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

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import gateway_state

        live = await session.campaign(campaign)
        return gateway_state(live.id, gateway, await session.console.gateway_state(live.id, gateway))

    return answer(flags, output, main)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def progress(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show how far download and execution are."""

    async def main(session: ServerSession) -> Answer:
        import asyncio

        from reconciler.report.answers import gateway_progress

        live = await session.campaign(campaign)
        downloads, execution = await asyncio.gather(
            session.console.download_progress(live.id, gateway),
            session.console.execution_progress(live.id, gateway),
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

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import gateway_packages

        live = await session.campaign(campaign)
        return gateway_packages(live.id, gateway, await session.console.gateway_packages(live.id, gateway))

    return answer(flags, output, main)


@command.command()
@campaign
@gateway
@output
@global_flags
@click.pass_obj
def status(flags: Flags, campaign: str, gateway: str, output: str) -> Exit:
    """Show state, progress and cause of failure of a gateway."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import gateway_status

        live = await session.campaign(campaign)
        return gateway_status(live.id, await session.console.gateway_status(live.id, gateway))

    return answer(flags, output, main)


@command.command("active-campaigns")
@gateway
@output
@global_flags
@click.pass_obj
def active_campaigns(flags: Flags, gateway: str, output: str) -> Exit:
    """List the campaigns that are running for a gateway."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import active_campaigns

        return active_campaigns(gateway, await session.console.active_campaigns(gateway), session.owners)

    return answer(flags, output, main)
