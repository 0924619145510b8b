"""`trust list`, `add` and `remove`: what this user allowed project files to do.

One function a command, each answers with what to say of it. No server is called.

Tests: `tests/app/test_app_trusting.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.app.caller import Question
from reconciler.app.pipeline import check
from reconciler.app.posting import needs_of_notify
from reconciler.app.trusting import TrustGate
from reconciler.app.workspace import Workspace
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.report import trust_answers as shown
from reconciler.report.command_answers import Answer
from reconciler.trust.hosts import PORTS, Destination, plain_host
from reconciler.trust.needs import (
    POSTGRESQL,
    S3,
    Grant,
    SecretGrant,
    TrustNeed,
    asked_for,
    from_env,
    wish,
)
from reconciler.trust.store import GrantStore, grant_id, grant_store


def list_trust(workspace: Workspace) -> Answer:
    """Everything that was allowed."""
    store = _store(workspace)
    return shown.trust_list(sorted_grants(store.load()), store.path)


def add_trust(workspace: Workspace, pair: Sequence[str], *, approved: bool) -> Answer:
    """Allow what the project file asks for; given a `pair`, that this secret goes to that host."""
    store = _store(workspace)
    if pair:
        grants: list[Grant] = [_pair(*pair)]
        lines = [wish(grant) for grant in grants]
    else:
        missing = _asked(workspace)
        grants = [need.grant for need in missing]
        lines = asked_for(missing)
    if grants and not (approved or _sure(workspace, lines, store)):
        return shown.trust_declined("trust-add")
    return shown.trust_added(sorted_grants(store.add(grants)), store.path)


def remove_trust(workspace: Workspace, words: Sequence[str]) -> Answer:
    """Forget what `words` mean: ids, hosts, secrets and paths, as `trust list` shows them."""
    store = _store(workspace)
    known = store.load()
    found: set[Grant] = set()
    for word in words:
        meant = {grant for grant in known if word in _words(grant)}
        if not meant:
            raise ReconcilerError(
                f"nothing that is trusted has the id, host, secret or path {word!r}",
                hint="`reconciler trust list` shows what there is.",
            )
        found |= meant
    store.remove(found)
    return shown.trust_removed(sorted_grants(found), store.path)


def sorted_grants(grants: Iterable[Grant]) -> list[Grant]:
    """`grants` in the order in which they are shown."""
    return sorted(grants, key=lambda grant: (type(grant).__name__, wish(grant)))


def _store(workspace: Workspace) -> GrantStore:
    found = workspace.load(server=False)
    store = grant_store(workspace.environ, found.root, workspace.folder)
    if store is None:
        raise ReconcilerError(
            "there is no place outside of the project to keep what is trusted",
            hint="Set XDG_CONFIG_HOME or HOME to a folder of your own that no branch can fill.",
        )
    return store


def _asked(workspace: Workspace) -> tuple[TrustNeed, ...]:
    """What the project asks for, and nobody allowed yet; InvalidInput when it can't be read."""
    checked = check(workspace, offline=False)
    # A secret that isn't set here doesn't matter for what is asked.
    if checked.project is None:
        raise InvalidInput(checked.findings)
    told = needs_of_notify(checked.project, workspace.environ)
    needs = (*checked.project.needs, *checked.needs, *told)
    return TrustGate(workspace.environ, workspace.caller).missing(checked.project, needs)


def _pair(secret: str, host: str) -> SecretGrant:
    """The grant that two words mean; UsageError when they mean none."""
    kind, colon, rest = secret.partition(":")
    if not colon:
        name = secret if secret in (POSTGRESQL, S3) else from_env(secret)
    elif kind in ("env", "command") and rest:
        name = secret
    elif kind == "file" and rest:
        name = f"file:{Path(rest).resolve()}"
    else:
        raise UsageError(
            f"{secret!r} isn't a secret",
            hint=f"Write a variable's NAME, file:PATH, command:TEXT, {POSTGRESQL} or {S3}.",
        )
    return SecretGrant(name, str(_destination(host)))


def _destination(host: str) -> Destination:
    hint = "Write HOST, HOST:PORT, or a URL such as http://HOST:PORT or postgresql://HOST."
    if host == "embedded:":
        return Destination("embedded", "")
    try:
        destination = Destination.of(host if "://" in host else f"https://{host}")
    except ValueError:
        raise UsageError(f"{host!r} isn't a host", hint=hint) from None
    if destination.scheme not in PORTS or plain_host(destination.host) is None or "@" in host or "*" in host:
        raise UsageError(f"{host!r} isn't a host", hint=hint)
    return destination


def _sure(workspace: Workspace, lines: Sequence[str], store: GrantStore) -> bool:
    listed = "".join(f"  {line}\n" for line in lines)
    return workspace.caller.ask(
        Question(
            f"To be trusted:\n{listed}Keep that in {store.path}? Type 'yes': ",
            refusal="there is no terminal to ask on, so nothing was trusted",
            hint="--auto-approve does it without asking.",
        )
    )


def _words(grant: Grant) -> frozenset[str]:
    """What a person may call `grant`."""
    match grant:
        case SecretGrant(secret, host):
            destination = host.partition("://")[2]
            words = (secret, secret.partition(":")[2], host, destination)
        case _:
            words = tuple(
                getattr(grant, name) for name in ("command", "path", "project") if hasattr(grant, name)
            )
    return frozenset((grant_id(grant), *words))
