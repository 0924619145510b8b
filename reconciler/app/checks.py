"""The checks of `doctor`, each after those that it needs.

Tests: `tests/cli/test_cli_doctor.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reconciler.app.posting import ApprisePostman, CannotTell, targets
from reconciler.app.workspace import Workspace, connected, store_of
from reconciler.errors import InvalidInput, ReconcilerError, Refusal, ServerError, Unauthorized
from reconciler.model import Finding, Operation, Server, Verb
from reconciler.pacing import Backoff
from reconciler.project.sign_in import PASSWORD
from reconciler.providers.base import Facts, Provider
from reconciler.providers.base.questions import Greeting, Probe
from reconciler.providers.http import reach
from reconciler.proxies import proxy_for
from reconciler.report.doctor_report import Check, Diagnosis, Level, Permission
from reconciler.settings import Auth, Project, Token, TokenCommand, TokenFile
from reconciler.text import plural
from reconciler.trust.hosts import is_loopback

SECONDS: Final = 10.0
"""How long a connection may take."""
SOON_DAYS: Final = 14
SKEW_WARNING: Final = 30.0
SKEW_ERROR: Final = 300.0
"""Seconds that the clocks may differ: windows and tokens are counted by the server's."""
_QUICK: Final = Backoff(attempts=2, budget=3.0)
"""A sick server is to be named, not waited for."""


async def diagnose(workspace: Workspace) -> Diagnosis:
    """Look at everything that the other commands need. Raises nothing that can be said as a check."""
    loaded = workspace.load()
    project = loaded.settings
    checks = list(_project_checks(project, loaded.findings))
    if project is None:
        return Diagnosis(None, tuple(checks))
    url = project.server.url
    checks += _notify_checks(project, workspace.environ)
    try:
        project = workspace.trusted(project)
    except InvalidInput as error:
        checks += (Check("trust", Level.ERROR, _placed(each), each.hint) for each in error.findings)
        return Diagnosis(url, tuple(checks))
    except ReconcilerError as error:
        return Diagnosis(url, (*checks, Check("trust", Level.ERROR, error.message, error.hint)))
    try:
        reached = True
        async for check in _way(project):
            checks.append(check)
            reached = reached and check.level is not Level.ERROR
        if not reached:
            names = ("version", "sign-in", "clock", "organization", "permissions")
            checks += [Check(name, Level.SKIPPED, "the server can't be reached") for name in names]
            return Diagnosis(url, (*checks, *_state_checks(project, None)))
        async with connected(project, backoff=_QUICK) as provider:
            said, permissions = await _talk(project, provider)
            state = _state_checks(project, provider.server)
            return Diagnosis(str(provider.server), (*checks, *said, *state), permissions)
    except ReconcilerError as error:
        return Diagnosis(url, (*checks, Check("server", Level.ERROR, error.message, error.hint)))


def _project_checks(project: Project | None, findings: Iterable[Finding]) -> Iterator[Check]:
    for finding in findings:
        level = Level.ERROR if finding.is_error else Level.WARNING
        yield Check("project", level, _placed(finding), finding.hint)
    if project is not None:
        where = str(project.file) if project.file else "no project file: the defaults, and what was given"
        environment = f", environment {project.environment}" if project.environment else ""
        yield Check("project", Level.OK, f"{where}{environment}")


def _notify_checks(project: Project, environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether people could be told. Nobody is, and whether a service takes it shows only then."""
    postman = ApprisePostman(project, environ)
    for by, target in targets(project):
        try:
            service = postman.service(target, by)
        except CannotTell as error:
            yield Check("notify", Level.WARNING, str(error))
        else:
            yield Check("notify", Level.OK, f"{by}: {service.service_name}")


def _placed(finding: Finding) -> str:
    return f"{finding.place}: {finding.message}" if finding.place else finding.message


# --- below HTTP ----------------------------------------------------------------------------------


async def _way(project: Project) -> AsyncIterator[Check]:
    """DNS, TCP and TLS, as far as it goes."""
    if project.server.embedded:
        yield Check("address", Level.OK, "the server runs in this process")
        return
    address = reach.ServerAddress.of(project.server.url)
    seconds = min(project.server.timeout, SECONDS)
    try:
        proxy = None if is_loopback(address.host) else proxy_for(project.server.url)
    except ReconcilerError as error:
        yield Check("address", Level.ERROR, error.message, error.hint)
        return
    if proxy:
        # The proxy connects to the server; whether that works is shown by the calls.
        yield Check("address", Level.WARNING, f"reached through {proxy}; name and TLS not tried")
        return
    try:
        found = await reach.resolve(address)
        yield Check("address", Level.OK, f"{address.host} is {', '.join(found)}")
    except reach.Blocked as error:
        hint = "Is the host name in the server's URL right, and is there a network?"
        yield Check("address", Level.ERROR, str(error), hint)
        return
    try:
        took = await reach.connect(address, seconds=seconds)
        yield Check("connection", Level.OK, f"port {address.port} answers in {took * 1000:.0f} ms")
    except reach.Blocked as error:
        hint = "Is the server running, is the port right, and does a firewall let us through?"
        yield Check("connection", Level.ERROR, f"{address.host}:{address.port}: {error}", hint)
        return
    if address.scheme == "https":
        yield await _tls(address, project.server.ca_file, seconds)
    elif not is_loopback(address.host):
        hint = "Use https: anybody on the way can read the token."
        yield Check("tls", Level.WARNING, "the connection is not encrypted", hint)


async def _tls(address: reach.ServerAddress, ca_file: Path | None, seconds: float) -> Check:
    try:
        found = await reach.certificate(address, ca_file, seconds=seconds)
    except reach.Blocked as error:
        return Check("tls", Level.ERROR, str(error), error.hint)
    left = found.days_left
    words = f"{found.protocol}, issued by {found.issuer}, valid for {plural(left, 'more day')}"
    if left < SOON_DAYS:
        return Check("tls", Level.WARNING, words, "Have the server's certificate renewed.")
    return Check("tls", Level.OK, words)


# --- the API -------------------------------------------------------------------------------------


async def _talk(project: Project, provider: Provider) -> tuple[Sequence[Check], tuple[Permission, ...]]:
    try:
        greeting = await provider.questions.greet()
    except ReconcilerError as error:
        # Fails before any request if a token file or command is wrong.
        return (Check("sign-in", Level.ERROR, error.message, error.hint),), ()
    checks = [_version(project, greeting), _sign_in(project.server.auth, greeting), _clock(project, greeting)]
    if checks[1].level is Level.ERROR:
        skipped = Check("permissions", Level.SKIPPED, "not signed in")
        return (*checks, skipped), ()
    probes = await provider.questions.probe()
    permissions = _permissions(provider.facts, probes)
    organization = project.server.organization
    words = f"acting in {organization}" if organization else "the one that the account belongs to"
    checks += [Check("organization", Level.OK, words), *_reads(probes)]
    if not any(probe.error for probe in probes if probe.tried):
        concerns = await provider.questions.concerns()
        checks += [Check("server", Level.WARNING, concern) for concern in concerns]
    return checks, permissions


def _version(project: Project, greeting: Greeting) -> Check:
    if greeting.version is None:
        hint = "Name it in server.apiVersion if calls are refused."
        return Check("version", Level.WARNING, "the server names no API version; calls ask for none", hint)
    source = "as server.apiVersion says" if project.server.api_version else "as the server says"
    return Check("version", Level.OK, f"{greeting.version}, {source}")


def _sign_in(auth: Auth | None, greeting: Greeting) -> Check:
    error = greeting.error
    if isinstance(error, ServerError) and (isinstance(error, Unauthorized) or _no_answer(error)):
        hint = error.hint or "Is the server's URL that of the API, and is the API at work?"
        return Check("sign-in", Level.ERROR, error.message, hint)
    match auth:
        case None:
            words = "calls carry no credentials, and the server takes them"
        case Token(token):
            words = f"the token in {token.source} is accepted"
        case TokenFile(path):
            words = f"the token in {path} is accepted"
        case TokenCommand():
            words = "the token of tokenCommand is accepted"
        case _:
            # The project file chose the variable, so its value may be anything.
            ours = auth.password.source == f"environment variable {PASSWORD}"
            words = f"as {auth.username}" if ours else "the user name and password are accepted"
    return Check("sign-in", Level.OK, words)


def _no_answer(error: ServerError) -> bool:
    """Whether a call ended with something other than a no of the API."""
    return not _not_permitted(error)


def _not_permitted(error: ServerError | None) -> bool:
    return error is not None and Refusal.NOT_PERMITTED in error.meaning


def _clock(project: Project, greeting: Greeting) -> Check:
    if project.server.embedded:
        return Check("clock", Level.OK, "the server in this process has ours")
    if greeting.ahead is None:
        return Check("clock", Level.WARNING, "the server doesn't say what time it has")
    seconds = round(abs(greeting.ahead))
    words = f"the server's clock is {seconds} s {'ahead of' if greeting.ahead > 0 else 'behind'} ours"
    if seconds < SKEW_WARNING:
        return Check("clock", Level.OK, "the server's clock agrees with ours" if seconds < 2 else words)
    level = Level.ERROR if seconds >= SKEW_ERROR else Level.WARNING
    return Check(
        "clock", level, words, "Windows begin and end by the server's clock. Set the wrong one right."
    )


def _reads(probes: Sequence[Probe]) -> Iterator[Check]:
    """A check for all reads, or one for each that failed."""
    probes = [probe for probe in probes if probe.tried]
    failed = [probe for probe in probes if probe.error is not None]
    for probe in failed:
        assert probe.error is not None
        words = f"{probe.operation.name}: {probe.error.message}"
        yield Check("permissions", Level.ERROR, words, probe.error.hint)
    if not failed:
        yield Check("permissions", Level.OK, f"{plural(len(probes), 'read')} tried, each may be made")


def _permissions(facts: Facts, probes: Sequence[Probe]) -> tuple[Permission, ...]:
    """Every permission that the reference names, whether we have it, and which commands need it."""
    needing: dict[str, list[Operation]] = defaultdict(list)
    for operation in facts.operations.values():
        for name in operation.permissions:
            needing[name].append(operation)
    commands_of = needed_by(facts)
    answered: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        for name in probe.operation.permissions:
            answered[name].append(probe)

    def one(name: str) -> Permission:
        every = dict.fromkeys(command for it in needing[name] for command in commands_of[it.name])
        commands = [each for each in every if each.partition(" ")[0] == each or each.split()[0] not in every]
        refused = [p.operation.name for p in answered[name] if _not_permitted(p.error)]
        some = any(probe.error is None for probe in answered[name])
        granted = False if refused else True if some else None
        return Permission(name, granted, tuple(commands), tuple(refused))

    return tuple(one(name) for name in sorted(needing))


# --- the state -----------------------------------------------------------------------------------


def _state_checks(project: Project, server: Server | None) -> Iterator[Check]:
    """Whether the state can be read, belongs to this server, and can be locked. Nothing is written to it."""
    try:
        store = store_of(project)
        state = store.load()
        yield Check(
            "state",
            Level.OK,
            f"{store.url}: serial {state.serial}, {plural(len(state.campaigns), 'campaign')} owned"
            if state.serial
            else f"{store.url}: nothing there yet",
        )
        if server is None:
            yield Check("state-lock", Level.SKIPPED, "which server it belongs to is not known")
            return
        with store.locked(server, "doctor"):
            yield Check("state-lock", Level.OK, "it belongs to this server, and can be locked")
    except ReconcilerError as error:
        yield Check("state", Level.ERROR, error.message, error.hint)


# --- which command makes which call, beyond reading campaigns -----------------------------------------

_PLAN: Final = ("plan", "apply", "status", "run")
_APPLY: Final = ("apply", "run")
_PRUNE: Final = ("apply --prune", "run --prune")
_NAMED: Final = ("campaign", "gateway")
"""Commands that find a campaign by its name or id."""
_READ: Final = (*_PLAN, "import", "snapshot", "export")
_PACKAGE: Final = ("package info", "package delete")

_BY_VERB: Final[Mapping[Verb, tuple[str, ...]]] = MappingProxyType(
    dict.fromkeys(Verb, _APPLY)
    | {
        Verb.UPLOAD: (*_APPLY, "package upload"),
        Verb.START: (*_APPLY, "campaign start"),
        Verb.STOP: (*_APPLY, "campaign stop"),
        Verb.APPROVE: (*_APPLY, "campaign approve"),
        Verb.CLOSE: (*_APPLY, "gateway close"),
        Verb.DELETE: _PRUNE,
        Verb.DELETE_PACKAGE: (*_PRUNE, "package delete"),
    }
)
_BY_READ: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "campaigns": (*_READ, "campaign list", *_NAMED),
        "campaign": (*_READ, *_NAMED),
        "gateways": _READ,
        "distribution_list": (*_READ, "campaign show"),
        "overrides": _READ,
        "packages": _READ,
        "packages_of": (*_PLAN, "import"),
        "package": (*_PLAN, "import"),
    }
)
_BY_QUESTION: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "counts": ("campaign counts",),
        "campaign_progress": ("campaign show",),
        "gateway_state": ("gateway state",),
        "gateway_status": ("status", "run", "gateway status"),
        "gateway_packages": ("gateway packages",),
        "download_progress": ("gateway progress",),
        "execution_progress": ("gateway progress",),
        "active_campaigns": ("gateway active-campaigns",),
        "notify": ("gateway notify",),
        "package_infos": ("package list", *_PACKAGE),
        "package_info": _PACKAGE,
    }
)


def needed_by(facts: Facts) -> Mapping[str, Sequence[str]]:
    """Name of an operation → the commands that may call it."""
    found: dict[str, dict[str, None]] = {name: {} for name in facts.operations}
    for verb, names in facts.writes.items():
        for name in names:
            found[name] |= dict.fromkeys(_BY_VERB[verb])
    for table, commands in ((facts.reads, _BY_READ), (facts.questions, _BY_QUESTION)):
        for asked, name in table.items():
            found[name] |= dict.fromkeys(commands[asked])
    return {name: tuple(commands) for name, commands in found.items()}
