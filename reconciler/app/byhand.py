"""What is done by hand on a server: one function a command, each answers with what to say of it.

A campaign is meant by a resource, a name on the server or an id: see `ServerSession.campaign`.

Tests: `tests/cli/test_cli_campaign.py`, `tests/cli/test_cli_gateway.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

from reconciler.app.serversession import ServerSession
from reconciler.audit.calls import AuditedCall
from reconciler.errors import ReconcilerError, unreadable
from reconciler.loading.stand_ins import HEAD, stand_in
from reconciler.model import (
    ApproveCampaign,
    CloseGateways,
    DeletePackage,
    Kind,
    LiveCampaign,
    Outcome,
    OutcomeStatus,
    PackageFile,
    Phase,
    Reason,
    ResourceId,
    StartCampaign,
    StopCampaign,
    UploadPackage,
)
from reconciler.pool import both
from reconciler.providers.base import Limits
from reconciler.report import command_answers as answers
from reconciler.report.command_answers import Answer, declined, done, idle
from reconciler.resolve.package_sets import NAME_LIMIT, too_large, upload_mode
from reconciler.text import sentence

# --- campaigns -----------------------------------------------------------------------------------


async def list_campaigns(session: ServerSession, name: str | None, status: str | None) -> Answer:
    """The campaigns on the server, declared or not."""
    found = await session.provider.reads.campaigns(None if name is None else [name])
    wanted = [line for line in found if status is None or line.status.upper() == status.upper()]
    return answers.campaign_list(wanted, session.owners)


async def count_campaigns(session: ServerSession) -> Answer:
    """How many campaigns are in which status."""
    return answers.counts(await session.provider.questions.counts())


async def show_campaign(session: ServerSession, word: str) -> Answer:
    """All that can be read of a campaign."""
    live = await session.campaign(word)
    progress, distribution = await both(
        session.provider.questions.campaign_progress(live.id),
        session.provider.reads.distribution_list(live.id),
    )
    return answers.campaign(live, progress, distribution, session.owners.get(live.id))


async def approve_campaign(session: ServerSession, word: str) -> Answer:
    """Approve a campaign that waits for it."""
    live = await session.campaign(word)
    action = ApproveCampaign(*asked_of(live))
    outcome = await session.act(action)
    return _moved(session.called(action), live, outcome, "approved", "it asks for no approval")


async def start_campaign(session: ServerSession, word: str) -> Answer:
    """Start a campaign; a hold ends with that."""
    live = await session.campaign(word)
    action = StartCampaign(*asked_of(live))
    outcome = await session.act(action)
    return _moved(session.called(action), live, outcome, "started", "it is started already")


async def stop_campaign(session: ServerSession, word: str) -> Answer:
    """Stop a campaign; one that apply started is held from then on."""
    live = await session.campaign(word)
    about = _about(live)
    action = StopCampaign(*asked_of(live))
    operation = session.called(action)
    if live.phase in (Phase.READY, Phase.WAITING, Phase.PAUSED, Phase.FINISHED, Phase.ENDED):
        return idle(operation, about, f"{_named(live)} is {live.status}; nothing was sent")
    if not session.sure(f"Stop {_named(live)}, {live.status},"):
        return declined(operation, about)
    outcome = await session.act(action)
    more = _after_stop(session, live)
    return _moved(operation, live, outcome, "stopped", "it isn't running", more=more)


def asked_of(live: LiveCampaign) -> tuple[ResourceId, Reason, str]:
    """What every action on a live campaign says that a person asks for: about what, why, the id."""
    return ResourceId(Kind.CAMPAIGN, live.name or live.id), Reason.ASKED, live.id


def _moved(
    operation: str, live: LiveCampaign, outcome: Outcome, moved: str, already: str, *, more: str = ""
) -> Answer:
    what = {
        OutcomeStatus.DONE: f"{_named(live)} is {moved}",
        OutcomeStatus.NOT_NEEDED: f"{_named(live)}: {already}",
    }.get(outcome.status, f"{_named(live)} is {outcome.message}: `reconciler campaign approve` gives it")
    return done(operation, _about(live), outcome, f"{what}{more}")


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


# --- gateways ------------------------------------------------------------------------------------


async def notify_gateway(session: ServerSession, word: str, gateway: str) -> Answer:
    """Tell a gateway to ask for its tasks now; sent once."""
    facts = session.provider.facts
    if "notify" not in facts.questions:
        raise ReconcilerError(
            f"a gateway of a server of the kind {facts.provider!r} can't be told to ask",
            hint="It asks by itself, as often as the server wants it to.",
        )
    live = await session.campaign(word)
    look = (
        f"`reconciler gateway status {live.id} {gateway}` shows what the gateway does."
        " A second notification does no harm to one that is at rest."
    )
    operation = facts.questions["notify"]
    call = AuditedCall(
        operation,
        OutcomeStatus.DONE,
        live.id,
        session.owners.get(live.id),
        (gateway,),
        carried={"name": live.name},
    )
    await session.once(call, lambda: session.provider.questions.notify(live.id, gateway), look=look)
    about = {"campaign": live.id, "gateway": gateway}
    return done(operation, about, None, f"gateway {gateway} is told to ask for its tasks")


async def close_gateway(session: ServerSession, word: str, gateway: str) -> Answer:
    """Close a campaign for a gateway, for good."""
    live = await session.campaign(word)
    about = {"campaign": live.id, "gateway": gateway}
    action = CloseGateways(*asked_of(live), (gateway,))
    operation = session.called(action)
    if not session.sure(f"Close campaign {live.name!r} for gateway {gateway}, for good,"):
        return declined(operation, about)
    outcome = await session.act(action)
    already = " already" if outcome.status is OutcomeStatus.NOT_NEEDED else ""
    sentence = f"campaign {live.name!r} ({live.id}) is closed{already} for gateway {gateway}"
    return done(operation, about, outcome, sentence)


async def gateway_state(session: ServerSession, word: str, gateway: str) -> Answer:
    """The state of a gateway in a campaign."""
    live = await session.campaign(word)
    state = await session.provider.questions.gateway_state(live.id, gateway)
    return answers.gateway_state(live.id, gateway, state)


async def gateway_progress(session: ServerSession, word: str, gateway: str) -> Answer:
    """How far download and execution are."""
    live = await session.campaign(word)
    downloads, execution = await both(
        session.provider.questions.download_progress(live.id, gateway),
        session.provider.questions.execution_progress(live.id, gateway),
    )
    return answers.gateway_progress(live.id, gateway, downloads, execution)


async def gateway_packages(session: ServerSession, word: str, gateway: str) -> Answer:
    """The packages that a gateway gets: its own, or else the campaign's."""
    live = await session.campaign(word)
    found = await session.provider.questions.gateway_packages(live.id, gateway)
    return answers.gateway_packages(live.id, gateway, found)


async def gateway_status(session: ServerSession, word: str, gateway: str) -> Answer:
    """State, progress and cause of failure of a gateway."""
    live = await session.campaign(word)
    return answers.gateway_status(live.id, await session.provider.questions.gateway_status(live.id, gateway))


async def active_campaigns(session: ServerSession, gateway: str) -> Answer:
    """The campaigns that are running for a gateway."""
    found = await session.provider.questions.active_campaigns(gateway)
    return answers.active_campaigns(gateway, found, session.owners)


# --- packages ------------------------------------------------------------------------------------


async def list_packages(session: ServerSession, name: str | None) -> Answer:
    """The packages on the server."""
    found = await session.provider.questions.package_infos(None if name is None else [name])
    return answers.package_list(found)


async def show_package(session: ServerSession, word: str) -> Answer:
    """All that can be read of a package."""
    return answers.package(await session.package(word))


async def upload_package(
    session: ServerSession, path: Path, name: str | None, description: str, upload: str
) -> Answer:
    """Upload a file as a new package, marked as those that apply uploads."""
    limits = session.provider.facts.limits
    action = await asyncio.to_thread(upload_action, path, name, description, upload, limits)
    outcome = await session.act(action)
    about = {"package": outcome.created or "", "name": action.file.name, "sha256": action.file.sha256}
    sentence = f"{action.file.name} is package {outcome.created} ({action.file.size:,} bytes)"
    return done(session.called(action), about, outcome, sentence)


async def delete_package(session: ServerSession, word: str) -> Answer:
    """Delete a package."""
    found = (await session.package(word)).package
    about = {"package": found.id, "name": found.name}
    resource = ResourceId(Kind.PACKAGE_SET, found.name or found.id)
    action = DeletePackage(resource, Reason.ASKED, found.id)
    operation = session.called(action)
    if not session.sure(f"Delete package {found.name!r} ({found.id})"):
        return declined(operation, about)
    outcome = await session.act(action)
    already = " already" if outcome.status is OutcomeStatus.NOT_NEEDED else ""
    sentence = f"package {found.name!r} ({found.id}) is deleted{already}"
    return done(operation, about, outcome, sentence)


def upload_action(
    path: Path, name: str | None, description: str, upload: str, limits: Limits
) -> UploadPackage:
    """The upload of `path`; ReconcilerError when it can't be one."""
    called = path.name if name is None else name
    try:
        if not path.is_file() and path.exists():
            raise ReconcilerError(
                f"{path} is a folder, a pipe or a device, not a file", hint="Name the file to upload."
            )
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            instead = stand_in(file.read(HEAD), name=called, size=size)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
    if not size:
        raise ReconcilerError(f"{path} is empty", hint="There is nothing to upload: was it built?")
    if instead:
        hint = (
            f"{sentence(instead.hint)}. If it is meant, --name says so with .html, .json or .xml at its end."
        )
        raise ReconcilerError(f"{path} is {instead.what}", hint=hint)
    if not called.strip() or len(called) > (limits.package_name or NAME_LIMIT) or not called.isprintable():
        raise ReconcilerError(f"{called!r} can't be the name of a package", hint="Give it one with --name.")
    mode = upload_mode(upload, size, limits)
    if mode is None:
        raise ReconcilerError(
            too_large(str(path), size, upload, limits),
            hint="Leave --upload out, or choose streaming.",
        )
    resource = ResourceId(Kind.PACKAGE_SET, called)
    found = PackageFile(sha256, path, called, size, resource, description, mode)
    return UploadPackage(resource, Reason.ASKED, found)
