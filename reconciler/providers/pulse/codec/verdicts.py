"""Which object an answer of this server is about, and where it says no: by what the reference answers.

Tests: `tests/providers/test_judged.py`, `tests/providers/test_lying_answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.model import Json
from reconciler.providers.http.listing import ANY_LIST
from reconciler.providers.http.shape import ID_KEYS, is_object
from reconciler.providers.http.verdicts import Denial, about, of_read, of_write
from reconciler.providers.http.wire import Call
from reconciler.providers.pulse.codec.members import GATEWAYS
from reconciler.text import id_form

_NAMES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "campaign_id": ("campaign", ("campaignId", "campaign_id", "campaignUuid")),
    "gateway_id": ("gateway", ("gatewayId", "gateway_id", "gatewayUuid", "deviceId", "device_id")),
    "package_id": ("package", ("packageId", "package_id", "programId", "program_id")),
}
"""Placeholder of a path → what it is, and the keys that name it in any answer."""
_ITSELF: Final[Mapping[str, str]] = {
    "get-campaign": "campaign_id",
    "get-campaign-status": "campaign_id",
    "edit-campaign": "campaign_id",
    "start-campaign": "campaign_id",
    "stop-campaign": "campaign_id",
    "approve-campaign": "campaign_id",
    "delete-campaign": "campaign_id",
    "get-package": "package_id",
    "delete-package": "package_id",
}
"""Operations whose answer is the object: its own id is the one of the path."""
_OF_THEMSELVES: Final = frozenset({"get-campaign", "get-campaign-status", "get-package"})
"""Reads of objects that have a status, and errors, of their own."""
_OF_GATEWAYS: Final = frozenset(
    {"get-gateway-state", "get-gateway-status", "get-execution-progress", "get-download-progress"}
)
"""The same of gateways, whose updates fail and say why."""
_STATE: Final = ("state", "campaignState", "progress", "packagesProgress")


def judge(call: Call, value: Json) -> Denial | None:
    """See `Judge`."""
    name = call.operation.name
    own = _ITSELF.get(name)
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {}
    for placeholder, wanted_id in call.ids.items():
        what, keys = _NAMES[placeholder]
        its_own = placeholder == own and not _has_id(value, wanted_id)
        wanted[what] = (wanted_id, (*keys, *ID_KEYS) if its_own else keys)
    about(value, wanted)
    if name == "list-gateways":
        for row in _naming_a_campaign(value):
            about(row, wanted)
    if call.operation.method == "GET":
        if name in _OF_GATEWAYS and isinstance(value, Mapping) and any(key in value for key in _STATE):
            return None
        return of_read(value, envelope=name not in _OF_THEMSELVES, status="gateway_id" not in call.ids)
    return of_write(value, batch=call.batch, described="gateway_id" in call.ids)


def _has_id(value: Json, wanted: str) -> bool:
    """Whether one of its ids is the wanted one: a server may give an object two, by different names."""
    found = list(map(value.get, ID_KEYS)) if is_object(value) else ()
    return wanted in found or any(
        isinstance(each, str | int) and id_form(str(each)) == id_form(wanted) for each in found
    )


def _naming_a_campaign(value: Json) -> Sequence[object]:
    """The rows of a list that do; there may be a million, so each is looked at no longer than it takes."""
    keys = (*GATEWAYS.keys, *ANY_LIST)
    lists = map(value.get, keys) if is_object(value) else (value,)
    rows = (rows for rows in lists if isinstance(rows, list))
    return [row for each in rows for row in each if type(row) is dict and "campaignId" in row]
