"""`campaign`: what is imperative about campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import answer, auto_approve, campaign, family, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.cli.serversession import ServerSession
    from reconciler.model import LiveCampaign, Outcome
    from reconciler.report.answers import Answer

command = family("campaign", "List, show, approve, start and stop campaigns by hand.")


@command.command("list")
@click.option("--name", metavar="NAME", help="Only campaigns of exactly this name.")
@click.option("--status", metavar="STATUS", help="Only campaigns in this status, as in STARTED.")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, name: str | None, status: str | None, output: str) -> Exit:
    """List the campaigns on the server, declared or not."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import campaign_list

        found = await session.provider.campaigns(None if name is None else [name])
        wanted = [line for line in found if status is None or line.status.upper() == status.upper()]
        return campaign_list(wanted, session.owners)

    return answer(flags, output, main)


@command.command()
@output
@global_flags
@click.pass_obj
def counts(flags: Flags, output: str) -> Exit:
    """Count the campaigns by status."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import counts

        return counts(await session.console.counts())

    return answer(flags, output, main)


@command.command()
@campaign
@output
@global_flags
@click.pass_obj
def show(flags: Flags, campaign: str, output: str) -> Exit:
    """Show a campaign.

    CAMPAIGN is a resource (Campaign/line-3 or line-3), a name on the server, or an id.
    """

    async def main(session: ServerSession) -> Answer:
        import asyncio

        from reconciler.report import answers

        live = await session.campaign(campaign)
        progress, distribution = await asyncio.gather(
            session.console.campaign_progress(live.id), session.provider.distribution_list(live.id)
        )
        return answers.campaign(live, progress, distribution, session.owners.get(live.id))

    return answer(flags, output, main)


@command.command()
@campaign
@lock_timeout
@output
@global_flags
@click.pass_obj
def approve(flags: Flags, campaign: str, lock_timeout: float, output: str) -> Exit:
    """Approve a campaign that waits for it."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.cli.serversession import asked_of
        from reconciler.model import ApproveCampaign

        live = await session.campaign(campaign)
        outcome = await session.act(ApproveCampaign(*asked_of(live)))
        return _moved("approve-campaign", live, outcome, "approved", "it asks for no approval")

    return answer(flags, output, main, lock_timeout=lock_timeout)


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

    async def main(session: ServerSession) -> Answer:
        from reconciler.cli.serversession import asked_of
        from reconciler.model import StartCampaign

        live = await session.campaign(campaign)
        outcome = await session.act(StartCampaign(*asked_of(live)))
        return _moved("start-campaign", live, outcome, "started", "it is started already")

    return answer(flags, output, main, lock_timeout=lock_timeout)


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

    async def main(session: ServerSession) -> Answer:
        from reconciler.cli.serversession import asked_of
        from reconciler.model import Phase, StopCampaign
        from reconciler.report.answers import declined, idle

        live = await session.campaign(campaign)
        about = _about(live)
        if live.phase in (Phase.READY, Phase.WAITING, Phase.PAUSED):
            return idle("stop-campaign", about, f"{_named(live)} is {live.status}; nothing was sent")
        if not session.sure(f"Stop {_named(live)}, {live.status},"):
            return declined("stop-campaign", about)
        outcome = await session.act(StopCampaign(*asked_of(live)))
        return _moved(
            "stop-campaign", live, outcome, "stopped", "it isn't running", more=_after_stop(session, live)
        )

    return answer(flags, output, main, approved=auto_approve, lock_timeout=lock_timeout)


def _moved(
    operation: str, live: LiveCampaign, outcome: Outcome, done: str, already: str, *, more: str = ""
) -> Answer:
    from reconciler.model import OutcomeStatus
    from reconciler.report import answers

    what = {
        OutcomeStatus.DONE: f"{_named(live)} is {done}",
        OutcomeStatus.NOT_NEEDED: f"{_named(live)}: {already}",
    }.get(outcome.status, f"{_named(live)} is {outcome.message}: `reconciler campaign approve` gives it")
    return answers.done(operation, _about(live), outcome, f"{what}{more}")


def _after_stop(session: ServerSession, live: LiveCampaign) -> str:
    """What a later apply makes of the stop."""
    owned = next((owned for owned in session.state.campaigns.values() if owned.id == live.id), None)
    if owned is None:
        return ""
    if owned.return_to is not None:
        return "; an interrupted apply had still to start it: the next apply does, unless Git says STOPPED"
    if owned.status == "STARTED":
        return "; held: apply leaves it so until --resume, `campaign start`, or a new desiredStatus in Git"
    return "; the next apply starts it where Git says desiredStatus: STARTED"


def _about(live: LiveCampaign) -> dict[str, str]:
    return {"campaign": live.id, "name": live.name}


def _named(live: LiveCampaign) -> str:
    return f"campaign {live.name!r} ({live.id})"
