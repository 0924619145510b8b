"""Ties a declared resource to what is on the server already. Writes the state, and nothing else.

| the resource | the id                      | the tie                                                   |
|--------------|-----------------------------|-----------------------------------------------------------|
| Campaign     | of a live campaign          | owned, as adopted; what can't be read is assumed          |
| PackageSet   | of a live package           | the content of the set's file counts as uploaded as that  |

Tests: `tests/cli/test_cli_import.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from reconciler.app.auditlog import audited
from reconciler.app.caller import Caller
from reconciler.app.pipeline import Job, make
from reconciler.app.serversession import unless_no_id
from reconciler.app.workspace import connected, declared_name, state_of
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.model import Json, Kind, LivePackage, PackageFile, ResourceId
from reconciler.options import Options, Targets
from reconciler.providers.base import Provider
from reconciler.report.surveys import campaign_imported, package_imported
from reconciler.report.terminal import Paint, plain
from reconciler.state.base import CampaignOwned, PackageUploaded, Session, State, Uploaded
from reconciler.text import id_form, nearest


def importable(text: str) -> ResourceId:
    """The resource that `text` names; UsageError when it can't be imported."""
    try:
        resource = ResourceId.parse(text)
    except ValueError:
        raise UsageError(
            f"{text!r} names no resource", hint="Write Campaign/NAME or PackageSet/NAME."
        ) from None
    if resource.kind not in (Kind.CAMPAIGN, Kind.PACKAGE_SET):
        raise UsageError(
            f"a {resource.kind} is nothing that stands on the server by itself",
            hint="Campaigns can be imported, and the file of a PackageSet.",
        )
    return resource


@dataclass(frozen=True, slots=True)
class Importing:
    """One run of import. Both ways answer with what to say of it."""

    job: Job
    resource: ResourceId
    id: str
    caller: Caller
    lock_timeout: float = 0.0
    paint: Paint = plain

    async def run(self) -> list[str]:
        """Tie the resource, of whichever kind it is."""
        return await (self.campaign() if self.resource.kind is Kind.CAMPAIGN else self.package())

    async def campaign(self) -> list[str]:
        """Own the live campaign."""
        resource = self.resource
        names = [campaign.resource.name for campaign in self.job.desired.campaigns]
        if resource.name not in names:
            raise _undeclared(resource, names)
        async with connected(self.job.project) as provider:
            before = self._state()
            live = await unless_no_id(provider.reads.campaign(self.id))
            if live is None:
                raise self._no_such("campaign")
            # The server's spelling of the id counts, not the one of the command line.
            known = _owned_already(before, resource, live.id)
            options = Options(targets=Targets((resource,)))
            if known:
                plan = (await make(self.job, before, provider, options)).plan
            else:
                options = replace(options, imports={resource: live.id})
                with self._writing() as session:
                    plan = (await make(self.job, session.state, provider, options)).plan
                    if not any(isinstance(event, CampaignOwned) for event in plan.records):
                        # Nothing is recorded for a campaign that can't be compared; the findings say why.
                        raise InvalidInput(plan.findings)
                    # Another run may have recorded it while this one waited for the lock.
                    if not _owned_already(session.state, resource, live.id):
                        session.record(*plan.records)
            left = replace(plan, records=())
            return [*campaign_imported(live, resource, left, known=known, paint=self.paint)]

    async def package(self) -> list[str]:
        """Take the live package for an upload of the set's file."""
        resource = self.resource
        files = [ref for ref in self.job.desired.packages if isinstance(ref, PackageFile)]
        if declared_name(self.job.project, resource) is None:
            raise _undeclared(resource, {file.resource.name for file in files})
        async with connected(self.job.project) as provider:
            live = await unless_no_id(provider.reads.package(self.id))
            if live is None:
                raise self._no_such("package")
            told = provider.facts.digits(live)
            file = _file_of([file for file in files if file.resource == resource], resource, live, told)
            said = live.described(file.sha256)
            uploaded = Uploaded(file.sha256, live.id, live.name, resource, description=said)
            known = await _uploaded_already(self._state(), uploaded, provider)
            if not known:
                with self._writing() as session:
                    await _uploaded_already(session.state, uploaded, provider)
                    session.record(PackageUploaded(uploaded))
            return [*package_imported(live, resource, file, known=known, told=told is not None)]

    def _state(self) -> State:
        return state_of(self.job.project, self.job.store)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """The state under its lock; what is taken stands in the audit log first."""
        about: dict[str, Json] = {"takes": [{"resource": str(self.resource), "id": self.id}]}
        job, timeout = self.job, self.lock_timeout
        run = audited(job.project, job.store, "import", self.caller, timeout=timeout, about=about)
        with run as (session, _):
            yield session

    def _no_such(self, what: str) -> ReconcilerError:
        return ReconcilerError(
            f"there is no {what} with the id {self.id!r} on {self.job.project.server.identity}",
            hint=f"`reconciler {what} list` shows what there is.",
        )


def _owned_already(state: State, resource: ResourceId, campaign_id: str) -> bool:
    """Whether the tie is there already; ReconcilerError when another one is in its way."""
    owned, owner = state.campaigns.get(resource), state.owner_of(campaign_id)
    if owned and id_form(owned.id) == id_form(campaign_id):
        return True
    if owner:
        raise ReconcilerError(
            f"campaign {campaign_id} belongs to {owner} already",
            hint=f"To give it to {resource}: `reconciler state mv {owner} {resource}`.",
        )
    if owned:
        raise ReconcilerError(
            f"{resource} is campaign {owned.id} already",
            hint=f"To give that one up: `reconciler state rm {resource}`.",
        )
    return False


def _file_of(
    files: list[PackageFile], resource: ResourceId, live: LivePackage, told: str | None
) -> PackageFile:
    """The file of the set that is meant; ReconcilerError when it is none, or not to be told.

    `told`: the digits of its SHA-256 that the server tells.
    """
    if not files:
        raise ReconcilerError(
            f"{resource} declares no file of its own",
            hint="Packages by `id` or `name` need no import. A file that several sets declare belongs to the"
            " first of them.",
        )
    meant = files if len(files) == 1 else [file for file in files if file.name == live.name]
    if len(meant) != 1:
        raise ReconcilerError(
            f"{resource} has {len(files)} files, and {live.name!r} is the name of {len(meant)} of them:"
            f" {', '.join(sorted(file.name for file in files))}",
            hint="A file is told by the name that the package has on the server: give it that `name`.",
        )
    (file,) = meant
    if told and not file.sha256.startswith(told):
        raise ReconcilerError(
            f"package {live.id} ({live.name!r}) is marked to hold other content, sha256:{told}…, than"
            f" {file.name!r}, sha256:{file.sha256[: len(told)]}…",
            hint="Is it the right package, and the right file?",
        )
    return file


async def _uploaded_already(state: State, wanted: Uploaded, provider: Provider) -> bool:
    """Whether it is recorded so already; ReconcilerError when something else is."""
    known = state.packages.get(wanted.sha256)
    if known and known.id == wanted.id:
        return True
    other = next((each for each in state.packages.values() if each.id == wanted.id), None)
    if other:
        raise ReconcilerError(
            f"package {wanted.id} is recorded as other content, sha256:{other.sha256[:16]}…, of"
            f" {other.resource}",
            hint="One of the two is wrong: look at the package, and at the file.",
        )
    if known and await provider.reads.package(known.id):
        raise ReconcilerError(
            f"the content of the file is recorded as package {known.id}, which is on the server",
            hint="Nothing has to be imported: that package is used.",
        )
    return False


def _undeclared(resource: ResourceId, names: Iterable[str]) -> ReconcilerError:
    near = nearest(resource.name, names)
    hint = "Declare it first: `reconciler export` writes the declarations of what is on the server."
    return ReconcilerError(
        f"{resource} is not declared", hint=f"Did you mean {resource.kind}/{near}?" if near else hint
    )
