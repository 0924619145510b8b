"""Is what a project file asks for trusted? The one place where connecting asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.app.caller import Caller, Question
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.loading import Document
from reconciler.loading.nodes import resource_of
from reconciler.model import Desired, Finding, FromEnv, FromFile, Place, ResourceId, Secret
from reconciler.project.trust_needs import server_destination
from reconciler.settings import Project
from reconciler.trust.needs import (
    RESERVED,
    SecretGrant,
    TrustNeed,
    asked_for,
    from_env,
    from_file,
    refusal,
    unmet,
)
from reconciler.trust.store import GrantStore, grant_store


@dataclass(frozen=True, slots=True)
class TrustGate:
    """What stands between a project file and secrets: variables, grants of the user, and whom it may ask."""

    environ: Mapping[str, str]
    caller: Caller

    def admit(
        self,
        project: Project,
        more: Iterable[TrustNeed] = (),
        *,
        findings: Sequence[Finding] = (),
        server: bool = True,
    ) -> Project:
        """`project`, which needs nothing more; see `Workspace.trusted`."""
        needs = tuple(need for need in (*project.needs, *more) if server or need.of_state)
        missing = self.missing(project, needs)
        if missing and not self._allowed(project, missing):
            found = (*findings, *map(refusal, missing))
            raise InvalidInput(sorted(found, key=Finding.sort_key))
        return replace(project, needs=() if server else tuple(n for n in project.needs if not n.of_state))

    def missing(self, project: Project, needs: Sequence[TrustNeed]) -> tuple[TrustNeed, ...]:
        """What of `needs` nobody allowed."""
        without = unmet(needs, project.trusted_hosts)
        store = self.store(project) if without else None
        return unmet(without, project.trusted_hosts, store.load()) if store else without

    def store(self, project: Project) -> GrantStore | None:
        """Where the user's grants are; None where a branch could fill it."""
        return grant_store(self.environ, project.root)

    def _allowed(self, project: Project, missing: Sequence[TrustNeed]) -> bool:
        """Whether a person allows it now; it is kept then."""
        store = self.store(project)
        if store is None:
            return False
        lines = "".join(f"  {line}\n" for line in asked_for(missing))
        question = Question(
            f"The project asks for trust that nobody gave it yet:\n{lines}"
            f"Trust this from now on, as kept in {store.path}? Type 'yes': ",
            refusal="there is no terminal to ask on",
            hint="",
        )
        try:
            if not self.caller.ask(question):
                return False
        except ReconcilerError:
            return False  # nobody is there: the findings say what to set
        store.add(need.grant for need in missing)
        return True


def need_of_secret(
    project: Project, secret: Secret, by: str, place: Place | None = None, resource: ResourceId | None = None
) -> TrustNeed | None:
    """What it takes to send the secret of a setting to the project's server; None where nobody can tell."""
    destination = server_destination(project.server.url)
    if destination is None:
        return None
    match secret.origin:
        case FromEnv(name):
            grant = SecretGrant(from_env(name), str(destination))
            reserved = RESERVED.fullmatch(name) is not None
            return TrustNeed(grant, by, place, destination, reserved, resource=resource)
        case FromFile(path):
            grant = SecretGrant(from_file(path), str(destination))
            return TrustNeed(grant, by, place, destination, resource=resource)
    return None


def needs_of_settings(
    project: Project, desired: Desired, documents: Iterable[Document]
) -> Iterator[TrustNeed]:
    """What it takes to send the secrets of all campaigns, each secret once."""
    seen: set[FromEnv | FromFile] = set()
    declared: dict[ResourceId | None, Document] = {}
    for campaign in desired.campaigns:
        for key, secret in (campaign.settings or {}).items():
            if not isinstance(secret, Secret) or secret.origin is None or secret.origin in seen:
                continue
            seen.add(secret.origin)
            declared = declared or {resource_of(document): document for document in documents}
            how = "fromEnv" if isinstance(secret.origin, FromEnv) else "fromFile"
            document = declared.get(campaign.resource)
            place = document.place(("spec", "settings", key, how)) if document else campaign.place
            if need := need_of_secret(project, secret, f"settings.{key}.{how}", place, campaign.resource):
                yield need
