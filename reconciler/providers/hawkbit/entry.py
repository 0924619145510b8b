"""What every call needs, and what answers mean: by their `errorCode`, not by their status alone.

Tests: `tests/providers/test_hawkbit_wire.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from reconciler.errors import Refusal
from reconciler.providers.hawkbit.verdicts import judge
from reconciler.providers.http.auth import access, basic_header
from reconciler.providers.http.sender import AnswerMeaning, Sender, Statuses
from reconciler.providers.http.shape import Unexpected, parse
from reconciler.providers.http.transport import Response, Transport
from reconciler.providers.http.wire import Wire
from reconciler.settings import Basic, ServerSettings

_CODE: Final = "hawkbit.server.error."
_HAPPENED, _SOME, _GONE = Refusal.MAY_HAVE_HAPPENED, Refusal.ABOUT_SOME_GATEWAYS, Refusal.NO_SUCH_OBJECT

MISSING: Final = frozenset({_HAPPENED, _SOME, _GONE, Refusal.NOT_AN_ID})
"""What a 404 may mean."""
DONE_ALREADY: Final = frozenset({_HAPPENED})
_NOT_PERMITTED: Final = frozenset({Refusal.NOT_PERMITTED})

_MEANINGS: Final[Mapping[str, AnswerMeaning]] = MappingProxyType(
    {
        "rollout.illegalState": AnswerMeaning(DONE_ALREADY),
        "action.notCancelable": AnswerMeaning(DONE_ALREADY),
        "action.notForceQuitable": AnswerMeaning(DONE_ALREADY),
        "repo.entityAlreadyExists": AnswerMeaning(DONE_ALREADY),
        "repo.concurrentModification": AnswerMeaning(again=True),
        "insufficientPermission": AnswerMeaning(_NOT_PERMITTED),
        "entityReadOnly": AnswerMeaning(frozenset({_HAPPENED, _GONE})),
        "locked": AnswerMeaning(hint="A rollout or an assignment uses it, and that locks it for good."),
    }
)


def verdict(response: Response) -> AnswerMeaning | None:
    """What the server's own words mean; None where it says none, as a proxy that answers in its place."""
    if not 400 <= response.status < 500:
        return None
    try:
        said = parse(response.body)
    except Unexpected:
        return None
    code = said.get("errorCode") if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(code, str):
        return None
    name = code.removeprefix(_CODE)
    if name == "repo.entityNotFound":
        return AnswerMeaning(MISSING, _missing_targets(said))
    if name.startswith("quota."):
        hint = "That is a quota of the server, and final: it grows only by the server's settings."
        return AnswerMeaning(hint=hint)
    return _MEANINGS.get(name, AnswerMeaning())


def _missing_targets(said: Mapping[str, Any]) -> tuple[str, ...]:
    """The targets that a 404 names as unknown."""
    info = said.get("info")
    if not isinstance(info, Mapping) or info.get("type") != "Target":
        return ()
    ids = info.get("entityId")
    return tuple(sorted(str(each) for each in ids)) if isinstance(ids, list) else ()


STATUSES: Final = Statuses(
    too_often=frozenset({429}),
    refusals={403: _NOT_PERMITTED, 404: MISSING, 405: DONE_ALREADY, 409: DONE_ALREADY, 410: DONE_ALREADY},
    verdict=verdict,
)
"""What the server means when it refuses without an `errorCode`."""


async def _headers() -> Mapping[str, str]:
    return {"Accept": "application/json"}


def wire_of(transport: Transport, settings: ServerSettings, **how: Any) -> Wire:
    """Calls over `transport`, signed in with each request as `settings` say; `how`: see `Sender`."""
    sender = Sender(transport, STATUSES, rate=settings.max_requests_per_second, **how)
    basic = isinstance(settings.auth, Basic)

    async def pair(auth: Basic) -> str:
        return basic_header(auth).removeprefix("Basic ")

    signed = access(settings.auth, pair, sender.secrets)
    return Wire(sender, signed, _headers, scheme="Basic" if basic else "Bearer", judge=judge)
