"""Tells people by services outside, through Apprise: chat, mail, pagers, web hooks.

A URL of such a service is a secret as a whole. It is used when a person named where it leads: the host of
those that have one, else the service by its scheme, as ``slack``.

Tests: `tests/app/test_app_posting.py`.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciler.app.caller import Unattended
from reconciler.errors import fault_in_words
from reconciler.filereading import read_whole
from reconciler.model import FromEnv, FromFile
from reconciler.report.notices import Notice, notice_text, notice_title
from reconciler.settings import NoticeEvent, NotifyTarget, Project
from reconciler.text import clean
from reconciler.trust.hosts import Destination
from reconciler.trust.needs import RESERVED, SecretGrant, TrustNeed, from_env, from_file, refusal

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

    from reconciler.app.workspace import Workspace

_LOG: Final = logging.getLogger("reconciler.notify")
_WAITS: Final = (2.0, 10.0)
"""Seconds before the second and the third try."""
_TIMEOUT: Final = 15.0
"""Seconds that a service has for an answer."""
_GRAVE: Final = frozenset({NoticeEvent.ABORTED, NoticeEvent.GUARD_TRIPPED, NoticeEvent.LOOK_FAILING})
SENT, FAILED = "sent", "failed"


class CannotTell(Exception):
    """Why a target is told nothing, in words without its URL."""


@dataclass(frozen=True, slots=True)
class ApprisePostman:
    """A `Postman`. ``counts``: (event, ``sent`` or ``failed``) → how many notices, it grows."""

    project: Project
    environ: Mapping[str, str]
    counts: Counter[tuple[NoticeEvent, str]] = field(default_factory=Counter)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    def wants(self, event: NoticeEvent) -> bool:
        """See `Postman`."""
        return any(event in target.events for target in self.project.notify)

    async def post(self, notice: Notice) -> None:
        """See `Postman`."""
        for by, target in targets(self.project):
            if notice.event not in target.events:
                continue
            try:
                await self._told(target, by, notice)
            except CannotTell as error:
                self.counts[notice.event, FAILED] += 1
                _LOG.warning("nobody was told: %s: %s", notice_title(notice), error)
            except Exception as error:  # noqa: BLE001 - whatever can't be told, the look goes on
                self.counts[notice.event, FAILED] += 1
                _LOG.warning("nobody was told: %s: %s", notice_title(notice), fault_in_words(error))
            else:
                self.counts[notice.event, SENT] += 1

    async def _told(self, target: NotifyTarget, by: str, notice: Notice) -> None:
        service = self.service(target, by)
        title, body = notice_title(notice), notice_text(notice)
        for wait in (*_WAITS, None):
            if await asyncio.to_thread(_notified, service, title, body, grave=notice.event in _GRAVE):
                return
            if wait is not None:
                await self.sleep(wait)
        raise CannotTell(f"{by}: {service.service_name} didn't take it, {len(_WAITS) + 1} times")

    def service(self, target: NotifyTarget, by: str) -> NotifyBase:
        """The service of `target`; CannotTell when it is none, or nobody trusts it."""
        from reconciler.app.trusting import TrustGate

        service = _service(target, self.environ, by)
        need = _need(target, by, _destination(service))
        for missing in TrustGate(self.environ, Unattended()).missing(self.project, [need]):
            found = refusal(missing)
            assert missing.destination is not None, "it goes somewhere"
            plain = "http://" if missing.destination.scheme == "http" else ""
            host = f"RECONCILER_TRUSTED_HOSTS={plain}{missing.destination.host}"
            hint = found.hint if missing.reserved else f"set {host}, or allow it with `reconciler trust add`"
            raise CannotTell(f"{found.message}; {hint}")
        return service


def targets(project: Project) -> Iterator[tuple[str, NotifyTarget]]:
    """The field of each URL, and who is told by it."""
    return ((f"notify.{index}.url", target) for index, target in enumerate(project.notify))


def needs_of_notify(project: Project, environ: Mapping[str, str]) -> Iterator[TrustNeed]:
    """What it takes to use the URLs that are there."""
    for by, target in targets(project):
        with suppress(CannotTell):
            yield _need(target, by, _destination(_service(target, environ, by)))


def _service(target: NotifyTarget, environ: Mapping[str, str], by: str) -> NotifyBase:
    """The service of a URL, whether it is trusted or not; CannotTell when it is none."""
    try:
        from apprise import Apprise
    except ImportError:
        raise CannotTell("Apprise is not installed: pip install 'reconciler[notify]'") from None
    # Its log messages may contain parts of the URL.
    logging.getLogger("apprise").disabled = True
    with warnings.catch_warnings():
        # Some services import deprecated modules that aren't needed here.
        warnings.simplefilter("ignore", DeprecationWarning)
        service = Apprise.instantiate(_url(target, environ, by), asset=_asset())
    if service is None:
        raise CannotTell(f"{by}: what {_where(target)} holds isn't a URL that Apprise knows")
    return service


def postman_of(project: Project, workspace: Workspace) -> ApprisePostman | None:
    """Who tells people of what a run of `project` turns; None where nobody is to be told."""
    return ApprisePostman(project, workspace.environ) if project.notify else None


def _notified(service: Any, title: str, body: str, *, grave: bool) -> bool:
    """Whether the service took it. Blocks; in a thread of its own."""
    from apprise import Apprise, NotifyFormat, NotifyType

    told = Apprise(asset=service.asset)
    told.add(service)
    kind = NotifyType.FAILURE if grave else NotifyType.INFO
    return bool(told.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT))


def _asset() -> AppriseAsset:
    """How Apprise works here: nothing on the disk, no code from elsewhere, nothing in texts has a meaning."""
    from apprise import AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(
        storage_mode=PersistentStoreMode.MEMORY,
        secure_logging=True,
        service_timeout=_TIMEOUT,
        app_id="reconciler",
        app_desc="reconciler",
        app_url="",
        async_mode=False,
        interpret_escapes=False,
        interpret_emojis=False,
    )
    asset.http_redirects = False
    return asset


def _url(target: NotifyTarget, environ: Mapping[str, str], by: str) -> str:
    match target.origin:
        case FromEnv(name):
            text = environ.get(name, "")
            if not text.strip():
                raise CannotTell(f"{by}: there is no environment variable {name}, or it is empty")
        case FromFile(path):
            try:
                text = read_whole(path).decode()
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it isn't text"
                raise CannotTell(f"{by}: {clean(path.name)} can't be read: {why}") from None
    return text.strip()


def _where(target: NotifyTarget) -> str:
    match target.origin:
        case FromEnv(name):
            return f"environment variable {name}"
        case FromFile(path):
            return clean(path.name)


def _destination(service: NotifyBase) -> Destination:
    """Where it leads: a host where the URL names one, else the service itself."""
    # Apprise's types don't have these attributes; its services do.
    said: Any = service
    host = getattr(said, "smtp_host", None) or said.host
    if host and any("{host}" in str(each) for each in said.templates):
        return Destination.at("https" if said.secure else "http", host, said.port)
    kinds = said.secure_protocol or said.protocol or "unknown"
    kind = kinds if isinstance(kinds, str) else str(next(iter(kinds)))
    return Destination(kind, kind)


def _need(target: NotifyTarget, by: str, destination: Destination) -> TrustNeed:
    match target.origin:
        case FromEnv(name):
            grant = SecretGrant(from_env(name), str(destination))
            return TrustNeed(grant, by, target.place, destination, RESERVED.fullmatch(name) is not None)
        case FromFile(path):
            return TrustNeed(SecretGrant(from_file(path), str(destination)), by, target.place, destination)
